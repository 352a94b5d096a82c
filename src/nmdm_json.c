/* SPDX-License-Identifier: Apache-2.0 */
/* nmdm_json.c -- JSON; the only file that knows jansson. */

#include "nmdm_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct nmdm_json_t {
    apr_pool_t *pool;
    json_t *value;              /* a child's belongs to its parent */
};

static apr_status_t free_json(void *value)
{
    json_decref(value);
    return APR_SUCCESS;
}

static nmdm_json_t *wrap(apr_pool_t *p, json_t *value)
{
    nmdm_json_t *object = apr_palloc(p, sizeof(*object));

    object->pool = p;
    object->value = value;
    return object;
}

nmdm_json_t *nmdm_json_object(apr_pool_t *p)
{
    json_t *value = json_object();

    apr_pool_cleanup_register(p, value, free_json, apr_pool_cleanup_null);
    return wrap(p, value);
}

void nmdm_json_set_string(nmdm_json_t *object, const char *key,
                          const char *value)
{
    json_t *text = json_string(value);

    json_object_set_new(object->value, key,
                        text ? text : json_string("(text is not UTF-8)"));
}

void nmdm_json_set_true(nmdm_json_t *object, const char *key)
{
    json_object_set_new(object->value, key, json_true());
}

nmdm_json_t *nmdm_json_child(nmdm_json_t *object, const char *key)
{
    json_t *child = json_object_get(object->value, key);

    if (!child) {
        child = json_object();
        json_object_set_new(object->value, key, child);
    }
    return wrap(object->pool, child);
}

int nmdm_json_is_empty(const nmdm_json_t *object)
{
    return !json_object_size(object->value);
}

/* jansson indents by blanks and leaves <, > and & as they are. Blanks at the
 * start of a line are only ever indentation, and those characters only ever
 * occur within strings. */
static nmdm_bytes_t restyle(apr_pool_t *p, const char *text)
{
    char *out = apr_palloc(p, strlen(text) * 6 + 2), *to = out;
    nmdm_bytes_t bytes;
    int at_start = 1;

    for (; *text; text++) {
        if (at_start && *text == ' ') {
            *to++ = '\t';
            continue;
        }
        at_start = *text == '\n';
        if (strchr("<>&", *text)) {
            static const char HEX[] = "0123456789abcdef";

            memcpy(to, "\\u00", 4);
            to[4] = HEX[*text >> 4];
            to[5] = HEX[*text & 15];
            to += 6;
        }
        else {
            *to++ = *text;
        }
    }
    *to++ = '\n';
    *to = '\0';
    bytes.data = out;
    bytes.len = (apr_size_t)(to - out);
    return bytes;
}

nmdm_bytes_t nmdm_json_write(apr_pool_t *p, const nmdm_json_t *object)
{
    char *text = json_dumps(object->value, JSON_INDENT(1));
    nmdm_bytes_t bytes = restyle(p, text);

    free(text);
    return bytes;
}
