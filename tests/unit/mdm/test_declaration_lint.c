/* SPDX-License-Identifier: Apache-2.0 */
/* test_declaration_lint.c -- what declarations are warned of (declarative
 * management specification 7.2), and what they refer to. */

#include "support.h"
#include "mdm/declaration_lint.h"
#include "mdm/declaration_types.h"

#include <apr_strings.h>

#include <string.h>

static apr_array_header_t *references;

/* The codes of what is wrong, in the order found. */
static const char *judge(apr_pool_t *p, const char *type,
                         const char *payload)
{
    apr_array_header_t *warnings = apr_array_make(
        p, 4, sizeof(nmdm_declaration_lint_t));
    nmdm_json_tree_t *tree;
    const char *codes = "";
    int i;

    references = apr_array_make(p, 4,
                                sizeof(nmdm_declaration_lint_reference_t));
    assert_null(nmdm_json_tree_read(
        &tree, p, (nmdm_bytes_t){ payload, strlen(payload) }, 64,
        NMDM_TREE_STRICT));
    nmdm_declaration_lint_judge(warnings, references, p,
                                apr_pstrcat(p, "com.apple.", type, NULL),
                                tree);
    for (i = 0; i < warnings->nelts; i++) {
        codes = apr_pstrcat(p, codes, *codes ? " " : "", APR_ARRAY_IDX(
            warnings, i, nmdm_declaration_lint_t).code, NULL);
    }
    return codes;
}

static void what_is_right_is_not_warned_of(void **state)
{
    assert_string_equal(judge(*state, "configuration.management.test",
                              "{\"Echo\":\"hello\"}"), "");
    assert_string_equal(judge(*state, "configuration.passcode.settings",
                              "{\"MinimumLength\":6}"), "");
}

static void types_and_keys_are_looked_up(void **state)
{
    assert_string_equal(judge(*state, "configuration.future.thing", "{}"),
                        "type-unknown");
    assert_string_equal(judge(*state, "configuration.management.test",
                              "{}"), "key-missing");
    assert_string_equal(judge(*state, "configuration.passcode.settings",
                              "{\"minimumLength\":6}"), "key-unknown");
    assert_string_equal(judge(*state, "configuration.passcode.settings",
                              "{\"MinimumLength\":\"6\"}"), "value-type");
    assert_string_equal(judge(*state, "configuration.passcode.settings",
                              "{\"MinimumLength\":99}"), "value-range");
}

static void predicates_are_balanced(void **state)
{
    static const struct {
        const char *predicate, *codes;
    } CASES[] = {
        { "(@status(device.model.family) == 'Mac')", "" },
        { "(@status(device.model.family) == 'Mac'", "predicate-syntax" },
        { "@status(device.model.family == 'Mac'",
          "predicate-syntax predicate-syntax" },
        { "@status(no.such.item) == 1", "predicate-syntax" },
        { "a == 'it is (not) one'", "" }, { "a == 'b", "predicate-syntax" },
        { "@property(shard) <= 10", "" }, { "", "" },
    };
    size_t i;

    for (i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        assert_string_equal(
            judge(*state, "activation.simple", apr_psprintf(
                *state, "{\"StandardConfigurations\":[],"
                "\"Predicate\":\"%s\"}", CASES[i].predicate)),
            CASES[i].codes);
    }
}

static void urls_and_secrets_are_looked_at(void **state)
{
    assert_string_equal(judge(*state, "configuration.legacy",
                              "{\"ProfileURL\":\"http://x/\"}"),
                        "url-insecure");
    assert_non_null(strstr(judge(*state, "configuration.future.thing",
                                 "{\"a\":{\"Password\":\"x\"}}"),
                           "secret-like"));
}

static void references_have_their_path_and_types(void **state)
{
    const nmdm_declaration_lint_reference_t *one;

    judge(*state, "activation.simple",
          "{\"StandardConfigurations\":[\"a\",\"b\"]}");
    assert_int_equal(references->nelts, 2);
    one = &APR_ARRAY_IDX(references, 1, nmdm_declaration_lint_reference_t);
    assert_string_equal(one->identifier, "b");
    assert_string_equal(one->path, "$.Payload.StandardConfigurations[1]");
    assert_true(nmdm_declaration_lint_fits(
        one->types, "com.apple.configuration.legacy"));
    assert_false(nmdm_declaration_lint_fits(one->types,
                                            "com.apple.asset.data"));
}

static void the_table_says_since_when(void **state)
{
    assert_null(nmdm_declaration_types_since(
        *state, "com.apple.configuration.future.thing"));
    assert_non_null(strstr(nmdm_declaration_types_since(
        *state, "com.apple.configuration.diskmanagement.settings"), "15"));
    assert_true(nmdm_declaration_types_has_key(
        "com.apple.configuration.management.test", "Echo"));
    assert_false(nmdm_declaration_types_has_key(
        "com.apple.configuration.management.test", "echo"));
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_right_is_not_warned_of),
        TEST(types_and_keys_are_looked_up),
        TEST(predicates_are_balanced),
        TEST(urls_and_secrets_are_looked_at),
        TEST(references_have_their_path_and_types),
        TEST(the_table_says_since_when),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
