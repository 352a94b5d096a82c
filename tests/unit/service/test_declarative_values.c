/* SPDX-License-Identifier: Apache-2.0 */
/* test_declarative_values.c -- which values of a status report are written,
 * and which give way (declarative management specification 8.1). */

#include "support.h"
#include "service/declarative_values.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* Of a value here. */
#define LONGEST 1000

typedef struct {
    apr_pool_t *pool;
    apr_array_header_t *stored; /* nmdm_declarations_value_t */
    apr_int64_t now;
    int changed, gone, left_out;        /* of the last report */
} rows_t;

static rows_t *make(void **state)
{
    rows_t *rows = apr_pcalloc(*state, sizeof(*rows));

    rows->pool = *state;
    rows->stored = apr_array_make(*state, 8,
                                    sizeof(nmdm_declarations_value_t));
    rows->now = 1000000;
    return rows;
}

static int find(const apr_array_header_t *values, const char *key)
{
    int i;

    for (i = 0; i < values->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(values, i, nmdm_declarations_value_t)
                    .row_key, key)) {
            return i;
        }
    }
    return -1;
}

/* Merges StatusItems as the database would then have them. */
static void take(rows_t *rows, const char *items, int is_full)
{
    nmdm_declarative_values_t values;
    apr_array_header_t *written;
    nmdm_json_tree_t *tree;
    int i, at;

    assert_null(nmdm_json_tree_read(
        &tree, rows->pool, (nmdm_bytes_t){ items, strlen(items) }, 64,
        NMDM_TREE_LENIENT));
    nmdm_declarative_values_merge(&values, rows->pool, tree, rows->stored,
                                  is_full, rows->now, LONGEST);
    written = apr_array_append(rows->pool, values.added, values.changed);
    rows->left_out = values.left_out;
    rows->changed = written->nelts;
    rows->gone = values.gone->nelts;
    if (rows->left_out > 1) {
        return;                 /* too many to keep here */
    }
    for (i = 0; i < values.gone->nelts; i++) {
        at = find(rows->stored, APR_ARRAY_IDX(values.gone, i, const char *));
        assert_true(at >= 0);
        APR_ARRAY_IDX(rows->stored, at, nmdm_declarations_value_t)
            = *(nmdm_declarations_value_t *)apr_array_pop(rows->stored);
    }
    for (i = 0; i < written->nelts; i++) {
        nmdm_declarations_value_t value = APR_ARRAY_IDX(
            written, i, nmdm_declarations_value_t);

        value.reported_at = rows->now;
        at = find(rows->stored, value.row_key);
        assert_int_equal(at < 0, i < values.added->nelts);
        if (at >= 0) {
            APR_ARRAY_IDX(rows->stored, at, nmdm_declarations_value_t)
                = value;
        }
        else {
            APR_ARRAY_PUSH(rows->stored, nmdm_declarations_value_t)
                = value;
        }
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What is stored: "path=value" in order, without ".StatusItems.". */
static const char *held(const rows_t *rows)
{
    apr_array_header_t *lines = apr_array_make(rows->pool, 8,
                                               sizeof(const char *));
    int i;

    for (i = 0; i < rows->stored->nelts; i++) {
        const nmdm_declarations_value_t *value = &APR_ARRAY_IDX(
            rows->stored, i, nmdm_declarations_value_t);

        APR_ARRAY_PUSH(lines, const char *) = apr_pstrcat(
            rows->pool, value->path + strlen(".StatusItems."), "=",
            value->value, NULL);
    }
    qsort(lines->elts, (size_t)lines->nelts, sizeof(const char *), compare);
    return apr_array_pstrcat(rows->pool, lines, ' ');
}

static void a_value_replaces_the_one_before(void **state)
{
    rows_t *rows = make(state);

    take(rows, "{\"device\":{\"operating-system\":"
                   "{\"version\":\"26.0\"}}}", 0);
    take(rows, "{\"device\":{\"operating-system\":"
                   "{\"version\":\"26.1\"}}}", 0);
    assert_string_equal(held(rows), "device.operating-system.version=26.1");
}

static void what_is_the_same_is_not_written_within_the_hour(void **state)
{
    static const char ITEMS[] = "{\"x\":{\"a\":1,\"b\":true,\"c\":null}}";
    rows_t *rows = make(state);

    take(rows, ITEMS, 1);
    assert_int_equal(rows->changed, 2);
    rows->now += NMDM_DECLARATIVE_VALUES_FRESH - 1;
    take(rows, ITEMS, 1);
    assert_int_equal(rows->changed + rows->gone, 0);
    rows->now++;
    take(rows, ITEMS, 1);
    assert_int_equal(rows->changed, 2);
}

static void objects_of_an_array_are_replaced_one_by_one(void **state)
{
    rows_t *rows = make(state);

    take(rows, "{\"mdm\":{\"app\":[{\"identifier\":\"A\",\"s\":1},"
                   "{\"identifier\":\"B\",\"s\":1,\"old\":1}]}}", 0);
    take(rows, "{\"mdm\":{\"app\":[{\"identifier\":\"B\",\"s\":2}]}}",
           0);
    assert_string_equal(held(rows), "mdm.app.identifier=A"
                        " mdm.app.identifier=B mdm.app.s=1 mdm.app.s=2");
    take(rows, "{\"mdm\":{\"app\":[]}}", 0);
    assert_int_equal(rows->gone, 0);
    take(rows, "{\"mdm\":{\"app\":[{\"identifier\":\"A\","
                   "\"_removed\":true},{\"_removed\":true},"
                   "{\"identifier\":\"none\",\"removed\":true}]}}", 0);
    assert_string_equal(held(rows), "mdm.app.identifier=B mdm.app.s=2");
}

static void members_that_are_not_named_stay_where_the_item_is_unknown(
    void **state)
{
    rows_t *rows = make(state);

    take(rows, "{\"new\":{\"thing\":{\"a\":1,\"b\":{\"c\":2}}}}", 0);
    take(rows, "{\"new\":{\"thing\":{\"a\":null,\"d\":3}}}", 0);
    assert_string_equal(held(rows), "new.thing.b.c=2 new.thing.d=3");
}

static void a_full_report_is_all_there_is(void **state)
{
    rows_t *rows = make(state);

    take(rows, "{\"x\":{\"a\":1,\"b\":2}}", 0);
    take(rows, "{\"x\":{\"b\":2}}", 1);
    assert_string_equal(held(rows), "x.b=2");
    take(rows, "null", 1);
    assert_string_equal(held(rows), "");
}

static void of_several_values_for_one_place_the_last_counts(void **state)
{
    rows_t *rows = make(state);

    take(rows, "{\"x\":{\"a\":1,\"a\":2,\"b\":1,\"a\":3},"
               "\"mdm\":{\"app\":[{\"identifier\":\"A\",\"s\":1},"
               "{\"identifier\":\"A\",\"s\":2}]}}", 0);
    assert_string_equal(held(rows), "mdm.app.identifier=A mdm.app.s=2"
                        " x.a=3 x.b=1");
}

static void long_paths_are_cut_and_stay_apart(void **state)
{
    rows_t *rows = make(state);
    const char *key = apr_psprintf(rows->pool, "%05000d", 0), *items;

    items = apr_psprintf(rows->pool, "{\"x\":{\"%s\":{\"%s\":{\"a\":1,"
                         "\"b\":2}}}}", key, key);
    take(rows, items, 0);
    assert_int_equal(rows->stored->nelts, 2);
    assert_int_equal(strlen(APR_ARRAY_IDX(
        rows->stored, 0, nmdm_declarations_value_t).path), 255);
    take(rows, items, 0);
    assert_int_equal(rows->changed + rows->gone, 0);
}

static void a_value_that_is_too_long_is_left_out(void **state)
{
    rows_t *rows = make(state);

    take(rows, "{\"x\":{\"a\":\"short\",\"b\":1}}", 0);
    take(rows, apr_psprintf(rows->pool, "{\"x\":{\"a\":\"%0*d\",\"b\":2}}",
                            LONGEST + 1, 0), 0);
    assert_int_equal(rows->left_out, 1);
    assert_string_equal(held(rows), "x.b=2");
}

static void a_report_has_only_so_many_values(void **state)
{
    rows_t *rows = make(state);
    char *items = apr_palloc(rows->pool,
                             2 * NMDM_DECLARATIVE_VALUES_MOST + 32), *at;
    int i;

    at = items + strlen(strcpy(items, "{\"x\":[1"));
    for (i = 0; i < NMDM_DECLARATIVE_VALUES_MOST + 2; i++) {
        *at++ = ',';
        *at++ = '1';
    }
    strcpy(at, "]}");
    take(rows, items, 0);
    assert_int_equal(rows->changed, NMDM_DECLARATIVE_VALUES_MOST);
    assert_int_equal(rows->left_out, 3);
}

/* So many rows of another item, the first with a value of so many bytes. */
static void store(rows_t *rows, int n, apr_size_t len)
{
    char *value = apr_pcalloc(rows->pool, len + 1);
    int i;

    memset(value, 'v', len);
    for (i = 0; i < n; i++) {
        APR_ARRAY_PUSH(rows->stored, nmdm_declarations_value_t)
            = (nmdm_declarations_value_t){
                .row_key = apr_psprintf(rows->pool, "%064d", i),
                .path = ".StatusItems.other", .object = "",
                .value = i ? "1" : value, .kind = "string",
                .reported_at = rows->now };
    }
}

static nmdm_declarative_values_t merge(rows_t *rows, const char *items,
                                       int is_full)
{
    nmdm_declarative_values_t values;
    nmdm_json_tree_t *tree;

    assert_null(nmdm_json_tree_read(
        &tree, rows->pool, (nmdm_bytes_t){ items, strlen(items) }, 64,
        NMDM_TREE_LENIENT));
    nmdm_declarative_values_merge(&values, rows->pool, tree, rows->stored,
                                  is_full, rows->now, APR_SIZE_MAX);
    return values;
}

static void reports_of_other_items_do_not_add_up(void **state)
{
    static const char ITEMS[] = "{\"a\":1,\"b\":2,\"c\":3}";
    rows_t *rows = make(state);
    nmdm_declarative_values_t values;

    store(rows, NMDM_DECLARATIVE_VALUES_MOST - 2, 1);
    values = merge(rows, ITEMS, 0);
    assert_int_equal(values.added->nelts, 2);
    assert_int_equal(values.left_out, 1);
    assert_int_equal(values.gone->nelts, 0);
    values = merge(rows, ITEMS, 1);
    assert_int_equal(values.added->nelts, 3);
    assert_int_equal(values.left_out, 0);
    assert_int_equal(values.gone->nelts, NMDM_DECLARATIVE_VALUES_MOST - 2);
}

static void a_value_without_space_is_gone(void **state)
{
    rows_t *rows = make(state);
    nmdm_declarative_values_t values;

    take(rows, "{\"a\":\"one\",\"b\":\"two\"}", 0);
    store(rows, 1, NMDM_DECLARATIVE_VALUES_BYTES - 100);
    values = merge(rows, apr_pstrcat(
        rows->pool, "{\"a\":\"", apr_psprintf(rows->pool, "%0100d", 1),
        "\",\"b\":\"2\"}", NULL), 0);
    assert_int_equal(values.changed->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(values.changed, 0,
                                      nmdm_declarations_value_t).value, "2");
    assert_int_equal(values.gone->nelts, 1);
    assert_int_equal(values.left_out, 1);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_value_replaces_the_one_before),
        TEST(what_is_the_same_is_not_written_within_the_hour),
        TEST(objects_of_an_array_are_replaced_one_by_one),
        TEST(members_that_are_not_named_stay_where_the_item_is_unknown),
        TEST(a_full_report_is_all_there_is),
        TEST(of_several_values_for_one_place_the_last_counts),
        TEST(long_paths_are_cut_and_stay_apart),
        TEST(a_value_that_is_too_long_is_left_out),
        TEST(a_report_has_only_so_many_values),
        TEST(reports_of_other_items_do_not_add_up),
        TEST(a_value_without_space_is_gone),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
