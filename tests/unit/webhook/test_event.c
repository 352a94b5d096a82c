/* SPDX-License-Identifier: Apache-2.0 */
/* test_event.c -- events: parameters, JSON, signature. */

#include "support.h"
#include "codec/json.h"
#include "webhook/event.h"

#include <apr_strings.h>

#include <string.h>

static const nmdm_webhook_conf_t UNSIGNED = {
    "https://h/hook?x=1", NULL, NMDM_WEBHOOK_ALL, 0, NULL
};

static nmdm_webhook_facts_t facts(void)
{
    nmdm_webhook_facts_t made = {
        .event_id = "03250a940f84ed10", .created_at = NOW + 678000,
        .deadline = NOW + apr_time_from_sec(30), .tally = -1
    };

    return made;
}

static nmdm_msg_t *checked_in(apr_pool_t *p, nmdm_bytes_t body)
{
    nmdm_msg_t *msg = apr_palloc(p, sizeof(*msg));

    OK(nmdm_message_checkin(msg, p, body));
    return msg;
}

static nmdm_msg_t *reported(apr_pool_t *p, nmdm_bytes_t body)
{
    nmdm_msg_t *msg = apr_palloc(p, sizeof(*msg));

    OK(nmdm_message_report(msg, p, body));
    return msg;
}

/* In one piece, as it arrives. */
static void whole(apr_pool_t *p, nmdm_exchange_t *x)
{
    x->body = nmdm_event_text(p, x);
    x->payload = x->rest = (nmdm_bytes_t){ "", 0 };
}

static const char *event_of(apr_pool_t *p, const nmdm_msg_t *msg,
                            nmdm_webhook_facts_t given)
{
    nmdm_exchange_t x;

    nmdm_event_make(&x, p, &UNSIGNED, msg, &given);
    whole(p, &x);
    assert_int_equal(x.body.len, strlen(x.body.data));
    return x.body.data;
}

/* ---- The event ---- */

static void token_update_has_ids_payload_and_tally(void **state)
{
    nmdm_bytes_t body = plist(*state, "MessageType", "TokenUpdate",
                              "UDID", "U", "Topic", "t", "PushMagic", "m",
                              "Token", "<data>AAAA</data>", NULL);
    nmdm_webhook_facts_t given = facts();

    given.tally = 1;
    given.params = nmdm_event_params(*state, "b=2&a=1");
    assert_string_equal(
        event_of(*state, checked_in(*state, body), given),
        apr_pstrcat(*state, "{\"checkin_event\":{\"ids\":{\"id\":\"U\","
                    "\"type\":\"Device\"},\"raw_payload\":\"",
                    nmdm_base64_encode(*state, body),
                    "\",\"token_update_tally\":1,\"udid\":\"U\","
                    "\"url_params\":{\"a\":\"1\",\"b\":\"2\"}},"
                    "\"created_at\":\"2026-06-01T12:00:00.678Z\","
                    "\"event_id\":\"03250a940f84ed10\","
                    "\"topic\":\"mdm.TokenUpdate\"}", NULL));
}

static void report_has_status_and_command(void **state)
{
    nmdm_bytes_t body = plist(*state, "Status", "Acknowledged",
                              "CommandUUID", "C", "EnrollmentID", "E",
                              "EnrollmentUserID", "V", NULL);

    assert_string_equal(
        event_of(*state, reported(*state, body), facts()),
        apr_pstrcat(*state, "{\"acknowledge_event\":{\"command_uuid\":\"C\","
                    "\"enrollment_id\":\"E\",\"ids\":{\"id\":\"E:V\","
                    "\"parent_id\":\"E\",\"type\":\"User Enrollment\"},"
                    "\"raw_payload\":\"", nmdm_base64_encode(*state, body),
                    "\",\"status\":\"Acknowledged\"},"
                    "\"created_at\":\"2026-06-01T12:00:00.678Z\","
                    "\"event_id\":\"03250a940f84ed10\","
                    "\"topic\":\"mdm.Connect\"}", NULL));
}

static void what_is_empty_is_left_out(void **state)
{
    nmdm_webhook_facts_t given = facts();
    const char *event;

    given.event_id = "";
    given.params = nmdm_event_params(*state, "");
    event = event_of(*state, reported(*state, plist(*state, "Status", "Idle",
                                                  "UDID", "U", NULL)), given);
    assert_null(strstr(event, "command_uuid"));
    assert_null(strstr(event, "enrollment_id"));
    assert_null(strstr(event, "parent_id"));
    assert_null(strstr(event, "url_params"));
    assert_null(strstr(event, "event_id"));
    assert_null(strstr(event, "tally"));
    assert_non_null(strstr(event, "\"status\":\"Idle\""));
}

static void each_message_has_its_topic(void **state)
{
    static const char *const TYPES[] = {
        "Authenticate", "CheckOut", "UserAuthenticate", "SetBootstrapToken",
        "GetBootstrapToken", "DeclarativeManagement", "GetToken"
    };
    nmdm_webhook_facts_t given = facts();
    size_t i;

    given.tally = 3;
    for (i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        const char *topic = apr_psprintf(*state, "\"topic\":\"mdm.%s\"}",
                                         TYPES[i]);
        const char *event = event_of(*state, checked_in(*state, plist(
            *state, "MessageType", TYPES[i], "UDID", "U", "TokenServiceType",
            "com.apple.maid", NULL)), given);

        HOLDS(strstr(event, topic), "%s", event);
        HOLDS(!strncmp(event, "{\"checkin_event\":{", 18), "%s", event);
        HOLDS(!strstr(event, "tally"), "%s", event);
    }
}

static void tally_that_is_not_known_is_left_out(void **state)
{
    nmdm_bytes_t body = plist(*state, "MessageType", "TokenUpdate",
                              "UDID", "U", "Topic", "t", "PushMagic", "m",
                              "Token", "<data>AAAA</data>", NULL);

    assert_null(strstr(event_of(*state, checked_in(*state, body), facts()),
                       "tally"));
}

static void payload_is_the_body_to_the_byte(void **state)
{
    nmdm_bytes_t body = { "\0\xFF<&>", 5 };
    nmdm_msg_t *msg = reported(*state, plist(*state, "Status", "Idle", "UDID",
                                           "U", NULL));

    msg->raw = body;
    assert_non_null(strstr(event_of(*state, msg, facts()),
                           "\"raw_payload\":\"AP88Jj4=\""));
}

static void text_is_escaped_as_within_html(void **state)
{
    const char *event = event_of(*state, reported(*state, plist(
        *state, "Status", "Idle", "UDID", "&lt;a&gt;&amp;\"\\\xC3\xA4",
        NULL)), facts());

    assert_non_null(strstr(event, "\"udid\":\"\\u003ca\\u003e\\u0026\\\"\\\\"
                                  "\xC3\xA4\""));
}

static void time_has_no_zeros_at_its_end(void **state)
{
    static const struct {
        apr_time_t micros;
        const char *text;
    } TIMES[] = {
        { 0, "12:00:00Z" }, { 100000, "12:00:00.1Z" },
        { 1, "12:00:00.000001Z" }, { 999990, "12:00:00.99999Z" },
        { 59 * 1000000, "12:00:59Z" }
    };
    nmdm_msg_t *msg = reported(*state, plist(*state, "Status", "Idle", "UDID",
                                           "U", NULL));
    size_t i;

    for (i = 0; i < sizeof(TIMES) / sizeof(TIMES[0]); i++) {
        nmdm_webhook_facts_t given = facts();
        const char *event;

        given.created_at = NOW + TIMES[i].micros;
        event = event_of(*state, msg, given);
        HOLDS(strstr(event, apr_pstrcat(*state, "T", TIMES[i].text, "\"",
                                        NULL)), "%s", event);
    }
}

/* ---- The request ---- */

static void event_is_posted_as_json(void **state)
{
    nmdm_webhook_facts_t given = facts();
    nmdm_exchange_t x;

    nmdm_event_make(&x, *state, &UNSIGNED,
                    reported(*state, plist(*state, "Status", "Idle", "UDID",
                                            "U", NULL)), &given);
    whole(*state, &x);
    assert_string_equal(x.method, "POST");
    assert_string_equal(x.url, "https://h/hook?x=1");
    assert_int_equal(x.deadline, given.deadline);
    assert_string_equal(apr_table_get(x.headers, "Content-Type"),
                        "application/json; charset=utf-8");
    assert_null(apr_table_get(x.headers, "X-Hmac-Signature"));
    assert_null(x.cert_pem);
}

static void a_key_signs_exactly_the_body(void **state)
{
    nmdm_webhook_conf_t conf = { .url = "http://h/", .key = "secret" };
    nmdm_webhook_facts_t given = facts();
    unsigned char digest[EVP_MAX_MD_SIZE];
    nmdm_bytes_t mac = { (const char *)digest, 32 };
    nmdm_exchange_t x;
    size_t len = 0;

    nmdm_event_make(&x, *state, &conf,
                    reported(*state, plist(*state, "Status", "Idle", "UDID",
                                            "U", NULL)), &given);
    whole(*state, &x);
    assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, "secret",
                              6, (const unsigned char *)x.body.data,
                              x.body.len, digest, sizeof(digest), &len));
    assert_string_equal(apr_table_get(x.headers, "X-Hmac-Signature"),
                        nmdm_base64_encode(*state, mac));
}

/* ---- Query parameters ---- */

static void parameters_are_what_can_be_decoded(void **state)
{
    static const struct {
        const char *query, *json;
    } ROWS[] = {
        { "a=1&b=2&a=3&c", "{\"a\":\"1\",\"b\":\"2\",\"c\":\"\"}" },
        { "a=%41+%2b&%61b=x", "{\"a\":\"A +\",\"ab\":\"x\"}" },
        { "a=%4&b=%zz&c=%&%=1&d=1", "{\"d\":\"1\"}" },
        { "a=1;b=2&c=3", "{\"c\":\"3\"}" },
        { "&&a=1&&", "{\"a\":\"1\"}" },
        { "=v&a==b", "{\"\":\"v\",\"a\":\"=b\"}" },
        { "A=1&a=2", "{\"A\":\"1\",\"a\":\"2\"}" },
        { "a=%00&b=%ff&%c3%a4=%c3%a4", "{\"\xC3\xA4\":\"\xC3\xA4\"}" },
    };
    size_t i;

    for (i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        nmdm_webhook_facts_t given = facts();
        const char *event;

        given.params = nmdm_event_params(*state, ROWS[i].query);
        event = event_of(*state, reported(*state, plist(*state, "Status",
                                                      "Idle", "UDID", "U",
                                                      NULL)), given);
        HOLDS(strstr(event, apr_pstrcat(*state, "\"url_params\":",
                                        ROWS[i].json, "}", NULL)),
              "%s: %s", ROWS[i].query, event);
    }
    assert_true(apr_is_empty_table(nmdm_event_params(*state, NULL)));
}

/* ---- Topics, targets, redaction ---- */

static void a_receiver_is_told_of_its_topics(void **state)
{
    static const struct {
        const char *names[3], *type, *status;
        int is_told;
    } ROWS[] = {
        { { "all" }, "CheckOut", NULL, 1 },
        { { "all" }, NULL, "Idle", 1 },
        { { "mdm.Connect" }, NULL, "Acknowledged", 1 },
        { { "mdm.Connect" }, NULL, "Idle", 0 },
        { { "mdm.Connect:Idle" }, NULL, "Idle", 1 },
        { { "mdm.Connect:Idle" }, NULL, "NotNow", 0 },
        { { "mdm.CheckOut", "mdm.Connect" }, "CheckOut", NULL, 1 },
        { { "mdm.CheckOut" }, "GetBootstrapToken", NULL, 0 },
    };
    size_t i, j;

    (void)state;
    for (i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        nmdm_webhook_conf_t conf = UNSIGNED;
        nmdm_msg_t msg = { .type = ROWS[i].type };

        msg.u.report.status = ROWS[i].status;
        conf.topics = 0;
        for (j = 0; ROWS[i].names[j]; j++) {
            conf.topics |= nmdm_event_topic(ROWS[i].names[j]);
        }
        HOLDS(nmdm_event_wants(&conf, &msg) == ROWS[i].is_told, "row %d",
              (int)i);
    }
    assert_int_equal(nmdm_event_topic("mdm.Nothing"), 0);
    assert_int_equal(nmdm_event_topic(""), 0);
}

static void a_target_shows_no_secret(void **state)
{
    static const char *const ROWS[][2] = {
        { "https://h/hook?x=1", "https://h#" },
        { "http://user:password@h:8080/secret", "http://h:8080#" },
        { "http://h?token=x", "http://h#" },
    };
    size_t i;

    for (i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        const char *target = nmdm_event_target(*state, ROWS[i][0]);

        HOLDS(!strncmp(target, ROWS[i][1], strlen(ROWS[i][1])), "%s", target);
        assert_int_equal(strlen(target), strlen(ROWS[i][1]) + 8);
    }
    assert_string_not_equal(nmdm_event_target(*state, "http://h/a"),
                            nmdm_event_target(*state, "http://h/b"));
    assert_true(strlen(nmdm_event_target(*state, apr_pstrcat(
        *state, "https://", repeat(*state, 'h', 250), "/", NULL))) <= 127);
}

static void secrets_are_taken_out(void **state)
{
    nmdm_webhook_conf_t conf = UNSIGNED;
    nmdm_webhook_facts_t given = facts();
    nmdm_bytes_t body = plist(*state, "MessageType", "TokenUpdate", "UDID",
                              "U", "Topic", "t", "PushMagic", "magic",
                              "Token", "<data>AAAA</data>", "UnlockToken",
                              "<data>BBBB</data>", NULL);
    nmdm_bytes_t clean = plist(*state, "MessageType", "TokenUpdate", "UDID",
                               "U", "Topic", "t", "PushMagic", "redacted",
                               "Token", "<data>cmVkYWN0ZWQ=</data>",
                               "UnlockToken", "<data>cmVkYWN0ZWQ=</data>",
                               NULL);
    nmdm_exchange_t x;

    conf.redacts = 1;
    nmdm_event_make(&x, *state, &conf, checked_in(*state, body), &given);
    whole(*state, &x);
    HOLDS(has_text(x.body, nmdm_base64_encode(*state, clean)), "%s",
          x.body.data);
    assert_true(has_text(x.body, "\"udid\":\"U\""));
}

/* TokenUpdate, GetToken, ManagedApplicationList, and a status report. */
static void secrets_of_every_kind_are_taken_out(void **state)
{
    static const char *const REPORTS[][2] = {
        { "{\"StatusItems\":{\"mdm\":{\"push-token\":\"SEC\",\"app\":1},"
          "\"enhanced-logging\":{\"applecare-token\":\"SEC\"}}}",
          "{\"StatusItems\":{\"mdm\":{\"push-token\":\"redacted\",\"app\":1},"
          "\"enhanced-logging\":{\"applecare-token\":\"redacted\"}}}" },
        { "{\"StatusItems\":{\"mdm\":{\"push\\u002dmagic\":{\"a\":1}}}}",
          "{\"StatusItems\":{\"mdm\":{\"push-magic\":\"redacted\"}}}" },
        { "{\"mdm.push-token\":[1,2]}", "{\"mdm.push-token\":\"redacted\"}" },
        { "{\"other\":{\"push-token\":\"kept\"}}",
          "{\"other\":{\"push-token\":\"kept\"}}" },
        { "{ \"a\" : 1 }", "{ \"a\" : 1 }" },
        { "{\"mdm\":{\"push-token\":\"SEC\"", "redacted" },
        { "no JSON", "no JSON" },
    };
    static const char *const KEYS[] = {
        "PushToken", "SecurityToken", "UnusedRedemptionCode", "UnlockToken",
        "DigestResponse"
    };
    nmdm_webhook_conf_t conf = UNSIGNED;
    nmdm_webhook_facts_t given = facts();
    nmdm_exchange_t x;
    size_t i;

    conf.redacts = 1;
    for (i = 0; i < sizeof(KEYS) / sizeof(*KEYS); i++) {
        nmdm_event_make(&x, *state, &conf, reported(*state, plist(
            *state, "Status", "Idle", "UDID", "U", KEYS[i], "SEC", NULL)),
            &given);
        whole(*state, &x);
        HOLDS(has_text(x.body, nmdm_base64_encode(*state, plist(
            *state, "Status", "Idle", "UDID", "U", KEYS[i], "redacted",
            NULL))), "%s: %s", KEYS[i], x.body.data);
    }
    for (i = 0; i < sizeof(REPORTS) / sizeof(*REPORTS); i++) {
        const char *sent = apr_pstrcat(*state, "<data>", nmdm_base64_encode(
            *state, bytes_of(REPORTS[i][0])), "</data>", NULL);
        const char *clean = apr_pstrcat(*state, "<data>", nmdm_base64_encode(
            *state, bytes_of(REPORTS[i][1])), "</data>", NULL);

        nmdm_event_make(&x, *state, &conf, checked_in(*state, plist(
            *state, "MessageType", "DeclarativeManagement", "UDID", "U",
            "Endpoint", "status", "Data", sent, NULL)), &given);
        whole(*state, &x);
        HOLDS(has_text(x.body, nmdm_base64_encode(*state, plist(
            *state, "MessageType", "DeclarativeManagement", "UDID", "U",
            "Endpoint", "status", "Data", clean, NULL))), "%s: %s",
            REPORTS[i][0], x.body.data);
    }
}

static void traceparent_is_a_header(void **state)
{
    nmdm_webhook_facts_t given = facts();
    nmdm_exchange_t x;
    nmdm_msg_t *msg = reported(*state, plist(*state, "Status", "Idle",
                                             "UDID", "U", NULL));

    nmdm_event_make(&x, *state, &UNSIGNED, msg, &given);
    whole(*state, &x);
    assert_null(apr_table_get(x.headers, "traceparent"));
    given.traceparent = "00-x";
    nmdm_event_make(&x, *state, &UNSIGNED, msg, &given);
    whole(*state, &x);
    assert_string_equal(apr_table_get(x.headers, "traceparent"), "00-x");
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(token_update_has_ids_payload_and_tally),
        TEST(report_has_status_and_command),
        TEST(what_is_empty_is_left_out),
        TEST(each_message_has_its_topic),
        TEST(tally_that_is_not_known_is_left_out),
        TEST(payload_is_the_body_to_the_byte),
        TEST(text_is_escaped_as_within_html),
        TEST(time_has_no_zeros_at_its_end),
        TEST(event_is_posted_as_json),
        TEST(a_key_signs_exactly_the_body),
        TEST(parameters_are_what_can_be_decoded),
        TEST(a_receiver_is_told_of_its_topics),
        TEST(a_target_shows_no_secret),
        TEST(secrets_are_taken_out),
        TEST(secrets_of_every_kind_are_taken_out),
        TEST(traceparent_is_a_header),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
