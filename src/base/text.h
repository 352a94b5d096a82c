/* SPDX-License-Identifier: Apache-2.0 */
/* text.h -- bytes, base64, hexadecimal and UTF-8. */

#ifndef NMDM_TEXT_H
#define NMDM_TEXT_H

#include <apr_pools.h>

/* Bytes that may hold NUL. Whatever nmdm_* hands out has a NUL after the
 * last byte, so that text can be used as a string. */
typedef struct {
    const char *data;
    apr_size_t len;
} nmdm_bytes_t;

/* Standard base64 with mandatory padding, as Mdm-Signature, property lists
 * and RFC 9440 have it. Decoding is strict; `spaces` allows the white space
 * of a property list. Returns 0 when the text is not base64. */
int nmdm_base64_decode(nmdm_bytes_t *out, apr_pool_t *p, const char *text,
                       apr_size_t len, int spaces);
const char *nmdm_base64_encode(apr_pool_t *p, nmdm_bytes_t bytes);

/* The length of the base64 of so many bytes, with its padding; and up to room
 * characters of that text, beginning with character `from`. Returns how many,
 * 0 at the end. */
apr_size_t nmdm_base64_length(apr_size_t len);
apr_size_t nmdm_base64_part(char *to, apr_size_t room, nmdm_bytes_t bytes,
                            apr_size_t from);

/* Lower-case hexadecimal. */
const char *nmdm_hex(apr_pool_t *p, nmdm_bytes_t bytes);
/* The way back, from digits of either case; what is none ends it. */
nmdm_bytes_t nmdm_hex_decode(apr_pool_t *p, const char *text);
/* The byte that the two digits at the start of text write; -1 when these are
 * none. */
int nmdm_hex_byte(const char *text);

/* The noun that follows a number. */
const char *nmdm_text_plural(apr_int64_t n, const char *one, const char *many);

/* A copy without white space at its ends. */
const char *nmdm_text_trimmed(apr_pool_t *p, const char *text);

/* The number of characters (code points) of UTF-8 text: columns of the
 * database are measured in them. */
apr_size_t nmdm_utf8_length(const char *text);
/* The first of them, as many as a column has. */
const char *nmdm_utf8_shortened(apr_pool_t *p, const char *text,
                                apr_size_t most);

/* Whether text is well-formed UTF-8 (RFC 3629). */
int nmdm_utf8_valid(const char *text, apr_size_t len);
/* The number of bytes of the character that text begins with, or of those that
 * one U+FFFD replaces (the maximal subpart of Unicode 15, section 3.9). left is
 * at least 1. */
apr_size_t nmdm_utf8_part(int *is_valid, const char *text, apr_size_t left);
/* Puts a question mark in the place of each byte that is not UTF-8. */
void nmdm_utf8_repair(char *text);

#endif /* NMDM_TEXT_H */
