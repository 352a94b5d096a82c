/* SPDX-License-Identifier: Apache-2.0 */
/* plist_repair.h -- XML text without the characters that XML does not have. */

#ifndef NMDM_PLIST_REPAIR_H
#define NMDM_PLIST_REPAIR_H

#include "base/text.h"

/* U+FFFD in UTF-8: the replacement character. */
#define NMDM_REPLACEMENT "\xEF\xBF\xBD"

/* Copies text to p with U+FFFD for each character outside the Char production
 * of XML 1.0 (section 2.2), each reference to one, and each part that is not
 * UTF-8. Returns how many were replaced; with none, *out is text itself. What
 * is made has at most three times the bytes of text. */
int nmdm_plist_repair(nmdm_bytes_t *out, apr_pool_t *p, nmdm_bytes_t text);

#endif /* NMDM_PLIST_REPAIR_H */
