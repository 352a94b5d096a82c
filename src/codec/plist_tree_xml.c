/* SPDX-License-Identifier: Apache-2.0 */
/* plist_tree_xml.c -- trees from XML, and XML from trees.
 *
 * libplist itself could do both, but its versions 2.2 to 2.7 ignore the offset
 * of a date, drop the last bytes of base64 without padding, refuse an empty key
 * and write a carriage return such that the next reader takes it for a line
 * feed. So XML goes in through the reader of codec/plist.h, which is also what
 * bounds it, and out through the writer of codec/plist_write.h. */

#include "codec/plist_tree.h"
#include "codec/plist_binary.h"
#include "codec/plist_write.h"
#include "base/number.h"
#include "base/time.h"

#include <apr_strings.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of the XML of a binary property list, beside four times its own size. */
#define XML_ROOM (64 * 1024 * 1024)

/* ---- Read ---- */

/* A tree that is built from the events of the XML reader. */
typedef struct {
    apr_pool_t *pool;
    nmdm_plist_node_t *open[NMDM_PLIST_DEPTH + 1];
    int depth;
    int values;
    nmdm_err_t *err;            /* the first one */
} builder_t;

static void refuse(builder_t *b, const char *key, const char *why)
{
    if (!b->err) {
        b->err = nmdm_err(b->pool, NMDM_INVALID, APR_SUCCESS,
                          NMDMNO(0210) "property list refused: %s%.100s%s%s",
                          key ? "\"" : "", key ? key : "", key ? "\" " : "",
                          why);
    }
}

/* Whether there may be one more key or value. */
static int counts(builder_t *b, const char *key)
{
    b->values += key ? 2 : 1;
    if (b->values > NMDM_PLIST_VALUES) {
        refuse(b, NULL, "it has too many values");
    }
    return !b->err;
}

static void build_open(void *baton, const char *key, int is_array)
{
    builder_t *b = baton;
    nmdm_plist_node_t *parent = b->open[b->depth];

    b->depth++;
    if (!counts(b, key)) {
        return;
    }
    b->open[b->depth] = !parent ? nmdm_plist_tree_dict(b->pool)
        : is_array ? nmdm_plist_tree_add_array(parent, key)
        : nmdm_plist_tree_add_dict(parent, key);
    if (!parent) {
        b->open[0] = b->open[b->depth];
    }
}

static void build_close(void *baton)
{
    ((builder_t *)baton)->depth--;
}

/* Digits with a sign, or 0x and hexadecimal digits, of 64 bits: the reader lets
 * pass others for those who only look at them. */
static void build_integer(builder_t *b, nmdm_plist_node_t *to,
                          const char *key, const char *digits)
{
    int base = strpbrk(digits, "xX") ? 16 : 10;
    apr_uint64_t number;
    char *end;

    errno = 0;
    number = *digits == '-' ? (apr_uint64_t)strtoll(digits, &end, base)
                            : strtoull(digits, &end, base);
    if (errno || end == digits || *end) {
        refuse(b, key, "is not an integer of 64 bits");
    }
    else if (*digits == '-') {
        nmdm_plist_tree_add_integer(to, key, (apr_int64_t)number);
    }
    else {
        nmdm_plist_tree_add_unsigned(to, key, number);
    }
}

static void build_data(builder_t *b, nmdm_plist_node_t *to, const char *key,
                       const char *text)
{
    nmdm_bytes_t data;

    if (!nmdm_base64_decode(&data, b->pool, text, strlen(text), 1)) {
        refuse(b, key, "is not base64");
        return;
    }
    nmdm_plist_tree_add_data(to, key, data);
}

static void build_value(void *baton, const char *key, nmdm_plist_type_e type,
                        const char *text)
{
    builder_t *b = baton;
    nmdm_plist_node_t *to = b->open[b->depth];
    apr_time_t when;
    double real;

    if (!counts(b, key)) {
        return;
    }
    switch (type) {
    case NMDM_PLIST_STRING:
        nmdm_plist_tree_add_string(to, key, text);
        break;
    case NMDM_PLIST_DATA:
        build_data(b, to, key, text);
        break;
    case NMDM_PLIST_INTEGER:
        build_integer(b, to, key, nmdm_text_trimmed(b->pool, text));
        break;
    case NMDM_PLIST_REAL:
        if (nmdm_number_read_real(&real, nmdm_text_trimmed(b->pool, text))) {
            nmdm_plist_tree_add_real(to, key, real);
        }
        else {
            refuse(b, key, "is not a number");
        }
        break;
    case NMDM_PLIST_TRUE:
    case NMDM_PLIST_FALSE:
        nmdm_plist_tree_add_bool(to, key, type == NMDM_PLIST_TRUE);
        break;
    case NMDM_PLIST_DATE:
        if (nmdm_time_read_date(&when, text)) {
            nmdm_plist_tree_add_date(to, key, when);
        }
        else {
            refuse(b, key, "is not a date");
        }
        break;
    }
}

static nmdm_err_t *read_xml(nmdm_plist_node_t **out, apr_pool_t *p,
                            nmdm_bytes_t body)
{
    static const nmdm_plist_events_t EVENTS = {
        build_open, build_close, build_value
    };
    builder_t *b = apr_pcalloc(p, sizeof(*b));

    b->pool = p;
    NMDM_TRY(nmdm_plist_walk(p, body, &EVENTS, b));
    *out = b->open[0];
    return b->err;
}

nmdm_err_t *nmdm_plist_tree_read(nmdm_plist_node_t **out, apr_pool_t *p,
                                 nmdm_bytes_t body)
{
    return nmdm_plist_binary_is(body)
        ? nmdm_plist_tree_read_binary(out, p, body) : read_xml(out, p, body);
}

/* ---- Write ---- */

typedef struct {
    apr_pool_t *pool;
    nmdm_plist_writer_t *writer;
    int is_lenient;             /* does it pass what XML does not have? */
    int depth;
} output_t;

static nmdm_err_t *cannot_write(output_t *o, const char *key,
                                const char *why)
{
    return nmdm_err(o->pool, NMDM_INVALID, APR_SUCCESS,
                    NMDMNO(0212) "XML cannot hold a property list: %s%.100s%s"
                    "%s", key ? "\"" : "", key ? key : "", key ? "\" " : "",
                    why);
}

static nmdm_err_t *clean(const char **out, output_t *o, const char *key,
                         nmdm_bytes_t text)
{
    *out = text.data;
    if (o->is_lenient || nmdm_plist_write_holds(text.data, text.len)) {
        return NULL;
    }
    return cannot_write(o, key, "has a character that is not allowed");
}

static nmdm_err_t *date_text(const char **out, output_t *o, const char *key,
                             nmdm_plist_node_t *node)
{
    apr_time_t when;

    if (nmdm_plist_tree_date(&when, node)) {
        *out = nmdm_time_rfc3339(o->pool, when);
        return NULL;
    }
    *out = "0001-01-01T00:00:00Z";
    return o->is_lenient ? NULL
        : cannot_write(o, key, "is not of the years 1 to 9999");
}

static const char *integer_text(apr_pool_t *p, nmdm_plist_node_t *node)
{
    apr_uint64_t number;
    apr_int64_t negative = 0;

    if (nmdm_plist_tree_unsigned(&number, node)) {
        return apr_psprintf(p, "%" APR_UINT64_T_FMT, number);
    }
    (void)nmdm_plist_tree_integer(&negative, node);
    return apr_psprintf(p, "%" APR_INT64_T_FMT, negative);
}

static const char *real_text(apr_pool_t *p, nmdm_plist_node_t *node)
{
    double number = 0;

    (void)nmdm_plist_tree_real(&number, node);
    return nmdm_number_write_real(p, number);
}

static nmdm_err_t *write_scalar(output_t *o, const char *key,
                                nmdm_plist_node_t *node)
{
    nmdm_plist_type_e type = NMDM_PLIST_STRING;
    const char *text = "";

    switch (nmdm_plist_tree_type(node)) {
    case NMDM_NODE_STRING:
        NMDM_TRY(clean(&text, o, key, nmdm_plist_tree_text(node)));
        break;
    case NMDM_NODE_DATA:
        type = NMDM_PLIST_DATA;
        text = nmdm_base64_encode(o->pool, nmdm_plist_tree_data(node));
        break;
    case NMDM_NODE_INTEGER:
        type = NMDM_PLIST_INTEGER;
        text = integer_text(o->pool, node);
        break;
    case NMDM_NODE_REAL:
        type = NMDM_PLIST_REAL;
        text = real_text(o->pool, node);
        break;
    case NMDM_NODE_BOOL:
        type = nmdm_plist_tree_is_true(node) ? NMDM_PLIST_TRUE
                                             : NMDM_PLIST_FALSE;
        break;
    case NMDM_NODE_DATE:
        type = NMDM_PLIST_DATE;
        NMDM_TRY(date_text(&text, o, key, node));
        break;
    default:
        return cannot_write(o, key, "has a type that is not allowed");
    }
    nmdm_plist_write_events.value(o->writer, key, type, text);
    return NULL;
}

/* An nmdm_plist_tree_each_fn; the text of a key does not outlive the call. */
static nmdm_err_t *write_node(void *baton, const char *key,
                              nmdm_plist_node_t *node)
{
    int is_array = nmdm_plist_tree_type(node) == NMDM_NODE_ARRAY;
    output_t *o = baton;

    if (key) {
        NMDM_TRY(clean(&key, o, NULL, (nmdm_bytes_t){ key, strlen(key) }));
    }
    if (!is_array && nmdm_plist_tree_type(node) != NMDM_NODE_DICT) {
        return write_scalar(o, key, node);
    }
    /* The plist element counts, and so does what is in the innermost. */
    if (o->depth >= NMDM_PLIST_DEPTH - 2) {
        return cannot_write(o, key, "is nested too deeply");
    }
    nmdm_plist_write_events.open(o->writer, key, is_array);
    o->depth++;
    NMDM_TRY(nmdm_plist_tree_each(node, write_node, o));
    o->depth--;
    nmdm_plist_write_events.close(o->writer);
    return NULL;
}

static nmdm_err_t *write_tree(nmdm_bytes_t *out, apr_pool_t *p,
                              nmdm_plist_node_t *root, int is_lenient,
                              apr_size_t limit)
{
    output_t o = { p, nmdm_plist_write_begin(p, limit), is_lenient, 0 };

    NMDM_TRY(write_node(&o, NULL, root));
    return nmdm_plist_write_end(out, o.writer) ? NULL
        : cannot_write(&o, NULL, "it would be too long");
}

nmdm_err_t *nmdm_plist_tree_write(nmdm_bytes_t *out, apr_pool_t *p,
                                  nmdm_plist_node_t *root)
{
    return write_tree(out, p, root, 0, APR_INT32_MAX);
}

/* The tree takes several times the memory of either form, and goes at once. */
nmdm_err_t *nmdm_plist_tree_binary_to_xml(nmdm_bytes_t *out, apr_pool_t *p,
                                          nmdm_bytes_t binary)
{
    nmdm_plist_node_t *root;
    apr_pool_t *work;
    nmdm_err_t *err;

    apr_pool_create(&work, p);
    err = nmdm_plist_tree_read_binary(&root, work, binary);
    if (!err) {
        err = write_tree(out, work, root, 1, XML_ROOM + 4 * binary.len);
    }
    if (err) {
        err = nmdm_err_copy(p, err);
    }
    else {
        out->data = apr_pstrmemdup(p, out->data, out->len);
    }
    apr_pool_destroy(work);
    return err;
}
