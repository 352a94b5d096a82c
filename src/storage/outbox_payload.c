/* SPDX-License-Identifier: Apache-2.0 */
/* outbox_payload.c -- the payloads of long events, in parts.
 *
 * What a part takes is given back before the next one. */

#include "storage/outbox_payload.h"
#include "db/db.h"
#include "db/schema.h"
#include "storage/outbox.h"

#include <apr_atomic.h>
#include <apr_strings.h>

#include <string.h>

/* Characters of a part, but for the last; and bytes around it in a packet for
 * MySQL. */
#define TEXT (NMDM_OUTBOX_PART / 3 * 4)
#define OVERHEAD 8192

int nmdm_outbox_payload_fits(const nmdm_ctx_t *ctx)
{
    apr_uint32_t most
        = apr_atomic_read32(&ctx->services->db_source->schema->max_packet);

    return nmdm_schema_has_event_parts(ctx)
        && (!most || TEXT + OVERHEAD <= most);
}

/* ---- Writing ---- */

nmdm_err_t *nmdm_outbox_payload_put(nmdm_ctx_t *ctx, const char *seq,
                                    nmdm_bytes_t payload)
{
    nmdm_ctx_t part = *ctx;
    char *text = apr_palloc(ctx->pool, TEXT + 1);
    apr_size_t from, len;
    nmdm_err_t *err = NULL;

    apr_pool_create(&part.pool, ctx->pool);
    for (from = 0; !err; from += len) {
        len = nmdm_base64_part(text, TEXT, payload, from);
        if (!len) {
            break;
        }
        text[len] = '\0';
        err = nmdm_db_exec(&part, NULL, STMT_EVENT_PART_PUT,
                           NMDM_ARGS(seq, apr_itoa(part.pool,
                                                   (int)(from / TEXT)),
                                     text));
        if (err) {
            err = nmdm_err_copy(ctx->pool, err);
        }
        apr_pool_clear(part.pool);
    }
    apr_pool_destroy(part.pool);
    return err;
}

/* ---- Reading ---- */

typedef struct {
    const char *seq, *text;
    int part;
} read_t;

static nmdm_err_t *do_read(nmdm_ctx_t *ctx, void *baton)
{
    read_t *in = baton;
    int found;

    NMDM_TRY(nmdm_db_row(ctx, &found, &in->text, 1, STMT_EVENT_PART,
                         NMDM_ARGS(in->seq,
                                   apr_itoa(ctx->pool, in->part))));
    if (!found) {
        in->text = NULL;
    }
    return NULL;
}

/* Appends the part that begins with character `from`. */
static nmdm_err_t *read_part(nmdm_ctx_t *ctx, char *to, apr_size_t *len,
                             const char *seq, apr_size_t from, apr_size_t size)
{
    apr_size_t expected = size - from < TEXT ? size - from : TEXT;
    read_t in = { .seq = seq, .part = (int)(from / TEXT) };
    nmdm_bytes_t bytes;

    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_read, &in));
    if (!in.text || strlen(in.text) != expected
        || !nmdm_base64_decode(&bytes, ctx->pool, in.text, expected, 0)) {
        return nmdm_err(ctx->pool, NMDM_NOT_FOUND, APR_SUCCESS, NMDMNO(1822)
                        "part %d of its payload is missing or damaged",
                        in.part);
    }
    memcpy(to + *len, bytes.data, bytes.len);
    *len += bytes.len;
    return NULL;
}

nmdm_err_t *nmdm_outbox_payload_read(nmdm_ctx_t *ctx, nmdm_bytes_t *payload,
                                     apr_pool_t *p, const char *seq,
                                     apr_size_t size)
{
    nmdm_ctx_t part = *ctx;
    apr_size_t from, len = 0;
    nmdm_err_t *err = NULL;
    char *data;

    if (size > NMDM_OUTBOX_LONGEST) {
        return nmdm_err(ctx->pool, NMDM_NOT_FOUND, APR_SUCCESS, NMDMNO(1826)
                        "no payload has the size that is written down for"
                        " it");
    }
    data = apr_palloc(p, size / 4 * 3 + 1);
    nmdm_db_release(ctx);
    part.db = NULL;
    apr_pool_create(&part.pool, ctx->pool);
    for (from = 0; from < size && !err; from += TEXT) {
        err = read_part(&part, data, &len, seq, from, size);
        nmdm_db_release(&part);
        if (err) {
            err = nmdm_err_copy(ctx->pool, err);
        }
        apr_pool_clear(part.pool);
    }
    apr_pool_destroy(part.pool);
    data[len] = '\0';
    *payload = (nmdm_bytes_t){ data, len };
    return err;
}
