/* SPDX-License-Identifier: Apache-2.0 */
/* enrollment_filter.c -- which enrollments an operator asks for. */

#include "api/enrollment_filter.h"
#include "api/names.h"
#include "codec/json.h"
#include "storage/enrollment_queries.h"

#include <apr_hash.h>

#include <string.h>

/* How many values of a kind a filter may name. */
#define MOST_VALUES 1000

nmdm_err_t *nmdm_api_enrollment_filter_refuse(nmdm_ctx_t *ctx, const char *key,
                                              const char *why)
{
    return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1750)
                    "\"%.100s\" %s", key, why);
}

/* An empty list filters nothing, as NanoMDM's clients expect. */
static nmdm_err_t *read_values(nmdm_api_filter_values_t *out, nmdm_ctx_t *ctx,
                               const nmdm_json_t *filter, const char *key)
{
    apr_array_header_t *all;
    nmdm_json_t *array;
    int i;

    NMDM_TRY(nmdm_json_typed(&array, filter, key, NMDM_JSON_ARRAY));
    if (!array || !nmdm_json_length(array)) {
        return NULL;
    }
    if (nmdm_json_length(array) > MOST_VALUES) {
        return nmdm_api_enrollment_filter_refuse(ctx, key,
                                                 "has more than 1000 values");
    }
    NMDM_TRY(nmdm_json_strings(&all, ctx->pool, filter, key));
    out->set = apr_hash_make(ctx->pool);
    out->list = apr_array_make(ctx->pool, all->nelts, sizeof(const char *));
    for (i = 0; i < all->nelts; i++) {
        const char *value = APR_ARRAY_IDX(all, i, const char *);

        if (!apr_hash_get(out->set, value, APR_HASH_KEY_STRING)) {
            apr_hash_set(out->set, value, APR_HASH_KEY_STRING, value);
            APR_ARRAY_PUSH(out->list, const char *) = value;
        }
    }
    return NULL;
}

static nmdm_err_t *check_types(nmdm_ctx_t *ctx,
                               const nmdm_api_filter_values_t *types)
{
    const char *const KNOWN[] = {
        NMDM_DEVICE, NMDM_USER, NMDM_SHARED_IPAD,
        NMDM_USER_ENROLLMENT_DEVICE, NMDM_USER_ENROLLMENT
    };
    int i, k;

    for (i = 0; types->list && i < types->list->nelts; i++) {
        const char *type = APR_ARRAY_IDX(types->list, i, const char *);

        for (k = 0; k < 5 && strcmp(type, KNOWN[k]); k++) {
            /* until it is found */
        }
        if (k == 5) {
            return nmdm_api_enrollment_filter_refuse(
                ctx, "types",
                "may hold Device, User, Shared iPad,"
                " User Enrollment (Device) and User Enrollment");
        }
    }
    return NULL;
}

/* A misspelt filter would select every enrollment. */
static nmdm_err_t *check_keys(nmdm_ctx_t *ctx, const nmdm_json_t *filter)
{
    static const char *const KNOWN[] = {
        "ids", "serials", "user_short_names", "types", "enabled", NULL
    };
    apr_array_header_t *keys = nmdm_json_keys(filter);
    int i, k;

    for (i = 0; i < keys->nelts; i++) {
        const char *key = APR_ARRAY_IDX(keys, i, const char *);

        for (k = 0; KNOWN[k] && strcmp(key, KNOWN[k]); k++) {
            /* until it is found */
        }
        if (!KNOWN[k]) {
            return nmdm_api_enrollment_filter_refuse(
                ctx, key,
                "is no filter: these are ids, serials,"
                " user_short_names, types and enabled");
        }
    }
    return NULL;
}

static nmdm_err_t *read_flag(int *out, const nmdm_json_t *object,
                             const char *key)
{
    nmdm_json_t *value;

    NMDM_TRY(nmdm_json_typed(&value, object, key, NMDM_JSON_TRUE));
    if (value) {
        *out = nmdm_json_type(value) == NMDM_JSON_TRUE;
    }
    return NULL;
}

nmdm_err_t *nmdm_api_enrollment_filter_read(nmdm_api_enrollment_filter_t *out,
                                            nmdm_ctx_t *ctx,
                                            nmdm_bytes_t json)
{
    nmdm_json_t *request, *filter, *options;

    memset(out, 0, sizeof(*out));
    out->enabled = -1;
    if (!json.len) {
        return NULL;
    }
    NMDM_TRY(nmdm_json_read(&request, ctx->pool, json));
    NMDM_TRY(nmdm_api_names_check_keys(ctx->pool, request,
                                       "filter options"));
    NMDM_TRY(nmdm_json_typed(&filter, request, "filter", NMDM_JSON_OBJECT));
    NMDM_TRY(nmdm_json_typed(&options, request, "options",
                             NMDM_JSON_OBJECT));
    if (filter) {
        NMDM_TRY(check_keys(ctx, filter));
        NMDM_TRY(read_values(&out->ids, ctx, filter, "ids"));
        NMDM_TRY(read_values(&out->serials, ctx, filter, "serials"));
        NMDM_TRY(read_values(&out->names, ctx, filter, "user_short_names"));
        NMDM_TRY(read_values(&out->types, ctx, filter, "types"));
        NMDM_TRY(check_types(ctx, &out->types));
        NMDM_TRY(read_flag(&out->enabled, filter, "enabled"));
    }
    if (options) {
        NMDM_TRY(nmdm_api_names_check_keys(
            ctx->pool, options, "include_device_cert include_unlock_token"));
        NMDM_TRY(read_flag(&out->with_cert, options, "include_device_cert"));
        NMDM_TRY(read_flag(&out->with_unlock_token, options,
                           "include_unlock_token"));
    }
    return NULL;
}

static int is_among(const nmdm_api_filter_values_t *values, const char *value)
{
    return !values->set
        || (value && apr_hash_get(values->set, value, APR_HASH_KEY_STRING));
}

int nmdm_api_enrollment_filter_passes_key(
    const nmdm_api_enrollment_filter_t *f, const nmdm_key_t *key)
{
    return is_among(&f->ids, key->id) && is_among(&f->types, key->type)
        && (f->enabled < 0 || f->enabled == key->enabled);
}

int nmdm_api_enrollment_filter_passes(const nmdm_api_enrollment_filter_t *f,
                                      const nmdm_enrollment_t *e)
{
    return is_among(&f->serials, e->serial_number)
        && is_among(&f->names, e->user_short_name);
}

/* Whether keys alone decide the filter. */
int nmdm_api_enrollment_filter_by_key(const nmdm_api_enrollment_filter_t *f)
{
    return !f->serials.set && !f->names.set;
}
