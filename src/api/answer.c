/* SPDX-License-Identifier: Apache-2.0 */
/* answer.c -- what the calls of the API have in common: answers in JSON, the
 * status of an error, and the ids of a path. */

#include "api/answer.h"
#include "codec/json.h"
#include "db/db.h"
#include "push/push.h"
#include "storage/enrollment_queries.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include <string.h>

void nmdm_api_answer_object(nmdm_reply_t *reply, apr_pool_t *p,
                            const nmdm_json_t *object)
{
    reply->content_type = NMDM_TYPE_JSON;
    reply->body = nmdm_json_write(p, object);
}

void nmdm_api_answer_error(nmdm_reply_t *reply, apr_pool_t *p,
                           const char *text)
{
    nmdm_json_t *object = nmdm_json_object(p);

    nmdm_json_add_string(object, "error", text);
    nmdm_api_answer_object(reply, p, object);
}

/* ---- Ids ---- */

apr_array_header_t *nmdm_api_answer_split_ids(apr_pool_t *p, const char *text)
{
    apr_array_header_t *ids = apr_array_make(p, 16, sizeof(const char *));

    while (*text) {
        apr_size_t len = strcspn(text, ",");

        APR_ARRAY_PUSH(ids, const char *) = apr_pstrmemdup(p, text, len);
        text += len;
        text += *text == ',';
    }
    return ids;
}

apr_array_header_t *nmdm_api_answer_distinct(apr_pool_t *p,
                                             const apr_array_header_t *ids)
{
    apr_array_header_t *out = apr_array_make(p, ids->nelts + 1,
                                             sizeof(const char *));
    apr_hash_t *known = apr_hash_make(p);
    int i;

    for (i = 0; i < ids->nelts; i++) {
        const char *id = APR_ARRAY_IDX(ids, i, const char *);

        if (*id && !apr_hash_get(known, id, APR_HASH_KEY_STRING)) {
            apr_hash_set(known, id, APR_HASH_KEY_STRING, id);
            APR_ARRAY_PUSH(out, const char *) = id;
        }
    }
    return out;
}

nmdm_err_t *nmdm_api_answer_check_ids(apr_pool_t *p,
                                      const apr_array_header_t *ids)
{
    int i;

    if (!ids->nelts) {
        return nmdm_err(p, NMDM_REFUSED, APR_SUCCESS, NMDMNO(0901)
                        "getting enrollment ids: empty path");
    }
    for (i = 0; i < ids->nelts; i++) {
        const char *id = APR_ARRAY_IDX(ids, i, const char *);

        if (!nmdm_utf8_valid(id, strlen(id))) {
            return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0902)
                            "getting enrollment ids: not UTF-8");
        }
    }
    return NULL;
}

/* The HTTP status of an error that an operator is shown. Requests that cannot
 * be understood are 400; what the database says against them is 500, as
 * NanoMDM's clients expect. */
int nmdm_api_answer_status(const nmdm_err_t *err, int understood)
{
    if (err->kind == NMDM_UNAVAILABLE) {
        return 503;
    }
    if (err->kind == NMDM_TOO_LARGE) {
        return 413;
    }
    if (err->kind == NMDM_NOT_FOUND) {
        return 404;
    }
    return err->kind == NMDM_INVALID && !understood ? 400 : 500;
}

nmdm_err_t *nmdm_api_answer_send(nmdm_ctx_t *ctx, nmdm_reply_t *reply,
                                 int *status, const nmdm_json_t *object,
                                 nmdm_err_t *err)
{
    if (err) {
        *status = nmdm_api_answer_status(err, 0);
        nmdm_api_answer_error(reply, ctx->pool, nmdm_err_text(err));
        return err;
    }
    *status = 200;
    nmdm_api_answer_object(reply, ctx->pool, object);
    return NULL;
}

nmdm_err_t *nmdm_api_answer_check_id(nmdm_ctx_t *ctx, const char *id)
{
    return *id && nmdm_utf8_valid(id, strlen(id)) ? NULL
        : nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1734)
                   "the path ends without an id, or with one that is not"
                   " UTF-8");
}

nmdm_err_t *nmdm_api_answer_unknown_id(nmdm_ctx_t *ctx, const char *id)
{
    const char *other;

    NMDM_TRY(nmdm_enrollment_queries_other_case(ctx, &other, id));
    return nmdm_err(ctx->pool, NMDM_NOT_FOUND, APR_SUCCESS, NMDMNO(1735)
                    "%s is not enrolled%s%s", id, other
                    ? "; an enrollment of this id in other letter case exists:"
                      " " : "", other ? other : "");
}
