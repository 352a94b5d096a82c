/* SPDX-License-Identifier: Apache-2.0 */
/* retention.h -- deletes what is finished and old: answered, cancelled and
 * expired commands, results, and events that were not delivered. */

#ifndef NMDM_RETENTION_H
#define NMDM_RETENTION_H

#include "base/context.h"

typedef struct {
    int days;                   /* kept at least so long */
    int keep;                   /* and the newest so many results of a type,
                                 * for each enrollment */
    int is_dry;                 /* only says what it would remove */
} nmdm_retention_rule_t;

/* The rule of its type holds for a command, else the one for the others. */
typedef struct nmdm_retention_t nmdm_retention_t;
struct nmdm_retention_t {
    apr_hash_t *by_type;        /* RequestType -> nmdm_retention_rule_t */
    const nmdm_retention_rule_t *others;        /* or NULL */
};

/* The rule for a RequestType, or NULL: it is always kept. That is so for
 * types whose commands or results hold what cannot be read again (a PIN, a
 * recovery key), unless a rule names them. */
const nmdm_retention_rule_t *nmdm_retention_rule(const nmdm_retention_t *all,
                                                 const char *request_type);

/* Continues where the last run ended, if it is time, and stops after a
 * thousand rows or two seconds. Any number of children and servers may call
 * it: one at a time does the work. Nothing that waits for delivery is
 * touched. */
nmdm_err_t *nmdm_retention_run(nmdm_ctx_t *ctx);

#endif /* NMDM_RETENTION_H */
