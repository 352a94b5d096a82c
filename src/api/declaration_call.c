/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_call.c -- what the calls about declarations have in common:
 * their parameters and answers. */

#include "api/declarations.h"
#include "base/context.h"
#include "base/text.h"
#include "db/db.h"
#include "db/schema.h"
#include "storage/declarations.h"

#include <stdlib.h>
#include <string.h>

const char *nmdm_api_declarations_param(
    const nmdm_api_declarations_call_t *call, const char *name)
{
    int i;

    for (i = 0; i < call->params->nelts; i += 2) {
        if (!strcmp(APR_ARRAY_IDX(call->params, i, const char *), name)) {
            return APR_ARRAY_IDX(call->params, i + 1, const char *);
        }
    }
    return NULL;
}

int nmdm_api_declarations_is_on(const nmdm_api_declarations_call_t *call,
                                const char *name)
{
    static const char *const OFF[] = { "", "0", "false", "no", "off" };
    const char *value = nmdm_api_declarations_param(call, name);
    apr_size_t i;

    for (i = 0; value && i < sizeof(OFF) / sizeof(*OFF); i++) {
        if (!strcasecmp(value, OFF[i])) {
            return 0;
        }
    }
    return value != NULL;
}

nmdm_err_t *nmdm_api_declarations_number(
    const nmdm_api_declarations_call_t *call, int *out, const char *name,
    int usual, int least, int most)
{
    const char *value = nmdm_api_declarations_param(call, name);

    *out = usual;
    if (!value) {
        return NULL;
    }
    *out = strlen(value) < 10 ? atoi(value) : most + 1;
    return *value && strspn(value, "0123456789") == strlen(value)
               && *out >= least && *out <= most ? NULL
        : nmdm_err(call->ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(2540)
                   "\"%s\" is \"%.40s\", not a number from %d to %d", name,
                   value, least, most);
}

int nmdm_api_declarations_notifies(const nmdm_api_declarations_call_t *call)
{
    return call->ctx->policy->declarations->notifies_changes
        && !nmdm_api_declarations_is_on(call, "nonotify");
}

nmdm_err_t *nmdm_api_declarations_check_name(nmdm_ctx_t *ctx,
                                             const char *name,
                                             const char *what)
{
    return *name && nmdm_utf8_valid(name, strlen(name))
               && strlen(name) <= NMDM_DECLARATIONS_NAME ? NULL
        : nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(2541)
                   "%s is missing, or longer than %d octets, or not UTF-8",
                   what, NMDM_DECLARATIONS_NAME);
}

nmdm_err_t *nmdm_api_declarations_has_tables(nmdm_ctx_t *ctx)
{
    return nmdm_schema_has_declarations(ctx) ? NULL
        : nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS, NMDMNO(2542)
                   "the database lacks the tables of declarative management:"
                   " run the scripts of schema/upgrade, or write"
                   " \"NanoMDMSchema auto\"");
}

nmdm_err_t *nmdm_api_declarations_unknown(nmdm_ctx_t *ctx,
                                          const char *identifier)
{
    return nmdm_err(ctx->pool, NMDM_NOT_FOUND, APR_SUCCESS, NMDMNO(2543)
                    "there is no declaration %.300s", identifier);
}

void nmdm_api_declarations_json(nmdm_api_declarations_call_t *call,
                                const nmdm_json_text_t *text)
{
    call->reply->content_type = NMDM_TYPE_JSON;
    call->reply->body = nmdm_json_text_bytes(text);
}

void nmdm_api_declarations_changed(nmdm_api_declarations_call_t *call,
                                   int changed)
{
    *call->status = changed ? 204 : 304;
}

void nmdm_api_declarations_names(nmdm_api_declarations_call_t *call,
                                 const apr_array_header_t *names)
{
    nmdm_json_text_t *text = nmdm_json_text_create(call->ctx->pool);
    int i;

    nmdm_json_text_raw(text, "[");
    for (i = 0; i < names->nelts; i++) {
        nmdm_json_text_comma(text);
        nmdm_json_text_string(text, APR_ARRAY_IDX(names, i, const char *));
    }
    nmdm_json_text_raw(text, "]\n");
    nmdm_api_declarations_json(call, text);
}
