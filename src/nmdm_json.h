/* SPDX-License-Identifier: Apache-2.0 */
/* nmdm_json.h -- JSON for operators, in the form that NanoMDM gives it. */

#ifndef NMDM_JSON_H
#define NMDM_JSON_H

#include "nmdm.h"

typedef struct nmdm_json_t nmdm_json_t;

/* An object whose keys stay in the order in which they are set; freed with
 * p. */
nmdm_json_t *nmdm_json_object(apr_pool_t *p);

/* Text that is not UTF-8 is replaced by a remark that says so. */
void nmdm_json_set_string(nmdm_json_t *object, const char *key,
                          const char *value);
void nmdm_json_set_true(nmdm_json_t *object, const char *key);

/* The object under key, made when it is not there yet. */
nmdm_json_t *nmdm_json_child(nmdm_json_t *object, const char *key);

int nmdm_json_is_empty(const nmdm_json_t *object);

/* Indented by tabs, ended by a newline, safe within HTML (behaviour
 * specification 6.2). */
nmdm_bytes_t nmdm_json_write(apr_pool_t *p, const nmdm_json_t *object);

#endif /* NMDM_JSON_H */
