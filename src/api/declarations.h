/* SPDX-License-Identifier: Apache-2.0 */
/* declarations.h -- declarative management for operators: the API of KMFDDM
 * and what is added to it (declarative management specification 3). */

#ifndef NMDM_API_DECLARATIONS_H
#define NMDM_API_DECLARATIONS_H

#include "base/context.h"
#include "codec/json_text.h"

/* One call. Errors are returned, and become the answer by their kinds; what is
 * no error fills in *reply and *status, which is 200 before. */
typedef struct {
    nmdm_ctx_t *ctx;
    nmdm_reply_t *reply;
    int *status;
    const char *rest;           /* of the path, decoded; "" when none */
    const apr_array_header_t *params;   /* name and value in turn, decoded */
    nmdm_bytes_t body;          /* of calls that take one */
    const char *enrollment_id;  /* of the header, or NULL */
} nmdm_api_declarations_call_t;

typedef nmdm_err_t *(*nmdm_api_declarations_fn)(
    nmdm_api_declarations_call_t *call);

/* ---- For all calls: api/declaration_call.c ---- */

/* The first value of a parameter, or NULL. */
const char *nmdm_api_declarations_param(
    const nmdm_api_declarations_call_t *call, const char *name);
/* Whether one is there and says neither 0, false, no nor off. */
int nmdm_api_declarations_is_on(const nmdm_api_declarations_call_t *call,
                                const char *name);
/* A number from `least` to `most`, `usual` without the parameter. */
nmdm_err_t *nmdm_api_declarations_number(
    const nmdm_api_declarations_call_t *call, int *out, const char *name,
    int usual, int least, int most);
/* Whether devices are to be notified of a change by this call. */
int nmdm_api_declarations_notifies(const nmdm_api_declarations_call_t *call);
/* NMDM_INVALID unless name is text that fits a column; `what` is how the
 * operator would call it. */
nmdm_err_t *nmdm_api_declarations_check_name(nmdm_ctx_t *ctx,
                                             const char *name,
                                             const char *what);
/* NMDM_UNAVAILABLE while the database lacks the tables; within a unit. */
nmdm_err_t *nmdm_api_declarations_has_tables(nmdm_ctx_t *ctx);
nmdm_err_t *nmdm_api_declarations_unknown(nmdm_ctx_t *ctx,
                                          const char *identifier);

/* The answer 200 with that JSON text. */
void nmdm_api_declarations_json(nmdm_api_declarations_call_t *call,
                                const nmdm_json_text_t *text);
/* 204 when something was changed, 304 when not. */
void nmdm_api_declarations_changed(nmdm_api_declarations_call_t *call,
                                   int changed);
/* A JSON array of strings. */
void nmdm_api_declarations_names(nmdm_api_declarations_call_t *call,
                                 const apr_array_header_t *names);

/* ---- The calls ---- */

/* Each makes one call and its answer, with a database unit of its own.
 * NMDM_INVALID, NMDM_NOT_FOUND and NMDM_UNAVAILABLE are for the operator. */
nmdm_err_t *nmdm_api_declarations_list(nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declarations_put(nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declarations_get(nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declarations_delete(nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declarations_touch(nmdm_api_declarations_call_t *call);

/* api/declaration_sets.c */
nmdm_err_t *nmdm_api_declaration_sets_list(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_sets_of_set(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_sets_add(nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_sets_remove(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_sets_of_declaration(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_sets_of_enrollment(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_sets_assign(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_sets_unassign(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_sets_unassign_all(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_sets_notify(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_sets_enrollments(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_sets_assign_many(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_sets_unassign_many(
    nmdm_api_declarations_call_t *call);

/* api/declaration_status.c */
nmdm_err_t *nmdm_api_declaration_status_states(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_status_values(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_status_errors(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_status_report(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_status_summary(
    nmdm_api_declarations_call_t *call);
nmdm_err_t *nmdm_api_declaration_status_enrollments(
    nmdm_api_declarations_call_t *call);

/* api/declaration_why.c */
nmdm_err_t *nmdm_api_declaration_why(nmdm_api_declarations_call_t *call);

#endif /* NMDM_API_DECLARATIONS_H */
