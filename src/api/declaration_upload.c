/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_upload.c -- a declaration that is uploaded. */

#include "api/declaration_upload.h"
#include "api/declaration_set_lint.h"
#include "db/db.h"
#include "mdm/declaration_lint.h"
#include "mdm/declaration_types.h"
#include "storage/declarations_tokens.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

/* Nesting of an upload. */
#define DEPTH 64
/* Octets of an Identifier: Apple's limit, and with force=1 ours. */
#define LONGEST 64
/* Bytes of the header with warnings. */
#define HEADER_MOST 4096

static nmdm_err_t *refused(apr_pool_t *p, const char *path, const char *why)
{
    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS,
                    NMDMNO(2560) "declaration refused: %s: %s", path, why);
}

/* ---- What cannot be stored ---- */

/* A member by its exact name; other letter case is a mistake, not an extra. */
static nmdm_err_t *member(const nmdm_json_tree_t **out, apr_pool_t *p,
                          const nmdm_json_tree_t *root, const char *key,
                          nmdm_json_tree_type_e type)
{
    const char *path = apr_pstrcat(p, "$.", key, NULL);
    const nmdm_json_tree_t *one;

    for (one = root->first; one; one = one->next) {
        if (!strcasecmp(one->key, key) && strcmp(one->key, key)) {
            return refused(p, apr_pstrcat(p, "$.", one->key, NULL),
                           apr_pstrcat(p, "the key is written ", key, NULL));
        }
    }
    *out = nmdm_json_tree_get(root, key);
    if (!*out) {
        return refused(p, path, "the key is missing");
    }
    return (*out)->type == type ? NULL
        : refused(p, path, apr_psprintf(
            p, "is %s, not %s", nmdm_json_tree_type_name((*out)->type),
            nmdm_json_tree_type_name(type)));
}

static int has_control(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7F
            || ((unsigned char)*text == 0xC2
                && (unsigned char)text[1] < 0xA0)) {
            return 1;
        }
    }
    return 0;
}

/* Blank also where it is not ASCII's. */
static int is_blank(const char *text)
{
    while (*text) {
        if (apr_isspace(*text)) {
            text++;
        }
        else if (!strncmp(text, "\xC2\xA0", 2)) {
            text += 2;
        }
        else if (!strncmp(text, "\xE3\x80\x80", 3)
                 || (!strncmp(text, "\xE2\x80", 2)
                     && (unsigned char)text[2] <= 0x8A)) {
            text += 3;
        }
        else {
            return 0;
        }
    }
    return 1;
}

static nmdm_err_t *check_identifier(apr_pool_t *p, const char *identifier,
                                    int is_forced)
{
    static const char PATH[] = "$.Identifier";
    apr_size_t len = strlen(identifier);

    if (is_blank(identifier)) {
        return refused(p, PATH, "is empty");
    }
    if (has_control(identifier)) {
        return refused(p, PATH, "has control characters");
    }
    if (len > NMDM_DECLARATIONS_NAME || (len > LONGEST && !is_forced)) {
        return refused(p, PATH, apr_psprintf(
            p, "has %" APR_SIZE_T_FMT " octets; devices take 64, and with"
            " force=1 up to %d are stored", len, NMDM_DECLARATIONS_NAME));
    }
    if (!strncmp(identifier, NMDM_SHARD_IDENTIFIER,
                 strlen(NMDM_SHARD_IDENTIFIER))) {
        return refused(p, PATH, "is that of the shard declaration, which"
                                " this server makes itself");
    }
    return NULL;
}

static nmdm_err_t *check_type(apr_pool_t *p, const char *type)
{
    if (strlen(type) > NMDM_DECLARATIONS_NAME || has_control(type)
        || !nmdm_declarations_manifest(type)) {
        return refused(p, "$.Type", "is not com.apple., then activation,"
                                    " asset, configuration or management,"
                                    " then a dot and a name");
    }
    return NULL;
}

static nmdm_err_t *read_declaration(nmdm_declaration_t *out,
                                    const nmdm_json_tree_t **top,
                                    const nmdm_json_tree_t **payload,
                                    nmdm_api_declarations_call_t *call)
{
    const nmdm_json_tree_t *identifier, *type;
    apr_pool_t *p = call->ctx->pool;
    nmdm_json_tree_t *root = NULL;

    NMDM_TRY(nmdm_json_tree_read(&root, p, call->body, DEPTH,
                                 NMDM_TREE_STRICT));
    if (root->type != NMDM_TREE_OBJECT) {
        return refused(p, "$", apr_psprintf(
            p, "is %s, not an object", nmdm_json_tree_type_name(root->type)));
    }
    NMDM_TRY(member(&identifier, p, root, "Identifier", NMDM_TREE_STRING));
    NMDM_TRY(member(&type, p, root, "Type", NMDM_TREE_STRING));
    NMDM_TRY(member(payload, p, root, "Payload", NMDM_TREE_OBJECT));
    *top = root;
    out->identifier = identifier->text.data;
    out->type = type->text.data;
    NMDM_TRY(check_identifier(p, out->identifier,
                              nmdm_api_declarations_is_on(call, "force")));
    NMDM_TRY(check_type(p, out->type));
    out->manifest = nmdm_declarations_manifest(out->type);
    out->payload = nmdm_json_tree_canonical(p, *payload);
    return NULL;
}

/* ---- What looks wrong ---- */

typedef struct {
    const apr_array_header_t *references;
    apr_array_header_t *pairs;  /* of stored Identifiers and types */
    const char *self, *type;    /* what is uploaded itself */
    int is_check;
    apr_array_header_t *others; /* warnings that the database leads to */
} lookup_t;

static nmdm_err_t *do_find(nmdm_ctx_t *ctx, void *baton)
{
    lookup_t *lookup = baton;
    apr_array_header_t *names = apr_array_make(ctx->pool, 8,
                                               sizeof(const char *));
    int i;

    NMDM_TRY(nmdm_api_declarations_has_tables(ctx));
    for (i = 0; i < lookup->references->nelts; i++) {
        APR_ARRAY_PUSH(names, const char *) = APR_ARRAY_IDX(
            lookup->references, i, nmdm_declaration_lint_reference_t)
            .identifier;
    }
    lookup->pairs = apr_array_make(ctx->pool, 16, sizeof(const char *));
    lookup->others = apr_array_make(ctx->pool, 1,
                                    sizeof(nmdm_declaration_lint_t));
    if (names->nelts) {
        NMDM_TRY(nmdm_declarations_find(ctx, lookup->pairs, names));
    }
    return !lookup->is_check
               || strcmp(nmdm_declarations_manifest(lookup->type),
                         "configurations") ? NULL
        : nmdm_api_declaration_set_lint_activated(ctx, lookup->others,
                                                  lookup->self);
}

static const char *type_of(const lookup_t *lookup, const char *identifier)
{
    int i;

    if (!strcmp(identifier, lookup->self)) {
        return lookup->type;
    }
    for (i = 0; i < lookup->pairs->nelts; i += 2) {
        if (!strcmp(APR_ARRAY_IDX(lookup->pairs, i, const char *),
                    identifier)) {
            return APR_ARRAY_IDX(lookup->pairs, i + 1, const char *);
        }
    }
    return NULL;
}

static void judge_references(apr_array_header_t *warnings, apr_pool_t *p,
                             const lookup_t *lookup)
{
    int i;

    for (i = 0; i < lookup->references->nelts; i++) {
        const nmdm_declaration_lint_reference_t *one = &APR_ARRAY_IDX(
            lookup->references, i, nmdm_declaration_lint_reference_t);
        const char *type = type_of(lookup, one->identifier);

        if (!type) {
            nmdm_declaration_lint_add(
                warnings, "reference-missing", one->path, apr_psprintf(
                    p, "%.255s is not stored", one->identifier));
        }
        else if (!nmdm_declaration_lint_fits(one->types, type)) {
            nmdm_declaration_lint_add(
                warnings, "reference-missing", one->path, apr_psprintf(
                    p, "%.255s is a %.255s, not one of %s", one->identifier,
                    type, one->types));
        }
    }
}

/* A key of the payload that is beside it would be lost silently. */
static void judge_top(apr_array_header_t *warnings, apr_pool_t *p,
                      const char *type, const nmdm_json_tree_t *top)
{
    const nmdm_json_tree_t *one;

    for (one = top->first; one; one = one->next) {
        if (strcmp(one->key, "Identifier") && strcmp(one->key, "Type")
            && strcmp(one->key, "Payload")
            && nmdm_declaration_types_has_key(type, one->key)
            && strcmp(type, "com.apple.management.properties")) {
            nmdm_declaration_lint_add(
                warnings, "key-unknown", apr_pstrcat(p, "$.", one->key,
                                                     NULL),
                "is left out: it is a key of the payload");
        }
    }
}

static nmdm_err_t *lint(nmdm_api_declaration_upload_t *upload,
                        nmdm_api_declarations_call_t *call,
                        const nmdm_json_tree_t *top,
                        const nmdm_json_tree_t *payload)
{
    apr_pool_t *p = call->ctx->pool;
    apr_array_header_t *references = apr_array_make(
        p, 8, sizeof(nmdm_declaration_lint_reference_t));
    lookup_t lookup = { references, NULL, upload->declaration.identifier,
                        upload->declaration.type,
                        nmdm_api_declarations_is_on(call, "check"), NULL };

    if (!call->ctx->policy->declarations->lints && !lookup.is_check) {
        return NULL;
    }
    judge_top(upload->warnings, p, upload->declaration.type, top);
    nmdm_declaration_lint_judge(upload->warnings, references, p,
                                upload->declaration.type, payload);
    NMDM_TRY(nmdm_db_unit(call->ctx, NMDM_UNIT_READ, do_find, &lookup));
    judge_references(upload->warnings, p, &lookup);
    apr_array_cat(upload->warnings, lookup.others);
    return NULL;
}

nmdm_err_t *nmdm_api_declaration_upload_read(
    nmdm_api_declaration_upload_t *upload,
    nmdm_api_declarations_call_t *call)
{
    const nmdm_json_tree_t *payload = NULL, *top = NULL;

    memset(upload, 0, sizeof(*upload));
    upload->warnings = apr_array_make(call->ctx->pool, 4,
                                      sizeof(nmdm_declaration_lint_t));
    upload->err = read_declaration(&upload->declaration, &top, &payload,
                                   call);
    if (upload->err) {
        return nmdm_api_declarations_is_on(call, "check") ? NULL
                                                          : upload->err;
    }
    return lint(upload, call, top, payload);
}

/* ---- Saying so ---- */

static void add_warning(nmdm_json_text_t *text,
                        const nmdm_declaration_lint_t *warning)
{
    nmdm_json_text_comma(text);
    nmdm_json_text_raw(text, "{");
    nmdm_json_text_pair(text, "code", warning->code);
    nmdm_json_text_pair(text, "path", warning->path);
    nmdm_json_text_pair(text, "text", warning->text);
    nmdm_json_text_raw(text, "}");
}

void nmdm_api_declaration_upload_check(
    const nmdm_api_declaration_upload_t *upload,
    nmdm_api_declarations_call_t *call)
{
    nmdm_json_text_t *text = nmdm_json_text_create(call->ctx->pool);
    int i;

    nmdm_json_text_raw(text, "{\"errors\":[");
    if (upload->err) {
        nmdm_json_text_string(text, nmdm_err_text(upload->err));
    }
    nmdm_json_text_raw(text, "],\"warnings\":[");
    for (i = 0; i < upload->warnings->nelts; i++) {
        add_warning(text, &APR_ARRAY_IDX(upload->warnings, i,
                                         nmdm_declaration_lint_t));
    }
    nmdm_json_text_raw(text, "]}\n");
    nmdm_api_declarations_json(call, text);
}

/* A header is ASCII without control characters, of which JSON may have DEL:
 * what it cannot have is escaped as in JSON. */
static const char *in_ascii(apr_pool_t *p, const char *json)
{
    nmdm_json_text_t *text = nmdm_json_text_create(p);
    const unsigned char *at;

    for (at = (const unsigned char *)json; *at; at++) {
        unsigned c = *at;
        int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC0 ? 1 : 0;

        if (c < 0x7F) {
            nmdm_json_text_raw(text, apr_pstrmemdup(p, (const char *)at, 1));
            continue;
        }
        c &= more ? 0x3Fu >> more : 0x7F;
        for (; more; more--) {
            c = c << 6 | (*++at & 0x3F);
        }
        nmdm_json_text_raw(text, c < 0x10000
            ? apr_psprintf(p, "\\u%04x", c)
            : apr_psprintf(p, "\\u%04x\\u%04x",
                           0xD800 + ((c - 0x10000) >> 10),
                           0xDC00 + ((c - 0x10000) & 0x3FF)));
    }
    return text->data;
}

/* As many as fit. */
static const char *header_of(apr_pool_t *p,
                             const apr_array_header_t *warnings)
{
    const char *header = "[";
    int i;

    for (i = 0; i < warnings->nelts; i++) {
        nmdm_json_text_t *text = nmdm_json_text_create(p);
        const char *one;

        add_warning(text, &APR_ARRAY_IDX(warnings, i,
                                         nmdm_declaration_lint_t));
        one = in_ascii(p, text->data);
        if (strlen(header) + strlen(one) + 2 > HEADER_MOST) {
            break;
        }
        header = apr_pstrcat(p, header, i ? "," : "", one, NULL);
    }
    return apr_pstrcat(p, header, "]", NULL);
}

nmdm_err_t *nmdm_api_declaration_upload_warn(
    const apr_array_header_t *warnings, nmdm_api_declarations_call_t *call)
{
    const nmdm_declaration_lint_t *first;
    apr_pool_t *p = call->ctx->pool;
    apr_table_t *headers;

    if (!warnings->nelts) {
        return NULL;
    }
    first = &APR_ARRAY_IDX(warnings, 0, nmdm_declaration_lint_t);
    if (call->ctx->policy->declarations->refuses
        && !nmdm_api_declarations_is_on(call, "force")) {
        return refused(p, first->path, apr_psprintf(
            p, "%s: %s (%d in all; force=1 stores it all the same)",
            first->code, first->text, warnings->nelts));
    }
    headers = apr_table_make(p, 1);
    apr_table_setn(headers, "X-NanoMDM-Warnings",
                   header_of(p, warnings));
    call->reply->headers = headers;
    return NULL;
}
