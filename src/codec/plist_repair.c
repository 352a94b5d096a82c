/* SPDX-License-Identifier: Apache-2.0 */
/* plist_repair.c -- XML text without the characters that XML does not have.
 *
 * Devices put them into the names of applications and networks now and then,
 * and every XML parser refuses them. */

#include "codec/plist_repair.h"

#include <apr_lib.h>

#include <string.h>

#define REPLACEMENT_LEN (sizeof(NMDM_REPLACEMENT) - 1)

typedef struct {
    const char *at, *end;
    const char *until;          /* ends a part without references, or NULL */
    char *to;                   /* NULL: only counting */
    apr_size_t len;
    int replaced;
} repair_t;

static int is_xml_char(unsigned long c)
{
    return c < 0x20 ? c == '\t' || c == '\n' || c == '\r'
                    : c < 0xD800 || (c > 0xDFFF && c < 0xFFFE)
                          || (c > 0xFFFF && c < 0x110000);
}

static void put(repair_t *rp, const char *bytes, apr_size_t len)
{
    if (rp->to) {
        memcpy(rp->to + rp->len, bytes, len);
    }
    rp->len += len;
}

/* Copies the next n bytes, or replaces them. */
static void step(repair_t *rp, apr_size_t n, int is_good)
{
    if (is_good) {
        put(rp, rp->at, n);
    }
    else {
        put(rp, NMDM_REPLACEMENT, REPLACEMENT_LEN);
        rp->replaced++;
    }
    rp->at += n;
}

static int starts_with(const repair_t *rp, const char *text)
{
    apr_size_t len = strlen(text);

    return (apr_size_t)(rp->end - rp->at) >= len && !memcmp(rp->at, text, len);
}

/* CDATA sections, comments and processing instructions have no references. */
static void note_part(repair_t *rp)
{
    static const struct {
        const char *start, *until;
    } PARTS[] = {
        { "<![CDATA[", "]]>" }, { "<!--", "-->" }, { "<?", "?>" }
    };
    apr_size_t i;

    if (rp->until) {
        rp->until = starts_with(rp, rp->until) ? NULL : rp->until;
        return;
    }
    for (i = 0; i < sizeof(PARTS) / sizeof(*PARTS); i++) {
        if (starts_with(rp, PARTS[i].start)) {
            rp->until = PARTS[i].until;
            return;
        }
    }
}

/* The length of the numeric reference here, and its character; 0 for none. */
static apr_size_t reference(const repair_t *rp, unsigned long *c)
{
    int is_hex = starts_with(rp, "&#x");
    const char *digits = rp->at + (is_hex ? 3 : 2), *at = digits;

    if (!starts_with(rp, "&#")) {
        return 0;
    }
    for (*c = 0; at < rp->end && (is_hex ? apr_isxdigit(*at)
                                         : apr_isdigit(*at)); at++) {
        int digit = apr_isdigit(*at) ? *at - '0' : apr_tolower(*at) - 'a' + 10;

        /* Beyond the last character one is as good as another. */
        *c = *c > 0x110000 ? *c : *c * (is_hex ? 16 : 10)
                                      + (unsigned long)digit;
    }
    return at > digits && at < rp->end && *at == ';'
        ? (apr_size_t)(at - rp->at) + 1 : 0;
}

/* A whole character of UTF-8 that is none of XML's: a control character,
 * U+FFFE or U+FFFF. */
static int is_foreign(const char *at, apr_size_t n)
{
    return n == 1 ? !is_xml_char((unsigned char)*at)
                  : n == 3 && (!memcmp(at, "\xEF\xBF\xBE", 3)
                               || !memcmp(at, "\xEF\xBF\xBF", 3));
}

static void next(repair_t *rp)
{
    unsigned long c;
    apr_size_t n;
    int is_valid;

    if (*rp->at == '<' || rp->until) {
        note_part(rp);
    }
    if (*rp->at == '&' && !rp->until) {
        n = reference(rp, &c);
        if (n) {
            step(rp, n, is_xml_char(c));
            return;
        }
    }
    n = nmdm_utf8_part(&is_valid, rp->at, (apr_size_t)(rp->end - rp->at));
    step(rp, n, is_valid && !is_foreign(rp->at, n));
}

static repair_t run(nmdm_bytes_t text, char *to)
{
    repair_t rp = { .at = text.data, .end = text.data + text.len, .to = to };

    while (rp.at < rp.end) {
        next(&rp);
    }
    return rp;
}

int nmdm_plist_repair(nmdm_bytes_t *out, apr_pool_t *p, nmdm_bytes_t text)
{
    repair_t counted = run(text, NULL);
    char *data;

    *out = text;
    if (counted.replaced) {
        data = apr_palloc(p, counted.len + 1);
        (void)run(text, data);
        data[counted.len] = '\0';
        out->data = data;
        out->len = counted.len;
    }
    return counted.replaced;
}
