/* SPDX-License-Identifier: Apache-2.0 */
/* queue_poll.c -- does anything wait for each of many devices?
 *
 * Certificates are compared here: to compare pairs of id and digest, MariaDB
 * takes longer for a batch of 64 than for one of 16. */

#include "storage/queue_poll.h"
#include "db/db.h"

#include <string.h>

/* Columns of a row: id, digest, the UUID of what waits. */
enum { ID, SHA256, WAITS, COLUMNS };

static int keys_of(const char **ids, const nmdm_batch_entry_t *first)
{
    int n = 0;

    for (; first; first = first->next) {
        ids[n++] = first->key;
    }
    return n;
}

static nmdm_err_t *select_by_array(nmdm_ctx_t *ctx, apr_array_header_t *rows,
                                   const nmdm_batch_entry_t *first)
{
    const char *ids[NMDM_BATCH_MOST];
    int n = keys_of(ids, first);

    return nmdm_db_rows(ctx, rows, COLUMNS, STMT_QUEUE_POLL,
                        NMDM_ARGS(nmdm_dialect_array(ctx->pool, ids, n)));
}

/* Marks beyond the last id repeat it, so that a few statements serve all
 * sizes. */
static nmdm_err_t *select_by_list(nmdm_ctx_t *ctx, apr_array_header_t *rows,
                                  const nmdm_batch_entry_t *first)
{
    static const struct {
        nmdm_stmt_e stmt;
        int places;
    } SIZES[] = {
        { STMT_QUEUE_POLL_4, 4 }, { STMT_QUEUE_POLL_8, 8 },
        { STMT_QUEUE_POLL_16, 16 }, { STMT_QUEUE_POLL_32, 32 },
        { STMT_QUEUE_POLL_64, NMDM_BATCH_MOST }
    };
    const char *ids[NMDM_BATCH_MOST];
    int n = keys_of(ids, first), size = 0, i;

    while (SIZES[size].places < n) {
        size++;
    }
    for (i = n; i < SIZES[size].places; i++) {
        ids[i] = ids[n - 1];
    }
    return nmdm_db_rows(ctx, rows, COLUMNS, SIZES[size].stmt, ids,
                        SIZES[size].places);
}

static void answer(nmdm_queue_poll_t *poll, const apr_array_header_t *rows)
{
    const char *const *row = (const char *const *)rows->elts;
    const char *const *end = row + rows->nelts;

    for (; row < end; row += COLUMNS) {
        if (!strcmp(row[ID], poll->entry.key)
            && !strcmp(row[SHA256], poll->sha256)) {
            poll->next = row[WAITS] ? NMDM_NEXT_COMMAND : NMDM_NEXT_NOTHING;
            return;
        }
    }
}

nmdm_err_t *nmdm_queue_poll(nmdm_ctx_t *ctx, nmdm_batch_entry_t *first)
{
    apr_array_header_t *rows
        = apr_array_make(ctx->pool, NMDM_BATCH_MOST * COLUMNS,
                         sizeof(const char *));
    nmdm_batch_entry_t *entry;

    NMDM_TRY(ctx->db->dialect->has_arrays
             ? select_by_array(ctx, rows, first)
             : select_by_list(ctx, rows, first));
    for (entry = first; entry; entry = entry->next) {
        answer((nmdm_queue_poll_t *)entry, rows);
    }
    return NULL;
}
