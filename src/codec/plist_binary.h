/* SPDX-License-Identifier: Apache-2.0 */
/* plist_binary.h -- whether a binary property list may be read. */

#ifndef NMDM_PLIST_BINARY_H
#define NMDM_PLIST_BINARY_H

#include "base/context.h"

/* As many keys and values a property list may have once references to one
 * object are written out. A report on a thousand applications has some
 * twenty thousand. */
#define NMDM_PLIST_VALUES (1 << 18)

/* Whether body starts as binary property lists of any version do. */
int nmdm_plist_binary_is(nmdm_bytes_t body);

/* Whether body is a binary property list, version 00, whose root is a dict and
 * which is safe to be read into a tree (Apple's CFBinaryPList.c describes the
 * format): every offset, count and reference lies within the body, objects
 * nest at most NMDM_PLIST_DEPTH deep and never contain themselves, and the
 * tree has at most NMDM_PLIST_VALUES keys and values with no more than 16 MiB
 * and three times the body of text and data, since a small file can describe a
 * very large tree. NMDM_INVALID says what is wrong. Null, sets, UIDs and NUL
 * in a string, which no XML property list has, are refused, as are integers of
 * more than 64 bits. p is for the work, which takes some 24 bytes an
 * object. */
nmdm_err_t *nmdm_plist_binary_check(apr_pool_t *p, nmdm_bytes_t body);

#endif /* NMDM_PLIST_BINARY_H */
