/* SPDX-License-Identifier: Apache-2.0 */
/* expat_position.h -- feeds expat, and asks where it is in a document. Include
 * expat.h first.
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

/* expat copies what it is given, so it is given a document in pieces. A token
 * that a piece does not end, such as a long comment, is looked at again with
 * each further piece: smaller ones would cost time. */
#define NMDM_EXPAT_PIECE 1048576

/* Parses len bytes, the whole document, in pieces; what expat returned for the
 * last. */
static inline enum XML_Status nmdm_expat_parse(XML_Parser parser,
                                               const char *data, int len)
{
    enum XML_Status status = XML_STATUS_OK;

    while (len > NMDM_EXPAT_PIECE && status == XML_STATUS_OK) {
        status = XML_Parse(parser, data, NMDM_EXPAT_PIECE, XML_FALSE);
        data += NMDM_EXPAT_PIECE;
        len -= NMDM_EXPAT_PIECE;
    }
    return status == XML_STATUS_OK ? XML_Parse(parser, data, len, XML_TRUE)
                                   : status;
}

#endif /* NMDM_EXPAT_POSITION_H */
