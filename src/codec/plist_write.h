/* SPDX-License-Identifier: Apache-2.0 */
/* plist_write.h -- property lists as XML. */

#ifndef NMDM_PLIST_WRITE_H
#define NMDM_PLIST_WRITE_H

#include "codec/plist.h"

/* Whether XML 1.0 can hold this text: valid UTF-8 without NUL, without other
 * control characters than tab, line feed and carriage return, and without
 * U+FFFE and U+FFFF (section 2.2, Char). */
int nmdm_plist_write_holds(const char *text, apr_size_t len);

/* A property list that is being written, in Apple's form: indented by tabs,
 * data in lines. */
typedef struct nmdm_plist_writer_t nmdm_plist_writer_t;

/* Begins a document in p of at most limit bytes. */
nmdm_plist_writer_t *nmdm_plist_write_begin(apr_pool_t *p, apr_size_t limit);

/* Writes each value it is called for, with the writer as baton. Text has to be
 * such as XML can hold; data is base64 without white space. */
extern const nmdm_plist_events_t nmdm_plist_write_events;

/* Ends the document. Returns 0 when it is longer than its limit. */
int nmdm_plist_write_end(nmdm_bytes_t *out, nmdm_plist_writer_t *writer);

/* A property list of one key, in the compact form of behaviour specification
 * 2.8: a data value, or a string. */
nmdm_bytes_t nmdm_plist_write_data(apr_pool_t *p, const char *key,
                                   const char *base64);
nmdm_bytes_t nmdm_plist_write_string(apr_pool_t *p, const char *key,
                                     const char *xml_text);

/* A property list with character references for what is not ASCII. xml
 * must be valid UTF-8; it is returned itself where there is nothing to do, and
 * where it has a CDATA section, which has no references. */
const char *nmdm_plist_write_ascii(apr_pool_t *p, const char *xml);

#endif /* NMDM_PLIST_WRITE_H */
