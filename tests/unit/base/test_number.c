/* SPDX-License-Identifier: Apache-2.0 */
/* test_number.c -- floating-point numbers as text. */

#include "support.h"
#include "base/number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    double value;
    const char *text;
} ROWS[] = {
    { 0, "0" }, { -0.0, "-0" }, { 1, "1" }, { -1.5, "-1.5" }, { 0.1, "0.1" },
    { 0.93, "0.93" }, { 0.3, "0.3" }, { 0.1 + 0.2, "0.30000000000000004" },
    { 1.0 / 3, "0.3333333333333333" }, { 123456789, "123456789" },
    { 1e15, "1e15" }, { 9007199254740993.0, "9007199254740992" },
    { 1e80, "1e80" }, { 1e300, "1e300" }, { -1e-7, "-1e-7" },
    { 0.0001, "0.0001" }, { DBL_MAX, "1.7976931348623157e308" },
    { DBL_MIN, "2.2250738585072014e-308" }, { 5e-324, "5e-324" },
    { INFINITY, "+infinity" }, { -INFINITY, "-infinity" }, { NAN, "nan" }
};

static void the_shortest_form_that_reads_back(void **state)
{
    unsigned i;

    for (i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
        assert_string_equal(nmdm_number_write_real(*state, ROWS[i].value),
                            ROWS[i].text);
    }
}

/* Bits by a linear congruential generator (Knuth's MMIX). */
static void any_double_reads_back(void **state)
{
    apr_uint64_t bits = 1;
    int i;

    for (i = 0; i < 20000; i++) {
        double value, again = 0;
        const char *text;

        bits = bits * 6364136223846793005ULL + 1442695040888963407ULL;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value)) {
            continue;
        }
        text = nmdm_number_write_real(*state, value);
        HOLDS(nmdm_number_read_real(&again, text)
              && !memcmp(&value, &again, sizeof(value)), "%s", text);
        HOLDS(*text != '.' && strncmp(text, "-.", 2), "%s", text);
    }
}

static void only_whole_numbers_are_read(void **state)
{
    static const char *const NOT[] = { "", " 1", "1 ", "1,5", "x", "1e", NULL };
    double value = 7;
    int i;

    (void)state;
    for (i = 0; NOT[i]; i++) {
        HOLDS(!nmdm_number_read_real(&value, NOT[i]), "\"%s\"", NOT[i]);
    }
    assert_true(value == 7);
}

/* Which locales there are depends on the machine: de_DE, or any other that
 * has a comma, is used when it is there. */
static void the_locale_of_the_process_does_not_matter(void **state)
{
    static const char *const COMMA[] = {
        "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "nl_NL.UTF-8", NULL
    };
    double value;
    int i;

    for (i = 0; COMMA[i] && !setlocale(LC_NUMERIC, COMMA[i]); i++) {
        /* the next one */
    }
    assert_string_equal(nmdm_number_write_real(*state, 1.5), "1.5");
    assert_true(nmdm_number_read_real(&value, "1.5"));
    assert_true(value == 1.5);
    setlocale(LC_NUMERIC, "C");
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_shortest_form_that_reads_back),
        TEST(any_double_reads_back),
        TEST(only_whole_numbers_are_read),
        TEST(the_locale_of_the_process_does_not_matter)
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
