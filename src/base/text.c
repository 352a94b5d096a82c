/* SPDX-License-Identifier: Apache-2.0 */
/* text.c -- bytes, base64, hexadecimal and UTF-8. */

#include "base/text.h"

#include <apr_base64.h>
#include <apr_escape.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

static int is_base64_char(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
        || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

static int is_plist_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* apr_base64_decode stops quietly at the first strange byte, so the text is
 * checked here and only good text is handed on. */
int nmdm_base64_decode(nmdm_bytes_t *out, apr_pool_t *p, const char *text,
                       apr_size_t len, int spaces)
{
    char *clean = apr_palloc(p, len + 1);
    unsigned char *decoded;
    apr_size_t n = 0, padding = 0, i;

    for (i = 0; i < len; i++) {
        if (spaces && is_plist_space(text[i])) {
            continue;
        }
        if (text[i] == '=') {
            padding++;
        }
        else if (padding || !is_base64_char((unsigned char)text[i])) {
            return 0;
        }
        clean[n++] = text[i];
    }
    clean[n] = '\0';
    if (n % 4 || padding > 2 || (padding && n < 4)) {
        return 0;
    }
    decoded = apr_palloc(p, n / 4 * 3 + 4);
    out->len = n ? (apr_size_t)apr_base64_decode_binary(decoded, clean) : 0;
    decoded[out->len] = '\0';
    out->data = (const char *)decoded;
    return 1;
}

const char *nmdm_base64_encode(apr_pool_t *p, nmdm_bytes_t bytes)
{
    char *text = apr_palloc(p, bytes.len / 3 * 4 + 8);

    apr_base64_encode(text, bytes.data, (int)bytes.len);
    return text;
}

apr_size_t nmdm_base64_length(apr_size_t len)
{
    return (len + 2) / 3 * 4;
}

apr_size_t nmdm_base64_part(char *to, apr_size_t room, nmdm_bytes_t bytes,
                            apr_size_t from)
{
    char block[1024 + 1];
    apr_size_t done = 0, at, len, n;

    while (done < room && from < nmdm_base64_length(bytes.len)) {
        at = from / 4 * 3;
        len = bytes.len - at < 768 ? bytes.len - at : 768;
        n = nmdm_base64_length(len) - from % 4;
        n = n < room - done ? n : room - done;
        apr_base64_encode_binary(block, (const unsigned char *)bytes.data + at,
                                 (int)len);
        memcpy(to + done, block + from % 4, n);
        done += n;
        from += n;
    }
    return done;
}

const char *nmdm_hex(apr_pool_t *p, nmdm_bytes_t bytes)
{
    return bytes.len ? apr_pescape_hex(p, bytes.data, bytes.len, 0) : "";
}

nmdm_bytes_t nmdm_hex_decode(apr_pool_t *p, const char *text)
{
    apr_size_t len = strspn(text, "0123456789abcdefABCDEF") / 2;
    char *data = apr_palloc(p, len + 1);
    nmdm_bytes_t bytes = { data, len };

    if (len) {
        apr_unescape_hex(data, text, (apr_ssize_t)(2 * len), 0, NULL);
    }
    data[len] = '\0';
    return bytes;
}

static int hex_value(char c)
{
    return apr_isdigit(c) ? c - '0' : apr_tolower(c) - 'a' + 10;
}

int nmdm_hex_byte(const char *text)
{
    return apr_isxdigit(text[0]) && apr_isxdigit(text[1])
        ? hex_value(text[0]) << 4 | hex_value(text[1]) : -1;
}

const char *nmdm_text_plural(apr_int64_t n, const char *one, const char *many)
{
    return n == 1 ? one : many;
}

const char *nmdm_text_trimmed(apr_pool_t *p, const char *text)
{
    apr_size_t len;

    while (apr_isspace(*text)) {
        text++;
    }
    len = strlen(text);
    while (len && apr_isspace(text[len - 1])) {
        len--;
    }
    return apr_pstrmemdup(p, text, len);
}

apr_size_t nmdm_utf8_length(const char *text)
{
    apr_size_t n = 0;

    for (; *text; text++) {
        if (((unsigned char)*text & 0xC0) != 0x80) {
            n++;
        }
    }
    return n;
}

const char *nmdm_utf8_shortened(apr_pool_t *p, const char *text,
                                apr_size_t most)
{
    const char *at = text;
    apr_size_t n = 0;

    for (; *at; at++) {
        if (((unsigned char)*at & 0xC0) != 0x80 && n++ == most) {
            return apr_pstrmemdup(p, text, (apr_size_t)(at - text));
        }
    }
    return text;
}

/* How many of the bytes at s a character can begin with; *need is how many that
 * character has in all. */
static apr_size_t utf8_prefix(const unsigned char *s, apr_size_t left,
                              apr_size_t *need)
{
    apr_size_t i;
    unsigned char low = 0x80, high = 0xBF;

    *need = 1;
    if (s[0] < 0x80) {
        return 1;
    }
    if (s[0] < 0xC2 || s[0] > 0xF4) {
        return 0;
    }
    *need = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    /* The second byte excludes overlong forms, surrogates and what lies
     * above U+10FFFF. */
    switch (s[0]) {
    case 0xE0: low = 0xA0; break;
    case 0xED: high = 0x9F; break;
    case 0xF0: low = 0x90; break;
    case 0xF4: high = 0x8F; break;
    }
    for (i = 1; i < *need && i < left; i++) {
        if (s[i] < low || s[i] > high) {
            break;
        }
        low = 0x80;
        high = 0xBF;
    }
    return i;
}

/* The length of the sequence that starts at s, or 0 if it is ill-formed. */
static apr_size_t utf8_sequence(const unsigned char *s, apr_size_t left)
{
    apr_size_t need, n = utf8_prefix(s, left, &need);

    return n == need ? n : 0;
}

apr_size_t nmdm_utf8_part(int *is_valid, const char *text, apr_size_t left)
{
    apr_size_t need;
    apr_size_t n = utf8_prefix((const unsigned char *)text, left, &need);

    *is_valid = n == need;
    return n ? n : 1;
}

int nmdm_utf8_valid(const char *text, apr_size_t len)
{
    const unsigned char *s = (const unsigned char *)text;

    while (len) {
        apr_size_t n = utf8_sequence(s, len);

        if (!n) {
            return 0;
        }
        s += n;
        len -= n;
    }
    return 1;
}

void nmdm_utf8_repair(char *text)
{
    unsigned char *s = (unsigned char *)text;
    apr_size_t left = strlen(text);

    while (left) {
        apr_size_t n = utf8_sequence(s, left);

        if (!n) {
            *s = '?';
            n = 1;
        }
        s += n;
        left -= n;
    }
}
