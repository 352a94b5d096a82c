/* SPDX-License-Identifier: Apache-2.0 */
/* status_items.h -- status items of declarative management: which there are,
 * and which are secret. Names are Apple's ("StatusItems" of a StatusReport;
 * schema of 2024-10, with the items of OS 26 and 27). */

#ifndef NMDM_STATUS_ITEMS_H
#define NMDM_STATUS_ITEMS_H

#include "codec/json_tree.h"

/* Nesting of a report that is looked at. */
#define NMDM_STATUS_ITEMS_DEPTH 512

/* Whether a name, such as "device.model.family", is that of an item: its value
 * is then one thing, whatever is in it. */
int nmdm_status_items_is_known(const char *name);

/* Puts "redacted" in the place of the items that are not to be shown, in a
 * report whose root is given; whether there was any. */
int nmdm_status_items_redact(nmdm_json_tree_t *report);
/* The same for the text of a report; what cannot be read becomes empty, and
 * text without secrets stays as it is. */
nmdm_bytes_t nmdm_status_items_redact_text(apr_pool_t *p, nmdm_bytes_t text);

#endif /* NMDM_STATUS_ITEMS_H */
