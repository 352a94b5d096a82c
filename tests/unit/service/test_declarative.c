/* SPDX-License-Identifier: Apache-2.0 */
/* test_declarative.c -- declarative management: endpoints, request, answer. */

#include "support.h"
#include "crypto/digest.h"
#include "mdm/message.h"
#include "net/exchange.h"
#include "service/declarative.h"

#include <apr_strings.h>

#include <string.h>

static const nmdm_declarative_conf_t PLAIN = { "https://h/base/", NULL, NULL };
static const nmdm_declarative_conf_t SIGNED = { "https://h/base/", "send",
                                                "receive" };

/* ---- Endpoints ---- */

static void endpoints_lie_below_the_base(void **state)
{
    static const struct {
        const char *base, *endpoint, *url;
    } ROWS[] = {
        { "http://h/base/", "tokens", "http://h/base/tokens" },
        { "http://h/base", "tokens", "http://h/tokens" },
        { "http://h/base", NULL, "http://h/base" },
        { "http://h/base/?a=1", "", "http://h/base/?a=1" },
        { "http://h/base/?a=1#f", "", "http://h/base/?a=1" },
        { "http://h/base?a=/1", "tokens", "http://h/tokens" },
        { "http://h/base/?a=1", "?b=2", "http://h/base/?b=2" },
        { "http://h/base/", "#f", "http://h/base/" },
        { "http://h", "tokens", "http://h/tokens" },
        { "http://h?a=1", "tokens", "http://h/tokens" },
        { "http://h:1/", "tokens", "http://h:1/tokens" },
        { "http://h/b/", "declaration/asset/a.b-c_d~e",
          "http://h/b/declaration/asset/a.b-c_d~e" },
        { "http://h/b/", "a b", "http://h/b/a%20b" },
        { "http://h/b/", "a%20b%C3%a4", "http://h/b/a%20b%C3%a4" },
        { "http://h/b/", "\xC3\xA4\"<>[]^`{|}",
          "http://h/b/%C3%A4%22%3C%3E%5B%5D%5E%60%7B%7C%7D" },
        { "http://h/b/", "a/b:c@d!$&'()*+,;=",
          "http://h/b/a/b:c@d!$&'()*+,;=" },
        { "http://h/b/", "a?x=1 2&y=%41/../?#frag",
          "http://h/b/a?x=1%202&y=%41/../?" },
        { "http://h/b/", "a//b/", "http://h/b/a//b/" },
        { "http://h/b/", "...", "http://h/b/..." },
        { "http://h/b/", "a..b/.c/d.", "http://h/b/a..b/.c/d." },
        { "http://h/b/", "a%3Ab", "http://h/b/a%3Ab" },
        { "http://h/b/", "a%2Fb", "http://h/b/a%2Fb" },
    };
    size_t i;

    for (i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        const char *url = NULL;

        assert_null(nmdm_declarative_url(&url, *state, ROWS[i].base,
                                         ROWS[i].endpoint));
        HOLDS(!strcmp(url, ROWS[i].url), "%s: %s, not %s", ROWS[i].endpoint,
              url, ROWS[i].url);
    }
}

static void endpoints_that_lead_elsewhere_are_refused(void **state)
{
    static const char *const ROWS[] = {
        "http://evil/", "HTTP://evil", "javascript:x", "a:b", "1:2/x", ":",
        "//evil/x", "/abs", "/", "%2Fabs", "%2f%2fevil/x",
        "..", ".", "../x", "./x", "a/..", "a/.", "a/../../x", "a/./b",
        "%2e%2e/x", "%2E./x", ".%2e", "a/%2e%2E/x", "a%2F..%2Fx",
        "a%2f%2e%2e", "..%2fx", "a//../x", "../", "..?x", "..#x",
        "a\\b", "\\\\evil\\x", "..\\x", "%5c", "a%5C..%5Cx",
        "a\nb", "a\r\nHost: evil", "a\tb", "\x7F", "a%0Ab", "a%00b", "%7f",
        "a%", "a%2", "a%zz", "%%41", "a?%", "a?b\nc", "?%4", "?\r",
    };
    size_t i;

    for (i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        const char *url = NULL;

        HOLDS(nmdm_declarative_url(&url, *state, "http://h/b/", ROWS[i]), "%s",
              ROWS[i]);
        HOLDS(!url, "%s", ROWS[i]);
    }
}

/* ---- The request ---- */

/* data is the text of a plist's <data>, "" for none. */
static nmdm_msg_t *message(apr_pool_t *p, const char *udid, const char *user,
                           const char *endpoint, const char *data)
{
    nmdm_msg_t *msg = apr_palloc(p, sizeof(*msg));
    nmdm_bytes_t bytes = bytes_of(data);

    OK(nmdm_message_checkin(msg, p, plist(
        p, "MessageType", "DeclarativeManagement", "UDID", udid, "Endpoint",
        endpoint, "Data", apr_pstrcat(p, "<data>",
                                      nmdm_base64_encode(p, bytes), "</data>",
                                      NULL),
        user ? "UserID" : NULL, user, NULL)));
    return msg;
}

static void without_data_it_is_a_get(void **state)
{
    nmdm_msg_t *msg = message(*state, "U", NULL, "tokens", "");
    nmdm_exchange_t x;

    OK(nmdm_declarative_request(&x, *state, &PLAIN, msg, "03250a940f84ed10"));
    assert_string_equal(x.method, "GET");
    assert_string_equal(x.url, "https://h/base/tokens");
    assert_int_equal(x.body.len, 0);
    assert_string_equal(apr_table_get(x.headers, "X-Enrollment-ID"), "U");
    assert_string_equal(apr_table_get(x.headers, "X-Enrollment-Type"),
                        "Device");
    assert_string_equal(apr_table_get(x.headers, "X-Trace-ID"),
                        "03250a940f84ed10");
    assert_null(apr_table_get(x.headers, "X-Enrollment-ParentID"));
    assert_null(apr_table_get(x.headers, "Content-Type"));
    assert_null(apr_table_get(x.headers, "X-Hmac-Signature"));
}

static void with_data_it_is_a_put(void **state)
{
    nmdm_msg_t *msg = message(*state, "U", "V", "status", "{\"a\":1}");
    nmdm_exchange_t x;

    OK(nmdm_declarative_request(&x, *state, &SIGNED, msg, "t"));
    assert_string_equal(x.method, "PUT");
    assert_int_equal(x.body.len, 7);
    assert_memory_equal(x.body.data, "{\"a\":1}", 7);
    assert_string_equal(apr_table_get(x.headers, "Content-Type"),
                        "application/json");
    assert_string_equal(apr_table_get(x.headers, "X-Enrollment-ID"), "U:V");
    assert_string_equal(apr_table_get(x.headers, "X-Enrollment-Type"),
                        "User");
    assert_string_equal(apr_table_get(x.headers, "X-Enrollment-ParentID"),
                        "U");
    assert_string_equal(apr_table_get(x.headers, "X-Hmac-Signature"),
                        nmdm_digest_hmac(*state, "send", x.body));
}

/* The value is what `openssl dgst -sha256 -hmac send` says of nothing. */
static void a_get_is_signed_as_zero_bytes(void **state)
{
    nmdm_msg_t *msg = message(*state, "U", NULL, "tokens", "");
    nmdm_exchange_t x;

    OK(nmdm_declarative_request(&x, *state, &SIGNED, msg, "t"));
    assert_string_equal(apr_table_get(x.headers, "X-Hmac-Signature"),
                        "IHde6nRu1XpxDmPFObo6ZvhXk0WmNyWu9xXX+63cydw=");
}

static void an_id_that_no_header_can_carry_is_refused(void **state)
{
    static const char *const IDS[] = {
        "U&#13;&#10;X-Enrollment-ID: A", "U&#10;", "U&#9;", " U", "U ", " "
    };
    nmdm_exchange_t x;
    size_t i;

    for (i = 0; i < sizeof(IDS) / sizeof(IDS[0]); i++) {
        REFUSED(nmdm_declarative_request(
                    &x, *state, &PLAIN,
                    message(*state, IDS[i], NULL, "tokens", ""), "t"),
                NMDM_INVALID, "NMDM1722");
        REFUSED(nmdm_declarative_request(
                    &x, *state, &PLAIN,
                    message(*state, IDS[i], "V", "tokens", ""), "t"),
                NMDM_INVALID, "NMDM1722");
    }
    OK(nmdm_declarative_request(
        &x, *state, &PLAIN, message(*state, "U", "\xC3\xA4 b@c", "tokens", ""),
        "t"));
}

static void a_strange_endpoint_makes_no_request(void **state)
{
    nmdm_exchange_t x;

    REFUSED(nmdm_declarative_request(
                &x, *state, &PLAIN,
                message(*state, "U", NULL, "http://evil/", ""), "t"),
            NMDM_INVALID, "NMDM1721");
    assert_null(x.url);
}

/* ---- The answer ---- */

static nmdm_exchange_t outcome(apr_pool_t *p, int status, const char *body,
                               const char *key)
{
    nmdm_exchange_t x = { .status = status, .reply = bytes_of(body) };

    x.reply_headers = apr_table_make(p, 1);
    x.failure = status ? NULL : "no complete answer in time";
    if (key) {
        apr_table_setn(x.reply_headers, "x-hmac-signature",
                       nmdm_digest_hmac(p, key, x.reply));
    }
    return x;
}

static nmdm_err_t *answer(nmdm_reply_t *reply, apr_pool_t *p,
                          const nmdm_declarative_conf_t *conf,
                          nmdm_exchange_t x)
{
    memset(reply, 0, sizeof(*reply));
    return nmdm_declarative_answer(reply, p, conf,
                                   message(p, "U", NULL, "tokens", ""), &x);
}

static void the_body_of_a_200_goes_to_the_device(void **state)
{
    nmdm_reply_t reply;

    OK(answer(&reply, *state, &PLAIN, outcome(*state, 200, "{}", NULL)));
    assert_string_equal(reply.content_type, "application/json");
    assert_string_equal(reply.body.data, "{}");
    assert_int_equal(reply.body.len, 2);
}

static void no_content_is_an_empty_answer(void **state)
{
    nmdm_reply_t reply;

    OK(answer(&reply, *state, &PLAIN, outcome(*state, 204, "", NULL)));
    assert_null(reply.content_type);
    OK(answer(&reply, *state, &PLAIN, outcome(*state, 200, "", NULL)));
    assert_null(reply.content_type);
}

static void other_statuses_are_told_without_their_bodies(void **state)
{
    static const struct {
        int status;
        nmdm_kind_e kind;
    } ROWS[] = {
        { 404, NMDM_NOT_FOUND }, { 400, NMDM_INVALID },
        { 410, NMDM_INVALID }, { 429, NMDM_INVALID }, { 401, NMDM_UPSTREAM },
        { 403, NMDM_UPSTREAM }, { 201, NMDM_UPSTREAM }, { 302, NMDM_UPSTREAM },
        { 304, NMDM_UPSTREAM }, { 500, NMDM_UPSTREAM }, { 503, NMDM_UPSTREAM },
        { 999, NMDM_UPSTREAM }
    };
    nmdm_reply_t reply;
    size_t i;

    for (i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        const char *part = apr_psprintf(*state, "U: declarative management"
                                        " server: status %d",
                                        ROWS[i].status);

        REFUSED(answer(&reply, *state, &PLAIN,
                       outcome(*state, ROWS[i].status, "theirs", NULL)),
                ROWS[i].kind, part);
        assert_null(reply.content_type);
        assert_int_equal(reply.body.len, 0);
    }
}

static void no_answer_is_their_failure(void **state)
{
    nmdm_reply_t reply;

    REFUSED(answer(&reply, *state, &SIGNED, outcome(*state, 0, "", NULL)),
            NMDM_UPSTREAM, "no complete answer in time");
}

static void every_answer_must_be_signed(void **state)
{
    static const int STATUSES[] = { 200, 204, 404, 400, 500 };
    nmdm_reply_t reply;
    size_t i;

    for (i = 0; i < sizeof(STATUSES) / sizeof(STATUSES[0]); i++) {
        REFUSED(answer(&reply, *state, &SIGNED,
                       outcome(*state, STATUSES[i], "{}", NULL)),
                NMDM_UPSTREAM, "no X-Hmac-Signature");
        REFUSED(answer(&reply, *state, &SIGNED,
                       outcome(*state, STATUSES[i], "{}", "send")),
                NMDM_UPSTREAM, "is wrong");
        assert_null(reply.content_type);
    }
    OK(answer(&reply, *state, &SIGNED, outcome(*state, 200, "{}",
                                               "receive")));
    assert_int_equal(reply.body.len, 2);
    OK(answer(&reply, *state, &SIGNED, outcome(*state, 204, "", "receive")));
    REFUSED(answer(&reply, *state, &SIGNED, outcome(*state, 404, "no",
                                                    "receive")),
            NMDM_NOT_FOUND, "404");
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(endpoints_lie_below_the_base),
        TEST(endpoints_that_lead_elsewhere_are_refused),
        TEST(without_data_it_is_a_get),
        TEST(with_data_it_is_a_put),
        TEST(a_get_is_signed_as_zero_bytes),
        TEST(an_id_that_no_header_can_carry_is_refused),
        TEST(a_strange_endpoint_makes_no_request),
        TEST(the_body_of_a_200_goes_to_the_device),
        TEST(no_content_is_an_empty_answer),
        TEST(other_statuses_are_told_without_their_bodies),
        TEST(no_answer_is_their_failure),
        TEST(every_answer_must_be_signed),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
