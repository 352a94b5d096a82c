/* SPDX-License-Identifier: Apache-2.0 */
/* test_time.c -- times as operators and databases write them. */

#include "support.h"
#include "base/time.h"

#include <string.h>

static void a_time_is_written_in_utc_to_the_second(void **state)
{
    assert_string_equal(nmdm_time_rfc3339(*state, NOW + 999999),
                        "2026-06-01T12:00:00Z");
    assert_string_equal(nmdm_time_rfc3339(*state, 0),
                        "1970-01-01T00:00:00Z");
}

static void times_are_read_with_offsets_and_fractions(void **state)
{
    static const char *const SAME[] = {
        "2026-06-01T12:00:00Z", "2026-06-01t12:00:00z",
        "2026-06-01 12:00:00.123456Z", "2026-06-01T14:30:00+02:30",
        "2026-05-31T23:00:00-13:00", "2026-06-01T12:00:00+00:00", NULL
    };
    apr_time_t t;
    int i;

    (void)state;
    for (i = 0; SAME[i]; i++) {
        HOLDS(nmdm_time_read(&t, SAME[i]) && t == NOW, "%s", SAME[i]);
    }
}

static void dates_of_property_lists_are_read(void **state)
{
    static const struct {
        const char *text;
        apr_int64_t seconds;
    } ROWS[] = {
        { "2026-06-01T12:00:00Z", 1780315200 },
        { " 2026-06-01 12:00:00 +0000\n", 1780315200 },
        { "2026-06-01T14:30:00.5+02:30", 1780315200 },
        { "0001-01-01T00:00:00Z", -62135596800 },
        { "9999-12-31T23:59:59Z", 253402300799 }
    };
    static const char *const NOT[] = {
        "", "2026-06-01", "2026-06-01T12:00:00", "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
        "2026-06-01T12:00:00Zx", NULL
    };
    apr_time_t when;
    unsigned i;

    (void)state;
    for (i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
        HOLDS(nmdm_time_read_date(&when, ROWS[i].text)
              && when == apr_time_from_sec(ROWS[i].seconds), "%s",
              ROWS[i].text);
    }
    for (i = 0; NOT[i]; i++) {
        HOLDS(!nmdm_time_read_date(&when, NOT[i]), "%s", NOT[i]);
    }
}

static void other_text_is_no_time(void **state)
{
    static const char *const BAD[] = {
        "", "x", "2026", "2026-06-01", "2026-06-01T12:00:00",
        "2026-06-01T12:00Z", "2026-06-01T12:00:00.Z", "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z", "2026-06-32T00:00:00Z",
        "2026-06-01T24:00:00Z", "2026-06-01T12:60:00Z",
        "2026-06-01T12:00:61Z", "2026-06-01T12:00:00+2:00",
        "2026-06-01T12:00:00+24:00", "2026-06-01T12:00:00Z ",
        "1969-06-01T12:00:00Z", "02026-06-01T12:00:00Z", NULL
    };
    apr_time_t t;
    int i;

    for (i = 0; BAD[i]; i++) {
        HOLDS(!nmdm_time_read(&t, exact_copy(*state, (nmdm_bytes_t){
                  BAD[i], strlen(BAD[i]) + 1 }).data), "%s", BAD[i]);
    }
}

static void seconds_may_have_a_fraction(void **state)
{
    (void)state;
    assert_int_equal(nmdm_time_of_seconds("1780315200.500"), NOW + 500000);
    assert_int_equal(nmdm_time_of_seconds("1780315200"), NOW);
    assert_int_equal(nmdm_time_of_seconds(NULL), 0);
    assert_int_equal(nmdm_time_of_seconds(""), 0);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_time_is_written_in_utc_to_the_second),
        TEST(times_are_read_with_offsets_and_fractions),
        TEST(dates_of_property_lists_are_read),
        TEST(other_text_is_no_time),
        TEST(seconds_may_have_a_fraction),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
