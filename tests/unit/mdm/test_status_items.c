/* SPDX-License-Identifier: Apache-2.0 */
/* test_status_items.c -- which status items there are, and that the secret
 * ones do not stay in a report. */

#include "support.h"
#include "codec/json_text.h"
#include "mdm/status_items.h"

#include <string.h>

static void items_are_known_by_their_whole_names(void **state)
{
    (void)state;
    assert_true(nmdm_status_items_is_known("device.model.family"));
    assert_true(nmdm_status_items_is_known("mdm.app"));
    assert_false(nmdm_status_items_is_known("device.model"));
    assert_false(nmdm_status_items_is_known("Device.model.family"));
    assert_false(nmdm_status_items_is_known(""));
    assert_true(nmdm_status_items_is_secret("mdm.push-token"));
    assert_false(nmdm_status_items_is_secret("mdm.app"));
}

static void secrets_are_taken_out_of_a_report(void **state)
{
    static const char REPORT[] =
        "{\"StatusItems\":{\"mdm\":{\"push-token\":\"S1\",\"push-magic\":"
        "{\"x\":[\"S2\"]},\"app\":[]},\"enhanced-logging.applecare-token\":"
        "\"S3\",\"mdm\":[[{\"push-token\":\"S4\"}]]},\"Errors\":[]}";
    apr_hash_t *secrets = apr_hash_make(*state);
    nmdm_json_tree_t *tree;
    const char *text;

    assert_null(nmdm_json_tree_read(
        &tree, *state, (nmdm_bytes_t){ REPORT, strlen(REPORT) }, 64,
        NMDM_TREE_LENIENT));
    assert_true(nmdm_status_items_redact(secrets, tree));
    text = nmdm_json_tree_canonical(*state, tree);
    assert_null(strstr(text, "S1"));
    assert_null(strstr(text, "S2"));
    assert_null(strstr(text, "S3"));
    assert_null(strstr(text, "S4"));
    assert_int_equal(apr_hash_count(secrets), 3);
    assert_non_null(apr_hash_get(secrets, "mdm.push-token",
                                 APR_HASH_KEY_STRING));
}

static void a_report_without_secrets_stays_as_it_is(void **state)
{
    static const char REPORT[] = "{\"StatusItems\":{\"mdm\":{\"app\":[]}}}";
    nmdm_json_tree_t *tree;

    assert_null(nmdm_json_tree_read(
        &tree, *state, (nmdm_bytes_t){ REPORT, strlen(REPORT) }, 64,
        NMDM_TREE_LENIENT));
    assert_false(nmdm_status_items_redact(apr_hash_make(*state), tree));
    assert_string_equal(nmdm_json_tree_canonical(*state, tree), REPORT);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(items_are_known_by_their_whole_names),
        TEST(secrets_are_taken_out_of_a_report),
        TEST(a_report_without_secrets_stays_as_it_is),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
