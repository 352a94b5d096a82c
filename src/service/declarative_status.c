/* SPDX-License-Identifier: Apache-2.0 */
/* declarative_status.c -- takes a status report. */

#include "service/declarative_status.h"
#include "base/text.h"
#include "codec/json_text.h"
#include "db/db.h"
#include "db/schema.h"
#include "mdm/status_items.h"
#include "service/declarative_enrollment.h"
#include "service/declarative_errors.h"
#include "service/declarative_secrets.h"
#include "service/declarative_values.h"
#include "storage/declarations_given.h"

#include <apr_atomic.h>
#include <apr_hash.h>
#include <apr_strings.h>

#include <string.h>

/* Of columns, in characters. */
#define LONGEST 255
#define LONGEST_VALID 15
/* Of a packet to the database, in bytes, beside one long text. */
#define FOR_THE_REST 65536
/* Of a report, in bytes, from where on it is compared with the last one. */
#define LARGE (64 * 1024)
/* Declarations whose states are kept: more than a device can have. */
#define MOST_STATES 20000
/* Of the reasons for a state, and of all that a report has, in bytes: those
 * that are kept are read with each report. */
#define LONGEST_REASONS ((apr_size_t)64 * 1024)
#define MOST_REASONS ((apr_size_t)4 * 1024 * 1024)
/* Declarations that a line in the log names. */
#define LOGGED 10

typedef struct {
    const char *id;
    const char *raw;            /* as it is kept */
    const nmdm_json_tree_t *items, *declarations, *errors;
    apr_hash_t *secrets;        /* of status items, by their names */
    int is_full;
    int is_mismatch;            /* a full report of other declarations */
    int beyond;                 /* values that were too many to be read */
    int left_out;               /* what is too much or too long */
    apr_size_t reasons;         /* bytes of those that are kept */
    apr_int64_t now;            /* by the database */
    const char *items_token;    /* last served, or NULL */
} report_t;

/* ---- Reading ---- */

static nmdm_err_t *read_report(report_t *report, nmdm_ctx_t *ctx,
                               nmdm_bytes_t text)
{
    nmdm_json_tree_t *root = NULL;
    nmdm_err_t *err = nmdm_json_tree_read_most(&root, &report->beyond,
                                               ctx->pool, text,
                                               NMDM_STATUS_ITEMS_DEPTH);

    if (err || root->type != NMDM_TREE_OBJECT) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(2530)
                        "%s: status report refused: %s", report->id,
                        err ? nmdm_err_text(err) : "not a JSON object");
    }
    report->secrets = apr_hash_make(ctx->pool);
    /* Where not all was read there may be more secrets. */
    report->raw = nmdm_status_items_redact(report->secrets, root)
            || report->beyond
        ? nmdm_json_tree_canonical(ctx->pool, root)
        : apr_pstrmemdup(ctx->pool, text.data, text.len);
    report->items = nmdm_json_tree_get(root, "StatusItems");
    report->declarations = nmdm_json_tree_get(
        nmdm_json_tree_get(report->items, "management"), "declarations");
    report->errors = nmdm_json_tree_get(root, "Errors");
    report->is_full = nmdm_json_tree_is_true(root, "FullReport");
    return NULL;
}

static const nmdm_json_tree_t *array_of(const report_t *report, int manifest)
{
    return nmdm_status_items_manifest(report->declarations, manifest);
}

static const char *text_or_empty(const nmdm_json_tree_t *object,
                                 const char *key)
{
    const char *text = nmdm_json_tree_string(object, key);

    return text ? text : "";
}

/* A text that the database does not take would be sent again without end. */
static apr_size_t longest_text(const nmdm_ctx_t *ctx)
{
    apr_uint32_t most = apr_atomic_read32(
        &ctx->services->db_source->schema->max_packet);

    return !most ? APR_SIZE_MAX : most > FOR_THE_REST ? most - FOR_THE_REST
                                                      : 0;
}

/* ---- The states of declarations ---- */

/* They may take twice their length, within JSON. */
static const char *reasons_of(const nmdm_ctx_t *ctx, report_t *report,
                              const nmdm_json_tree_t *state)
{
    const nmdm_json_tree_t *reasons = nmdm_json_tree_get(state, "reasons");
    const char *text = reasons ? nmdm_json_tree_canonical(ctx->pool, reasons)
                               : "";
    apr_size_t len = strlen(text);

    if (len > LONGEST_REASONS || len > longest_text(ctx) / 2
        || len > MOST_REASONS - report->reasons) {
        report->left_out++;
        return NULL;
    }
    report->reasons += len;
    return reasons ? text : NULL;
}

static nmdm_declarations_state_t *make_state(const nmdm_ctx_t *ctx,
                                             report_t *report,
                                             const nmdm_json_tree_t *one,
                                             const char *manifest)
{
    apr_pool_t *p = ctx->pool;
    const char *identifier = nmdm_json_tree_string(one, "identifier");
    nmdm_declarations_state_t *state;

    if (!identifier || nmdm_utf8_length(identifier) > LONGEST) {
        return NULL;
    }
    state = apr_pcalloc(p, sizeof(*state));
    state->identifier = identifier;
    state->manifest = manifest;
    state->is_active = nmdm_json_tree_is_true(one, "active");
    state->valid = nmdm_utf8_shortened(p, text_or_empty(one, "valid"),
                                       LONGEST_VALID);
    state->token = nmdm_utf8_shortened(p, text_or_empty(one, "server-token"),
                                       LONGEST);
    state->reasons = reasons_of(ctx, report, one);
    return state;
}

/* Identifier -> state, of all that the report has. */
static apr_hash_t *reported_states(const nmdm_ctx_t *ctx, report_t *report)
{
    apr_hash_t *states = apr_hash_make(ctx->pool);
    const nmdm_json_tree_t *array, *one;
    int i;

    for (i = 0; i < NMDM_STATUS_MANIFESTS_N; i++) {
        array = array_of(report, i);
        for (one = array ? array->first : NULL; one; one = one->next) {
            nmdm_declarations_state_t *state = make_state(
                ctx, report, one, NMDM_STATUS_MANIFESTS[i]);

            if (state && apr_hash_count(states) < MOST_STATES) {
                apr_hash_set(states, state->identifier, APR_HASH_KEY_STRING,
                             state);
            }
            else if (state) {
                report->left_out++;
            }
        }
    }
    return states;
}

static int is_same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static int is_same_state(const nmdm_declarations_state_t *a,
                         const nmdm_declarations_state_t *b)
{
    return !strcmp(a->manifest, b->manifest) && a->is_active == b->is_active
        && !strcmp(a->valid, b->valid) && !strcmp(a->token, b->token)
        && is_same_text(a->reasons, b->reasons);
}

/* Whether the report says all there is to say of this manifest. */
static int speaks_of(const report_t *report, const char *manifest)
{
    int i;

    for (i = 0; i < NMDM_STATUS_MANIFESTS_N; i++) {
        if (!strcmp(NMDM_STATUS_MANIFESTS[i], manifest)
            && array_of(report, i)) {
            return 1;
        }
    }
    return report->is_full;
}

static nmdm_err_t *merge_states(nmdm_ctx_t *ctx, const report_t *report,
                                apr_hash_t *states)
{
    apr_array_header_t *changed = apr_array_make(
        ctx->pool, 16, sizeof(nmdm_declarations_state_t));
    apr_array_header_t *gone = apr_array_make(ctx->pool, 16,
                                              sizeof(const char *));
    apr_hash_t *unchanged = apr_hash_make(ctx->pool);
    apr_array_header_t *stored;
    apr_hash_index_t *hi;
    int i;

    NMDM_TRY(nmdm_declarations_status_states(ctx, &stored, report->id));
    for (i = 0; i < stored->nelts; i++) {
        const nmdm_declarations_state_t *old = &APR_ARRAY_IDX(
            stored, i, nmdm_declarations_state_t);
        const nmdm_declarations_state_t *state = apr_hash_get(
            states, old->identifier, APR_HASH_KEY_STRING);

        if (!state && speaks_of(report, old->manifest)) {
            APR_ARRAY_PUSH(gone, const char *) = old->identifier;
        }
        if (state && is_same_state(old, state)
            && report->now - old->reported_at
                   < NMDM_DECLARATIVE_VALUES_FRESH) {
            apr_hash_set(unchanged, old->identifier, APR_HASH_KEY_STRING,
                         old);
        }
    }
    for (hi = apr_hash_first(ctx->pool, states); hi; hi = apr_hash_next(hi)) {
        const nmdm_declarations_state_t *state = apr_hash_this_val(hi);

        if (!apr_hash_get(unchanged, state->identifier,
                          APR_HASH_KEY_STRING)) {
            APR_ARRAY_PUSH(changed, nmdm_declarations_state_t) = *state;
        }
    }
    NMDM_TRY(nmdm_declarations_status_drop_states(ctx, report->id, gone));
    return nmdm_declarations_status_put_states(ctx, report->id, changed);
}

/* ---- Is it what the enrollment should have? ---- */

/* Until the device has fetched the present manifest, only another token of a
 * declaration says something: the rest may be on its way. */
static nmdm_err_t *compare(nmdm_ctx_t *ctx, report_t *report,
                           apr_hash_t *states)
{
    apr_array_header_t *items;
    const char *token;
    int i, has_fetched, other = 0, missing = 0;

    report->is_mismatch = 0;
    if (!report->is_full || !report->declarations) {
        return NULL;
    }
    NMDM_TRY(nmdm_declarations_given_items(ctx, &items, &token, report->id));
    has_fetched = report->items_token && !strcmp(report->items_token, token);
    for (i = 0; i < items->nelts; i++) {
        const nmdm_declaration_t *item = &APR_ARRAY_IDX(items, i,
                                                        nmdm_declaration_t);
        const nmdm_declarations_state_t *state = apr_hash_get(
            states, item->identifier, APR_HASH_KEY_STRING);

        missing += !state;
        other += state && strcmp(state->token, item->token);
    }
    report->is_mismatch = other
        || (has_fetched
            && (missing || (int)apr_hash_count(states) > items->nelts));
    return has_fetched && !report->is_mismatch
        ? nmdm_declarations_given_follows(ctx, report->id) : NULL;
}

/* ---- One report ---- */

/* Whether the report is the last one again, whose answer was lost, say, and its
 * values were written within the hour: a hundred thousand of them are not read
 * back to find that none has changed. Secrets are not in what is kept. */
static nmdm_err_t *is_last_again(nmdm_ctx_t *ctx, int *yes,
                                 const report_t *report)
{
    nmdm_declarations_report_t last;
    apr_int64_t reported_at;

    *yes = 0;
    if (strlen(report->raw) < LARGE || apr_hash_count(report->secrets)) {
        return NULL;
    }
    NMDM_TRY(nmdm_declarations_status_report(ctx, yes, &last, report->id,
                                             "0", NULL));
    if (!*yes || strcmp(last.raw, report->raw)) {
        *yes = 0;
        return NULL;
    }
    NMDM_TRY(nmdm_declarations_status_oldest(ctx, &reported_at, report->id));
    *yes = report->now - reported_at < NMDM_DECLARATIVE_VALUES_FRESH;
    return NULL;
}

static nmdm_err_t *merge_values(nmdm_ctx_t *ctx, report_t *report)
{
    nmdm_declarative_values_t values;
    apr_array_header_t *stored;
    int is_known;

    NMDM_TRY(is_last_again(ctx, &is_known, report));
    if (is_known) {
        return NULL;
    }
    NMDM_TRY(nmdm_declarations_status_sealed_values(ctx, &stored,
                                                    report->id));
    nmdm_declarative_secrets_compare(ctx, report->id, report->secrets,
                                     stored);
    nmdm_declarative_values_merge(&values, ctx->pool, report->items, stored,
                                  report->is_full, report->now,
                                  longest_text(ctx));
    report->left_out += values.left_out;
    nmdm_declarative_secrets_seal(ctx, report->id, report->secrets,
                                  values.added);
    nmdm_declarative_secrets_seal(ctx, report->id, report->secrets,
                                  values.changed);
    NMDM_TRY(nmdm_declarations_status_drop_values(ctx, report->id,
                                                  values.gone));
    NMDM_TRY(nmdm_declarations_status_put_values(
        ctx, report->id, values.added, 1, report->now));
    return nmdm_declarations_status_put_values(
        ctx, report->id, values.changed, 0, report->now);
}

static nmdm_err_t *do_take(nmdm_ctx_t *ctx, void *baton)
{
    report_t *report = baton;
    nmdm_declarations_given_t given;
    apr_hash_t *states;

    report->left_out = report->beyond;
    report->reasons = 0;
    states = reported_states(ctx, report);
    if (!nmdm_schema_has_declarations(ctx)) {
        return nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS,
                        NMDMNO(2531) "%s: status report not stored: this"
                        " database lacks the tables of declarative"
                        " management", report->id);
    }
    NMDM_TRY(nmdm_declarations_status_begin(ctx, report->id));
    NMDM_TRY(nmdm_declarations_given_get(ctx, &given, report->id));
    report->now = given.now;
    report->items_token = given.items_token;
    NMDM_TRY(merge_states(ctx, report, states));
    NMDM_TRY(merge_values(ctx, report));
    NMDM_TRY(nmdm_declarative_errors_add(ctx, &report->left_out, report->id,
                                         report->declarations, report->errors,
                                         longest_text(ctx)));
    NMDM_TRY(compare(ctx, report, states));
    /* Where it is too long none is kept, so that index 0 is not another. */
    return nmdm_declarations_status_put_report(
        ctx, report->id, report->raw,
        strlen(report->raw) > longest_text(ctx) ? 0
        : ctx->policy->declarations->keep_reports);
}

/* ---- The log ---- */

static void log_invalid(nmdm_ctx_t *ctx, const report_t *report)
{
    const nmdm_json_tree_t *array, *one, *reasons;
    const char *line = "";
    int i, n = 0;

    for (i = 0; i < NMDM_STATUS_MANIFESTS_N; i++) {
        array = array_of(report, i);
        for (one = array ? array->first : NULL; one; one = one->next) {
            if (strcmp(text_or_empty(one, "valid"), "invalid")) {
                continue;
            }
            if (n++ < LOGGED) {
                reasons = nmdm_json_tree_get(one, "reasons");
                line = apr_psprintf(
                    ctx->pool, "%s%s%.64s (%.64s)", line, *line ? ", " : "",
                    text_or_empty(one, "identifier"),
                    reasons && reasons->first
                        ? text_or_empty(reasons->first, "code") : "");
            }
        }
    }
    if (n) {
        nmdm_log(ctx, NMDM_LOG_INFO, NMDMNO(2532)
                 "%s: status report %s: %d invalid %s: %s",
                 report->id, ctx->trace_id, n,
                 nmdm_text_plural(n, "declaration", "declarations"), line);
    }
}

nmdm_err_t *nmdm_declarative_status_take(nmdm_ctx_t *ctx, const char *id,
                                         nmdm_bytes_t text)
{
    report_t report = { .id = id };

    if (!text.data) {
        text.data = "";
    }
    NMDM_TRY(read_report(&report, ctx, text));
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_take, &report));
    log_invalid(ctx, &report);
    if (report.left_out) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(2533)
                 "%s: status report %s: left out are %d of its values,"
                 " declarations and errors: an enrollment has at most %d, %d"
                 " and 64 KiB for each error or the reasons of a state, 4 MiB"
                 " for all reasons, or they are too long for the database's"
                 " max_allowed_packet",
                 id, ctx->trace_id, report.left_out,
                 NMDM_DECLARATIVE_VALUES_MOST, MOST_STATES);
    }
    return nmdm_declarative_enrollment_compare(ctx, id, report.is_mismatch);
}
