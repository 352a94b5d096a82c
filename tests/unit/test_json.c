/* SPDX-License-Identifier: Apache-2.0 */
/* test_json.c -- JSON as operators get it. */

#include "support.h"
#include "nmdm_json.h"

#include <string.h>

static const char *written(apr_pool_t *p, const nmdm_json_t *object)
{
    nmdm_bytes_t bytes = nmdm_json_write(p, object);

    assert_int_equal(bytes.len, strlen(bytes.data));
    return bytes.data;
}

static void an_empty_object_is_two_braces(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);

    assert_true(nmdm_json_is_empty(object));
    assert_string_equal(written(*state, object), "{}\n");
}

static void keys_keep_their_order_and_are_indented_by_a_tab(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);

    nmdm_json_set_string(object, "z", "1");
    nmdm_json_set_true(object, "m");
    nmdm_json_set_string(object, "a", "");
    assert_false(nmdm_json_is_empty(object));
    assert_string_equal(written(*state, object),
                        "{\n\t\"z\": \"1\",\n\t\"m\": true,\n"
                        "\t\"a\": \"\"\n}\n");
}

static void each_level_has_one_tab_more(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);
    nmdm_json_t *status = nmdm_json_child(object, "status");

    nmdm_json_set_string(nmdm_json_child(status, "ID"), "push_error", "no");
    assert_string_equal(written(*state, object),
                        "{\n\t\"status\": {\n\t\t\"ID\": {\n"
                        "\t\t\t\"push_error\": \"no\"\n\t\t}\n\t}\n}\n");
}

static void a_child_is_made_once(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);

    nmdm_json_set_string(nmdm_json_child(object, "c"), "a", "1");
    nmdm_json_set_string(nmdm_json_child(object, "c"), "b", "2");
    assert_string_equal(written(*state, object),
                        "{\n\t\"c\": {\n\t\t\"a\": \"1\",\n"
                        "\t\t\"b\": \"2\"\n\t}\n}\n");
}

static void a_key_set_again_has_its_last_value(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);

    nmdm_json_set_string(object, "a", "1");
    nmdm_json_set_string(object, "a", "2");
    assert_string_equal(written(*state, object), "{\n\t\"a\": \"2\"\n}\n");
}

static void what_html_would_read_is_escaped(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);

    nmdm_json_set_string(object, "k<", "<a href=\"x\">&</a>");
    assert_string_equal(written(*state, object),
                        "{\n\t\"k\\u003c\": \"\\u003ca href=\\\"x\\\""
                        "\\u003e\\u0026\\u003c/a\\u003e\"\n}\n");
}

static void nothing_but_escapes_still_has_room(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);
    nmdm_bytes_t bytes;

    nmdm_json_set_string(object, "a", repeat(*state, '&', 5000));
    bytes = nmdm_json_write(*state, object);
    assert_int_equal(bytes.len, strlen("{\n\t\"a\": \"\"\n}\n") + 6 * 5000);
}

static void blanks_within_text_stay_blanks(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);

    nmdm_json_set_string(object, "a", "  two\n  lines\ttab \\ \x01");
    assert_string_equal(written(*state, object),
                        "{\n\t\"a\": \"  two\\n  lines\\ttab \\\\ \\u0001\""
                        "\n}\n");
}

static void utf8_stays_as_it_is(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);

    nmdm_json_set_string(object, "a", "\xC3\xA4\xF0\x9F\x98\x80");
    assert_string_equal(written(*state, object),
                        "{\n\t\"a\": \"\xC3\xA4\xF0\x9F\x98\x80\"\n}\n");
}

static void text_that_is_not_utf8_is_replaced_by_a_remark(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);

    nmdm_json_set_string(object, "a", "\xff");
    nmdm_json_set_string(object, "b", "good");
    assert_string_equal(written(*state, object),
                        "{\n\t\"a\": \"(text is not UTF-8)\",\n"
                        "\t\"b\": \"good\"\n}\n");
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_object_is_two_braces),
        TEST(keys_keep_their_order_and_are_indented_by_a_tab),
        TEST(each_level_has_one_tab_more),
        TEST(a_child_is_made_once),
        TEST(a_key_set_again_has_its_last_value),
        TEST(what_html_would_read_is_escaped),
        TEST(nothing_but_escapes_still_has_room),
        TEST(blanks_within_text_stay_blanks),
        TEST(utf8_stays_as_it_is),
        TEST(text_that_is_not_utf8_is_replaced_by_a_remark),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
