/* SPDX-License-Identifier: Apache-2.0 */
/* json.h -- JSON for operators, in the form that NanoMDM gives it. */

#ifndef NMDM_JSON_H
#define NMDM_JSON_H

#include "base/context.h"

typedef struct nmdm_json_t nmdm_json_t;

/* An object whose keys stay in the order in which they are set; freed with
 * p. */
nmdm_json_t *nmdm_json_object(apr_pool_t *p);

/* The object under key, made when it is not there yet. */
nmdm_json_t *nmdm_json_child(nmdm_json_t *object, const char *key);

/* Makes child, which must have been made by nmdm_json_object, part of object;
 * it may go on being changed. */
void nmdm_json_set_object(nmdm_json_t *object, const char *key,
                          nmdm_json_t *child);

/* Adds to an object, under key, whose earlier value is replaced, or to the end
 * of an array, whose key is NULL. What is returned belongs to its container.
 * Text that is not UTF-8 is replaced by a remark that says so. */
nmdm_json_t *nmdm_json_add_object(nmdm_json_t *container, const char *key);
nmdm_json_t *nmdm_json_add_array(nmdm_json_t *container, const char *key);
void nmdm_json_add_string(nmdm_json_t *container, const char *key,
                          const char *value);
void nmdm_json_add_integer(nmdm_json_t *container, const char *key,
                           apr_int64_t value);
/* Neither infinite nor undefined. */
void nmdm_json_add_real(nmdm_json_t *container, const char *key,
                        double value);
void nmdm_json_add_bool(nmdm_json_t *container, const char *key, int value);

/* Adds text, unless that is NULL or empty. */
void nmdm_json_add_text(nmdm_json_t *container, const char *key,
                        const char *text);
/* Adds a time in RFC 3339, unless it is 0. p is for the work. */
void nmdm_json_add_time(nmdm_json_t *container, const char *key,
                        apr_pool_t *p, apr_time_t t);
/* Adds an integer given as digits, unless it is NULL or 0, the default. */
void nmdm_json_add_digits(nmdm_json_t *container, const char *key,
                          const char *digits);

/* The same object with its keys in the order of their bytes. */
nmdm_json_t *nmdm_json_sorted(const nmdm_json_t *object);

/* Whether an object has no member. */
int nmdm_json_is_empty(const nmdm_json_t *object);

/* Indented by tabs, ended by a newline, safe within HTML (behaviour
 * specification 6.2). */
nmdm_bytes_t nmdm_json_write(apr_pool_t *p, const nmdm_json_t *object);

/* The same on one line without spaces, and without a newline. */
nmdm_bytes_t nmdm_json_write_compact(apr_pool_t *p,
                                     const nmdm_json_t *object);

/* Reads an object; NMDM_INVALID when text is something else, or has more than
 * 2^20 values. Nesting and the like are bounded by the length of text. */
nmdm_err_t *nmdm_json_read(nmdm_json_t **out, apr_pool_t *p,
                           nmdm_bytes_t text);

/* The strings of an array; NMDM_INVALID when it is something else. */
nmdm_err_t *nmdm_json_strings(apr_array_header_t **out, apr_pool_t *p,
                              const nmdm_json_t *object, const char *key);

/* NULL, or 0, when the key is absent or of another type. */
const char *nmdm_json_string(const nmdm_json_t *object, const char *key);
apr_int64_t nmdm_json_integer(const nmdm_json_t *object, const char *key);
int nmdm_json_is_true(const nmdm_json_t *object, const char *key);

/* ---- Values of any type ---- */

typedef enum {
    NMDM_JSON_NULL, NMDM_JSON_OBJECT, NMDM_JSON_ARRAY, NMDM_JSON_STRING,
    NMDM_JSON_INTEGER, NMDM_JSON_REAL, NMDM_JSON_TRUE, NMDM_JSON_FALSE
} nmdm_json_type_e;

/* The value under key, *out being NULL when it is absent or null. NMDM_INVALID
 * names the key when the value has another type; true and false are one. */
nmdm_err_t *nmdm_json_typed(nmdm_json_t **out, const nmdm_json_t *object,
                            const char *key, nmdm_json_type_e type);

/* The type of a value; true and false are one type. */
nmdm_json_type_e nmdm_json_type(const nmdm_json_t *value);
/* "a string", "an object": how a client would say it. */
const char *nmdm_json_type_name(nmdm_json_type_e type);

/* The keys of an object, in the order in which they were written. */
apr_array_header_t *nmdm_json_keys(const nmdm_json_t *object);
nmdm_json_t *nmdm_json_get(const nmdm_json_t *object, const char *key);
int nmdm_json_length(const nmdm_json_t *array);
nmdm_json_t *nmdm_json_item(const nmdm_json_t *array, int i);

/* Of values that have this type. */
const char *nmdm_json_text(const nmdm_json_t *string);
apr_int64_t nmdm_json_number(const nmdm_json_t *integer);
double nmdm_json_real(const nmdm_json_t *real);

#endif /* NMDM_JSON_H */
