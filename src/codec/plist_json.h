/* SPDX-License-Identifier: Apache-2.0 */
/* plist_json.h -- property lists as JSON. */

#ifndef NMDM_PLIST_JSON_H
#define NMDM_PLIST_JSON_H

#include "base/context.h"
#include "codec/json.h"

/* Adds a property list to a JSON object, under key: data as base64, dates as
 * RFC 3339, integers beyond 63 bits and reals that JSON cannot write as
 * strings. *values_left goes down by the number of its values. p is for the
 * work. Nothing is added when it is NMDM_INVALID, because it is no property
 * list, or NMDM_TOO_LARGE, because its values are more than are left: a small
 * plist can be a large JSON tree. */
nmdm_err_t *nmdm_plist_json_convert(nmdm_json_t *to, const char *key,
                                    apr_pool_t *p, nmdm_bytes_t plist,
                                    int *values_left);

#endif /* NMDM_PLIST_JSON_H */
