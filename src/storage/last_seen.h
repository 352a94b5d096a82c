/* SPDX-License-Identifier: Apache-2.0 */
/* last_seen.h -- who was seen lately, or pushed to: written later by a
 * thread. */

#ifndef NMDM_LAST_SEEN_H
#define NMDM_LAST_SEEN_H

#include "base/context.h"

/* Remembers up to NMDM_LAST_SEEN_MOST ids, each once; further ones are
 * forgotten. A child takes them about once a second. */
#define NMDM_LAST_SEEN_MOST 200000

/* Safe to share between threads; lives as long as p. */
nmdm_err_t *nmdm_last_seen_create(nmdm_last_seen_t **out, apr_pool_t *p);

/* Notes that a device was seen now; the id is copied. Costs no database: a
 * thread writes all noted ids together. */
void nmdm_last_seen_note(nmdm_last_seen_t *seen, const char *id);

/* All that were noted since the last call, copied to p. */
apr_array_header_t *nmdm_last_seen_take(nmdm_last_seen_t *seen, apr_pool_t *p);

#endif /* NMDM_LAST_SEEN_H */
