/* SPDX-License-Identifier: Apache-2.0 */
/* json.c -- JSON; the only file that knows jansson. */

#include "codec/json.h"
#include "base/number.h"
#include "base/time.h"

#include <apr_strings.h>

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

void nmdm_json_set_object(nmdm_json_t *object, const char *key,
                          nmdm_json_t *child)
{
    json_object_set(object->value, key, child->value);
}

/* Takes value over. */
static nmdm_json_t *add(nmdm_json_t *container, const char *key,
                        json_t *value)
{
    if (key) {
        json_object_set_new(container->value, key, value);
    }
    else {
        json_array_append_new(container->value, value);
    }
    return wrap(container->pool, value);
}

nmdm_json_t *nmdm_json_add_object(nmdm_json_t *container, const char *key)
{
    return add(container, key, json_object());
}

nmdm_json_t *nmdm_json_add_array(nmdm_json_t *container, const char *key)
{
    return add(container, key, json_array());
}

void nmdm_json_add_string(nmdm_json_t *container, const char *key,
                          const char *value)
{
    json_t *text = json_string(value);

    (void)add(container, key,
              text ? text : json_string("(text is not UTF-8)"));
}

void nmdm_json_add_integer(nmdm_json_t *container, const char *key,
                           apr_int64_t value)
{
    (void)add(container, key, json_integer(value));
}

void nmdm_json_add_real(nmdm_json_t *container, const char *key, double value)
{
    (void)add(container, key, json_real(value));
}

void nmdm_json_add_bool(nmdm_json_t *container, const char *key, int value)
{
    (void)add(container, key, json_boolean(value));
}

void nmdm_json_add_text(nmdm_json_t *container, const char *key,
                        const char *text)
{
    if (text && *text) {
        nmdm_json_add_string(container, key, text);
    }
}

void nmdm_json_add_time(nmdm_json_t *container, const char *key,
                        apr_pool_t *p, apr_time_t t)
{
    if (t) {
        nmdm_json_add_string(container, key, nmdm_time_rfc3339(p, t));
    }
}

void nmdm_json_add_digits(nmdm_json_t *container, const char *key,
                          const char *digits)
{
    if (digits && apr_atoi64(digits)) {
        nmdm_json_add_integer(container, key, apr_atoi64(digits));
    }
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

nmdm_json_t *nmdm_json_sorted(const nmdm_json_t *object)
{
    size_t n = json_object_size(object->value), i = 0;
    const char **keys = apr_palloc(object->pool, (n + 1) * sizeof(*keys));
    nmdm_json_t *sorted = nmdm_json_object(object->pool);
    const char *key;
    json_t *value;

    json_object_foreach(object->value, key, value) {
        keys[i++] = key;
    }
    qsort(keys, n, sizeof(*keys), compare_keys);
    for (i = 0; i < n; i++) {
        json_object_set(sorted->value, keys[i],
                        json_object_get(object->value, keys[i]));
    }
    return sorted;
}

/* Text of jansson's that is being restyled. */
typedef struct {
    apr_pool_t *pool;
    const char *at;
    char *to;
} restyle_t;

/* How long a number at the start of text is. */
static size_t number_length(const char *text)
{
    return strspn(text, "+-.0123456789eE");
}

/* Whether text starts with a number that is no integer; not within a string. */
static int is_real(const char *text)
{
    size_t len = number_length(text), digits = strspn(text, "-0123456789");

    return len && digits < len;
}

/* jansson 2.14 writes 0.93 with 17 digits, 2.15 with two. */
static void copy_real(restyle_t *rs)
{
    size_t len = number_length(rs->at);
    const char *text = apr_pstrmemdup(rs->pool, rs->at, len);
    double number;

    if (nmdm_number_read_real(&number, text)) {
        text = nmdm_number_write_real(rs->pool, number);
    }
    rs->at += len;
    len = strlen(text);
    memcpy(rs->to, text, len);
    rs->to += len;
    if (!strpbrk(text, ".e")) {
        memcpy(rs->to, ".0", 2);
        rs->to += 2;
    }
}

/* <, > and &, which jansson leaves as they are. */
static void copy_string(restyle_t *rs)
{
    static const char HEX[] = "0123456789abcdef";

    do {
        char c = *rs->at++;

        if (c == '<' || c == '>' || c == '&') {
            memcpy(rs->to, "\\u00", 4);
            rs->to[4] = HEX[c >> 4];
            rs->to[5] = HEX[c & 15];
            rs->to += 6;
            continue;
        }
        *rs->to++ = c;
        if (c == '\\') {
            *rs->to++ = *rs->at++;
        }
    } while (*rs->at != '"');
    *rs->to++ = *rs->at++;
}

/* Blanks at the start of a line are only ever indentation. */
static void restyle(restyle_t *rs)
{
    while (*rs->at) {
        if (*rs->at == '"') {
            copy_string(rs);
        }
        else if (is_real(rs->at)) {
            copy_real(rs);
        }
        else if (*rs->at == '-' || (*rs->at >= '0' && *rs->at <= '9')) {
            size_t len = number_length(rs->at);

            memcpy(rs->to, rs->at, len);
            rs->to += len;
            rs->at += len;
        }
        else if (*rs->at == '\n') {
            *rs->to++ = *rs->at++;
            for (; *rs->at == ' '; rs->at++) {
                *rs->to++ = '\t';
            }
        }
        else {
            *rs->to++ = *rs->at++;
        }
    }
}

/* A real is written with no more digits than jansson's, and at most ".0" more,
 * which jansson has as well. */
static nmdm_bytes_t render(apr_pool_t *p, const nmdm_json_t *object,
                           size_t flags, const char *end)
{
    char *text = json_dumps(object->value, flags | JSON_REAL_PRECISION(17));
    apr_size_t room = strlen(text) + strlen(end) + 1;
    restyle_t rs = { p, text, NULL };
    nmdm_bytes_t bytes;
    const char *at;

    for (at = text; (at = strpbrk(at, "<>&")); at++) {
        room += 5;
    }
    bytes.data = rs.to = apr_palloc(p, room);
    restyle(&rs);
    strcpy(rs.to, end);
    bytes.len = (apr_size_t)(rs.to - bytes.data) + strlen(end);
    free(text);
    return bytes;
}

nmdm_bytes_t nmdm_json_write(apr_pool_t *p, const nmdm_json_t *object)
{
    return render(p, object, JSON_INDENT(1), "\n");
}

nmdm_bytes_t nmdm_json_write_compact(apr_pool_t *p,
                                     const nmdm_json_t *object)
{
    return render(p, object, JSON_COMPACT, "");
}

/* ---- Reading ---- */

/* Values take some fifty bytes each, and two bytes of text are enough for
 * one. */
#define MOST_VALUES (1 << 20)

static int has_too_many_values(nmdm_bytes_t text)
{
    const char *at = text.data, *end = text.data + text.len;
    int in_string = 0, n = 0;

    for (; at < end && n <= MOST_VALUES; at++) {
        if (in_string) {
            in_string = *at != '"';
            at += *at == '\\';
        }
        else {
            in_string = *at == '"';
            n += *at == ',' || *at == '[' || *at == '{';
        }
    }
    return n > MOST_VALUES;
}

nmdm_err_t *nmdm_json_read(nmdm_json_t **out, apr_pool_t *p,
                           nmdm_bytes_t text)
{
    json_error_t why;
    json_t *value;

    if (has_too_many_values(text)) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(1804)
                        "not usable JSON: it has more than %d values",
                        MOST_VALUES);
    }
    value = json_loadb(text.data, text.len, 0, &why);
    if (!json_is_object(value)) {
        json_decref(value);
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(1801)
                        "not a JSON object: %s", value ? "another value"
                                                       : why.text);
    }
    apr_pool_cleanup_register(p, value, free_json, apr_pool_cleanup_null);
    *out = wrap(p, value);
    return NULL;
}

const char *nmdm_json_string(const nmdm_json_t *object, const char *key)
{
    return json_string_value(json_object_get(object->value, key));
}

apr_int64_t nmdm_json_integer(const nmdm_json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object->value, key));
}

int nmdm_json_is_true(const nmdm_json_t *object, const char *key)
{
    return json_is_true(json_object_get(object->value, key));
}

nmdm_err_t *nmdm_json_strings(apr_array_header_t **out, apr_pool_t *p,
                              const nmdm_json_t *object, const char *key)
{
    json_t *array = json_object_get(object->value, key), *item;
    size_t i;

    *out = apr_array_make(p, (int)json_array_size(array) + 1,
                          sizeof(const char *));
    json_array_foreach(array, i, item) {
        if (!json_is_string(item)) {
            array = NULL;
            break;
        }
        APR_ARRAY_PUSH(*out, const char *)
            = apr_pstrdup(p, json_string_value(item));
    }
    return json_is_array(array) ? NULL
        : nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(1802)
                   "\"%s\" is not an array of strings", key);
}

/* ---- Values of any type ---- */

nmdm_json_type_e nmdm_json_type(const nmdm_json_t *value)
{
    switch (json_typeof(value->value)) {
    case JSON_OBJECT: return NMDM_JSON_OBJECT;
    case JSON_ARRAY: return NMDM_JSON_ARRAY;
    case JSON_STRING: return NMDM_JSON_STRING;
    case JSON_INTEGER: return NMDM_JSON_INTEGER;
    case JSON_REAL: return NMDM_JSON_REAL;
    case JSON_TRUE: return NMDM_JSON_TRUE;
    case JSON_FALSE: return NMDM_JSON_FALSE;
    default: return NMDM_JSON_NULL;
    }
}

const char *nmdm_json_type_name(nmdm_json_type_e type)
{
    static const char *const NAMES[] = {
        "null", "an object", "an array", "a string", "an integer", "a number",
        "true or false", "true or false"
    };

    return NAMES[type];
}

nmdm_err_t *nmdm_json_typed(nmdm_json_t **out, const nmdm_json_t *object,
                            const char *key, nmdm_json_type_e type)
{
    nmdm_json_t *value = nmdm_json_get(object, key);
    nmdm_json_type_e is = value ? nmdm_json_type(value) : NMDM_JSON_NULL;

    *out = is == NMDM_JSON_NULL ? NULL : value;
    if (is == NMDM_JSON_FALSE) {
        is = NMDM_JSON_TRUE;
    }
    return !*out || is == type ? NULL
        : nmdm_err(object->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1803)
                   "\"%s\" is %s, not %s", key, nmdm_json_type_name(is),
                   nmdm_json_type_name(type));
}

apr_array_header_t *nmdm_json_keys(const nmdm_json_t *object)
{
    apr_array_header_t *keys = apr_array_make(
        object->pool, (int)json_object_size(object->value) + 1,
        sizeof(const char *));
    const char *key;
    json_t *value;

    json_object_foreach(object->value, key, value) {
        APR_ARRAY_PUSH(keys, const char *) = key;
    }
    return keys;
}

nmdm_json_t *nmdm_json_get(const nmdm_json_t *object, const char *key)
{
    json_t *value = json_object_get(object->value, key);

    return value ? wrap(object->pool, value) : NULL;
}

int nmdm_json_length(const nmdm_json_t *array)
{
    return (int)json_array_size(array->value);
}

nmdm_json_t *nmdm_json_item(const nmdm_json_t *array, int i)
{
    return wrap(array->pool, json_array_get(array->value, (size_t)i));
}

const char *nmdm_json_text(const nmdm_json_t *string)
{
    return json_string_value(string->value);
}

apr_int64_t nmdm_json_number(const nmdm_json_t *integer)
{
    return json_integer_value(integer->value);
}

double nmdm_json_real(const nmdm_json_t *real)
{
    return json_real_value(real->value);
}
