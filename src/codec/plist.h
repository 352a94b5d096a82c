/* SPDX-License-Identifier: Apache-2.0 */
/* plist.h -- property lists as devices and operators send them. */

#ifndef NMDM_PLIST_H
#define NMDM_PLIST_H

#include "base/context.h"

/* Deeper nesting is refused. Apple's messages need about eight. */
#define NMDM_PLIST_DEPTH 64

typedef struct nmdm_plist_t nmdm_plist_t;

/* Reads an XML property list whose root is a dict and keeps the values named
 * in `wanted`, a NULL-terminated list of paths such as "UDID" or
 * "Command/RequestType". Everything else is checked for form and dropped, so
 * the memory used is bounded by the body. Binary property lists, encodings
 * other than UTF-8, DTD subsets and entities are refused.
 *
 * *document is set to body without a byte order mark, and without what follows
 * the root element if that is not UTF-8 text. */
nmdm_err_t *nmdm_plist_read(nmdm_plist_t **out, nmdm_bytes_t *document,
                            apr_pool_t *p, nmdm_bytes_t body,
                            const char *const *wanted);

/* The same for what devices send: a device whose message is refused sends it
 * again without end. Integers are not checked if takes_any_integer, and
 * characters that XML does not have are replaced by U+FFFD, in wanted values
 * as well; *replaced is how many. Only a body that is refused as it was sent
 * costs a second reading.
 * *document ends with the root element and the blanks after it. */
nmdm_err_t *nmdm_plist_read_lenient(nmdm_plist_t **out,
                                    nmdm_bytes_t *document, int *replaced,
                                    apr_pool_t *p, nmdm_bytes_t body,
                                    const char *const *wanted,
                                    int takes_any_integer);

/* Each of these sets *out to NULL (or a NULL data) when the key is absent, and
 * is NMDM_INVALID when the value has another type. An empty string counts as
 * absent (behaviour specification 2.1). */
nmdm_err_t *nmdm_plist_string(const char **out, nmdm_plist_t *plist,
                              const char *path);
nmdm_err_t *nmdm_plist_data(nmdm_bytes_t *out, nmdm_plist_t *plist,
                            const char *path);
nmdm_err_t *nmdm_plist_dict(int *present, nmdm_plist_t *plist,
                            const char *path);
/* Whether the value is <true/>; any other counts as no. */
int nmdm_plist_is_true(nmdm_plist_t *plist, const char *path);

/* ---- The whole of a property list ---- */

typedef enum {
    NMDM_PLIST_STRING, NMDM_PLIST_DATA, NMDM_PLIST_INTEGER, NMDM_PLIST_REAL,
    NMDM_PLIST_TRUE, NMDM_PLIST_FALSE, NMDM_PLIST_DATE
} nmdm_plist_type_e;

/* Called in the order of the document. key is NULL for the root and for
 * members of an array; text is as written, and lives as long as the pool. */
typedef struct {
    void (*open)(void *baton, const char *key, int is_array);
    void (*close)(void *baton);
    void (*value)(void *baton, const char *key, nmdm_plist_type_e type,
                  const char *text);
} nmdm_plist_events_t;

/* Reads as nmdm_plist_read does, with the same bounds; when it refuses, the
 * handler may have been called for part of the document. */
nmdm_err_t *nmdm_plist_walk(apr_pool_t *p, nmdm_bytes_t body,
                            const nmdm_plist_events_t *events, void *baton);

#endif /* NMDM_PLIST_H */
