/* SPDX-License-Identifier: Apache-2.0 */
/* api.h -- handler nanomdm-api: one row of nanomdm_api_calls for each call. */

#ifndef NANOMDM_API_H
#define NANOMDM_API_H

#include "base/context.h"

#include <httpd.h>

/* Makes a call: fills in *reply, in r->pool, and *status, the HTTP status, 200
 * before. `rest` is the path after the name of the call in the path, decoded,
 * "" for nothing. An error that comes with a reply is logged and the reply
 * sent; without one, the error is the reply. */
typedef nmdm_err_t *(*nanomdm_api_call_fn)(nmdm_ctx_t *ctx, request_rec *r,
                                           nmdm_reply_t *reply, int *status,
                                           const char *rest);

/* The parameters of a call that takes whatever it is sent. */
#define NANOMDM_API_ANY NULL

typedef struct {
    const char *name;           /* first segment of the path; NULL: the end */
    int method;                 /* M_GET, ... of httpd */
    int takes_rest;             /* may anything follow the name? */
    nanomdm_api_call_fn call;
    int is_ours;                /* or NanoMDM's? */
    const char *parameters;     /* of the URL, separated by spaces, or
                                 * NANOMDM_API_ANY */
} nanomdm_api_call_t;

/* The table of routes; its last row has no name. */
extern const nanomdm_api_call_t nanomdm_api_calls[];

/* Whether the parameters of the URL are among `names` (of a row): NMDM_INVALID
 * for another if the call is ours, or if it is nearly one of them. */
nmdm_err_t *nanomdm_api_check_parameters(request_rec *r, const char *names,
                                         int is_ours);

/* The handler nanomdm-api. */
int nanomdm_api_handler(request_rec *r);
/* Answers with a status and {"error": reason}; returns what a handler does. */
int nanomdm_api_refuse(request_rec *r, int status, const char *reason);
/* Whether the request is one that no operator may make; then *answer is what
 * its handler returns. */
int nanomdm_api_is_refused(int *answer, request_rec *r);

/* The segment directly after the own path of the Location, if `names` is true
 * for it, and what follows it (NULL: nothing, not even a slash), decoded; NULL
 * when there is none. In r->pool. */
const char *nanomdm_api_find_call(request_rec *r, const char **rest,
                                  int (*names)(const char *, apr_size_t));

#endif /* NANOMDM_API_H */
