/* SPDX-License-Identifier: Apache-2.0 */
/* plist_reader.c -- the streaming parser of property lists; the gate of what
 * is read from the network.
 *
 * It keeps the few values a message needs. No tree is built: what is not
 * wanted costs nothing once it is read, nesting costs nothing, and a shared
 * reference cannot multiply. */

#include "codec/plist_reader.h"
#include "base/number.h"

#include <apr_cstr.h>
#include <apr_hash.h>
#include <apr_strings.h>

#include <expat.h>
#include <limits.h>
#include <string.h>

#include "codec/expat_position.h"

const char *const nmdm_plist_reader_elements[] = {
    "plist", "dict", "array", "key", "string", "data", "integer", "real",
    "true", "false", "date"
};

/* One open element. */
typedef struct {
    nmdm_plist_element_e element;
    int has_key;                /* of a dict: a key waits for its value */
    const char *path;           /* NULL: nothing below is wanted */
} frame_t;

typedef struct {
    apr_pool_t *pool;
    XML_Parser parser;
    const char *const *wanted;
    nmdm_plist_t *plist;
    nmdm_err_t *err;            /* the first one; parsing has stopped */

    frame_t frames[NMDM_PLIST_DEPTH];
    int depth;
    int had_root;
    int finished;
    int is_lenient;             /* are unread numbers left unchecked? */
    XML_Index end;              /* byte after the root element */

    int collecting;             /* does the open leaf's text matter? */
    char *text;
    apr_size_t len, room;
    const char *key_path;       /* path of the last key, if wanted */

    const nmdm_plist_events_t *events;  /* called for everything, or NULL */
    void *baton;
    const char *key;            /* the last key, for events */
} reader_t;

static void refuse(reader_t *rd, const char *why)
{
    if (!rd->err) {
        rd->err = nmdm_err(rd->pool, NMDM_INVALID, APR_SUCCESS,
                           NMDMNO(0201) "property list refused at byte %ld:"
                           " %s", (long)NMDM_EXPAT_INDEX(rd->parser),
                           why);
        XML_StopParser(rd->parser, XML_FALSE);
    }
}

/* A stopped parser may still deliver what it had in hand. */
static int has_stopped(const reader_t *rd)
{
    return rd->err || rd->finished;
}

static int is_container(nmdm_plist_element_e e)
{
    return e == NMDM_ELEMENT_PLIST || e == NMDM_ELEMENT_DICT
           || e == NMDM_ELEMENT_ARRAY;
}

static int find_element(const XML_Char *name)
{
    int i;

    for (i = 0; i < (int)(sizeof(nmdm_plist_reader_elements)
                          / sizeof(*nmdm_plist_reader_elements));
         i++) {
        if (!strcmp(name, nmdm_plist_reader_elements[i])) {
            return i;
        }
    }
    return -1;
}

/* Whether path is wanted itself or leads to something that is. */
static int is_wanted(const reader_t *rd, const char *path)
{
    apr_size_t len = strlen(path);
    int i;

    for (i = 0; rd->wanted[i]; i++) {
        if (!strncmp(rd->wanted[i], path, len)
            && (rd->wanted[i][len] == '\0' || rd->wanted[i][len] == '/')) {
            return 1;
        }
    }
    return 0;
}

static frame_t *top(reader_t *rd)
{
    return rd->depth ? &rd->frames[rd->depth - 1] : NULL;
}

/* Remembers a value; the last of equal keys wins, and takes what was known
 * below the earlier ones with it. */
static void keep(reader_t *rd, const char *path, nmdm_plist_element_e element,
                 const char *text, apr_size_t len)
{
    nmdm_plist_value_t *value = apr_palloc(rd->pool, sizeof(*value));
    apr_size_t path_len = strlen(path);
    int i;

    for (i = 0; rd->wanted[i]; i++) {
        if (!strncmp(rd->wanted[i], path, path_len)
            && rd->wanted[i][path_len] == '/') {
            apr_hash_set(rd->plist->values, rd->wanted[i],
                         APR_HASH_KEY_STRING, NULL);
        }
    }
    value->element = element;
    value->text = text;
    value->len = len;
    apr_hash_set(rd->plist->values, path, APR_HASH_KEY_STRING, value);
}

/* Whether an element may open here; refuses when not. */
static int fits(reader_t *rd, nmdm_plist_element_e element)
{
    frame_t *parent = top(rd);

    if (!parent) {
        if (element != NMDM_ELEMENT_PLIST && element != NMDM_ELEMENT_DICT) {
            refuse(rd, "the root is not a dict");
            return 0;
        }
        return 1;
    }
    if (rd->depth == NMDM_PLIST_DEPTH) {
        refuse(rd, "nested too deeply");
        return 0;
    }
    if (element == NMDM_ELEMENT_PLIST || !is_container(parent->element)) {
        refuse(rd, "an element in the wrong place");
        return 0;
    }
    if (parent->element == NMDM_ELEMENT_PLIST
        && (element != NMDM_ELEMENT_DICT || rd->had_root)) {
        refuse(rd, "the root is not one dict");
        return 0;
    }
    if (parent->element == NMDM_ELEMENT_DICT
        && (element == NMDM_ELEMENT_KEY) == parent->has_key) {
        refuse(rd, "a dict is not a list of keys and values");
        return 0;
    }
    if (parent->element == NMDM_ELEMENT_ARRAY && element == NMDM_ELEMENT_KEY) {
        refuse(rd, "a key outside a dict");
        return 0;
    }
    return 1;
}

/* ---- Telling everything ---- */

static void report_open(reader_t *rd, nmdm_plist_element_e element)
{
    if (rd->events
        && (element == NMDM_ELEMENT_DICT || element == NMDM_ELEMENT_ARRAY)) {
        rd->events->open(rd->baton, rd->key, element == NMDM_ELEMENT_ARRAY);
        rd->key = NULL;
    }
}

static void report_end(reader_t *rd, nmdm_plist_element_e element)
{
    static const nmdm_plist_type_e TYPES[]
        = { [NMDM_ELEMENT_STRING] = NMDM_PLIST_STRING,
            [NMDM_ELEMENT_DATA] = NMDM_PLIST_DATA,
            [NMDM_ELEMENT_INTEGER] = NMDM_PLIST_INTEGER,
            [NMDM_ELEMENT_REAL] = NMDM_PLIST_REAL,
            [NMDM_ELEMENT_TRUE] = NMDM_PLIST_TRUE,
            [NMDM_ELEMENT_FALSE] = NMDM_PLIST_FALSE,
            [NMDM_ELEMENT_DATE] = NMDM_PLIST_DATE };
    const char *text;

    if (!rd->events || element == NMDM_ELEMENT_PLIST) {
        return;
    }
    if (is_container(element)) {
        rd->events->close(rd->baton);
        return;
    }
    text = apr_pstrmemdup(rd->pool, rd->len ? rd->text : "", rd->len);
    if (element == NMDM_ELEMENT_KEY) {
        rd->key = text;
        return;
    }
    rd->events->value(rd->baton, rd->key, TYPES[element], text);
    rd->key = NULL;
}

/* ---- The parser's handlers ---- */

static void XMLCALL on_start(void *baton, const XML_Char *name,
                             const XML_Char **attributes)
{
    reader_t *rd = baton;
    int element = find_element(name);
    frame_t *parent = top(rd), *frame;

    (void)attributes;
    if (has_stopped(rd)) {
        return;
    }
    if (element < 0) {
        refuse(rd, "an unknown element");
        return;
    }
    if (!fits(rd, element)) {
        return;
    }
    frame = &rd->frames[rd->depth++];
    frame->element = element;
    frame->has_key = 0;
    frame->path = NULL;

    if (!parent || parent->element == NMDM_ELEMENT_PLIST) {
        frame->path = "";
        rd->had_root |= element == NMDM_ELEMENT_DICT;
    }
    else if (parent->element == NMDM_ELEMENT_DICT
             && element != NMDM_ELEMENT_KEY) {
        frame->path = rd->key_path;
        parent->has_key = 0;
        rd->key_path = NULL;
        if (frame->path && is_container(element)) {
            keep(rd, frame->path, element, NULL, 0);
        }
    }
    report_open(rd, element);
    rd->len = 0;
    rd->collecting = (element == NMDM_ELEMENT_INTEGER && !rd->is_lenient)
        || (!is_container(element)
            && (rd->events || frame->path
                || (element == NMDM_ELEMENT_KEY && parent && parent->path)));
}

/* A slash separates the parts of our paths: a key with one cannot be asked
 * for. */
static void end_of_key(reader_t *rd, frame_t *dict)
{
    dict->has_key = 1;
    rd->key_path = NULL;
    if (dict->path && rd->len && !memchr(rd->text, '/', rd->len)) {
        const char *path = *dict->path
            ? apr_psprintf(rd->pool, "%s/%.*s", dict->path, (int)rd->len,
                           rd->text)
            : apr_pstrmemdup(rd->pool, rd->text, rd->len);

        rd->key_path = is_wanted(rd, path) ? path : NULL;
    }
}

static void XMLCALL on_end(void *baton, const XML_Char *name)
{
    reader_t *rd = baton;
    frame_t frame;

    (void)name;
    if (has_stopped(rd)) {
        return;
    }
    frame = *top(rd);
    rd->depth--;
    if (frame.element == NMDM_ELEMENT_DICT && frame.has_key) {
        refuse(rd, "a key without a value");
        return;
    }
    if (frame.element == NMDM_ELEMENT_PLIST && !rd->had_root) {
        refuse(rd, "no root");
        return;
    }
    if (frame.element == NMDM_ELEMENT_INTEGER && !rd->is_lenient
        && !nmdm_number_is_integer(rd->text, rd->len)) {
        refuse(rd, "not an integer of 64 bits");
        return;
    }
    if (frame.element == NMDM_ELEMENT_KEY) {
        end_of_key(rd, top(rd));
    }
    else if (rd->collecting && frame.path) {
        keep(rd, frame.path, frame.element,
             apr_pstrmemdup(rd->pool, rd->text ? rd->text : "", rd->len),
             rd->len);
    }
    report_end(rd, frame.element);
    rd->collecting = 0;
    if (!rd->depth) {
        rd->finished = 1;
        rd->end = NMDM_EXPAT_INDEX(rd->parser)
            + NMDM_EXPAT_COUNT(rd->parser);
        XML_StopParser(rd->parser, XML_FALSE);
    }
}

static void append(reader_t *rd, const char *s, apr_size_t len)
{
    if (rd->len + len > rd->room) {
        apr_size_t room = rd->room ? rd->room * 2 : 256;
        char *bigger;

        while (room < rd->len + len) {
            room *= 2;
        }
        bigger = apr_palloc(rd->pool, room);
        if (rd->len) {
            memcpy(bigger, rd->text, rd->len);
        }
        rd->text = bigger;
        rd->room = room;
    }
    memcpy(rd->text + rd->len, s, len);
    rd->len += len;
}

static void XMLCALL on_text(void *baton, const XML_Char *s, int len)
{
    reader_t *rd = baton;
    frame_t *frame = top(rd);
    int i;

    if (has_stopped(rd)) {
        return;
    }
    if (rd->collecting) {
        append(rd, s, (apr_size_t)len);
        return;
    }
    if (frame && !is_container(frame->element)) {
        return;
    }
    for (i = 0; i < len; i++) {
        if (!strchr(" \t\r\n", s[i])) {
            refuse(rd, "text between elements");
            return;
        }
    }
}

static void XMLCALL on_declaration(void *baton, const XML_Char *version,
                                   const XML_Char *encoding, int standalone)
{
    (void)version;
    (void)standalone;
    if (encoding && apr_cstr_casecmp(encoding, "UTF-8")
        && apr_cstr_casecmp(encoding, "UTF8")
        && apr_cstr_casecmp(encoding, "US-ASCII")) {
        refuse(baton, "an encoding other than UTF-8");
    }
}

static void XMLCALL on_doctype(void *baton, const XML_Char *name,
                               const XML_Char *sysid, const XML_Char *pubid,
                               int has_internal_subset)
{
    (void)name;
    (void)sysid;
    (void)pubid;
    if (has_internal_subset) {
        refuse(baton, "a document type of its own");
    }
}

/* With an external document type, expat skips entities it does not know. */
static void XMLCALL on_skipped(void *baton, const XML_Char *name,
                               int is_parameter)
{
    (void)name;
    (void)is_parameter;
    refuse(baton, "an unknown entity");
}

static apr_status_t free_parser(void *parser)
{
    XML_ParserFree(parser);
    return APR_SUCCESS;
}

static void set_up(reader_t *rd)
{
    XML_SetUserData(rd->parser, rd);
    XML_SetElementHandler(rd->parser, on_start, on_end);
    XML_SetCharacterDataHandler(rd->parser, on_text);
    XML_SetXmlDeclHandler(rd->parser, on_declaration);
    XML_SetStartDoctypeDeclHandler(rd->parser, on_doctype);
    XML_SetSkippedEntityHandler(rd->parser, on_skipped);
    apr_pool_cleanup_register(rd->pool, rd->parser, free_parser,
                              apr_pool_cleanup_null);
}

static nmdm_err_t *read_all(reader_t *rd, apr_pool_t *p, nmdm_bytes_t body,
                            const char *const *wanted)
{
    if (body.len > INT_MAX) {
        return nmdm_err(p, NMDM_TOO_LARGE, APR_SUCCESS,
                        NMDMNO(0202) "property list of 2 GiB or more");
    }
    if (body.len >= 6 && !memcmp(body.data, "bplist", 6)) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0203)
                        "binary property list where only XML is read");
    }
    rd->pool = p;
    rd->wanted = wanted;
    rd->plist = apr_palloc(p, sizeof(*rd->plist));
    rd->plist->pool = p;
    rd->plist->values = apr_hash_make(p);
    rd->parser = XML_ParserCreate("UTF-8");
    if (!rd->parser) {
        return nmdm_err(p, NMDM_INTERNAL, APR_ENOMEM,
                        NMDMNO(0205) "no memory for an XML parser");
    }
    set_up(rd);

    if (nmdm_expat_parse(rd->parser, body.data, (int)body.len)
        != XML_STATUS_OK && !rd->finished) {
        refuse(rd, XML_ErrorString(XML_GetErrorCode(rd->parser)));
    }
    /* Its copy of a piece need not wait for the end of the request. */
    apr_pool_cleanup_run(p, rd->parser, free_parser);
    if (rd->err) {
        return rd->err;
    }
    /* expat recognises UTF-16 by its first bytes, whatever encoding it was
     * given. */
    if (memchr(body.data, '\0', (apr_size_t)rd->end)
        || !nmdm_utf8_valid(body.data, (apr_size_t)rd->end)) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS,
                        NMDMNO(0208) "property list is not UTF-8");
    }
    return NULL;
}

nmdm_err_t *nmdm_plist_reader_read(nmdm_plist_t **out, apr_size_t *end,
                                   apr_pool_t *p, nmdm_bytes_t body,
                                   const char *const *wanted, int is_lenient)
{
    reader_t *rd = apr_pcalloc(p, sizeof(*rd));

    rd->is_lenient = is_lenient;
    NMDM_TRY(read_all(rd, p, body, wanted));
    *end = (apr_size_t)rd->end;
    *out = rd->plist;
    return NULL;
}

nmdm_err_t *nmdm_plist_reader_walk(apr_pool_t *p, nmdm_bytes_t body,
                                   const nmdm_plist_events_t *events,
                                   void *baton)
{
    static const char *const NOTHING[] = { NULL };
    reader_t *rd = apr_pcalloc(p, sizeof(*rd));

    rd->events = events;
    rd->baton = baton;
    rd->is_lenient = 1;
    return read_all(rd, p, body, NOTHING);
}
