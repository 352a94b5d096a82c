/* SPDX-License-Identifier: Apache-2.0 */
/* expat_position.h -- where expat is in a document. Include expat.h first.
 *
 * expat 2.9 counts in 64 bits on every machine, by calls of their own, and
 * deprecates those that all versions have. */

#ifndef NMDM_EXPAT_POSITION_H
#define NMDM_EXPAT_POSITION_H

#if XML_MAJOR_VERSION > 2 \
    || (XML_MAJOR_VERSION == 2 && XML_MINOR_VERSION >= 9)
#define NMDM_EXPAT_INDEX(parser) \
    ((XML_Index)XML_GetCurrentByteIndex64(parser))
#define NMDM_EXPAT_COUNT(parser) \
    ((XML_Index)XML_GetCurrentByteCount64(parser))
#else
#define NMDM_EXPAT_INDEX(parser) XML_GetCurrentByteIndex(parser)
#define NMDM_EXPAT_COUNT(parser) XML_GetCurrentByteCount(parser)
#endif

#endif /* NMDM_EXPAT_POSITION_H */
