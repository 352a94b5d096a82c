/* SPDX-License-Identifier: Apache-2.0 */
/* enroll_tokens.c -- links that give an enrollment profile once, how many
 * profiles one user or address has, and what was in a profile. */

#include "storage/enroll_tokens.h"
#include "crypto/digest.h"
#include "db/db.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

#define LINK "link"
#define LIMIT "limit"
#define PROFILE "profile"

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static const char *millis(nmdm_ctx_t *ctx, apr_time_t when)
{
    return apr_psprintf(ctx->pool, "%" APR_TIME_T_FMT,
                        apr_time_as_msec(when));
}

static const char *hash_of(nmdm_ctx_t *ctx, const char *text)
{
    return nmdm_digest_sha256(ctx->pool, (nmdm_bytes_t){ text, strlen(text) });
}

static nmdm_err_t *put(nmdm_ctx_t *ctx, const char *hash, const char *kind,
                       const char *data, const char *user, apr_time_t expires)
{
    return nmdm_db_exec(ctx, NULL, STMT_TOKEN_PUT,
                        NMDM_ARGS(hash, kind, data, or_empty(user),
                                  millis(ctx, ctx->now),
                                  millis(ctx, expires)));
}

static nmdm_err_t *set(nmdm_ctx_t *ctx, const char *hash, const char *kind,
                       const char *data, apr_time_t expires, apr_time_t used)
{
    return nmdm_db_exec(ctx, NULL, STMT_TOKEN_SET,
                        NMDM_ARGS(data, millis(ctx, expires),
                                  millis(ctx, used), hash, kind));
}

static nmdm_err_t *lock_new(nmdm_ctx_t *ctx, const char *hash,
                            const char *kind, apr_time_t expires)
{
    return nmdm_db_exec(ctx, NULL, STMT_TOKEN_LOCK_NEW,
                        NMDM_ARGS(hash, kind, millis(ctx, ctx->now),
                                  millis(ctx, expires)));
}

typedef struct {
    int found;
    const char *data;
    apr_time_t expires, used;
} token_t;

static nmdm_err_t *get(nmdm_ctx_t *ctx, token_t *out, const char *hash,
                       const char *kind)
{
    enum { DATA, USER, EXPIRES, USED, COLUMNS };
    const char *cols[COLUMNS] = { NULL };

    memset(out, 0, sizeof(*out));
    NMDM_TRY(nmdm_db_row(ctx, &out->found, cols, COLUMNS, STMT_TOKEN_GET,
                         NMDM_ARGS(hash, kind)));
    out->data = or_empty(cols[DATA]);
    out->expires = cols[EXPIRES]
        ? apr_time_from_msec(apr_atoi64(cols[EXPIRES])) : 0;
    out->used = cols[USED] ? apr_time_from_msec(apr_atoi64(cols[USED])) : 0;
    return NULL;
}

/* ---- Links ---- */

/* Lines: bindings have no control characters. */
static const char *data_of(nmdm_ctx_t *ctx, const nmdm_link_t *link)
{
    return apr_psprintf(ctx->pool, "%s\n%s\n%s\n%s\n%s\n%d",
                        or_empty(link->binding.serial_number),
                        or_empty(link->binding.udid),
                        or_empty(link->binding.enrollment_id),
                        or_empty(link->binding.user_name),
                        or_empty(link->address), link->times);
}

/* The next line of a text that is consumed. */
static const char *line_of(char **text)
{
    char *line = *text, *end = strchr(line, '\n');

    *text = end ? end + 1 : line + strlen(line);
    if (end) {
        *end = '\0';
    }
    return line;
}

static void read_data(nmdm_ctx_t *ctx, nmdm_link_t *link, const char *data)
{
    char *text = apr_pstrdup(ctx->pool, data);

    link->binding.serial_number = line_of(&text);
    link->binding.udid = line_of(&text);
    link->binding.enrollment_id = line_of(&text);
    link->binding.user_name = line_of(&text);
    link->address = line_of(&text);
    link->times = atoi(line_of(&text));
}

nmdm_err_t *nmdm_enroll_tokens_put_link(nmdm_ctx_t *ctx, const char *token,
                                        const nmdm_binding_t *binding,
                                        apr_time_t expires)
{
    nmdm_link_t link = { .binding = *binding };

    return put(ctx, hash_of(ctx, token), LINK, data_of(ctx, &link),
               binding->user_name, expires);
}

nmdm_err_t *nmdm_enroll_tokens_get_link(nmdm_ctx_t *ctx, nmdm_link_t *out,
                                        const char *token)
{
    token_t row;

    memset(out, 0, sizeof(*out));
    NMDM_TRY(get(ctx, &row, hash_of(ctx, token), LINK));
    if (row.found) {
        out->found = 1;
        out->expires = row.expires;
        out->opened = row.used;
        read_data(ctx, out, row.data);
    }
    return NULL;
}

nmdm_err_t *nmdm_enroll_tokens_lock_link(nmdm_ctx_t *ctx, nmdm_link_t *out,
                                         const char *token)
{
    NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_TOKEN_LOCK,
                          NMDM_ARGS(hash_of(ctx, token), LINK)));
    return nmdm_enroll_tokens_get_link(ctx, out, token);
}

nmdm_err_t *nmdm_enroll_tokens_set_link(nmdm_ctx_t *ctx, const char *token,
                                        const nmdm_link_t *link)
{
    return set(ctx, hash_of(ctx, token), LINK, data_of(ctx, link),
               link->expires, link->opened);
}

/* ---- How many ---- */

static const char *limit_of(nmdm_ctx_t *ctx, const char *who)
{
    return hash_of(ctx, apr_pstrcat(ctx->pool, LIMIT " ", who, NULL));
}

/* Of the challenges that a row names, separated by blanks, those that are
 * open. */
static nmdm_err_t *find_open(nmdm_ctx_t *ctx, apr_array_header_t **open,
                             const char *names)
{
    apr_array_header_t *listed = apr_array_make(ctx->pool, NMDM_SQL_IDS,
                                                sizeof(const char *));
    const char *args[NMDM_SQL_IDS + 1];
    char *last, *text = apr_pstrdup(ctx->pool, names);
    const char *name;

    *open = apr_array_make(ctx->pool, NMDM_SQL_IDS, sizeof(const char *));
    for (name = apr_strtok(text, " ", &last);
         name && listed->nelts < NMDM_SQL_IDS;
         name = apr_strtok(NULL, " ", &last)) {
        APR_ARRAY_PUSH(listed, const char *) = name;
    }
    if (!listed->nelts) {
        return NULL;
    }
    nmdm_db_fill_ids(args, listed, 0);
    args[NMDM_SQL_IDS] = millis(ctx, ctx->now);
    return nmdm_db_rows(ctx, *open, 1, STMT_CHALLENGES_OPEN, args,
                        NMDM_SQL_IDS + 1);
}

nmdm_err_t *nmdm_enroll_tokens_is_full(nmdm_ctx_t *ctx, int *is_full,
                                       const char *who, int most)
{
    apr_array_header_t *open;
    token_t row;

    NMDM_TRY(get(ctx, &row, limit_of(ctx, who), LIMIT));
    NMDM_TRY(find_open(ctx, &open, or_empty(row.data)));
    *is_full = open->nelts >= most;
    return NULL;
}

nmdm_err_t *nmdm_enroll_tokens_count(nmdm_ctx_t *ctx, int *is_full,
                                     const char *who, int most,
                                     const char *challenge,
                                     apr_time_t expires)
{
    const char *hash = limit_of(ctx, who);
    apr_array_header_t *open;
    token_t row;

    NMDM_TRY(lock_new(ctx, hash, LIMIT, expires));
    NMDM_TRY(get(ctx, &row, hash, LIMIT));
    NMDM_TRY(find_open(ctx, &open, row.data));
    *is_full = open->nelts >= most;
    if (*is_full) {
        return NULL;
    }
    APR_ARRAY_PUSH(open, const char *) = hash_of(ctx, challenge);
    return set(ctx, hash, LIMIT, apr_array_pstrcat(ctx->pool, open, ' '),
               row.expires > expires ? row.expires : expires, 0);
}

/* ---- What was in a profile ---- */

nmdm_err_t *nmdm_enroll_tokens_put_profile(nmdm_ctx_t *ctx,
                                           const char *challenge,
                                           const char *summary,
                                           apr_time_t expires)
{
    const char *hash = hash_of(ctx, challenge);

    /* The challenge of a link that was given back is made again. */
    NMDM_TRY(lock_new(ctx, hash, PROFILE, expires));
    return set(ctx, hash, PROFILE, summary, expires, 0);
}
