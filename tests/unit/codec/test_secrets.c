/* SPDX-License-Identifier: Apache-2.0 */
/* test_secrets.c -- status reports without their secrets. */

#include "support.h"
#include "codec/secrets.h"

#include <apr_strings.h>

#include <string.h>
#include <sys/resource.h>

static const char *masked(apr_pool_t *p, const char *json)
{
    nmdm_bytes_t out = nmdm_secrets_mask_status(
        p, (nmdm_bytes_t){ json, strlen(json) });

    return apr_pstrmemdup(p, out.data, out.len);
}

static void items_are_known_by_the_end_of_their_path(void **state)
{
    static const char LONG[] = "\"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
        "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyymdm.push-token\"";
    const char *const ROWS[][2] = {
        { "{\"StatusItems\":{\"mdm\":{\"push-token\":\"x\"}}}",
          "{\"StatusItems\":{\"mdm\":{\"push-token\":\"redacted\"}}}" },
        { "{\"a\":[{\"mdm\":{\"push-magic\":[1]}}]}",
          "{\"a\":[{\"mdm\":{\"push-magic\":\"redacted\"}}]}" },
        { "{\"a\":{\"mdm.push-token\":1}}",
          "{\"a\":{\"mdm.push-token\":\"redacted\"}}" },
        { "{\"a\":{\"xmdm\":{\"push-token\":1}}}",
          "{\"a\":{\"xmdm\":{\"push-token\":1}}}" },
        { apr_psprintf(*state, "{\"a\":{%s:1}}", LONG),
          apr_psprintf(*state, "{\"a\":{%s:1}}", LONG) },
    };
    size_t i;

    for (i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
        assert_string_equal(masked(*state, ROWS[i][0]), ROWS[i][1]);
    }
}

/* Kilobytes that this process ever had. */
static long resident(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* Paths as long as their keys would take a gigabyte. */
static void nested_keys_that_are_long_take_little_memory(void **state)
{
    const char *key = apr_psprintf(*state, "%0500d", 0);
    apr_array_header_t *parts = apr_array_make(*state, 8000,
                                               sizeof(const char *));
    long before = resident();
    const char *out;
    int i;

    for (i = 0; i < 2000; i++) {
        APR_ARRAY_PUSH(parts, const char *) = "{\"";
        APR_ARRAY_PUSH(parts, const char *) = key;
        APR_ARRAY_PUSH(parts, const char *) = "\":";
    }
    APR_ARRAY_PUSH(parts, const char *) = "{\"mdm\":{\"push-token\":1}}";
    for (i = 0; i < 2000; i++) {
        APR_ARRAY_PUSH(parts, const char *) = "}";
    }
    out = masked(*state, apr_array_pstrcat(*state, parts, 0));
    assert_non_null(strstr(out, "{\"push-token\":\"redacted\"}"));
    assert_true(resident() - before < 200 * 1024);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(items_are_known_by_the_end_of_their_path),
        TEST(nested_keys_that_are_long_take_little_memory),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
