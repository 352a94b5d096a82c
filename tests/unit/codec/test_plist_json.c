/* SPDX-License-Identifier: Apache-2.0 */
/* test_plist_json.c -- property lists as JSON. */

#include "support.h"
#include "codec/plist_json.h"
#include "codec/plist.h"
#include "codec/plist_write.h"

#include <apr_strings.h>

#include <string.h>

#define IS(actual, expected) assert_string_equal((actual), (expected))

static const char *converted(apr_pool_t *p, const char *value)
{
    nmdm_json_t *object = nmdm_json_object(p);
    int left = 1000;
    nmdm_bytes_t bytes;

    OK(nmdm_plist_json_convert(
        object, "p", p, exact_copy(p, plist(p, "k", value, NULL)), &left));
    bytes = nmdm_json_write_compact(p, object);
    return bytes.data;
}

static void each_type_has_its_form(void **state)
{
    static const char *const ROWS[][2] = {
        { "<string>a&lt;\xC3\xAB</string>", "\"a\\u003c\xC3\xAB\"" },
        { "<string/>", "\"\"" },
        { "<data>\n\tAAEC\n\t/w==\n</data>", "\"AAEC/w==\"" },
        { "<data></data>", "\"\"" },
        { "<date>2026-06-01T12:00:00Z</date>", "\"2026-06-01T12:00:00Z\"" },
        { "<date>\n 2026-11-27 10:00:00 +0000\t</date>",
          "\"2026-11-27 10:00:00 +0000\"" },
        { "<date> </date>", "\"\"" },
        { "<integer>-9223372036854775808</integer>",
          "-9223372036854775808" },
        { "<integer>18446744073709551615</integer>",
          "\"18446744073709551615\"" },
        { "<integer>0x10</integer>", "16" },
        { "<integer>-0x10</integer>", "-16" },
        { "<integer>010</integer>", "10" },
        { "<real>0.93</real>", "0.93" }, { "<real>2</real>", "2.0" },
        { "<real>1e300</real>", "1e300" }, { "<real> 1.5 </real>", "1.5" },
        { "<real>-0.1e-6</real>", "-1e-7" }, { "<real>nan</real>", "\"nan\"" },
        { "<real>+inf</real>", "\"+inf\"" }, { "<real></real>", "\"\"" },
        { "<true/>", "true" }, { "<false/>", "false" },
        { "<dict/>", "{}" }, { "<array/>", "[]" },
        { "<array><dict><key>a/b</key><array><true/></array><key>c</key>"
          "<string>d</string></dict><integer>1</integer></array>",
          "[{\"a/b\":[true],\"c\":\"d\"},1]" },
        { "<dict><key>x</key><dict/><key>x</key><string>last</string>"
          "</dict>", "{\"x\":\"last\"}" },
        { NULL, NULL }
    };
    int i;

    for (i = 0; ROWS[i][0]; i++) {
        IS(converted(*state, ROWS[i][0]),
           apr_pstrcat(*state, "{\"p\":{\"k\":", ROWS[i][1], "}}", NULL));
    }
}

static void what_is_no_property_list_adds_nothing(void **state)
{
    static const char *const BAD[] = {
        "", "<?xml", "<plist/>", "<plist><array/></plist>", "bplist00",
        "<plist><dict><key>a</key></dict></plist>", "not XML at all", NULL
    };
    nmdm_json_t *object = nmdm_json_object(*state);
    int left = 10, i;

    for (i = 0; BAD[i]; i++) {
        REFUSED(nmdm_plist_json_convert(object, "p", *state,
                                        exact_copy(*state, bytes_of(BAD[i])),
                                        &left), NMDM_INVALID, "");
    }
    assert_true(nmdm_json_is_empty(object));
    assert_int_equal(left, 10);
}

static const char *nested(apr_pool_t *p, int depth)
{
    const char *text = "<true/>";

    while (depth--) {
        text = apr_pstrcat(p, "<array>", text, "</array>", NULL);
    }
    return text;
}

static void nesting_is_bounded_as_for_all_property_lists(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);
    int left = 1000;

    /* plist, dict and the value itself. */
    converted(*state, nested(*state, NMDM_PLIST_DEPTH - 3));
    REFUSED(nmdm_plist_json_convert(
                object, "p", *state,
                plist(*state, "k", nested(*state, NMDM_PLIST_DEPTH - 2),
                      NULL), &left), NMDM_INVALID, "deep");
}

static void values_are_counted(void **state)
{
    nmdm_bytes_t three = plist(*state, "a", "x", "b", "<dict/>", NULL);
    nmdm_json_t *object = nmdm_json_object(*state);
    int left = 5;

    OK(nmdm_plist_json_convert(object, "p", *state, three, &left));
    assert_int_equal(left, 2);
    REFUSED(nmdm_plist_json_convert(object, "q", *state, three, &left),
            NMDM_TOO_LARGE, "too many values");
    assert_int_equal(left, 2);
    assert_null(nmdm_json_get(object, "q"));
}

static void what_is_converted_outlives_the_work(void **state)
{
    nmdm_json_t *object = nmdm_json_object(*state);
    apr_pool_t *work;
    int left = 100;

    apr_pool_create(&work, *state);
    OK(nmdm_plist_json_convert(object, "p", work,
                               plist(work, "a", "x", NULL), &left));
    apr_pool_destroy(work);
    IS(nmdm_json_write_compact(*state, object).data,
       "{\"p\":{\"a\":\"x\"}}");
}

static void what_is_not_ascii_becomes_a_reference(void **state)
{
    const char *plain = "<string>a &amp; b</string>";
    const char *section = "<string><![CDATA[\303\253]]></string>";

    IS(nmdm_plist_write_ascii(*state, "<key>Zo\303\253</key>\302\200"),
       "<key>Zo&#235;</key>&#128;");
    IS(nmdm_plist_write_ascii(*state, "\337\277\340\240\200\347\223\234"),
       "&#2047;&#2048;&#29916;");
    IS(nmdm_plist_write_ascii(*state, "\357\277\275\360\237\222\273"
                                     "\364\217\277\277"),
       "&#65533;&#128187;&#1114111;");
    assert_ptr_equal(nmdm_plist_write_ascii(*state, plain), plain);
    assert_ptr_equal(nmdm_plist_write_ascii(*state, section), section);
    IS(nmdm_plist_write_ascii(*state, ""), "");
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_type_has_its_form),
        TEST(what_is_no_property_list_adds_nothing),
        TEST(nesting_is_bounded_as_for_all_property_lists),
        TEST(values_are_counted),
        TEST(what_is_converted_outlives_the_work),
        TEST(what_is_not_ascii_becomes_a_reference),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
