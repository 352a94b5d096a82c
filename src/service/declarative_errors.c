/* SPDX-License-Identifier: Apache-2.0 */
/* declarative_errors.c -- errors of status reports: those of items, and the
 * states of declarations that are not in effect. */

#include "service/declarative_errors.h"
#include "codec/json_text.h"
#include "mdm/status_items.h"
#include "storage/declarations_status.h"

#include <apr_strings.h>

#include <string.h>

#define ERROR_PATH ".Errors"
#define STATES_PATH ".StatusItems.management.declarations."
/* Of an error, in bytes: all that are kept are read with each report. */
#define LONGEST (64 * 1024)

/* What has the errors. */
typedef struct {
    const char *id;
    const nmdm_json_tree_t *declarations, *errors;
    apr_size_t longest;         /* of an error, in bytes */
    int left_out;
} report_t;

/* One that is stored. */
typedef struct {
    const nmdm_declarations_error_t *error;
    const char *object;         /* what it is about */
} known_t;

static const char *text_or_empty(const nmdm_json_tree_t *object,
                                 const char *key)
{
    const char *text = nmdm_json_tree_string(object, key);

    return text ? text : "";
}

/* What an error is about, to recognise it when it is reported again. */
static const char *object_of(const char *path, const nmdm_json_tree_t *error)
{
    return text_or_empty(error, !strcmp(path, ERROR_PATH) ? "StatusItem"
                                                          : "identifier");
}

/* The same of a stored one; its tree goes at once. */
static const char *stored_object(apr_pool_t *p,
                                 const nmdm_declarations_error_t *error)
{
    nmdm_bytes_t text = { error->error, strlen(error->error) };
    nmdm_json_tree_t *tree;
    const char *object = "";
    apr_pool_t *own;

    apr_pool_create(&own, p);
    if (!nmdm_json_tree_read(&tree, own, text, NMDM_STATUS_ITEMS_DEPTH,
                             NMDM_TREE_LENIENT)) {
        object = apr_pstrdup(p, object_of(error->path, tree));
    }
    apr_pool_destroy(own);
    return object;
}

static nmdm_err_t *read_known(nmdm_ctx_t *ctx, apr_array_header_t **known,
                              const char *id)
{
    apr_array_header_t *stored;
    int i;

    NMDM_TRY(nmdm_declarations_status_errors(ctx, &stored, id));
    *known = apr_array_make(ctx->pool, stored->nelts + 1, sizeof(known_t));
    for (i = 0; i < stored->nelts; i++) {
        const nmdm_declarations_error_t *error = &APR_ARRAY_IDX(
            stored, i, nmdm_declarations_error_t);

        APR_ARRAY_PUSH(*known, known_t) = (known_t){
            error, stored_object(ctx->pool, error)
        };
    }
    return NULL;
}

static nmdm_err_t *add_error(nmdm_ctx_t *ctx, report_t *report,
                             const apr_array_header_t *known,
                             const char *path, const nmdm_json_tree_t *error)
{
    const char *text = nmdm_json_tree_canonical(ctx->pool, error);
    const char *object = object_of(path, error);
    int i;

    if (strlen(text) > report->longest) {
        report->left_out++;
        return NULL;
    }
    for (i = 0; i < known->nelts; i++) {
        const known_t *old = &APR_ARRAY_IDX(known, i, known_t);

        if (strcmp(old->error->path, path) || strcmp(old->object, object)) {
            continue;
        }
        if (!strcmp(old->error->error, text)) {
            return nmdm_declarations_status_error_again(ctx,
                                                        old->error->seq);
        }
        break;
    }
    return nmdm_declarations_status_put_error(ctx, report->id, path, text);
}

typedef struct {
    const char *path;
    const nmdm_json_tree_t *error;
} entry_t;

static apr_array_header_t *reported_errors(apr_pool_t *p,
                                           const report_t *report)
{
    apr_array_header_t *errors = apr_array_make(p, 16, sizeof(entry_t));
    const nmdm_json_tree_t *array, *one;
    int i;

    for (i = 0; i < NMDM_STATUS_MANIFESTS_N; i++) {
        array = nmdm_status_items_manifest(report->declarations, i);
        for (one = array ? array->first : NULL; one; one = one->next) {
            if (one->type == NMDM_TREE_OBJECT
                && !nmdm_json_tree_is_true(one, "active")
                && strcmp(text_or_empty(one, "valid"), "valid")) {
                APR_ARRAY_PUSH(errors, entry_t) = (entry_t){
                    apr_pstrcat(p, STATES_PATH, NMDM_STATUS_MANIFESTS[i], NULL),
                    one
                };
            }
        }
    }
    for (one = report->errors && report->errors->type == NMDM_TREE_ARRAY
             ? report->errors->first : NULL; one; one = one->next) {
        APR_ARRAY_PUSH(errors, entry_t) = (entry_t){ ERROR_PATH, one };
    }
    return errors;
}

nmdm_err_t *nmdm_declarative_errors_add(nmdm_ctx_t *ctx, int *left_out,
                                        const char *id,
                                        const nmdm_json_tree_t *declarations,
                                        const nmdm_json_tree_t *errors,
                                        apr_size_t longest)
{
    report_t report = { id, declarations, errors,
                        longest < LONGEST ? longest : LONGEST, 0 };
    apr_array_header_t *reported = reported_errors(ctx->pool, &report);
    int keep = ctx->policy->declarations->keep_errors, i;
    apr_array_header_t *known;

    NMDM_TRY(read_known(ctx, &known, id));
    /* Those before them would be deleted at once. */
    for (i = reported->nelts > keep ? reported->nelts - keep : 0;
         i < reported->nelts; i++) {
        const entry_t *one = &APR_ARRAY_IDX(reported, i, entry_t);

        NMDM_TRY(add_error(ctx, &report, known, one->path, one->error));
    }
    *left_out += report.left_out;
    return nmdm_declarations_status_trim_errors(ctx, id, keep);
}
