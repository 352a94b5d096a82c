/* SPDX-License-Identifier: Apache-2.0 */
/* status_items.h -- status items of declarative management: which there are,
 * and which are secret. Names are Apple's ("StatusItems" of a StatusReport;
 * schema of 2024-10, with the items of OS 26 and 27). */

#ifndef NMDM_STATUS_ITEMS_H
#define NMDM_STATUS_ITEMS_H

#include "codec/json_tree.h"

#include <apr_hash.h>

/* Nesting of a report that is looked at. */
#define NMDM_STATUS_ITEMS_DEPTH 512

/* Whether a name, such as "device.model.family", is that of an item: its value
 * is then one thing, whatever is in it. */
int nmdm_status_items_is_known(const char *name);

/* The arrays of management.declarations. */
#define NMDM_STATUS_MANIFESTS_N 4
extern const char *const NMDM_STATUS_MANIFESTS[NMDM_STATUS_MANIFESTS_N];

/* One of them in the value of management.declarations; NULL when it is not
 * there, or no array, or when `declarations` is NULL. */
const nmdm_json_tree_t *nmdm_status_items_manifest(
    const nmdm_json_tree_t *declarations, int manifest);

/* Whether an item holds a secret. */
int nmdm_status_items_is_secret(const char *name);

/* Puts "redacted" in the place of the items that are secret, in a report whose
 * root is given; whether there was any. Their values are in `secrets` then, by
 * the names of the items. */
int nmdm_status_items_redact(apr_hash_t *secrets, nmdm_json_tree_t *report);

#endif /* NMDM_STATUS_ITEMS_H */
