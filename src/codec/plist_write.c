/* SPDX-License-Identifier: Apache-2.0 */
/* plist_write.c -- property lists as XML. */

#include "codec/plist_write.h"

#include <apr_strings.h>

#include <string.h>

/* Apple's writer fills lines up to this column, a tab being eight. */
#define DATA_COLUMNS 76

struct nmdm_plist_writer_t {
    apr_pool_t *pool;
    apr_pool_t *work;           /* of the text, which is moved as it grows */
    char *text;
    apr_size_t len, room, limit;
    int is_full;
    int depth;                  /* of open containers */
    unsigned char is_array[NMDM_PLIST_DEPTH + 1];
    unsigned char has_values[NMDM_PLIST_DEPTH + 1];
};

/* ---- Characters ---- */

/* U+FFFE and U+FFFF are valid UTF-8, too. */
static int is_excluded(const char *at, apr_size_t left)
{
    return ((unsigned char)*at < ' ' && !strchr("\t\n\r", *at)) || !*at
        || (left >= 3 && (!memcmp(at, "\xEF\xBF\xBE", 3)
                          || !memcmp(at, "\xEF\xBF\xBF", 3)));
}

int nmdm_plist_write_holds(const char *text, apr_size_t len)
{
    apr_size_t i;

    for (i = 0; i < len; i++) {
        if (is_excluded(text + i, len - i)) {
            return 0;
        }
    }
    return nmdm_utf8_valid(text, len);
}

/* ---- Text ---- */

static void put_bytes(nmdm_plist_writer_t *w, const char *bytes,
                      apr_size_t len)
{
    if (len > w->limit - w->len) {
        w->is_full = 1;
    }
    if (w->is_full) {
        return;
    }
    if (w->len + len >= w->room) {
        apr_pool_t *work;
        char *text;

        w->room = 2 * (w->len + len) + 1024;
        apr_pool_create(&work, w->pool);
        text = apr_palloc(work, w->room);
        if (w->len) {
            memcpy(text, w->text, w->len);
            apr_pool_destroy(w->work);
        }
        w->text = text;
        w->work = work;
    }
    memcpy(w->text + w->len, bytes, len);
    w->len += len;
}

static void put(nmdm_plist_writer_t *w, const char *text)
{
    put_bytes(w, text, strlen(text));
}

static void indent(nmdm_plist_writer_t *w)
{
    int i;

    for (i = 0; i < w->depth; i++) {
        put_bytes(w, "\t", 1);
    }
}

/* A carriage return of its own would be read as a line feed. */
static void put_escaped(nmdm_plist_writer_t *w, const char *text)
{
    for (;;) {
        apr_size_t n = strcspn(text, "&<>\r");

        put_bytes(w, text, n);
        text += n;
        switch (*text++) {
        case '&': put(w, "&amp;"); break;
        case '<': put(w, "&lt;"); break;
        case '>': put(w, "&gt;"); break;
        case '\r': put(w, "&#13;"); break;
        default: return;
        }
    }
}

static void put_element(nmdm_plist_writer_t *w, const char *name,
                        const char *text)
{
    indent(w);
    put(w, "<");
    put(w, name);
    put(w, ">");
    put_escaped(w, text);
    put(w, "</");
    put(w, name);
    put(w, ">\n");
}

static void put_data(nmdm_plist_writer_t *w, const char *base64)
{
    apr_size_t left = strlen(base64);
    apr_size_t width = DATA_COLUMNS - 8 * (w->depth < 8 ? w->depth : 8);

    indent(w);
    put(w, "<data>\n");
    while (left) {
        apr_size_t n = left < width ? left : width;

        indent(w);
        put_bytes(w, base64, n);
        put(w, "\n");
        base64 += n;
        left -= n;
    }
    indent(w);
    put(w, "</data>\n");
}

/* ---- Events ---- */

/* The tag of a container is written with its first value, since an empty one
 * is written in another way. */
static void start_value(nmdm_plist_writer_t *w, const char *key)
{
    if (w->depth && !w->has_values[w->depth]) {
        w->has_values[w->depth] = 1;
        w->depth--;
        indent(w);
        w->depth++;
        put(w, w->is_array[w->depth] ? "<array>\n" : "<dict>\n");
    }
    if (key) {
        put_element(w, "key", key);
    }
}

static void on_open(void *baton, const char *key, int is_array)
{
    nmdm_plist_writer_t *w = baton;

    start_value(w, key);
    w->depth++;
    w->is_array[w->depth] = is_array != 0;
    w->has_values[w->depth] = 0;
}

static void on_close(void *baton)
{
    nmdm_plist_writer_t *w = baton;
    int is_array = w->is_array[w->depth];
    int has_values = w->has_values[w->depth];

    w->depth--;
    indent(w);
    put(w, has_values ? "</" : "<");
    put(w, is_array ? "array" : "dict");
    put(w, has_values ? ">\n" : "/>\n");
}

static void on_value(void *baton, const char *key, nmdm_plist_type_e type,
                     const char *text)
{
    static const char *const NAMES[] = {
        [NMDM_PLIST_STRING] = "string", [NMDM_PLIST_INTEGER] = "integer",
        [NMDM_PLIST_REAL] = "real", [NMDM_PLIST_DATE] = "date"
    };
    nmdm_plist_writer_t *w = baton;

    start_value(w, key);
    switch (type) {
    case NMDM_PLIST_DATA:
        put_data(w, text);
        break;
    case NMDM_PLIST_TRUE:
    case NMDM_PLIST_FALSE:
        indent(w);
        put(w, type == NMDM_PLIST_TRUE ? "<true/>\n" : "<false/>\n");
        break;
    default:
        put_element(w, NAMES[type], text);
        break;
    }
}

const nmdm_plist_events_t nmdm_plist_write_events = {
    on_open, on_close, on_value
};

nmdm_plist_writer_t *nmdm_plist_write_begin(apr_pool_t *p, apr_size_t limit)
{
    nmdm_plist_writer_t *w = apr_pcalloc(p, sizeof(*w));

    w->pool = p;
    w->limit = limit;
    put(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
           "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\""
           " \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
           "<plist version=\"1.0\">\n");
    return w;
}

int nmdm_plist_write_end(nmdm_bytes_t *out, nmdm_plist_writer_t *w)
{
    put(w, "</plist>\n");
    if (!w->is_full) {
        out->data = apr_pstrmemdup(w->pool, w->text, w->len);
        out->len = w->len;
    }
    if (w->text) {
        apr_pool_destroy(w->work);
    }
    return !w->is_full;
}

/* ---- Lists of one key ---- */

static nmdm_bytes_t write_one(apr_pool_t *p, const char *key,
                              const char *element, const char *text)
{
    nmdm_bytes_t xml;

    xml.data = apr_psprintf(p,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\""
        " \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
        "<plist version=\"1.0\"><dict><key>%s</key><%s>%s</%s></dict>"
        "</plist>\n", key, element, text, element);
    xml.len = strlen(xml.data);
    return xml;
}

nmdm_bytes_t nmdm_plist_write_data(apr_pool_t *p, const char *key,
                                   const char *base64)
{
    return write_one(p, key, "data", base64);
}

nmdm_bytes_t nmdm_plist_write_string(apr_pool_t *p, const char *key,
                                     const char *xml_text)
{
    return write_one(p, key, "string", xml_text);
}

/* ---- ASCII ---- */

static int is_ascii(const char *text)
{
    while (*text && !(*text & 0x80)) {
        text++;
    }
    return !*text;
}

/* Reads one character of valid UTF-8 that is not ASCII. */
static unsigned long next_character(const char **at)
{
    const unsigned char *bytes = (const unsigned char *)*at;
    int more = bytes[0] >= 0xF0 ? 3 : bytes[0] >= 0xE0 ? 2 : 1, i;
    unsigned long c = bytes[0] & (0x3F >> more);

    for (i = 1; i <= more && bytes[i]; i++) {
        c = c << 6 | (bytes[i] & 0x3F);
    }
    *at += i;
    return c;
}

const char *nmdm_plist_write_ascii(apr_pool_t *p, const char *xml)
{
    /* The longest references, &#2047; and &#65535;, are at most four times as
     * long as what they replace. */
    char *ascii, *to;

    if (is_ascii(xml) || strstr(xml, "<![CDATA[")) {
        return xml;
    }
    ascii = to = apr_palloc(p, 4 * strlen(xml) + 1);
    while (*xml) {
        if (*xml & 0x80) {
            to += apr_snprintf(to, sizeof("&#1114111;"), "&#%lu;",
                               next_character(&xml));
        }
        else {
            *to++ = *xml++;
        }
    }
    *to = '\0';
    return ascii;
}
