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

/* What has the errors. */
typedef struct {
    const char *id;
    const nmdm_json_tree_t *declarations, *errors;
    apr_size_t longest;         /* of an error, in bytes */
} report_t;

static const char *text_or_empty(const nmdm_json_tree_t *object,
                                 const char *key)
{
    const char *text = nmdm_json_tree_string(object, key);

    return text ? text : "";
}

/* What an error is about, to recognise it when it is reported again. */
static const char *object_of(apr_pool_t *p, const char *path,
                             const char *error)
{
    nmdm_json_tree_t *object = NULL;

    if (nmdm_json_tree_read(&object, p,
                            (nmdm_bytes_t){ error, strlen(error) },
                            NMDM_STATUS_ITEMS_DEPTH, NMDM_TREE_LENIENT)) {
        return "";
    }
    return text_or_empty(object, !strcmp(path, ERROR_PATH) ? "StatusItem"
                                                           : "identifier");
}

static nmdm_err_t *add_error(nmdm_ctx_t *ctx, const report_t *report,
                             const apr_array_header_t *stored,
                             const char *path, const nmdm_json_tree_t *error)
{
    const char *text = nmdm_json_tree_canonical(ctx->pool, error);
    const char *object = object_of(ctx->pool, path, text);
    int i;

    if (strlen(text) > report->longest) {
        return NULL;
    }
    for (i = 0; i < stored->nelts; i++) {
        const nmdm_declarations_error_t *old = &APR_ARRAY_IDX(
            stored, i, nmdm_declarations_error_t);

        if (strcmp(old->path, path)
            || strcmp(object_of(ctx->pool, path, old->error), object)) {
            continue;
        }
        if (!strcmp(old->error, text)) {
            return nmdm_declarations_status_error_again(ctx, old->seq);
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

nmdm_err_t *nmdm_declarative_errors_add(nmdm_ctx_t *ctx, const char *id,
                                        const nmdm_json_tree_t *declarations,
                                        const nmdm_json_tree_t *errors,
                                        apr_size_t longest)
{
    const report_t report = { id, declarations, errors, longest };
    apr_array_header_t *reported = reported_errors(ctx->pool, &report);
    int keep = ctx->policy->declarations->keep_errors, i;
    apr_array_header_t *stored;

    NMDM_TRY(nmdm_declarations_status_errors(ctx, &stored, id));
    /* Those before them would be deleted at once. */
    for (i = reported->nelts > keep ? reported->nelts - keep : 0;
         i < reported->nelts; i++) {
        const entry_t *one = &APR_ARRAY_IDX(reported, i, entry_t);

        NMDM_TRY(add_error(ctx, &report, stored, one->path, one->error));
    }
    return nmdm_declarations_status_trim_errors(ctx, id, keep);
}
