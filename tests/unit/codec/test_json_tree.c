/* SPDX-License-Identifier: Apache-2.0 */
/* test_json_tree.c -- JSON that keeps what is written, and its canonical
 * form. */

#include "support.h"
#include "codec/json_text.h"
#include "codec/json_tree.h"

#include <apr_strings.h>

#include <string.h>

static nmdm_err_t *read_text(nmdm_json_tree_t **tree, apr_pool_t *p,
                             const char *text, int depth,
                             nmdm_json_tree_mode_e mode)
{
    return nmdm_json_tree_read(tree, p, (nmdm_bytes_t){ text, strlen(text) },
                               depth, mode);
}

static const char *canonical(apr_pool_t *p, const char *text)
{
    nmdm_json_tree_t *tree;

    assert_null(read_text(&tree, p, text, 64, NMDM_TREE_STRICT));
    return nmdm_json_tree_canonical(p, tree);
}

static void the_order_of_keys_and_blanks_do_not_count(void **state)
{
    assert_string_equal(
        canonical(*state, " {\"b\" : [ 1 , 2 ],\t\"a\":\n{ \"\" : null } } "),
        "{\"a\":{\"\":null},\"b\":[1,2]}");
    assert_string_equal(canonical(*state, "[2,1]"), "[2,1]");
}

static void numbers_stay_as_they_are_written(void **state)
{
    static const char NUMBERS[] =
        "[1.50,0.1,1e3,9007199254740993,-0,1E+400,-0.0e-7]";

    assert_string_equal(canonical(*state, NUMBERS), NUMBERS);
}

static void escapes_are_read_and_written_where_they_must_be(void **state)
{
    assert_string_equal(
        canonical(*state, "\"\\u0041\\/\\ud83d\\ude00\\u001f\\n\\\"\""),
        "\"A/\xF0\x9F\x98\x80\\u001f\\n\\\"\"");
}

static void what_is_refused_is_named_with_its_place(void **state)
{
    static const struct {
        const char *text, *place;
    } WRONG[] = {
        { "{\"a\":[{\"b\":1,\"b\":2}]}", "$.a[0].b" },
        { "{\"a\":\"\\ud800\"}", "$.a" }, { "{\"a\":\"\\u0000\"}", "$.a" },
        { "[1,]", "$[1]" }, { "[01]", "$[0]" }, { "[.5]", "$[0]" },
        { "[NaN]", "$[0]" }, { "{'a':1}", "$" }, { "[1] 2", "$" },
        { "", "$" }, { "\xEF\xBB\xBF{}", "$" }, { "[\"\xC0\xAF\"]", "$" },
    };
    nmdm_json_tree_t *tree;
    nmdm_err_t *err;
    size_t i;

    for (i = 0; i < sizeof(WRONG) / sizeof(*WRONG); i++) {
        err = read_text(&tree, *state, WRONG[i].text, 64, NMDM_TREE_STRICT);
        assert_non_null(err);
        assert_int_equal(err->kind, NMDM_INVALID);
        assert_non_null(strstr(nmdm_err_text(err), WRONG[i].place));
    }
}

static void devices_may_write_what_operators_may_not(void **state)
{
    nmdm_json_tree_t *tree;

    assert_null(read_text(&tree, *state,
                          "{\"a\":1,\"a\":\"\\ud800x\\u0000\"}", 64,
                          NMDM_TREE_LENIENT));
    assert_int_equal(tree->count, 2);
    assert_string_equal(nmdm_json_tree_string(tree, "a"),
                        "\xEF\xBF\xBDx\xEF\xBF\xBD");
}

static void nesting_has_a_bound(void **state)
{
    char text[2 * 65 + 1] = "";
    nmdm_json_tree_t *tree;

    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    assert_null(read_text(&tree, *state, text, 64, NMDM_TREE_STRICT));
    assert_non_null(read_text(&tree, *state, text, 63, NMDM_TREE_STRICT));
}

/* A report of so many arrays, with `inner` in the innermost. */
static const char *nested(apr_pool_t *p, int depth, const char *inner)
{
    char *open = apr_palloc(p, (apr_size_t)depth + 1);
    char *close = apr_palloc(p, (apr_size_t)depth + 1);

    memset(open, '[', (size_t)depth);
    memset(close, ']', (size_t)depth);
    open[depth] = close[depth] = '\0';
    return apr_pstrcat(p, "{\"a\":", open, inner, close, ",\"b\":1}", NULL);
}

static void devices_may_nest_as_they_like(void **state)
{
    static const char *const GOOD[] = {
        "", "1", "{}", "[],{\"x\":[{}]},\"]\\\"\", -0.5e3 ,null",
        " { \"x\" : [ ] , \"y\" : { \"z\" : true } } "
    };
    static const char *const WRONG[] = {
        ",", "1,", "[}", "{]", "{\"x\"}", "{\"x\":}", "{\"x\":1,}", "{1:1}",
        "{\"x\" 1}", "01", "\"", "1 2", "]", "nul"
    };
    nmdm_json_tree_t *tree;
    size_t i;

    for (i = 0; i < sizeof(GOOD) / sizeof(*GOOD); i++) {
        assert_null(read_text(&tree, *state,
                              nested(*state, 200000, GOOD[i]), 3,
                              NMDM_TREE_LENIENT));
        assert_string_equal(nmdm_json_tree_canonical(*state, tree),
                            "{\"a\":[[null]],\"b\":1}");
    }
    for (i = 0; i < sizeof(WRONG) / sizeof(*WRONG); i++) {
        assert_non_null(read_text(&tree, *state,
                                  nested(*state, 10, WRONG[i]), 3,
                                  NMDM_TREE_LENIENT));
    }
}

static void a_tree_has_room_for_so_many_values(void **state)
{
    static const char REST[] = "[1,{\"x\":[2,{}],\"y\":\"z\"},[]],\"s\"],\"b\":1}";
    char *text = apr_palloc(*state, 2 * NMDM_JSON_TREE_VALUES
                                    + sizeof(REST) + 8), *to = text;
    nmdm_json_tree_t *tree, *list;
    int left_out, i;

    memcpy(to, "{\"a\":[", 6);
    for (i = 0, to += 6; i < NMDM_JSON_TREE_VALUES - 2; i++) {
        *to++ = '0';
        *to++ = ',';
    }
    memcpy(to, REST, sizeof(REST));
    assert_null(nmdm_json_tree_read_most(
        &tree, &left_out, *state, (nmdm_bytes_t){ text, strlen(text) }, 3));
    list = nmdm_json_tree_get(tree, "a");
    assert_int_equal(list->count, NMDM_JSON_TREE_VALUES - 2);
    assert_null(nmdm_json_tree_get(tree, "b"));
    /* 1, 2, "z", "s" and the 1 of b. */
    assert_int_equal(left_out, 5);
    assert_non_null(read_text(&tree, *state, text, 64, NMDM_TREE_STRICT));
    to[sizeof(REST) - 3] = 'x';
    assert_non_null(read_text(&tree, *state, text, 3, NMDM_TREE_LENIENT));
}

static void a_member_has_a_type(void **state)
{
    nmdm_json_tree_t *tree;

    assert_null(read_text(&tree, *state, "{\"t\":true,\"n\":1,\"s\":\"x\"}",
                          2, NMDM_TREE_STRICT));
    assert_true(nmdm_json_tree_is_true(tree, "t"));
    assert_false(nmdm_json_tree_is_true(tree, "n"));
    assert_null(nmdm_json_tree_string(tree, "n"));
    assert_string_equal(nmdm_json_tree_string(tree, "s"), "x");
    assert_null(nmdm_json_tree_get(tree, "none"));
    assert_null(nmdm_json_tree_get(NULL, "s"));
    assert_null(nmdm_json_tree_get(tree->first, "s"));
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_order_of_keys_and_blanks_do_not_count),
        TEST(numbers_stay_as_they_are_written),
        TEST(escapes_are_read_and_written_where_they_must_be),
        TEST(what_is_refused_is_named_with_its_place),
        TEST(devices_may_write_what_operators_may_not),
        TEST(nesting_has_a_bound),
        TEST(devices_may_nest_as_they_like),
        TEST(a_tree_has_room_for_so_many_values),
        TEST(a_member_has_a_type),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
