/* SPDX-License-Identifier: Apache-2.0 */
/* scep_cleanup.c -- removes expired challenges, tokens and certificates. */

#include "jobs/scep_cleanup.h"
#include "db/db.h"
#include "db/schema.h"
#include "storage/scep.h"

/* Pages of a call: of each kind up to NMDM_SQL_IDS rows. */
#define PAGES 50

static nmdm_err_t *do_forget(nmdm_ctx_t *ctx, void *baton)
{
    int *removed = baton;

    *removed = 0;
    return nmdm_schema_has_scep(ctx) ? nmdm_scep_forget(ctx, removed) : NULL;
}

/* A page is a transaction of its own, so that others wait for no more than
 * one. */
nmdm_err_t *nmdm_scep_cleanup_run(nmdm_ctx_t *ctx, int *more)
{
    int page, removed = 1, all = 0;

    *more = 0;
    for (page = 0; page < PAGES && removed; page++) {
        NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_forget,
                              &removed));
        nmdm_db_release(ctx);
        all += removed;
    }
    *more = removed > 0;
    if (all) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(0960)
                 "-: %d expired SCEP challenges, tokens and certificates were"
                 " removed", all);
    }
    return NULL;
}
