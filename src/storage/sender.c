/* SPDX-License-Identifier: Apache-2.0 */
/* sender.c -- what the database has of who sent a message. */

#include "storage/sender.h"
#include "db/db.h"
#include "db/schema.h"

struct nmdm_sender_t {
    int has[NMDM_SENDER_FACTS];
};

nmdm_err_t *nmdm_sender_look(nmdm_ctx_t *ctx, const nmdm_id_t *who)
{
    const char *device = who->device_id, *cols[NMDM_SENDER_FACTS] = { NULL };
    const nmdm_cert_t *cert = ctx->cert;
    nmdm_sender_t *sender;
    int found, i;

    ctx->sender = NULL;
    if (!cert || ctx->policy->latest_only || !nmdm_schema_has_scep(ctx)) {
        return NULL;
    }
    NMDM_TRY(nmdm_db_row(ctx, &found, cols, NMDM_SENDER_FACTS,
                         STMT_SENDER_LOOK,
                         NMDM_ARGS(device, cert->sha256, device, device,
                                   who->id, device, cert->sha256,
                                   cert->other_sha256 ? cert->other_sha256
                                                      : cert->sha256,
                                   device)));
    sender = apr_pcalloc(ctx->pool, sizeof(*sender));
    for (i = 0; i < NMDM_SENDER_FACTS; i++) {
        sender->has[i] = cols[i] && *cols[i] == '1';
    }
    ctx->sender = sender;
    return NULL;
}

int nmdm_sender_has(const nmdm_ctx_t *ctx, nmdm_sender_e what)
{
    return ctx->sender && ctx->sender->has[what];
}

int nmdm_sender_lacks(const nmdm_ctx_t *ctx, nmdm_sender_e what)
{
    return ctx->sender && !ctx->sender->has[what];
}
