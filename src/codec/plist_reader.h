/* SPDX-License-Identifier: Apache-2.0 */
/* plist_reader.h -- for plist.c: the streaming parser of property lists. */

#ifndef NMDM_PLIST_READER_H
#define NMDM_PLIST_READER_H

#include "codec/plist.h"

#include <apr_hash.h>

typedef enum {
    NMDM_ELEMENT_PLIST, NMDM_ELEMENT_DICT, NMDM_ELEMENT_ARRAY,
    NMDM_ELEMENT_KEY, NMDM_ELEMENT_STRING, NMDM_ELEMENT_DATA,
    NMDM_ELEMENT_INTEGER, NMDM_ELEMENT_REAL, NMDM_ELEMENT_TRUE,
    NMDM_ELEMENT_FALSE, NMDM_ELEMENT_DATE
} nmdm_plist_element_e;

/* Their names, as in XML. */
extern const char *const nmdm_plist_reader_elements[];

typedef struct {
    nmdm_plist_element_e element;
    const char *text;           /* NULL for a dict */
    apr_size_t len;
} nmdm_plist_value_t;

struct nmdm_plist_t {
    apr_pool_t *pool;
    apr_hash_t *values;         /* path -> value_t */
};

/* Reads the values at the paths `wanted`, in p; *end is how many bytes of body
 * the document takes. is_lenient: integers that are not wanted are not
 * checked. NMDM_INVALID for what is no property list in XML and UTF-8 within
 * the bounds of plist.h. */
nmdm_err_t *nmdm_plist_reader_read(nmdm_plist_t **out, apr_size_t *end,
                                   apr_pool_t *p, nmdm_bytes_t body,
                                   const char *const *wanted, int is_lenient);

/* Calls events for everything in body, in its order; errors as above. */
nmdm_err_t *nmdm_plist_reader_walk(apr_pool_t *p, nmdm_bytes_t body,
                                   const nmdm_plist_events_t *events,
                                   void *baton);

#endif /* NMDM_PLIST_READER_H */
