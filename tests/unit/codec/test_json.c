/* SPDX-License-Identifier: Apache-2.0 */
/* test_json.c -- JSON as operators get it. */

#include "support.h"
#include "codec/json.h"

#include <stdio.h>
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

    nmdm_json_add_string(object, "z", "1");
    nmdm_json_add_bool(object, "m", 1);
    nmdm_json_add_string(object, "a", "");
    assert_false(nmdm_json_is_empty(object));
    assert_string_equal(written(*state, object),
                        "{\n\t\"z\": \"1\",\n\t\"m\": true,\n"
                        "\t\"a\": \"\"\n}\n");
}

static void each_level_has_one_tab_more(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);
    nmdm_json_t *status = nmdm_json_child(object, "status");

    nmdm_json_add_string(nmdm_json_child(status, "ID"), "push_error", "no");
    assert_string_equal(written(*state, object),
                        "{\n\t\"status\": {\n\t\t\"ID\": {\n"
                        "\t\t\t\"push_error\": \"no\"\n\t\t}\n\t}\n}\n");
}

static void a_child_is_made_once(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);

    nmdm_json_add_string(nmdm_json_child(object, "c"), "a", "1");
    nmdm_json_add_string(nmdm_json_child(object, "c"), "b", "2");
    assert_string_equal(written(*state, object),
                        "{\n\t\"c\": {\n\t\t\"a\": \"1\",\n"
                        "\t\t\"b\": \"2\"\n\t}\n}\n");
}

static void a_key_set_again_has_its_last_value(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);

    nmdm_json_add_string(object, "a", "1");
    nmdm_json_add_string(object, "a", "2");
    assert_string_equal(written(*state, object), "{\n\t\"a\": \"2\"\n}\n");
}

static void what_html_would_read_is_escaped(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);

    nmdm_json_add_string(object, "k<", "<a href=\"x\">&</a>");
    assert_string_equal(written(*state, object),
                        "{\n\t\"k\\u003c\": \"\\u003ca href=\\\"x\\\""
                        "\\u003e\\u0026\\u003c/a\\u003e\"\n}\n");
}

static void nothing_but_escapes_still_has_room(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);
    nmdm_bytes_t bytes;

    nmdm_json_add_string(object, "a", repeat(*state, '&', 5000));
    bytes = nmdm_json_write(*state, object);
    assert_int_equal(bytes.len, strlen("{\n\t\"a\": \"\"\n}\n") + 6 * 5000);
}

static void blanks_within_text_stay_blanks(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);

    nmdm_json_add_string(object, "a", "  two\n  lines\ttab \\ \x01");
    assert_string_equal(written(*state, object),
                        "{\n\t\"a\": \"  two\\n  lines\\ttab \\\\ \\u0001\""
                        "\n}\n");
}

static void utf8_stays_as_it_is(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);

    nmdm_json_add_string(object, "a", "\xC3\xA4\xF0\x9F\x98\x80");
    assert_string_equal(written(*state, object),
                        "{\n\t\"a\": \"\xC3\xA4\xF0\x9F\x98\x80\"\n}\n");
}

static void text_that_is_not_utf8_is_replaced_by_a_remark(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);

    nmdm_json_add_string(object, "a", "\xff");
    nmdm_json_add_string(object, "b", "good");
    assert_string_equal(written(*state, object),
                        "{\n\t\"a\": \"(text is not UTF-8)\",\n"
                        "\t\"b\": \"good\"\n}\n");
}

static void compact_is_one_line_without_spaces(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state), *child;
    nmdm_bytes_t bytes;

    child = nmdm_json_object(*state);
    nmdm_json_set_object(object, "c", child);
    nmdm_json_add_integer(object, "n", -9007199254740993);
    /* After it became part of the other. */
    nmdm_json_add_string(child, "a", " <b> ");
    bytes = nmdm_json_write_compact(*state, object);
    assert_string_equal(bytes.data, "{\"c\":{\"a\":\" \\u003cb\\u003e \"},"
                                    "\"n\":-9007199254740993}");
    assert_int_equal(bytes.len, strlen(bytes.data));
}

static void sorted_keys_are_in_the_order_of_their_bytes(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state), *sorted;

    nmdm_json_add_string(object, "b", "1");
    nmdm_json_add_string(object, "a", "2");
    nmdm_json_add_string(object, "\xC3\xA4", "3");
    nmdm_json_add_string(object, "B", "4");
    nmdm_json_add_string(object, "aa", "5");
    sorted = nmdm_json_sorted(object);
    assert_string_equal(nmdm_json_write_compact(*state, sorted).data,
                        "{\"B\":\"4\",\"a\":\"2\",\"aa\":\"5\","
                        "\"b\":\"1\",\"\xC3\xA4\":\"3\"}");
    assert_true(nmdm_json_is_empty(nmdm_json_sorted(
        nmdm_json_object(*state))));
}

static void an_object_is_read(void **state)
{
    nmdm_json_t *object = NULL;

    OK(nmdm_json_read(&object, *state, exact_copy(*state, bytes_of(
        " {\"s\": \"\\u00e4\", \"n\": 410, \"t\": true} "))));
    assert_string_equal(nmdm_json_string(object, "s"), "\xC3\xA4");
    assert_int_equal(nmdm_json_integer(object, "n"), 410);
    assert_null(nmdm_json_string(object, "n"));
    assert_null(nmdm_json_string(object, "absent"));
    assert_int_equal(nmdm_json_integer(object, "s"), 0);
    assert_int_equal(nmdm_json_integer(object, "absent"), 0);
}

static void what_is_no_object_is_refused(void **state)
{
    static const char *const BAD[] = {
        "", " ", "[]", "\"s\"", "1", "null", "{", "{}x", "{\"a\"}",
        "{\"a\":\"\xFF\"}", "{'a':1}"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        nmdm_json_t *object = NULL;

        REFUSED(nmdm_json_read(&object, *state, exact_copy(
            *state, bytes_of(BAD[i]))), NMDM_INVALID, "not a JSON object");
    }
}

static void deep_json_does_no_harm(void **state)
{
    enum { N = 1 << 20 };
    char *text = apr_palloc(*state, N);
    nmdm_json_t *object = NULL;

    memcpy(text, "{\"a\":", 5);
    memset(text + 5, '[', N - 5);
    REFUSED(nmdm_json_read(&object, *state, (nmdm_bytes_t){ text, N }),
            NMDM_INVALID, "not a JSON object");
}

/* As they are written within text, numbers are text. */
static void reals_have_their_shortest_form(void **state)
{
    static const double NUMBERS[] = {
        0.93, 0.1, 1e300, 1e80, 5, -2.5e-7, 12345678901234568.0, 1e16
    };
    nmdm_json_t *object = nmdm_json_object(*state), *list;
    unsigned i;

    list = nmdm_json_add_array(object, "a");
    for (i = 0; i < sizeof(NUMBERS) / sizeof(*NUMBERS); i++) {
        nmdm_json_add_real(list, NULL, NUMBERS[i]);
    }
    nmdm_json_add_integer(list, NULL, -7);
    nmdm_json_add_string(object, "0.93000000000000005<\\\"1.50", "1.50,\n 2");
    assert_string_equal(nmdm_json_write_compact(*state, object).data,
        "{\"a\":[0.93,0.1,1e300,1e80,5.0,-2.5e-7,12345678901234568.0,1e16,"
        "-7],\"0.93000000000000005\\u003c\\\\\\\"1.50\":"
        "\"1.50,\\n 2\"}");
}

/* Each would take as much memory as many bytes of text. */
static void many_values_are_refused_and_long_texts_read(void **state)
{
    static const apr_size_t MANY = 1 << 20;
    char *text = apr_palloc(*state, 2 * MANY + 16), *at = text;
    nmdm_json_t *object;
    apr_size_t i;

    at += sprintf(at, "{\"a\":[");
    for (i = 0; i < MANY; i++) {
        *at++ = '0';
        *at++ = ',';
    }
    strcpy(at, "0]}");
    REFUSED(nmdm_json_read(&object, *state, bytes_of(text)), NMDM_INVALID,
            "more than 1048576 values");
    text[5] = '"';
    strcpy(at, "\"}");
    OK(nmdm_json_read(&object, *state, bytes_of(text)));
    assert_int_equal(strlen(nmdm_json_string(object, "a")), 2 * MANY);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reals_have_their_shortest_form),
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
        TEST(compact_is_one_line_without_spaces),
        TEST(sorted_keys_are_in_the_order_of_their_bytes),
        TEST(an_object_is_read),
        TEST(what_is_no_object_is_refused),
        TEST(deep_json_does_no_harm),
        TEST(many_values_are_refused_and_long_texts_read),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
