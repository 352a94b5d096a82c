/* SPDX-License-Identifier: Apache-2.0 */
/* declarations.h -- declarations, sets, and the enrollments that have them.
 *
 * Every call is to be made within a unit of db/db.h, one that changes something
 * within a transaction. Changes lock first the declaration, then its sets in
 * the order of their names, so that they do not wait for each other in a ring;
 * the token of each set is written with the change (declarative management
 * specification 5). */

#ifndef NMDM_DECLARATIONS_H
#define NMDM_DECLARATIONS_H

#include "base/context.h"

/* Of names; in octets, as the columns have them at least. */
#define NMDM_DECLARATIONS_NAME 255

typedef struct {
    const char *identifier;
    const char *type;
    const char *manifest;       /* "activations", "assets", ... */
    const char *payload;        /* canonical JSON */
    const char *token;          /* ServerToken; not for what is put */
} nmdm_declaration_t;

/* The manifest that a type belongs in, NULL when it is of none of the four
 * kinds: "com.apple.", kind, ".", something. */
const char *nmdm_declarations_manifest(const char *type);
/* The manifest of a kind as devices write it in a URL: "activation". */
const char *nmdm_declarations_manifest_of_kind(const char *kind);

/* ---- Declarations ---- */

/* Reads one, with its payload, into ctx->pool. Below, `notifies` also stores
 * that the devices concerned are to be notified. */
nmdm_err_t *nmdm_declarations_get(nmdm_ctx_t *ctx, int *found,
                                  nmdm_declaration_t *out,
                                  const char *identifier);
/* *changed is 0 when the same is stored already. */
nmdm_err_t *nmdm_declarations_put(nmdm_ctx_t *ctx, int *changed,
                                  const nmdm_declaration_t *declaration,
                                  int notifies);
/* Gives it another token with the same content. */
nmdm_err_t *nmdm_declarations_touch(nmdm_ctx_t *ctx, int *found,
                                    const char *identifier, int notifies);
/* When it is in sets these are returned, and it stays unless is_forced. */
nmdm_err_t *nmdm_declarations_delete(nmdm_ctx_t *ctx, int *found,
                                     apr_array_header_t **sets,
                                     const char *identifier, int is_forced,
                                     int notifies);

/* Declarations of a set, or, with set NULL, of a type, whose payload has a
 * string somewhere that may be this Identifier; at most 1000. */
nmdm_err_t *nmdm_declarations_naming(nmdm_ctx_t *ctx,
                                     apr_array_header_t **names,
                                     const char *set, const char *type,
                                     const char *identifier);
/* The types of some Identifiers: name and type in turn. */
nmdm_err_t *nmdm_declarations_find(nmdm_ctx_t *ctx, apr_array_header_t *pairs,
                                   const apr_array_header_t *identifiers);

/* ---- Lists, in the order of their bytes, after `after` ("" from the start)
 * and at most 1000 at a time ---- */

typedef enum {
    NMDM_LIST_DECLARATIONS,     /* all; no key */
    NMDM_LIST_SETS,             /* all that have declarations; no key */
    NMDM_LIST_OF_SET,           /* declarations of a set */
    NMDM_LIST_SETS_OF,          /* sets of a declaration */
    NMDM_LIST_ENROLLMENT_SETS,  /* sets of an enrollment */
    NMDM_LIST_SET_ENROLLMENTS   /* enrollments of a set, in the database's
                                 * order */
} nmdm_declarations_list_e;
#define NMDM_DECLARATIONS_PAGE 1000

/* Adds the next NMDM_DECLARATIONS_PAGE names at most, as const char * in
 * ctx->pool, that follow `after` ("" from the first); key is the set, the
 * declaration or the enrollment. */
nmdm_err_t *nmdm_declarations_list(nmdm_ctx_t *ctx, apr_array_header_t *names,
                                   nmdm_declarations_list_e what,
                                   const char *key, const char *after);
/* All of them. */
nmdm_err_t *nmdm_declarations_list_all(nmdm_ctx_t *ctx,
                                       apr_array_header_t **names,
                                       nmdm_declarations_list_e what,
                                       const char *key);

/* ---- Sets ---- */

/* *found is 0 when there is no such declaration. */
nmdm_err_t *nmdm_declarations_set_add(nmdm_ctx_t *ctx, int *found,
                                      int *changed, const char *set,
                                      const char *identifier, int notifies);
nmdm_err_t *nmdm_declarations_set_remove(nmdm_ctx_t *ctx, int *changed,
                                         const char *set,
                                         const char *identifier,
                                         int notifies);

/* Adds a set to an enrollment, takes one away, or all; *changed is 0 when it
 * was so before. */
nmdm_err_t *nmdm_declarations_assign(nmdm_ctx_t *ctx, int *changed,
                                     const char *id, const char *set,
                                     int notifies);
nmdm_err_t *nmdm_declarations_unassign(nmdm_ctx_t *ctx, int *changed,
                                       const char *id, const char *set,
                                       int notifies);
nmdm_err_t *nmdm_declarations_unassign_all(nmdm_ctx_t *ctx, int *changed,
                                           const char *id, int notifies);
/* Many ids, at most 1000 at a time, none twice. */
nmdm_err_t *nmdm_declarations_assign_many(nmdm_ctx_t *ctx, int *changed,
                                          const apr_array_header_t *ids,
                                          const char *set, int notifies);
nmdm_err_t *nmdm_declarations_unassign_many(nmdm_ctx_t *ctx, int *changed,
                                            const apr_array_header_t *ids,
                                            const char *set, int notifies);

/* ---- Tokens ---- */

/* The token of a set, made anew from its declarations: what its column ought
 * to hold. */
nmdm_err_t *nmdm_declarations_set_token(nmdm_ctx_t *ctx, const char **token,
                                        const char *set);

#endif /* NMDM_DECLARATIONS_H */
