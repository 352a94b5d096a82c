/* SPDX-License-Identifier: Apache-2.0 */
/* test_command_json.c -- commands in JSON, and terms. */

#include "support.h"
#include "mdm/message.h"
#include "api/command_json.h"
#include "api/enqueue_options.h"

#include <apr_strings.h>

#include <string.h>

static nmdm_err_t *make(nmdm_bytes_t *out, nmdm_ctx_t *ctx, const char *json)
{
    nmdm_json_t *order;

    OK(nmdm_json_read(&order, ctx->pool,
                      exact_copy(ctx->pool, bytes_of(json))));
    return nmdm_api_command_json_plist(out, ctx, order);
}

/* Indentation is the business of codec/plist_write.c. */
static const char *without_tabs(apr_pool_t *p, const char *text)
{
    char *copy = apr_pstrdup(p, text), *from = copy, *to = copy;

    for (; *from; from++) {
        if (*from != '\t') {
            *to++ = *from;
        }
    }
    *to = '\0';
    return copy;
}

/* Part of what is between the RequestType and the end of the Command. */
static void becomes(world_t *w, const char *json, const char *xml)
{
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_command_t command;
    nmdm_bytes_t body;

    OK(make(&body, ctx, json));
    assert_int_equal(body.len, strlen(body.data));
    HOLDS(strstr(without_tabs(ctx->pool, body.data), xml), "%s: %s", json,
          body.data);
    OK(nmdm_message_command(&command, ctx->pool, body));
}

static void keys_of_micromdm_become_apples(void **state)
{
    becomes(*state, "{\"request_type\":\"DeviceInformation\",\"udid\":\"x\","
                    "\"queries\":[\"A\",\"B\"]}",
            "<key>RequestType</key>\n<string>DeviceInformation</string>\n"
            "<key>Queries</key>\n<array>\n<string>A</string>\n"
            "<string>B</string>\n</array>\n</dict>\n"
            "<key>CommandUUID</key>\n");
    becomes(*state, "{\"request_type\":\"InstallProfile\","
                    "\"payload\":\"AAE=\"}",
            "<key>Payload</key>\n<data>\nAAE=\n</data>\n");
    becomes(*state, "{\"request_type\":\"ScheduleOSUpdate\",\"priority\":3,"
                    "\"updates\":[{\"priority\":\"High\"}]}",
            "<string>ScheduleOSUpdate</string>\n<key>Updates</key>\n<array>\n"
            "<dict>\n<key>Priority</key>\n<string>High</string>\n");
}

static void unknown_keys_pass_with_their_types(void **state)
{
    becomes(*state, "{\"request_type\":\"New\",\"payload\":\"AAE=\"}",
            "<key>payload</key>\n<string>AAE=</string>\n");
    becomes(*state, "{\"request_type\":\"New\",\"K\":[1,-2,1.5,true,false,"
                    "{\"a\":null,\"b\":\"<&>\"}]}",
            "<key>K</key>\n<array>\n<integer>1</integer>\n"
            "<integer>-2</integer>\n<real>1.5</real>\n<true/>\n<false/>\n"
            "<dict>\n<key>b</key>\n<string>&lt;&amp;&gt;</string>\n"
            "</dict>\n</array>\n");
}

static void reals_are_exact_and_short(void **state)
{
    becomes(*state, "{\"request_type\":\"X\",\"K\":[1e300,1e80,0.93,0.1,"
                    "-1.5e-7,2.0]}",
            "<real>1e300</real>\n<real>1e80</real>\n<real>0.93</real>\n"
            "<real>0.1</real>\n<real>-1.5e-7</real>\n<real>2</real>\n");
}

/* An order may name a value twice, by MicroMDM's key and by Apple's. */
static void the_last_of_equal_keys_counts(void **state)
{
    becomes(*state, "{\"request_type\":\"DeviceLock\",\"pin\":\"1\","
                    "\"PIN\":\"2\"}",
            "<string>DeviceLock</string>\n<key>PIN</key>\n"
            "<string>2</string>\n</dict>\n");
}

static void a_uuid_is_taken_or_made_up(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_command_t first, second;
    nmdm_bytes_t body;

    OK(make(&body, ctx, "{\"request_type\":\"X\",\"command_uuid\":\"U&1\"}"));
    OK(nmdm_message_command(&first, ctx->pool, body));
    assert_string_equal(first.uuid, "U&1");
    OK(make(&body, ctx, "{\"request_type\":\"X\",\"command_uuid\":\"\"}"));
    OK(nmdm_message_command(&first, ctx->pool, body));
    OK(make(&body, ctx, "{\"request_type\":\"X\"}"));
    OK(nmdm_message_command(&second, ctx->pool, body));
    assert_int_equal(strlen(first.uuid), 36);
    assert_int_equal(first.uuid[14], '4');
    assert_string_not_equal(first.uuid, second.uuid);
}

static void what_fits_in_no_property_list_is_named(void **state)
{
    static const char *const ROWS[][2] = {
        { "{}", "\"request_type\"" },
        { "{\"request_type\":\"\"}", "\"request_type\"" },
        { "{\"request_type\":1}", "\"request_type\" is an integer" },
        { "{\"request_type\":\"X\",\"command_uuid\":[]}",
          "\"command_uuid\" is an array" },
        { "{\"request_type\":\"ClearPasscode\",\"unlock_token\":\"?\"}",
          "\"unlock_token\" is not base64" },
        { "{\"request_type\":\"ClearPasscode\",\"unlock_token\":true}",
          "\"unlock_token\" is not a string of base64" },
        { "{\"request_type\":\"X\",\"k\":[null]}", "\"k\" has a null" },
        { "{\"request_type\":\"X\",\"k\":\"\\u001f\"}", "\"k\" has a char" },
        { "{\"request_type\":\"X\",\"k\":\"\\uffff\"}", "\"k\" has a char" },
        { NULL, NULL }
    };
    nmdm_bytes_t body;
    int i;

    for (i = 0; ROWS[i][0]; i++) {
        REFUSED(make(&body, request(*state, NULL), ROWS[i][0]), NMDM_INVALID,
                ROWS[i][1]);
    }
}

static void ids_come_from_either_key(void **state)
{
    nmdm_ctx_t *ctx = request(*state, NULL);
    apr_array_header_t *ids;
    nmdm_json_t *order;

    OK(nmdm_json_read(&order, ctx->pool,
                      bytes_of("{\"udid\":\"a\",\"ids\":[\"b\",\"c\"]}")));
    OK(nmdm_api_command_json_ids(&ids, ctx, order));
    assert_int_equal(ids->nelts, 3);
    OK(nmdm_json_read(&order, ctx->pool, bytes_of("{\"udid\":null}")));
    REFUSED(nmdm_api_command_json_ids(&ids, ctx, order), NMDM_INVALID,
            "names a target");
}

static void terms_are_read_from_text_and_json(void **state)
{
    nmdm_ctx_t *ctx = request(*state, NULL);
    nmdm_enqueue_options_t terms;
    nmdm_json_t *order;

    OK(nmdm_api_enqueue_options_read(&terms, ctx, NULL, NULL));
    assert_int_equal(terms.priority, 0);
    assert_int_equal(terms.expires, 0);
    OK(nmdm_api_enqueue_options_read(&terms, ctx, "-128", "60"));
    assert_int_equal(terms.priority, -128);
    assert_int_equal(terms.expires, NOW + apr_time_from_sec(60));
    OK(nmdm_json_read(&order, ctx->pool, bytes_of(
        "{\"priority\":127,\"expires\":\"2026-06-01T12:00:01Z\"}")));
    OK(nmdm_api_enqueue_options_json(&terms, ctx, order));
    assert_int_equal(terms.priority, 127);
    assert_int_equal(terms.expires, NOW + apr_time_from_sec(1));
    REFUSED(nmdm_api_enqueue_options_read(&terms, ctx, "128", NULL),
            NMDM_INVALID, "\"priority\"");
    REFUSED(nmdm_api_enqueue_options_read(&terms, ctx, "--1", NULL),
            NMDM_INVALID, "\"priority\"");
    REFUSED(nmdm_api_enqueue_options_read(&terms, ctx, NULL,
                                          "2026-06-01T12:00:00Z"),
            NMDM_INVALID, "\"expires\"");
    REFUSED(nmdm_api_enqueue_options_read(&terms, ctx, NULL, "9999999999"),
            NMDM_INVALID, "\"expires\"");
    REFUSED(nmdm_api_enqueue_options_read(&terms, ctx, NULL, "soon"),
            NMDM_INVALID, "\"expires\"");
}

#define DB_TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_world, support_world_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(keys_of_micromdm_become_apples),
        DB_TEST(unknown_keys_pass_with_their_types),
        DB_TEST(reals_are_exact_and_short),
        DB_TEST(the_last_of_equal_keys_counts),
        DB_TEST(a_uuid_is_taken_or_made_up),
        DB_TEST(what_fits_in_no_property_list_is_named),
        DB_TEST(ids_come_from_either_key),
        DB_TEST(terms_are_read_from_text_and_json),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
