/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_why.c -- why a declaration is not active on a device: the first
 * verdict that applies, in a fixed order (declarative management specification
 * 9). */

#include "api/declaration_why_text.h"
#include "api/declarations.h"
#include "base/time.h"
#include "db/db.h"
#include "mdm/declaration_lint.h"
#include "storage/declarations.h"
#include "storage/declarations_given.h"
#include "storage/declarations_status.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include <string.h>

#define CAPABILITIES \
    ".StatusItems.management.client-capabilities.supported-payloads" \
    ".declarations."

/* What is known of one enrollment. */
typedef struct {
    nmdm_api_declarations_call_t *call;
    const char *id;
    int is_enrolled, is_enabled;
    apr_array_header_t *items;  /* of nmdm_declaration_t: its manifest */
    const char *token;          /* of that */
    apr_array_header_t *states; /* of nmdm_declarations_state_t */
    apr_array_header_t *values; /* of nmdm_declarations_value_t */
    nmdm_declarations_given_t given;
    nmdm_declarations_waiting_t waiting;
    /* Of the declaration in question: */
    const char *identifier;
    int is_stored;
    nmdm_declaration_t stored;
    apr_array_header_t *sets;   /* that hold it */
    apr_hash_t *activated;      /* Identifier -> that of the activation, or of
                                 * the configuration of an asset */
    apr_hash_t *missing;        /* Identifier -> what it refers to in vain */
    apr_hash_t *predicates;     /* Identifier -> that of an activation */
    const char *properties;     /* of its management, for people */
} case_t;

typedef struct {
    const char *verdict, *text, *detail;
    apr_int64_t since;          /* 0: not known */
} verdict_t;

/* ---- Finding out ---- */

static const nmdm_declaration_t *item_of(const case_t *c,
                                         const char *identifier)
{
    int i;

    for (i = 0; i < c->items->nelts; i++) {
        const nmdm_declaration_t *item = &APR_ARRAY_IDX(c->items, i,
                                                        nmdm_declaration_t);

        if (!strcmp(item->identifier, identifier)) {
            return item;
        }
    }
    return NULL;
}

static const nmdm_declarations_state_t *state_of(const case_t *c,
                                                 const char *identifier)
{
    int i;

    for (i = 0; i < c->states->nelts; i++) {
        const nmdm_declarations_state_t *state = &APR_ARRAY_IDX(
            c->states, i, nmdm_declarations_state_t);

        if (!strcmp(state->identifier, identifier)) {
            return state;
        }
    }
    return NULL;
}

/* What one declaration of the manifest refers to. */
static nmdm_err_t *note_references(nmdm_ctx_t *ctx, case_t *c,
                                   const nmdm_declaration_t *item)
{
    apr_array_header_t *warnings = apr_array_make(
        ctx->pool, 8, sizeof(nmdm_declaration_lint_t));
    apr_array_header_t *references = apr_array_make(
        ctx->pool, 8, sizeof(nmdm_declaration_lint_reference_t));
    nmdm_declaration_t stored;
    nmdm_json_tree_t *payload;
    int found, i;

    NMDM_TRY(nmdm_declarations_get(ctx, &found, &stored, item->identifier));
    if (!found || nmdm_json_tree_read(&payload, ctx->pool, (nmdm_bytes_t){
            stored.payload, strlen(stored.payload) }, 128,
            NMDM_TREE_LENIENT)) {
        return NULL;
    }
    if (nmdm_json_tree_string(payload, "Predicate")) {
        apr_hash_set(c->predicates, item->identifier, APR_HASH_KEY_STRING,
                     nmdm_json_tree_string(payload, "Predicate"));
    }
    if (!strcmp(stored.type, "com.apple.management.properties")) {
        c->properties = apr_psprintf(ctx->pool, "%s; properties %.500s",
                                     c->properties, stored.payload);
    }
    nmdm_declaration_lint_judge(warnings, references, ctx->pool, stored.type,
                                payload);
    for (i = 0; i < references->nelts; i++) {
        const char *name = APR_ARRAY_IDX(
            references, i, nmdm_declaration_lint_reference_t).identifier;

        apr_hash_set(c->activated, name, APR_HASH_KEY_STRING,
                     item->identifier);
        if (!item_of(c, name)) {
            apr_hash_set(c->missing, item->identifier, APR_HASH_KEY_STRING,
                         name);
        }
    }
    return NULL;
}

static nmdm_err_t *do_look_at_id(nmdm_ctx_t *ctx, void *baton)
{
    case_t *c = baton;
    const char *cols[2];
    int i;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    NMDM_TRY(nmdm_db_row(ctx, &c->is_enrolled, cols, 2, STMT_DD_ENROLLED,
                         NMDM_ARGS(c->id)));
    c->is_enabled = c->is_enrolled && *cols[1] == '1';
    NMDM_TRY(nmdm_declarations_given_items(ctx, &c->items, &c->token,
                                           c->id));
    NMDM_TRY(nmdm_declarations_given_get(ctx, &c->given, c->id));
    NMDM_TRY(nmdm_declarations_given_waiting(ctx, &c->waiting, c->id));
    NMDM_TRY(nmdm_declarations_status_states(ctx, &c->states, c->id));
    NMDM_TRY(nmdm_declarations_status_values(ctx, &c->values, c->id));
    c->activated = apr_hash_make(ctx->pool);
    c->missing = apr_hash_make(ctx->pool);
    c->predicates = apr_hash_make(ctx->pool);
    c->properties = "";
    for (i = 0; i < c->items->nelts; i++) {
        NMDM_TRY(note_references(ctx, c, &APR_ARRAY_IDX(
            c->items, i, nmdm_declaration_t)));
    }
    return NULL;
}

static nmdm_err_t *do_look_at_declaration(nmdm_ctx_t *ctx, void *baton)
{
    case_t *c = baton;

    NMDM_TRY(nmdm_declarations_get(ctx, &c->is_stored, &c->stored,
                                   c->identifier));
    return nmdm_declarations_list_all(ctx, &c->sets, NMDM_LIST_SETS_OF,
                                      c->identifier);
}

/* ---- Verdicts, in their order ---- */

static int is_given(const char *token, const char *given)
{
    return given && !strcmp(token, given);
}

static int is_assigned(const case_t *c, verdict_t *out)
{
    apr_pool_t *p = c->call->ctx->pool;

    if (item_of(c, c->identifier)) {
        return 1;
    }
    if (state_of(c, c->identifier)) {
        *out = (verdict_t){ "still-reported", "it is in no set of the"
            " enrollment any more; the device has not removed it yet",
            c->identifier, 0 };
    }
    else if (!c->is_stored) {
        *out = (verdict_t){ "unknown", "upload it: PUT declarations",
                            c->identifier, 0 };
    }
    else {
        *out = (verdict_t){ "not-assigned", "no set of the enrollment holds"
            " it: PUT set-declarations, PUT enrollment-sets",
            c->sets->nelts ? apr_pstrcat(p, "it is in ", apr_array_pstrcat(
                p, c->sets, ','), NULL) : "it is in no set", 0 };
    }
    return 0;
}

/* Whether the enrollment's capabilities lack the type; they are lists by kind
 * of the names without "com.apple.". */
static int is_unsupported(const case_t *c, verdict_t *out)
{
    const nmdm_declaration_t *item = item_of(c, c->identifier);
    int i, any = 0;

    for (i = 0; i < c->values->nelts; i++) {
        const nmdm_declarations_value_t *value = &APR_ARRAY_IDX(
            c->values, i, nmdm_declarations_value_t);

        if (strncmp(value->path, CAPABILITIES, strlen(CAPABILITIES))) {
            continue;
        }
        any = 1;
        if (!strcmp(value->value, item->type)) {
            return 0;
        }
    }
    if (any) {
        *out = (verdict_t){ "unsupported", "this enrollment does not support"
            " the type: look at OS version, channel and kind of enrollment",
            item->type, 0 };
    }
    return any;
}

static int is_unreferenced(const case_t *c, verdict_t *out)
{
    const nmdm_declaration_t *item = item_of(c, c->identifier);
    int is_asset = !strcmp(item->manifest, "assets");

    if ((!is_asset && strcmp(item->manifest, "configurations"))
        || apr_hash_get(c->activated, c->identifier, APR_HASH_KEY_STRING)) {
        return 0;
    }
    *out = (verdict_t){ "not-activated", is_asset
        ? "no configuration of this enrollment refers to it: put one into a"
          " set of the enrollment"
        : "no activation of this enrollment names it: put one into a set of"
          " the enrollment", c->identifier, 0 };
    return 1;
}

static int is_incomplete(const case_t *c, verdict_t *out)
{
    const char *by = apr_hash_get(c->activated, c->identifier,
                                  APR_HASH_KEY_STRING);
    const char *name = apr_hash_get(c->missing, c->identifier,
                                    APR_HASH_KEY_STRING);

    name = name || !by ? name : apr_hash_get(c->missing, by,
                                             APR_HASH_KEY_STRING);
    if (name) {
        *out = (verdict_t){ "incomplete", "what it, or its activation,"
            " refers to is not in the sets of this enrollment", name, 0 };
    }
    return name != NULL;
}

/* Until the present manifest was served. */
static int is_on_its_way(const case_t *c, verdict_t *out)
{
    int served = is_given(c->token, c->given.items_token);

    if (served) {
        return 0;
    }
    *out = (verdict_t){ "waiting", NULL, NULL, c->waiting.queued_at };
    if (is_given(c->token, c->given.data_token)) {
        out->text = "the device was notified and has not asked yet";
        out->detail = "the command is delivered";
    }
    else if (c->waiting.uuid && c->waiting.status) {
        out->text = "the device answered NotNow to the command that waits;"
            " it asks again when it can";
        out->detail = c->waiting.uuid;
    }
    else if (c->waiting.uuid) {
        out->text = "the command waits for the device; see docs/stuck.md if"
            " it stays silent";
        out->detail = c->waiting.uuid;
    }
    else {
        out->text = "no command waits: POST notify with the id";
        out->detail = !c->given.engine_at ? "engine off" : "no command waits";
    }
    return 1;
}

static const char *code_of(const case_t *c,
                           const nmdm_declarations_state_t *state,
                           const char **description)
{
    nmdm_json_tree_t *reasons = NULL;
    const char *code = NULL;

    *description = NULL;
    if (state->reasons && !nmdm_json_tree_read(
            &reasons, c->call->ctx->pool, (nmdm_bytes_t){
                state->reasons, strlen(state->reasons) }, 512,
            NMDM_TREE_LENIENT) && reasons->type == NMDM_TREE_ARRAY) {
        code = nmdm_json_tree_string(reasons->first, "code");
        *description = nmdm_json_tree_string(reasons->first, "description");
    }
    return code;
}

static const char *explain_predicate(const case_t *c, const char *identifier)
{
    apr_pool_t *p = c->call->ctx->pool;
    const char *predicate = apr_hash_get(c->predicates, identifier,
                                         APR_HASH_KEY_STRING);

    return !predicate ? identifier
        : apr_pstrcat(p, nmdm_api_declaration_why_predicate(
            p, identifier, predicate, c->values), c->properties, NULL);
}

/* Whether the activation of it says that its predicate is false. */
static int has_false_predicate(const case_t *c, verdict_t *out)
{
    const char *by = apr_hash_get(c->activated, c->identifier,
                                  APR_HASH_KEY_STRING), *description;
    const char *names[2] = { c->identifier, by };
    int i;

    for (i = 0; i < 2 && names[i]; i++) {
        const nmdm_declarations_state_t *state = state_of(c, names[i]);
        const char *code = state ? code_of(c, state, &description) : NULL;

        if (code && !strcmp(code, "Info.Predicate")) {
            *out = (verdict_t){ "predicate-false", "the predicate of the"
                " activation is false on this device, which may be meant",
                explain_predicate(c, names[i]), state->reported_at };
            return 1;
        }
    }
    return 0;
}

static void judge_state(const case_t *c, verdict_t *out,
                        const nmdm_declarations_state_t *state)
{
    const char *description, *code = code_of(c, state, &description);
    apr_pool_t *p = c->call->ctx->pool;

    out->since = state->reported_at;
    if (has_false_predicate(c, out)) {
        return;
    }
    out->detail = apr_psprintf(p, "%s%s%s", code ? code : c->identifier,
                               description ? ": " : "",
                               description ? description : "");
    if (!strcmp(state->valid, "invalid")) {
        out->verdict = "invalid";
        out->text = nmdm_api_declaration_why_remedy(code);
    }
    else if (code && !strncmp(code, "Error.", 6)) {
        out->verdict = "failed";
        out->text = nmdm_api_declaration_why_remedy(code);
    }
    else if (state->is_active) {
        out->verdict = "active";
        out->text = "nothing is wrong";
    }
    else if (!strcmp(state->valid, "valid")
             && !strcmp(state->manifest, "management")) {
        out->verdict = "valid";
        out->text = "nothing is wrong: management declarations are never"
            " active";
    }
    else {
        out->verdict = "inactive";
        out->text = "the device reports it as inactive";
    }
}

static void judge_report(const case_t *c, verdict_t *out)
{
    const nmdm_declaration_t *item = item_of(c, c->identifier);
    const nmdm_declarations_state_t *state = state_of(c, c->identifier);

    if (!state) {
        *out = (verdict_t){ "fetched", "the device has its declarations and"
            " has not reported since; it does so daily at the latest",
            c->identifier, c->given.items_at };
    }
    else if (strcmp(state->token, item->token)) {
        *out = (verdict_t){ "outdated", "the device reported an older"
            " version", state->token, state->reported_at };
    }
    else {
        judge_state(c, out, state);
    }
}

static verdict_t judge(const case_t *c)
{
    verdict_t out = { NULL, NULL, c->identifier, 0 };

    if (!c->is_enrolled) {
        return (verdict_t){ "not-enrolled", "enroll the device", c->id, 0 };
    }
    if (!c->is_enabled) {
        return (verdict_t){ "disabled", "the device has left; enroll it",
                            c->id, 0 };
    }
    if (!is_assigned(c, &out) || is_unsupported(c, &out)
        || is_unreferenced(c, &out) || is_incomplete(c, &out)
        || is_on_its_way(c, &out)) {
        return out;
    }
    judge_report(c, &out);
    return out;
}

/* ---- The answer ---- */

static nmdm_err_t *add_verdict(nmdm_json_text_t *text, case_t *c,
                               int is_whole)
{
    apr_pool_t *p = c->call->ctx->pool;
    verdict_t verdict;

    NMDM_TRY(nmdm_db_unit(c->call->ctx, NMDM_UNIT_READ,
                          do_look_at_declaration, c));
    verdict = judge(c);
    nmdm_json_text_comma(text);
    nmdm_json_text_raw(text, "{");
    if (is_whole) {
        nmdm_json_text_pair(text, "id", c->id);
    }
    nmdm_json_text_pair(text, "declaration", c->identifier);
    nmdm_json_text_pair(text, "verdict", verdict.verdict);
    nmdm_json_text_pair(text, "since", verdict.since ? nmdm_time_rfc3339(
        p, apr_time_from_sec(verdict.since)) : NULL);
    nmdm_json_text_pair(text, "text", verdict.text);
    if (is_whole) {
        int is_well = !strcmp(verdict.verdict, "active")
            || !strcmp(verdict.verdict, "valid");

        nmdm_json_text_pair_raw(text, "checks", "[{");
        nmdm_json_text_pair(text, "check", verdict.verdict);
        nmdm_json_text_pair_raw(text, "ok", is_well ? "true" : "false");
        nmdm_json_text_pair(text, "detail", verdict.detail);
        nmdm_json_text_raw(text, "}");
        nmdm_api_declaration_why_passed(text, verdict.verdict);
        nmdm_json_text_raw(text, "]");
    }
    nmdm_json_text_raw(text, "}");
    return NULL;
}

/* All that are assigned, then those that are only reported. */
static nmdm_err_t *add_all(nmdm_json_text_t *text, case_t *c)
{
    int i;

    nmdm_json_text_raw(text, "[");
    for (i = 0; i < c->items->nelts; i++) {
        c->identifier = APR_ARRAY_IDX(c->items, i,
                                      nmdm_declaration_t).identifier;
        NMDM_TRY(add_verdict(text, c, 0));
    }
    for (i = 0; i < c->states->nelts; i++) {
        c->identifier = APR_ARRAY_IDX(c->states, i,
                                      nmdm_declarations_state_t).identifier;
        if (!item_of(c, c->identifier)) {
            NMDM_TRY(add_verdict(text, c, 0));
        }
    }
    nmdm_json_text_raw(text, "]");
    return NULL;
}

nmdm_err_t *nmdm_api_declaration_why(nmdm_api_declarations_call_t *call)
{
    nmdm_json_text_t *text = nmdm_json_text_create(call->ctx->pool);
    case_t c = { .call = call, .id = call->rest };

    NMDM_TRY(nmdm_api_declarations_check_name(
        call->ctx, call->rest, "the enrollment id in the path"));
    c.identifier = nmdm_api_declarations_param(call, "declaration");
    if (c.identifier) {
        NMDM_TRY(nmdm_api_declarations_check_name(
            call->ctx, c.identifier, "the parameter \"declaration\""));
    }
    NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_READ, do_look_at_id, &c));
    NMDM_TRY(c.identifier ? add_verdict(text, &c, 1) : add_all(text, &c));
    nmdm_json_text_raw(text, "\n");
    nmdm_api_declarations_json(call, text);
    return NULL;
}
