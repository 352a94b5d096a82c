/* SPDX-License-Identifier: Apache-2.0 */
/* declarative_values.c -- the values of a status report.
 *
 * An item that is known by name, and what is no object, is replaced as a whole
 * by what is reported; objects of an array one by one, by their identifiers.
 * Of objects that are no item, each member is replaced by itself, so that
 * members that a report leaves out are kept. */

#include "service/declarative_values.h"
#include "codec/json_text.h"
#include "crypto/digest.h"
#include "mdm/status_items.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

#define ROOT ".StatusItems"
/* Of a path or an object, in characters, as the columns have it. */
#define LONGEST 255
/* Of a path while it grows, in bytes: a column has its beginning. */
#define LONGEST_PATH 1024
/* Of all paths of a report together, in bytes. */
#define MOST_PATHS ((apr_size_t)32 * 1024 * 1024)

/* A value of the report, and how it stands to what is stored. */
typedef struct {
    nmdm_declarations_value_t value;
    int number;                 /* in the order of the report */
    enum { IS_NEW, IS_CHANGED, IS_SAME } state;
} row_t;

/* What gives way of all below a path. */
typedef struct {
    int is_all;
    apr_hash_t *objects;        /* of these objects */
} place_t;

/* Paths grow in pools of their own, and what is kept of them is copied: a short
 * member of an object with a long path costs no more than it is long. */
typedef struct {
    apr_pool_t *pool;
    apr_pool_t *scratch;
    apr_size_t longest;         /* of values, in bytes */
    apr_size_t room;            /* for paths, in bytes, that is left */
    int left_out;
    apr_array_header_t *rows;   /* row_t */
    nmdm_json_text_t *key;      /* of the row being made */
    apr_hash_t *replaced;       /* path -> place_t */
} merge_t;

/* ---- Which rows give way ---- */

/* Once there is no room for a path, there is none for any. */
static int has_room(merge_t *merge, const char *path)
{
    apr_size_t len = strlen(path);

    merge->room = len < merge->room ? merge->room - len : 0;
    return merge->room > 0;
}

static place_t *find_place(merge_t *merge, const char *path)
{
    place_t *place = apr_hash_get(merge->replaced, path, APR_HASH_KEY_STRING);

    if (!place && nmdm_utf8_length(path) <= LONGEST
        && has_room(merge, path)) {
        place = apr_pcalloc(merge->pool, sizeof(*place));
        apr_hash_set(merge->replaced, apr_pstrdup(merge->pool, path),
                     APR_HASH_KEY_STRING, place);
    }
    return place;
}

/* All below a path; of one object there, when it is not NULL. No stored path is
 * longer than its column. */
static void replace(merge_t *merge, const char *path, const char *object)
{
    place_t *place = find_place(merge, path);

    if (place && !object) {
        place->is_all = 1;
    }
    else if (place) {
        place->objects = place->objects ? place->objects
                                        : apr_hash_make(merge->pool);
        apr_hash_set(place->objects, object, APR_HASH_KEY_STRING, object);
    }
}

static int gives_way(const merge_t *merge,
                     const nmdm_declarations_value_t *row)
{
    apr_size_t len;

    for (len = strlen(ROOT); len <= strlen(row->path); len++) {
        const place_t *place = row->path[len] && row->path[len] != '.' ? NULL
            : apr_hash_get(merge->replaced, row->path, (apr_ssize_t)len);

        if (place && (place->is_all
                      || (place->objects
                          && apr_hash_get(place->objects, row->object,
                                          APR_HASH_KEY_STRING)))) {
            return 1;
        }
    }
    return 0;
}

/* ---- Rows ---- */

/* What fits into a column; what does not is known by its digest. */
static const char *fitting(apr_pool_t *p, const char *object)
{
    return strlen(object) <= LONGEST || nmdm_utf8_length(object) <= LONGEST
        ? object
        : nmdm_digest_sha256(p, (nmdm_bytes_t){ object, strlen(object) });
}

/* The path of a member. A long one ends with its digest: a report of long keys
 * that are nested would otherwise take memory by the square of its size. */
static const char *join(apr_pool_t *p, const char *path, const char *key)
{
    const char *whole;
    apr_size_t len = strlen(path) + 1 + strlen(key);

    if (len <= LONGEST_PATH) {
        return apr_pstrcat(p, path, ".", key, NULL);
    }
    whole = apr_pstrcat(p, path, ".", key, NULL);
    return apr_pstrcat(p, nmdm_utf8_shortened(p, whole, LONGEST),
                       nmdm_digest_sha256(p, (nmdm_bytes_t){ whole, len }),
                       NULL);
}

/* With its length before it. */
static void add_to_key(nmdm_json_text_t *key, const char *text)
{
    char len[24];

    apr_snprintf(len, sizeof(len), "%" APR_SIZE_T_FMT ":", strlen(text));
    nmdm_json_text_raw(key, len);
    nmdm_json_text_raw(key, text);
}

static const char *row_key(merge_t *merge, const char *path,
                           const char *object, const char *position)
{
    merge->key->len = 0;
    add_to_key(merge->key, path);
    add_to_key(merge->key, object);
    nmdm_json_text_raw(merge->key, position);
    return nmdm_digest_sha256(merge->pool, nmdm_json_text_bytes(merge->key));
}

static int is_full(const merge_t *merge)
{
    return merge->rows->nelts == NMDM_DECLARATIVE_VALUES_MOST || !merge->room;
}

/* As its column has it; long ones that begin alike are one there. NULL where
 * there is no more room. */
static const char *kept_path(merge_t *merge, const char *path)
{
    const char *kept, *last = merge->rows->nelts
        ? APR_ARRAY_IDX(merge->rows, merge->rows->nelts - 1, row_t).value.path
        : "";

    apr_pool_clear(merge->scratch);
    kept = nmdm_utf8_shortened(merge->scratch, path, LONGEST);
    return !strcmp(kept, last) ? last
        : has_room(merge, kept) ? apr_pstrdup(merge->pool, kept) : NULL;
}

static void add_row(merge_t *merge, const char *path, const char *object,
                    const char *position, const nmdm_json_tree_t *value)
{
    row_t row = { .number = merge->rows->nelts, .state = IS_NEW };

    if (!is_full(merge) && value->text.len <= merge->longest) {
        row.value.path = kept_path(merge, path);
    }
    if (!row.value.path) {
        merge->left_out++;
        return;
    }
    row.value.row_key = row_key(merge, path, object, position);
    row.value.object = object;
    row.value.value = value->type == NMDM_TREE_TRUE ? "true"
        : value->type == NMDM_TREE_FALSE ? "false" : value->text.data;
    row.value.kind = value->type == NMDM_TREE_STRING ? "string"
        : value->type == NMDM_TREE_NUMBER ? "number" : "boolean";
    APR_ARRAY_PUSH(merge->rows, row_t) = row;
}

/* A value and all that is in it. Elements of an array share a path. What there
 * is no room for is only counted. */
static void add_rows(merge_t *merge, const char *path, const char *object,
                     const char *position, const nmdm_json_tree_t *value)
{
    const nmdm_json_tree_t *one;
    apr_pool_t *own;
    int i = 0;

    if (value->type < NMDM_TREE_ARRAY) {
        if (value->type != NMDM_TREE_NULL) {
            add_row(merge, path, object, position, value);
        }
        return;
    }
    apr_pool_create(&own, merge->pool);
    for (one = value->first; one; one = one->next, i++) {
        if (is_full(merge)) {
            add_rows(merge, path, object, position, one);
        }
        else if (value->type == NMDM_TREE_ARRAY) {
            add_rows(merge, path, object,
                     apr_psprintf(own, "%s.%d", position, i), one);
        }
        else {
            add_rows(merge, join(own, path, one->key), object, position, one);
        }
        apr_pool_clear(own);
    }
    apr_pool_destroy(own);
}

/* ---- Items ---- */

static int is_removed(const nmdm_json_tree_t *object)
{
    return nmdm_json_tree_is_true(object, "_removed")
        || nmdm_json_tree_is_true(object, "removed");
}

/* Objects with an identifier give way one by one, all else together; one that
 * is removed and has none says nothing. An empty
 * array says nothing; in a full report, what it lacks is gone anyway. */
static void take_array(merge_t *merge, const char *path,
                       const nmdm_json_tree_t *array)
{
    int i = 0, says = 0, has_objects = 0;
    const nmdm_json_tree_t *one;
    char position[16];

    for (one = array->first; one; one = one->next, i++) {
        const char *id = nmdm_json_tree_string(one, "identifier");

        if (!id && is_removed(one)) {
            continue;
        }
        says = 1;
        if (!id) {
            apr_snprintf(position, sizeof(position), ".%d", i);
            add_rows(merge, path, "", position, one);
            continue;
        }
        has_objects = 1;
        id = fitting(merge->pool, id);
        replace(merge, path, id);
        if (!is_removed(one)) {
            add_rows(merge, path, id, "", one);
        }
    }
    if (says) {
        replace(merge, path, has_objects ? "" : NULL);
    }
}

static void take_item(merge_t *merge, const char *path,
                      const nmdm_json_tree_t *item)
{
    if (item->type == NMDM_TREE_ARRAY) {
        take_array(merge, path, item);
        return;
    }
    replace(merge, path, NULL);
    add_rows(merge, path, "", "", item);
}

static void take_object(merge_t *merge, const char *path,
                        const nmdm_json_tree_t *object)
{
    const nmdm_json_tree_t *one;
    apr_pool_t *own;

    apr_pool_create(&own, merge->pool);
    for (one = object->first; one; one = one->next) {
        const char *at, *name;

        apr_pool_clear(own);
        at = join(own, path, one->key);
        name = at + strlen(ROOT) + 1;
        if (!strcmp(name, "management.declarations")) {
            continue;
        }
        if (one->type == NMDM_TREE_OBJECT
            && !nmdm_status_items_is_known(name)) {
            take_object(merge, at, one);
        }
        else {
            take_item(merge, at, one);
        }
    }
    apr_pool_destroy(own);
}

/* ---- The merge ---- */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const row_t *)a)->value.row_key,
                  ((const row_t *)b)->value.row_key);
}

static int compare_rows(const void *a, const void *b)
{
    int order = compare_keys(a, b);

    return order ? order : ((const row_t *)a)->number
                               - ((const row_t *)b)->number;
}

/* In the order of the index, which thousands of rows are put into; of several
 * for one place the last. */
static void sort(apr_array_header_t *rows)
{
    row_t *row = (row_t *)rows->elts;
    int i, n = 0;

    qsort(row, (size_t)rows->nelts, sizeof(*row), compare_rows);
    for (i = 0; i < rows->nelts; i++) {
        if (i + 1 == rows->nelts || compare_keys(&row[i], &row[i + 1])) {
            row[n++] = row[i];
        }
    }
    rows->nelts = n;
}

static int is_same(const nmdm_declarations_value_t *stored,
                   const nmdm_declarations_value_t *row, apr_int64_t now)
{
    return !strcmp(stored->value, row->value)
        && !strcmp(stored->kind, row->kind)
        && now - stored->reported_at < NMDM_DECLARATIVE_VALUES_FRESH;
}

static row_t *find(const apr_array_header_t *rows, const char *key)
{
    row_t wanted = { .value.row_key = key };

    return bsearch(&wanted, rows->elts, (size_t)rows->nelts, sizeof(wanted),
                   compare_keys);
}

/* How much there may be of an enrollment beside what stays of it: reports that
 * each name something else would add up without end. */
typedef struct {
    int rows;
    apr_int64_t bytes;
} space_t;

static apr_int64_t size_of(const nmdm_declarations_value_t *value)
{
    return (apr_int64_t)(strlen(value->path) + strlen(value->object)
                         + strlen(value->value));
}

static void occupy(space_t *space, const nmdm_declarations_value_t *value)
{
    space->rows--;
    space->bytes -= size_of(value);
}

static void compare(merge_t *merge, apr_array_header_t *gone, space_t *space,
                    const apr_array_header_t *stored, int is_full_report,
                    apr_int64_t now)
{
    int i;

    for (i = 0; i < stored->nelts; i++) {
        const nmdm_declarations_value_t *old = &APR_ARRAY_IDX(
            stored, i, nmdm_declarations_value_t);
        row_t *row = find(merge->rows, old->row_key);

        if (row) {
            row->state = is_same(old, &row->value, now) ? IS_SAME
                                                        : IS_CHANGED;
        }
        if (row && row->state == IS_CHANGED) {
            continue;
        }
        if (!row && (is_full_report || gives_way(merge, old))) {
            APR_ARRAY_PUSH(gone, const char *) = old->row_key;
        }
        else {
            occupy(space, old);
        }
    }
}

/* What is to be written, as far as there is space; a value that was there and
 * has none is gone. */
static void put(nmdm_declarative_values_t *out, space_t *space,
                const row_t *row)
{
    if (space->rows > 0 && size_of(&row->value) <= space->bytes) {
        occupy(space, &row->value);
        APR_ARRAY_PUSH(row->state == IS_NEW ? out->added : out->changed,
                       nmdm_declarations_value_t) = row->value;
        return;
    }
    out->left_out++;
    if (row->state == IS_CHANGED) {
        APR_ARRAY_PUSH(out->gone, const char *) = row->value.row_key;
    }
}

void nmdm_declarative_values_merge(nmdm_declarative_values_t *out,
                                   apr_pool_t *p,
                                   const nmdm_json_tree_t *items,
                                   const apr_array_header_t *stored,
                                   int is_full_report, apr_int64_t now,
                                   apr_size_t longest)
{
    merge_t merge = { .pool = p, .longest = longest, .room = MOST_PATHS,
                      .rows = apr_array_make(p, 64, sizeof(row_t)),
                      .key = nmdm_json_text_create(p),
                      .replaced = apr_hash_make(p) };
    space_t space = { NMDM_DECLARATIVE_VALUES_MOST,
                      NMDM_DECLARATIVE_VALUES_BYTES };
    int i;

    apr_pool_create(&merge.scratch, p);
    out->added = apr_array_make(p, 64, sizeof(nmdm_declarations_value_t));
    out->changed = apr_array_make(p, 64, sizeof(nmdm_declarations_value_t));
    out->gone = apr_array_make(p, 16, sizeof(const char *));
    if (items && items->type == NMDM_TREE_OBJECT) {
        take_object(&merge, ROOT, items);
    }
    sort(merge.rows);
    compare(&merge, out->gone, &space, stored, is_full_report, now);
    out->left_out = merge.left_out;
    for (i = 0; i < merge.rows->nelts; i++) {
        const row_t *row = &APR_ARRAY_IDX(merge.rows, i, row_t);

        if (row->state != IS_SAME) {
            put(out, &space, row);
        }
    }
    apr_pool_destroy(merge.scratch);
}
