/* SPDX-License-Identifier: Apache-2.0 */
/* test_redact.c -- what takes the place of secrets, and what stays. */

#include "support.h"
#include "codec/redact.h"

#include <apr_strings.h>

#include <string.h>

static void secrets_are_replaced_at_any_depth(void **state)
{
    static const char *const KEYS[] = { "Token", "Magic", NULL };
    static const char *const ROWS[][2] = {
        { "<dict><key>Token</key><data>AA</data></dict>",
          "<dict><key>Token</key><data>cmVkYWN0ZWQ=</data></dict>\n" },
        { "<dict><key>Token</key><data/></dict>",
          "<dict><key>Token</key><data>cmVkYWN0ZWQ=</data></dict>\n" },
        { "<dict><key>Tok&#101;n</key> <string>x</string></dict>",
          "<dict><key>Tok&#101;n</key> <string>redacted</string></dict>\n" },
        { "<dict><key>a</key><array><dict><key>Magic</key><dict><key>Token"
          "</key><string>x</string></dict></dict></array></dict>",
          "<dict><key>a</key><array><dict><key>Magic</key><string>redacted"
          "</string></dict></array></dict>\n" },
        { "<dict><key>Tokens</key><string>x</string></dict> Token",
          "<dict><key>Tokens</key><string>x</string></dict>\n" },
        { "<dict><key>Token</key><string>x</string><key>b</key><true/></dict>",
          "<dict><key>Token</key><string>redacted</string><key>b</key><true/>"
          "</dict>\n" },
        { "<dict><key>Token</key><string>x", "" },
        { "", "" },
    };
    size_t i;

    for (i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        nmdm_bytes_t out = nmdm_redact_replace(
            *state, exact_copy(*state, bytes_of(ROWS[i][0])), KEYS);

        HOLDS(!strcmp(out.data, ROWS[i][1]), "%s: %s", ROWS[i][0], out.data);
        assert_int_equal(out.len, strlen(ROWS[i][1]));
    }
}

static void what_breaks_off_is_redacted_up_to_there(void **state)
{
    static const char *const KEYS[] = { "Token", NULL };
    static const struct { const char *text, *out; apr_size_t read; } ROWS[] = {
        { "<dict><key>a</key><string>x",
          "<dict><key>a</key><string>x\n", 27 },
        { "<dict><key>Token</key><string>x",
          "<dict><key>Token</key>\n", 22 },
        { "<dict><key>Token</key>x", "<dict><key>Token</key>\n", 22 },
        { "<dict><key>Token</key>x<string>y</string></dict>",
          "<dict><key>Token</key><string>redacted</string></dict>\n", 48 },
        { "<dict><key>Token</key><data>AA</data></string>",
          "<dict><key>Token</key><data>cmVkYWN0ZWQ=</data></\n", 39 },
        { "<dict/>more", "<dict/>\n", 7 },
        { "bplist00", "\n", 0 },
        { "", "\n", 0 },
    };
    size_t i;

    for (i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        apr_size_t len;
        nmdm_bytes_t out = nmdm_redact_replace_part(
            &len, *state, exact_copy(*state, bytes_of(ROWS[i].text)), KEYS);

        HOLDS(!strcmp(out.data, ROWS[i].out), "%s: %s", ROWS[i].text,
              out.data);
        HOLDS(len == ROWS[i].read, "%s: %d", ROWS[i].text, (int)len);
        assert_int_equal(out.len, strlen(ROWS[i].out));
    }
}

/* A property list has no such elements, but this is not for us to judge. */
static void shortest_secrets_have_room_for_what_replaces_them(void **state)
{
    static const char *const KEYS[] = { "k", NULL };
    const char *many = "", *expected = "";
    nmdm_bytes_t out;
    int i;

    for (i = 0; i < 100; i++) {
        many = apr_pstrcat(*state, many, "<key>k</key><a/>", NULL);
        expected = apr_pstrcat(*state, expected, "<key>k</key>"
                               "<string>redacted</string>", NULL);
    }
    out = nmdm_redact_replace(*state, text_of(*state, "<b>%s</b>", many),
                              KEYS);
    assert_string_equal(out.data,
                        apr_psprintf(*state, "<b>%s</b>\n", expected));
}

static void keys_are_removed_with_their_values(void **state)
{
    static const char *const KEYS[] = { "Token", NULL };
    static const char *const ROWS[][2] = {
        { "<dict><key>Token</key><data>AA</data></dict>", "<dict></dict>\n" },
        { "<dict> <key>Tok&#101;n</key>\n<data/> <key>b</key><true/></dict>",
          "<dict>  <key>b</key><true/></dict>\n" },
        { "<dict><key>a</key><string>Token</string></dict>",
          "<dict><key>a</key><string>Token</string></dict>\n" },
        { "<dict><key>a</key><dict><key>Token</key><dict><key>Token</key>"
          "<string>x</string></dict></dict></dict>",
          "<dict><key>a</key><dict></dict></dict>\n" },
        { "<dict><key>Token</key><key>Token</key><data>AA</data></dict>",
          "<dict><data>AA</data></dict>\n" },
        { "<dict><key>Token</key><data>AA", "" },
    };
    size_t i;

    for (i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        nmdm_bytes_t out = nmdm_redact_remove(
            *state, exact_copy(*state, bytes_of(ROWS[i][0])), KEYS);

        HOLDS(!strcmp(out.data, ROWS[i][1]), "%s: %s", ROWS[i][0], out.data);
        assert_int_equal(out.len, strlen(ROWS[i][1]));
    }
}

/* Each reference would be many secrets, in room for one. */
static void entities_are_not_expanded(void **state)
{
    static const char *const KEYS[] = { "Token", NULL };
    static const char START[] = "<!DOCTYPE plist ";
    const char *secrets = "", *text;
    nmdm_bytes_t out;
    apr_size_t read;
    int i;

    for (i = 0; i < 8; i++) {
        secrets = apr_pstrcat(*state, secrets, "<key>Token</key><a/>", NULL);
    }
    text = apr_pstrcat(*state, START, "[<!ENTITY e \"", secrets,
                       "\">]><plist><dict>&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;"
                       "&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;</dict></plist>", NULL);
    out = nmdm_redact_replace_part(&read, *state, exact_copy(
        *state, bytes_of(text)), KEYS);
    HOLDS(out.len < sizeof(START) + 8, "%" APR_SIZE_T_FMT ": %s", out.len,
          out.data);
    assert_true(read < sizeof(START) + 8);
    out = nmdm_redact_replace(*state, exact_copy(*state, bytes_of(text)),
                              KEYS);
    assert_int_equal(out.len, 0);
    out = nmdm_redact_remove(*state, exact_copy(*state, bytes_of(text)),
                             KEYS);
    assert_int_equal(out.len, 0);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(secrets_are_replaced_at_any_depth),
        TEST(what_breaks_off_is_redacted_up_to_there),
        TEST(shortest_secrets_have_room_for_what_replaces_them),
        TEST(keys_are_removed_with_their_values),
        TEST(entities_are_not_expanded),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
