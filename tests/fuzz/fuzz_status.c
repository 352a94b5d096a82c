/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_status.c -- any bytes as a device's status report, which is taken twice
 * and read back. */

#include "world.h"
#include "api/declarations.h"
#include "config_of_declarations.h"
#include "service/declarative_status.h"

#define ID "device"

static void read_back(apr_pool_t *p, nmdm_api_declarations_fn fn)
{
    apr_array_header_t *params = apr_array_make(p, 2, sizeof(const char *));
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    nmdm_ctx_t *ctx = request_in(p);
    int status = 200;
    nmdm_api_declarations_call_t call = { ctx, &reply, &status, ID, params,
                                          { "", 0 }, NULL };
    nmdm_err_t *err;

    ctx->policy = declarative_policy(&world->policy);
    APR_ARRAY_PUSH(params, const char *) = "index";
    APR_ARRAY_PUSH(params, const char *) = "0";
    err = fn(&call);
    check_answer(ctx, err, &reply);
    PROMISED(!err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    nmdm_err_t *err = NULL;
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, NULL);
    for (i = 0; i < 2; i++) {
        nmdm_ctx_t *ctx = request_in(p);

        ctx->policy = declarative_policy(&world->policy);
        err = nmdm_declarative_status_take(ctx, ID, body_of(p, data, size));
        check_answer(ctx, err, &reply);
        PROMISED(!err || err->kind == NMDM_INVALID);
    }
    if (!err) {
        read_back(p, nmdm_api_declaration_status_states);
        read_back(p, nmdm_api_declaration_status_values);
        read_back(p, nmdm_api_declaration_status_errors);
        read_back(p, nmdm_api_declaration_status_report);
        read_back(p, nmdm_api_declaration_why);
    }
    apr_pool_destroy(p);
    return 0;
}
