/* SPDX-License-Identifier: Apache-2.0 */
/* plist.c -- property lists, read: the wanted values of one, by path. */

#include "codec/plist.h"
#include "codec/plist_reader.h"
#include "codec/plist_repair.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include <string.h>

/* A database holds text without one, and NanoMDM's begins with "<?xml". */
static nmdm_bytes_t without_mark(nmdm_bytes_t body)
{
    if (body.len >= 3 && !memcmp(body.data, "\xEF\xBB\xBF", 3)) {
        body.data += 3;
        body.len -= 3;
    }
    return body;
}

static int is_blank(const char *text, apr_size_t len)
{
    while (len && memchr(" \t\r\n", text[len - 1], 4)) {
        len--;
    }
    return !len;
}

/* What follows the root element stays in a command where it is text that a
 * database can hold, and in what a device sends where it is blank. */
static nmdm_bytes_t cut(apr_pool_t *p, nmdm_bytes_t body, apr_size_t end,
                        int is_lenient)
{
    const char *after = body.data + end;
    apr_size_t len = body.len - end;
    nmdm_bytes_t document = body;

    if (is_lenient ? !is_blank(after, len)
                   : memchr(after, '\0', len)
                         || !nmdm_utf8_valid(after, len)) {
        document.data = apr_pstrmemdup(p, body.data, end);
        document.len = end;
    }
    return document;
}

static nmdm_err_t *read_document(nmdm_plist_t **out, nmdm_bytes_t *document,
                                 apr_pool_t *p, nmdm_bytes_t body,
                                 const char *const *wanted, int is_lenient,
                                 int takes_any_integer)
{
    apr_size_t end;

    NMDM_TRY(nmdm_plist_reader_read(out, &end, p, body, wanted,
                                    takes_any_integer));
    *document = cut(p, body, end, is_lenient);
    return NULL;
}

nmdm_err_t *nmdm_plist_read(nmdm_plist_t **out, nmdm_bytes_t *document,
                            apr_pool_t *p, nmdm_bytes_t body,
                            const char *const *wanted)
{
    return read_document(out, document, p, without_mark(body), wanted, 0, 0);
}

nmdm_err_t *nmdm_plist_read_lenient(nmdm_plist_t **out,
                                    nmdm_bytes_t *document, int *replaced,
                                    apr_pool_t *p, nmdm_bytes_t body,
                                    const char *const *wanted,
                                    int takes_any_integer)
{
    nmdm_bytes_t repaired, sent = without_mark(body);
    nmdm_err_t *err = read_document(out, document, p, sent, wanted, 1,
                                    takes_any_integer);

    *replaced = 0;
    if (!err || err->kind != NMDM_INVALID) {
        return err;
    }
    *replaced = nmdm_plist_repair(&repaired, p, sent);
    if (!*replaced
        || read_document(out, document, p, repaired, wanted, 1,
                         takes_any_integer)) {
        return err;
    }
    return NULL;
}

nmdm_err_t *nmdm_plist_walk(apr_pool_t *p, nmdm_bytes_t body,
                            const nmdm_plist_events_t *events, void *baton)
{
    return nmdm_plist_reader_walk(p, without_mark(body), events, baton);
}

static nmdm_err_t *wrong_type(nmdm_plist_t *plist, const char *path,
                              const char *expected,
                              const nmdm_plist_value_t *value)
{
    return nmdm_err(plist->pool, NMDM_INVALID, APR_SUCCESS,
                    NMDMNO(0206) "%s is a %s, not a %s", path,
                    nmdm_plist_reader_elements[value->element], expected);
}

nmdm_err_t *nmdm_plist_string(const char **out, nmdm_plist_t *plist,
                              const char *path)
{
    nmdm_plist_value_t *value
        = apr_hash_get(plist->values, path, APR_HASH_KEY_STRING);

    *out = NULL;
    if (!value) {
        return NULL;
    }
    if (value->element != NMDM_ELEMENT_STRING) {
        return wrong_type(plist, path, "string", value);
    }
    if (value->len) {
        *out = value->text;
    }
    return NULL;
}

nmdm_err_t *nmdm_plist_data(nmdm_bytes_t *out, nmdm_plist_t *plist,
                            const char *path)
{
    nmdm_plist_value_t *value
        = apr_hash_get(plist->values, path, APR_HASH_KEY_STRING);

    out->data = NULL;
    out->len = 0;
    if (!value) {
        return NULL;
    }
    if (value->element != NMDM_ELEMENT_DATA) {
        return wrong_type(plist, path, "data", value);
    }
    if (!nmdm_base64_decode(out, plist->pool, value->text, value->len, 1)) {
        return nmdm_err(plist->pool, NMDM_INVALID, APR_SUCCESS,
                        NMDMNO(0207) "%s is not base64", path);
    }
    return NULL;
}

nmdm_err_t *nmdm_plist_dict(int *present, nmdm_plist_t *plist,
                            const char *path)
{
    nmdm_plist_value_t *value
        = apr_hash_get(plist->values, path, APR_HASH_KEY_STRING);

    *present = value != NULL;
    return value && value->element != NMDM_ELEMENT_DICT
        ? wrong_type(plist, path, "dict", value) : NULL;
}

int nmdm_plist_is_true(nmdm_plist_t *plist, const char *path)
{
    const nmdm_plist_value_t *value = apr_hash_get(plist->values, path,
                                                   APR_HASH_KEY_STRING);

    return value && value->element == NMDM_ELEMENT_TRUE;
}
