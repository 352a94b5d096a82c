/* SPDX-License-Identifier: Apache-2.0 */
/* redact.c -- property lists without their secrets.
 *
 * Copied byte for byte but for the secrets, so that what is shown or stored is
 * what was sent. Form is not judged: codec/plist.c does that. */

#include "codec/redact.h"
#include "codec/secrets.h"

#include <apr_lib.h>

#include <expat.h>
#include <limits.h>
#include <string.h>

#include "codec/expat_position.h"

typedef struct {
    XML_Parser parser;
    const char *const *keys;
    int is_removing;            /* the key as well, and nothing instead */
    nmdm_bytes_t document;
    char *to, *most;            /* the next byte of output, and the end */
    XML_Index copied;           /* bytes of the document dealt with */
    int depth, value_depth;     /* value_depth: of a secret, or 0 */
    int in_key, is_next;        /* is_next: the next value is a secret */
    int is_status;              /* the next value may hold a report */
    XML_Index status_at;        /* where the text of that begins, or 0 */
    apr_pool_t *pool;
    XML_Index key_at;           /* where the last key began */
    XML_Index end;              /* of the root element, 0 before */
    char key[64];
    apr_size_t key_len;
} redactor_t;

/* What there is no room for, which should not be, is not written. */
static void put(redactor_t *rd, const char *bytes, apr_size_t len)
{
    if (len > (apr_size_t)(rd->most - rd->to)) {
        XML_StopParser(rd->parser, XML_FALSE);
        return;
    }
    memcpy(rd->to, bytes, len);
    rd->to += len;
}

static void copy_until(redactor_t *rd, XML_Index end)
{
    if (end > rd->copied) {
        put(rd, rd->document.data + rd->copied,
            (apr_size_t)(end - rd->copied));
        rd->copied = end;
    }
}

static XML_Index end_of_event(const redactor_t *rd)
{
    return NMDM_EXPAT_INDEX(rd->parser)
        + NMDM_EXPAT_COUNT(rd->parser);
}

/* What separates a secret's key from its value: nothing, in a property
 * list. */
static void copy_blanks_until(redactor_t *rd, XML_Index end)
{
    while (rd->copied < end
           && apr_isspace(rd->document.data[rd->copied])) {
        copy_until(rd, rd->copied + 1);
    }
    rd->copied = end;
}

static int is_secret(const redactor_t *rd)
{
    int i;

    for (i = 0; rd->keys[i]; i++) {
        if (strlen(rd->keys[i]) == rd->key_len
            && !memcmp(rd->keys[i], rd->key, rd->key_len)) {
            return 1;
        }
    }
    return 0;
}

/* The Data of a DeclarativeManagement message is a status report in JSON, in
 * base64. What is no base64 holds none. `work` is for what is needed
 * meanwhile. */
static void mask_status(redactor_t *rd, apr_pool_t *work)
{
    XML_Index end = NMDM_EXPAT_INDEX(rd->parser);
    nmdm_bytes_t json, masked;
    const char *text;

    if (!nmdm_base64_decode(&json, work, rd->document.data + rd->status_at,
                            (apr_size_t)(end - rd->status_at), 1)) {
        return;
    }
    masked = nmdm_secrets_mask_status(work, json);
    if (masked.data == json.data) {
        return;
    }
    copy_until(rd, rd->status_at);
    text = nmdm_base64_encode(work, masked);
    if (strlen(text) > 2 * (apr_size_t)(end - rd->status_at) + 64) {
        text = "cmVkYWN0ZWQ=";
    }
    put(rd, text, strlen(text));
    rd->copied = end;
}

/* A message may have many of them, and the tree of each takes many times as
 * much memory as its text. */
static void end_of_status(redactor_t *rd)
{
    apr_pool_t *work;

    apr_pool_create(&work, rd->pool);
    mask_status(rd, work);
    apr_pool_destroy(work);
    rd->status_at = 0;
}

/* What its entities stand for would be many elements in one place of the
 * document, which has room for one. The reader takes no such list either. */
static void XMLCALL redact_doctype(void *baton, const XML_Char *name,
                                   const XML_Char *sysid,
                                   const XML_Char *pubid,
                                   int has_internal_subset)
{
    redactor_t *rd = baton;

    (void)name;
    (void)sysid;
    (void)pubid;
    if (has_internal_subset) {
        XML_StopParser(rd->parser, XML_FALSE);
    }
}

static void XMLCALL redact_start(void *baton, const XML_Char *name,
                                 const XML_Char **attributes)
{
    redactor_t *rd = baton;

    (void)attributes;
    rd->depth++;
    if (rd->value_depth) {
        return;
    }
    if (rd->is_next) {
        if (rd->is_removing) {
            copy_until(rd, rd->key_at);
        }
        else {
            copy_blanks_until(rd, NMDM_EXPAT_INDEX(rd->parser));
        }
        rd->value_depth = rd->depth;
        rd->is_next = 0;
    }
    rd->status_at = rd->is_status && !strcmp(name, "data")
        ? end_of_event(rd) : 0;
    rd->is_status = 0;
    rd->in_key = !strcmp(name, "key");
    rd->key_at = NMDM_EXPAT_INDEX(rd->parser);
    rd->key_len = 0;
}

static void XMLCALL redact_end(void *baton, const XML_Char *name)
{
    redactor_t *rd = baton;
    const char *instead = rd->is_removing ? "" : strcmp(name, "data")
        ? "<string>redacted</string>" : "<data>cmVkYWN0ZWQ=</data>";

    if (rd->value_depth == rd->depth) {
        put(rd, instead, strlen(instead));
        rd->copied = end_of_event(rd);
        rd->value_depth = 0;
    }
    else if (!rd->value_depth && rd->status_at && !rd->is_removing) {
        end_of_status(rd);
    }
    else if (!rd->value_depth && rd->in_key) {
        rd->is_next = is_secret(rd);
        rd->is_status = rd->key_len == 4 && !memcmp(rd->key, "Data", 4);
        rd->in_key = 0;
        if (!rd->is_next || !rd->is_removing) {
            copy_until(rd, end_of_event(rd));
        }
    }
    if (!--rd->depth) {
        rd->end = end_of_event(rd);
        XML_StopParser(rd->parser, XML_FALSE);
    }
}

static void XMLCALL redact_text(void *baton, const XML_Char *s, int len)
{
    redactor_t *rd = baton;
    apr_size_t room = sizeof(rd->key) - rd->key_len;

    if (rd->in_key && (apr_size_t)len <= room) {
        memcpy(rd->key + rd->key_len, s, (apr_size_t)len);
        rd->key_len += (apr_size_t)len;
    }
    else {
        rd->key_len = 0;
    }
}

/* Where the parser gave up, but for a secret: that it gave up within. */
static XML_Index end_of_part(const redactor_t *rd)
{
    XML_Index at = NMDM_EXPAT_INDEX(rd->parser);

    return rd->value_depth || rd->is_next || at < rd->copied ? rd->copied
                                                             : at;
}

/* As much as can be read, into out; the rest of the redactor says how far that
 * was. */
static redactor_t rewrite(nmdm_bytes_t *out, apr_pool_t *p,
                          nmdm_bytes_t document, const char *const *keys,
                          int is_removing)
{
    redactor_t rd = { .keys = keys, .is_removing = is_removing,
                      .document = document, .pool = p };
    char *data;

    *out = (nmdm_bytes_t){ "", 0 };
    if (document.len > INT_MAX / 3) {
        return rd;
    }
    rd.parser = XML_ParserCreate("UTF-8");
    if (!rd.parser) {
        return rd;
    }
    XML_SetUserData(rd.parser, &rd);
    XML_SetElementHandler(rd.parser, redact_start, redact_end);
    XML_SetCharacterDataHandler(rd.parser, redact_text);
    XML_SetStartDoctypeDeclHandler(rd.parser, redact_doctype);
    /* A secret takes no less than "<key>k</key><a/>", and its replacement adds
     * less than twice that. */
    data = rd.to = apr_palloc(p, 3 * document.len + 64);
    rd.most = data + 3 * document.len + 62;
    (void)nmdm_expat_parse(rd.parser, document.data, (int)document.len);
    copy_until(&rd, rd.end ? rd.end : end_of_part(&rd));
    XML_ParserFree(rd.parser);
    *rd.to++ = '\n';
    *rd.to = '\0';
    out->data = data;
    out->len = (apr_size_t)(rd.to - data);
    return rd;
}

nmdm_bytes_t nmdm_redact_replace(apr_pool_t *p, nmdm_bytes_t document,
                                 const char *const *keys)
{
    nmdm_bytes_t out;

    return rewrite(&out, p, document, keys, 0).end
        ? out : (nmdm_bytes_t){ "", 0 };
}

nmdm_bytes_t nmdm_redact_replace_part(apr_size_t *read, apr_pool_t *p,
                                      nmdm_bytes_t document,
                                      const char *const *keys)
{
    nmdm_bytes_t out;

    *read = (apr_size_t)rewrite(&out, p, document, keys, 0).copied;
    return out;
}

nmdm_bytes_t nmdm_redact_remove(apr_pool_t *p, nmdm_bytes_t document,
                                const char *const *keys)
{
    nmdm_bytes_t out;

    return rewrite(&out, p, document, keys, 1).end
        ? out : (nmdm_bytes_t){ "", 0 };
}
