/* SPDX-License-Identifier: Apache-2.0 */
/* plist_json.c -- property lists as JSON. */

#include "codec/plist_json.h"
#include "codec/plist.h"
#include "base/number.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    apr_pool_t *pool;
    nmdm_json_t *open[NMDM_PLIST_DEPTH + 1];    /* containers */
    int depth;
    int left;                   /* values; negative: too many */
} writer_t;

static void on_open(void *baton, const char *key, int is_array)
{
    writer_t *w = baton;
    nmdm_json_t *container = w->open[w->depth];

    /* The root is there already. */
    if (!key && !w->depth) {
        key = "root";
    }
    w->depth++;
    if (--w->left >= 0) {
        w->open[w->depth] = is_array ? nmdm_json_add_array(container, key)
                                     : nmdm_json_add_object(container, key);
    }
}

static void on_close(void *baton)
{
    ((writer_t *)baton)->depth--;
}

/* Property lists wrap base64 into lines. */
static const char *without_space(apr_pool_t *p, const char *text)
{
    char *clean = apr_palloc(p, strlen(text) + 1), *to = clean;

    for (; *text; text++) {
        if (!apr_isspace(*text)) {
            *to++ = *text;
        }
    }
    *to = '\0';
    return clean;
}

/* What is no number of 64 bits, or none at all, is shown as it was sent. */
static void add_integer(nmdm_json_t *container, const char *key,
                        const char *digits)
{
    int is_hex = strpbrk(digits, "xX") != NULL;
    apr_int64_t number;
    char *end;

    errno = 0;
    number = strtoll(digits, &end, is_hex ? 16 : 10);
    if (errno || end == digits || *end) {
        nmdm_json_add_string(container, key, digits);
    }
    else {
        nmdm_json_add_integer(container, key, number);
    }
}

static void add_real(nmdm_json_t *container, const char *key,
                     const char *text)
{
    double number;

    if (nmdm_number_read_real(&number, text) && isfinite(number)) {
        nmdm_json_add_real(container, key, number);
    }
    else {
        nmdm_json_add_string(container, key, text);
    }
}

static void on_value(void *baton, const char *key, nmdm_plist_type_e type,
                     const char *text)
{
    writer_t *w = baton;
    nmdm_json_t *container = w->open[w->depth];

    if (--w->left < 0) {
        return;
    }
    switch (type) {
    case NMDM_PLIST_STRING:
        nmdm_json_add_string(container, key, text);
        break;
    case NMDM_PLIST_INTEGER:
        add_integer(container, key, nmdm_text_trimmed(w->pool, text));
        break;
    case NMDM_PLIST_REAL:
        add_real(container, key, nmdm_text_trimmed(w->pool, text));
        break;
    case NMDM_PLIST_TRUE:
    case NMDM_PLIST_FALSE:
        nmdm_json_add_bool(container, key, type == NMDM_PLIST_TRUE);
        break;
    case NMDM_PLIST_DATE:
        nmdm_json_add_string(container, key, nmdm_text_trimmed(w->pool, text));
        break;
    case NMDM_PLIST_DATA:
        nmdm_json_add_string(container, key, without_space(w->pool, text));
        break;
    }
}

nmdm_err_t *nmdm_plist_json_convert(nmdm_json_t *to, const char *key,
                                    apr_pool_t *p, nmdm_bytes_t plist,
                                    int *values_left)
{
    static const nmdm_plist_events_t EVENTS = { on_open, on_close, on_value };
    writer_t *w = apr_pcalloc(p, sizeof(*w));
    nmdm_json_t *holder = nmdm_json_object(p);

    w->pool = p;
    w->open[0] = holder;
    w->left = *values_left;
    NMDM_TRY(nmdm_plist_walk(p, plist, &EVENTS, w));
    if (w->left < 0) {
        return nmdm_err(p, NMDM_TOO_LARGE, APR_SUCCESS, NMDMNO(1733)
                        "a property list of too many values to be shown as"
                        " JSON");
    }
    *values_left = w->left;
    nmdm_json_set_object(to, key, nmdm_json_get(holder, "root"));
    return NULL;
}
