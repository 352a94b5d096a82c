/* SPDX-License-Identifier: Apache-2.0 */
/* json_text.h -- writes JSON text, a piece after the other: for answers of any
 * size, and for values whose numbers stay as they were written. */

#ifndef NMDM_JSON_TEXT_H
#define NMDM_JSON_TEXT_H

#include "codec/json_tree.h"

/* Text that grows; it has a NUL after its end. */
typedef struct {
    apr_pool_t *pool;
    char *data;
    apr_size_t len, room;
} nmdm_json_text_t;

/* A text that grows, in p; it begins empty. Text that is added is copied, and
 * as raw it has to be JSON already. */
nmdm_json_text_t *nmdm_json_text_create(apr_pool_t *p);
void nmdm_json_text_raw(nmdm_json_text_t *text, const char *raw);
/* A string in quotes; NULL is null. */
void nmdm_json_text_string(nmdm_json_text_t *text, const char *string);
/* ,"key": -- without the comma after an opening bracket. */
void nmdm_json_text_key(nmdm_json_text_t *text, const char *key);
/* A comma, but not after an opening bracket. */
void nmdm_json_text_comma(nmdm_json_text_t *text);
void nmdm_json_text_pair(nmdm_json_text_t *text, const char *key,
                         const char *string);
void nmdm_json_text_pair_raw(nmdm_json_text_t *text, const char *key,
                             const char *raw);
/* The canonical form of a value: keys in the order of their bytes, no white
 * space, numbers as written. */
void nmdm_json_text_tree(nmdm_json_text_t *text,
                         const nmdm_json_tree_t *value);
nmdm_bytes_t nmdm_json_text_bytes(const nmdm_json_text_t *text);
/* The canonical form alone. */
const char *nmdm_json_tree_canonical(apr_pool_t *p,
                                     const nmdm_json_tree_t *value);

#endif /* NMDM_JSON_TEXT_H */
