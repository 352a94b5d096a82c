/* SPDX-License-Identifier: Apache-2.0 */
/* declarative.c -- declarative management: endpoint, request, answer. Without
 * the network. */

#include "service/declarative.h"
#include "crypto/digest.h"
#include "mdm/message.h"
#include "net/exchange.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

/* ---- The endpoint: a closed grammar ---- */

/* The path as a server may see it that decodes before it looks at segments;
 * NULL for a percent sign that escapes nothing. */
static const char *decode(apr_pool_t *p, const char *path)
{
    char *out = apr_palloc(p, strlen(path) + 1), *to = out;
    int byte;

    for (; *path; path++) {
        *to = *path;
        if (*path == '%') {
            byte = nmdm_hex_byte(path + 1);
            if (byte < 0) {
                return NULL;
            }
            /* NUL is refused like any control character. */
            *to = byte ? (char)byte : '\1';
            path += 2;
        }
        to++;
    }
    *to = '\0';
    return out;
}

int nmdm_declarative_has_dot_segment(const char *path)
{
    for (;;) {
        apr_size_t len = strcspn(path, "/");

        if ((len == 1 && path[0] == '.')
            || (len == 2 && path[0] == '.' && path[1] == '.')) {
            return 1;
        }
        if (!path[len]) {
            return 0;
        }
        path += len + 1;
    }
}

/* Why the path, without query and fragment, may not be asked for; or NULL. */
static const char *flaw_of_path(apr_pool_t *p, const char *path)
{
    const char *decoded = decode(p, path);

    if (!decoded) {
        return "a percent sign is not followed by two hex digits";
    }
    if (nmdm_message_has_control(decoded)) {
        return "control character";
    }
    if (strchr(decoded, '\\')) {
        return "backslash";
    }
    if (*decoded == '/') {
        return "not relative";
    }
    if (memchr(path, ':', strcspn(path, "/"))) {
        return "a scheme";
    }
    if (nmdm_declarative_has_dot_segment(decoded)) {
        return "dot segment";
    }
    return NULL;
}

static const char *flaw_of_query(apr_pool_t *p, const char *query)
{
    if (nmdm_message_has_control(query)) {
        return "control character in the query";
    }
    if (!decode(p, query)) {
        return "a percent sign in the query is not followed by two hex"
               " digits";
    }
    return NULL;
}

/* Escapes what a path or query may not contain (RFC 3986 3.3 and 3.4). What is
 * escaped stays as it is. */
static const char *escape(apr_pool_t *p, const char *text)
{
    static const char PLAIN[] = "-._~!$&'()*+,;=:@/?%";
    static const char HEX[] = "0123456789ABCDEF";
    char *out = apr_palloc(p, strlen(text) * 3 + 1), *to = out;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x80 && (apr_isalnum(c) || strchr(PLAIN, c))) {
            *to++ = *text;
            continue;
        }
        *to++ = '%';
        *to++ = HEX[c >> 4];
        *to++ = HEX[c & 15];
    }
    *to = '\0';
    return out;
}

/* Base and relative path, merged as in RFC 3986 5.2.3: what follows the base's
 * last slash is replaced. */
static const char *merge(apr_pool_t *p, const char *base, const char *path)
{
    const char *authority = strstr(base, "://");
    const char *start = authority ? authority + 3 : base;
    apr_size_t len = strcspn(start, "?#");

    while (len && start[len - 1] != '/') {
        len--;
    }
    if (!len) {                 /* a base without any path */
        len = strcspn(start, "?#");
        return apr_pstrcat(p, apr_pstrmemdup(p, base, (apr_size_t)(start
                                                                   - base)),
                           apr_pstrmemdup(p, start, len), "/", path, NULL);
    }
    return apr_pstrcat(p, apr_pstrmemdup(p, base, (apr_size_t)(start - base)
                                                  + len), path, NULL);
}

const char *nmdm_declarative_url(const char **url, apr_pool_t *p,
                                 const char *base, const char *endpoint)
{
    const char *path, *query, *flaw;
    apr_size_t len;

    endpoint = endpoint ? endpoint : "";
    len = strcspn(endpoint, "?#");
    path = apr_pstrmemdup(p, endpoint, len);
    query = apr_pstrmemdup(p, endpoint + len, strcspn(endpoint + len, "#"));
    flaw = flaw_of_path(p, path);
    flaw = flaw ? flaw : flaw_of_query(p, query);
    if (flaw) {
        return flaw;
    }
    if (len) {
        *url = apr_pstrcat(p, merge(p, base, escape(p, path)),
                           escape(p, query), NULL);
        return NULL;
    }
    len = strcspn(base, *query ? "?#" : "#");
    *url = apr_pstrcat(p, apr_pstrmemdup(p, base, len), escape(p, query),
                       NULL);
    return NULL;
}

/* ---- The request ---- */

static nmdm_err_t *check_id(apr_pool_t *p, const char *id)
{
    if (!nmdm_message_id_fits_header(id)) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS,
                        NMDMNO(1722) "%s: this id cannot be sent to the"
                        " declarative management server: white space at an"
                        " end, or control characters", id);
    }
    return NULL;
}

nmdm_err_t *nmdm_declarative_request(nmdm_exchange_t *x, apr_pool_t *p,
                                     const nmdm_declarative_conf_t *conf,
                                     const nmdm_msg_t *msg,
                                     const char *trace_id)
{
    const nmdm_declarative_t *asked = &msg->u.declarative;
    apr_table_t *headers = apr_table_make(p, 6);
    const char *flaw;

    memset(x, 0, sizeof(*x));
    NMDM_TRY(check_id(p, msg->who.id));
    NMDM_TRY(check_id(p, msg->who.device_id));
    flaw = nmdm_declarative_url(&x->url, p, conf->url, asked->endpoint);
    if (flaw) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS,
                        NMDMNO(1721) "%s: Endpoint \"%.200s\" refused: %s",
                        msg->who.id, asked->endpoint, flaw);
    }
    x->method = asked->data.len ? "PUT" : "GET";
    x->body = asked->data;
    x->headers = headers;
    x->reads_reply = 1;
    apr_table_setn(headers, "X-Enrollment-ID", msg->who.id);
    apr_table_setn(headers, "X-Enrollment-Type", msg->who.type);
    if (msg->who.on_user_channel) {
        apr_table_setn(headers, "X-Enrollment-ParentID", msg->who.device_id);
    }
    if (asked->data.len) {
        apr_table_setn(headers, "Content-Type", NMDM_TYPE_JSON);
    }
    if (conf->send_key) {
        apr_table_setn(headers, "X-Hmac-Signature",
                       nmdm_digest_hmac(p, conf->send_key, x->body));
    }
    apr_table_setn(headers, "X-Trace-ID", trace_id);
    return NULL;
}

/* ---- The answer ---- */

static nmdm_err_t *complain(apr_pool_t *p, const nmdm_msg_t *msg,
                            const char *what)
{
    return nmdm_err(p, NMDM_UPSTREAM, APR_SUCCESS,
                    NMDMNO(1723) "%s: declarative management server: %s",
                    msg->who.id, what);
}

static nmdm_err_t *check_signature(apr_pool_t *p, const char *key,
                                   const nmdm_msg_t *msg,
                                   const nmdm_exchange_t *x)
{
    const char *sent = apr_table_get(x->reply_headers, "x-hmac-signature");

    if (!sent) {
        return complain(p, msg, "its answer has no X-Hmac-Signature");
    }
    if (!nmdm_digest_same_secret(sent, nmdm_digest_hmac(p, key, x->reply))) {
        return complain(p, msg, "the X-Hmac-Signature of its answer is"
                                " wrong");
    }
    return NULL;
}

/* Whether text is an object that ends where the text does, which what was cut
 * off does not. No tree is made of it, because that takes many times as much
 * memory as the text. */
static int is_closed_object(nmdm_bytes_t text)
{
    const char *at = text.data, *end = text.data + text.len;
    int depth = 0, in_string = 0;

    while (at < end && apr_isspace(*at)) {
        at++;
    }
    while (end > at && apr_isspace(end[-1])) {
        end--;
    }
    if (at == end || *at != '{') {
        return 0;
    }
    for (; at < end; at++) {
        if (in_string) {
            in_string = *at != '"';
            at += *at == '\\';
        }
        else if (*at == '"') {
            in_string = 1;
        }
        else if (*at == '{' || *at == '[') {
            depth++;
        }
        else if ((*at == '}' || *at == ']') && !--depth) {
            return at + 1 == end;
        }
    }
    return 0;
}

/* libcurl (7.88 to 8.14) takes a packed reply that was cut off for a whole
 * one. */
static nmdm_err_t *check_unpacked(apr_pool_t *p, const nmdm_msg_t *msg,
                                  const nmdm_exchange_t *x)
{
    return x->reply.len && apr_table_get(x->reply_headers, "content-encoding")
            && !is_closed_object(x->reply)
        ? complain(p, msg, "its answer is packed and is no whole JSON") : NULL;
}

/* No status of theirs becomes 401 or 403: a device would take either as the
 * end of its enrollment (behaviour specification 1.10). */
static nmdm_kind_e kind_of(int status)
{
    if (status == 404) {
        return NMDM_NOT_FOUND;
    }
    if (status >= 400 && status < 500 && status != 401 && status != 403) {
        return NMDM_INVALID;
    }
    return NMDM_UPSTREAM;
}

nmdm_err_t *nmdm_declarative_answer(nmdm_reply_t *reply, apr_pool_t *p,
                                    const nmdm_declarative_conf_t *conf,
                                    const nmdm_msg_t *msg,
                                    const nmdm_exchange_t *x)
{
    if (!x->status) {
        return complain(p, msg, x->failure);
    }
    if (conf->receive_key) {
        NMDM_TRY(check_signature(p, conf->receive_key, msg, x));
    }
    if (x->status != 200 && x->status != 204) {
        return nmdm_err(p, kind_of(x->status), APR_SUCCESS,
                        NMDMNO(1724) "%s: declarative management server:"
                        " status %d for Endpoint \"%.200s\"", msg->who.id,
                        x->status, msg->u.declarative.endpoint
                                   ? msg->u.declarative.endpoint : "");
    }
    NMDM_TRY(check_unpacked(p, msg, x));
    if (x->reply.len) {
        reply->content_type = NMDM_TYPE_JSON;
        reply->body = x->reply;
    }
    return NULL;
}
