/* SPDX-License-Identifier: Apache-2.0 */
/* world.h -- for the targets whose input gets as far as the database: one in
 * memory, with all tables and no enrollment. */

#ifndef WORLD_H
#define WORLD_H

#include "../unit/support.h"
#include "fuzz.h"
#include "push/apns_message.h"

static world_t *world;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    apr_pool_t *p;

    (void)argc;
    (void)argv;
    if (support_start(NULL)) {
        return 1;
    }
    apr_pool_create(&p, NULL);
    world = world_make(p, "");
    return 0;
}

/* A request that leaves nothing behind. */
static nmdm_ctx_t *request_in(apr_pool_t *p)
{
    static const nmdm_push_conf_t PUSH = { .wait = 0 };
    nmdm_ctx_t *ctx = apr_pcalloc(p, sizeof(*ctx));

    world->is_lent = 0;
    world->policy.push = &PUSH;
    ctx->pool = p;
    ctx->policy = &world->policy;
    ctx->services = apr_pcalloc(p, sizeof(*ctx->services));
    ctx->services->db_source = &world->db_source;
    ctx->trace_id = "0123456789abcdef";
    ctx->now = world->now;
    ctx->access_log = (nmdm_access_log_t){ "", "", "", "", "", "" };
    return ctx;
}

/* Whatever the client sent, the database was asked properly. */
static void check_answer(nmdm_ctx_t *ctx, const nmdm_err_t *err,
                         const nmdm_reply_t *reply)
{
    nmdm_db_release(ctx);
    PROMISED(!err || err->kind != NMDM_INTERNAL);
    PROMISED(!err || nmdm_utf8_valid(err->msg, strlen(err->msg)));
    PROMISED(!reply->body.len
             || nmdm_utf8_valid(reply->body.data, reply->body.len));
}

#endif /* WORLD_H */
