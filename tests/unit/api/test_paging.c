/* SPDX-License-Identifier: Apache-2.0 */
/* test_paging.c -- limit, offset and cursor. */

#include "support.h"
#include "api/paging.h"

#include <string.h>

static nmdm_err_t *read_page(nmdm_api_paging_t *page, apr_pool_t *p,
                             const char *limit, const char *offset,
                             const char *cursor)
{
    nmdm_api_paging_query_t query = { limit, offset, cursor };

    return nmdm_api_paging_read(page, p, &query, 'k', 3);
}

static void without_parameters_a_page_has_a_hundred(void **state)
{
    nmdm_api_paging_t page;

    OK(read_page(&page, *state, NULL, NULL, NULL));
    assert_int_equal(page.limit, 100);
    assert_int_equal(page.offset, 0);
    assert_false(page.has_cursor);
    assert_string_equal(page.parts[2], "");
    OK(read_page(&page, *state, "", "", ""));
    assert_int_equal(page.limit, 100);
    OK(read_page(&page, *state, "1000", "2147483647", NULL));
    assert_int_equal(page.limit, 1000);
    assert_int_equal(page.offset, 2147483647);
}

static void numbers_out_of_range_are_named(void **state)
{
    static const char *const BAD[] = {
        "0", "1001", "-1", "+1", " 1", "1 ", "1.0", "0x10", "one",
        "99999999999999999999", NULL
    };
    nmdm_api_paging_t page;
    int i;

    for (i = 0; BAD[i]; i++) {
        REFUSED(read_page(&page, *state, BAD[i], NULL, NULL), NMDM_INVALID,
                "\"limit\"");
    }
    REFUSED(read_page(&page, *state, NULL, "-1", NULL), NMDM_INVALID,
            "\"offset\"");
    REFUSED(read_page(&page, *state, NULL, "2147483648", NULL), NMDM_INVALID,
            "\"offset\"");
}

static void a_cursor_comes_back_as_it_was(void **state)
{
    static const char *const PARTS[][3] = {
        { "0", "0", "a" }, { "", "", "" }, { "12", "-3", "with\nline\nbreak" },
        { "x", "y", "\xF0\x9F\x92\xBB Zo\xC3\xAB ?>~" }, { "1", "22", "333" }
    };
    nmdm_api_paging_t page;
    apr_size_t i, k;

    for (i = 0; i < sizeof(PARTS) / sizeof(*PARTS); i++) {
        const char *cursor = nmdm_api_paging_cursor(*state, 'k', PARTS[i], 3);

        assert_null(strpbrk(cursor, "+/=\n"));
        OK(read_page(&page, *state, NULL, NULL, cursor));
        assert_true(page.has_cursor);
        for (k = 0; k < 3; k++) {
            assert_string_equal(page.parts[k], PARTS[i][k]);
        }
    }
}

static void other_cursors_are_refused(void **state)
{
    const char *const parts[] = { "0", "0", "x" };
    const char *const bad[] = {
        "x", "A", "AAAA", "AAAAA", "!!!!", "a===", "a+b/", " ",
        nmdm_api_paging_cursor(*state, 'j', parts, 3),
        nmdm_api_paging_cursor(*state, 'k', parts, 2),
        repeat(*state, 'a', 4097), NULL
    };
    nmdm_api_paging_t page;
    int i;

    for (i = 0; bad[i]; i++) {
        REFUSED(read_page(&page, *state, NULL, NULL, bad[i]), NMDM_INVALID,
                "\"cursor\"");
    }
    REFUSED(read_page(&page, *state, NULL, "1",
                      nmdm_api_paging_cursor(*state, 'k', parts, 3)),
            NMDM_INVALID, "both");
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_parameters_a_page_has_a_hundred),
        TEST(numbers_out_of_range_are_named),
        TEST(a_cursor_comes_back_as_it_was),
        TEST(other_cursors_are_refused),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
