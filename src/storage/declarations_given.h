/* SPDX-License-Identifier: Apache-2.0 */
/* declarations_given.h -- what an enrollment gets of its declarations, and
 * what is known to have got there. Every call is to be made within a unit. */

#ifndef NMDM_DECLARATIONS_GIVEN_H
#define NMDM_DECLARATIONS_GIVEN_H

#include "base/context.h"
#include "storage/declarations.h"

/* The DeclarationsToken that an enrollment would be given now. */
nmdm_err_t *nmdm_declarations_given_token(nmdm_ctx_t *ctx, const char **token,
                                          const char *id);

/* Its declarations, without payload, each once, in the order of Identifiers,
 * with the shard declaration; and the token that belongs to them. */
nmdm_err_t *nmdm_declarations_given_items(nmdm_ctx_t *ctx,
                                          apr_array_header_t **items,
                                          const char **token, const char *id);

/* One of them: found by Identifier and the kind in a device's URL. */
nmdm_err_t *nmdm_declarations_given_fetch(nmdm_ctx_t *ctx, int *found,
                                          nmdm_declaration_t *out,
                                          const char *id, const char *manifest,
                                          const char *identifier);

/* ---- What is known of the enrollment ---- */

typedef struct {
    int exists;
    const char *items_token;    /* last served with a manifest, or NULL */
    const char *data_token;     /* last delivered in a command, or NULL */
    const char *delivered_uuid; /* of that command, until it is put off */
    apr_int64_t repair_at, now; /* seconds since 1970; 0: never */
    int repairs;
    apr_int64_t engine_at, items_at, status_at;
} nmdm_declarations_given_t;
nmdm_err_t *nmdm_declarations_given_get(nmdm_ctx_t *ctx,
                                        nmdm_declarations_given_t *out,
                                        const char *id);

/* A manifest with this token was served. */
nmdm_err_t *nmdm_declarations_given_served(nmdm_ctx_t *ctx, const char *id,
                                           const char *token);
/* A command is being delivered. This is to be committed before the token for
 * its Data is read: a later change then sees that the command does not wait
 * any more. */
nmdm_err_t *nmdm_declarations_given_delivered(nmdm_ctx_t *ctx, const char *id,
                                              const char *uuid);
nmdm_err_t *nmdm_declarations_given_data(nmdm_ctx_t *ctx, const char *id,
                                         const char *token);
/* The device will take it later, with other Data. */
nmdm_err_t *nmdm_declarations_given_put_off(nmdm_ctx_t *ctx, const char *id,
                                            const char *uuid);

/* Queues the command for an enrollment that does not follow, unless one waits
 * or was queued lately for the same reason. */
nmdm_err_t *nmdm_declarations_given_repair(nmdm_ctx_t *ctx, int *queued,
                                           const char *id);
nmdm_err_t *nmdm_declarations_given_follows(nmdm_ctx_t *ctx, const char *id);

/* The enrollments of a device: its own and its users'. */
nmdm_err_t *nmdm_declarations_given_ids(nmdm_ctx_t *ctx,
                                        apr_array_header_t **ids,
                                        const char *device_id);
/* Removes what an enrollment has reported and was given; its sets stay. */
nmdm_err_t *nmdm_declarations_given_forget(nmdm_ctx_t *ctx, const char *id);

/* The command that waits, if one does. */
typedef struct {
    const char *uuid;           /* NULL: none */
    const char *status;         /* "NotNow" or NULL */
    int is_delivered;
    apr_int64_t queued_at;
} nmdm_declarations_waiting_t;
nmdm_err_t *nmdm_declarations_given_waiting(nmdm_ctx_t *ctx,
                                            nmdm_declarations_waiting_t *out,
                                            const char *id);

#endif /* NMDM_DECLARATIONS_GIVEN_H */
