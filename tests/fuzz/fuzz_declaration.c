/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_declaration.c -- any bytes as a declaration that is uploaded, and as a
 * list of enrollments of a set. */

#include "world.h"
#include "api/declarations.h"
#include "codec/json_text.h"
#include "config_of_declarations.h"

/* What was read is written so that it is read as the same. */
static void fuzz_tree(apr_pool_t *p, nmdm_bytes_t json)
{
    nmdm_json_tree_t *tree;
    const char *once;

    if (nmdm_json_tree_read(&tree, p, json, 64, NMDM_TREE_STRICT)) {
        return;
    }
    once = nmdm_json_tree_canonical(p, tree);
    PROMISED(nmdm_utf8_valid(once, strlen(once)));
    PROMISED(!nmdm_json_tree_read(&tree, p,
                                  (nmdm_bytes_t){ once, strlen(once) }, 64,
                                  NMDM_TREE_STRICT));
    PROMISED(!strcmp(once, nmdm_json_tree_canonical(p, tree)));
}

static void check_headers(const nmdm_reply_t *reply)
{
    const char *warnings = reply->headers
        ? apr_table_get(reply->headers, "X-NanoMDM-Warnings") : NULL;

    for (; warnings && *warnings; warnings++) {
        PROMISED(*warnings >= ' ' && *warnings < 0x7F);
    }
}

static void fuzz_call(apr_pool_t *p, nmdm_bytes_t json, const char *param,
                      const char *rest, nmdm_api_declarations_fn fn)
{
    apr_array_header_t *params = apr_array_make(p, 2, sizeof(const char *));
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    nmdm_ctx_t *ctx = request_in(p);
    int status = 200;
    nmdm_api_declarations_call_t call = { ctx, &reply, &status, rest, params,
                                          json, NULL };

    ctx->policy = declarative_policy(&world->policy);
    APR_ARRAY_PUSH(params, const char *) = param;
    APR_ARRAY_PUSH(params, const char *) = "1";
    check_answer(ctx, fn(&call), &reply);
    check_headers(&reply);
    PROMISED(status == 200 || status == 204 || status == 304);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nmdm_bytes_t json;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    json = body_of(p, data, size);
    fuzz_tree(p, json);
    fuzz_call(p, json, "check", "", nmdm_api_declarations_put);
    fuzz_call(p, json, "force", "", nmdm_api_declarations_put);
    fuzz_call(p, json, "nonotify", "set",
              nmdm_api_declaration_sets_assign_many);
    apr_pool_destroy(p);
    return 0;
}
