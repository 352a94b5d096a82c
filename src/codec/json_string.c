/* SPDX-License-Identifier: Apache-2.0 */
/* json_string.c -- reads strings of JSON text. */

#include "codec/json_string.h"

#include <apr_lib.h>

#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *at, *end;
    char *to;                   /* the next byte of output */
    int is_strict;
} reader_t;

/* Four hexadecimal digits at `at`, or -1. */
static int code_unit(const reader_t *rd, const char *at)
{
    char digits[5] = "";
    int i;

    if (rd->end - at < 4) {
        return -1;
    }
    for (i = 0; i < 4; i++) {
        if (!apr_isxdigit(at[i])) {
            return -1;
        }
        digits[i] = at[i];
    }
    return (int)strtol(digits, NULL, 16);
}

static char *put_utf8(char *to, unsigned c)
{
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
    }
    else if (c < 0x10000) {
        *to++ = (char)(0xE0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
    }
    else {
        *to++ = (char)(0xF0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3F));
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
    }
    *to++ = (char)(0x80 | (c & 0x3F));
    return to;
}

/* What follows "\u"; rd->at is after it then. */
static const char *unicode_escape(reader_t *rd)
{
    int high = code_unit(rd, rd->at), low;
    unsigned c = (unsigned)high;

    if (high < 0) {
        return "\\u without four hexadecimal digits";
    }
    rd->at += 4;
    if (high >= 0xD800 && high < 0xDC00 && rd->end - rd->at >= 6
        && rd->at[0] == '\\' && rd->at[1] == 'u'
        && (low = code_unit(rd, rd->at + 2)) >= 0xDC00 && low < 0xE000) {
        c = 0x10000 + (((unsigned)high - 0xD800) << 10)
            + ((unsigned)low - 0xDC00);
        rd->at += 6;
    }
    if (c == 0 || (c >= 0xD800 && c < 0xE000)) {
        if (rd->is_strict) {
            return c ? "a surrogate without the other half" : "\\u0000";
        }
        c = 0xFFFD;
    }
    rd->to = put_utf8(rd->to, c);
    return NULL;
}

static const char *escape(reader_t *rd)
{
    static const char NAMES[] = "\"\\/bfnrt", MEANT[] = "\"\\/\b\f\n\r\t";
    const char *found;

    if (rd->at == rd->end) {
        return "the text ends within a string";
    }
    if (*rd->at == 'u') {
        rd->at++;
        return unicode_escape(rd);
    }
    found = *rd->at ? strchr(NAMES, *rd->at) : NULL;
    if (!found) {
        return "a backslash before a character that cannot be escaped";
    }
    *rd->to++ = MEANT[found - NAMES];
    rd->at++;
    return NULL;
}

/* Up to the closing quote. */
static const char *read_all(reader_t *rd)
{
    const char *flaw = NULL;

    while (!flaw && rd->at < rd->end && *rd->at != '"') {
        if ((unsigned char)*rd->at < 0x20) {
            flaw = "a control character within a string";
        }
        else if (*rd->at != '\\') {
            *rd->to++ = *rd->at++;
        }
        else {
            rd->at++;
            flaw = escape(rd);
        }
    }
    return flaw;
}

/* An escape is never shorter than what it means. */
const char *nmdm_json_string_read(nmdm_bytes_t *out, apr_pool_t *p,
                                  const char **at, const char *end,
                                  int is_strict)
{
    reader_t rd = { .at = *at + 1, .end = end, .is_strict = is_strict };
    const char *close = *at + 1, *flaw;
    char *data;

    while (close < end && *close != '"') {
        close += *close == '\\' ? 2 : 1;
    }
    if (close >= end) {
        return "the text ends within a string";
    }
    data = rd.to = apr_palloc(p, (apr_size_t)(close - *at));
    flaw = read_all(&rd);
    *at = rd.at;
    if (!flaw) {
        *rd.to = '\0';
        *out = (nmdm_bytes_t){ data, (apr_size_t)(rd.to - data) };
        (*at)++;
    }
    return flaw;
}
