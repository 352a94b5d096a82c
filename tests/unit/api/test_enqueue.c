/* SPDX-License-Identifier: Apache-2.0 */
/* test_enqueue.c -- what operators ask for and get (6.4, 6.5). */

#include "support.h"
#include "api/answer.h"
#include "api/enqueue.h"
#include "api/pushcert.h"

#include <apr_strings.h>

#include <string.h>

#define IS(actual, expected) assert_string_equal((actual), (expected))
#define TOPIC "com.apple.mgmt.External.test"

/* What an operator gets. */
typedef struct {
    int status;
    const char *json;
    nmdm_err_t *err;            /* for the log */
    nmdm_ctx_t *ctx;
} answer_t;

static answer_t finish(answer_t a, const nmdm_reply_t *reply)
{
    nmdm_db_release(a.ctx);
    IS(reply->content_type, "application/json");
    assert_int_equal(reply->body.len, strlen(reply->body.data));
    a.json = reply->body.data;
    return a;
}

static answer_t ask_enqueue(world_t *w, const char *ids, nmdm_bytes_t body,
                            int push)
{
    answer_t a = { .status = -1, .ctx = request(w, NULL) };
    nmdm_reply_t reply = { 0 };

    a.err = nmdm_api_enqueue(a.ctx, &reply, &a.status,
                             nmdm_api_answer_split_ids(a.ctx->pool, ids), body,
                             push);
    return finish(a, &reply);
}

static answer_t ask_put(world_t *w, const char *pem)
{
    answer_t a = { .status = -1, .ctx = request(w, NULL) };
    nmdm_reply_t reply = { 0 };

    a.err = nmdm_api_pushcert_put(a.ctx, &reply, &a.status,
                                     bytes_of(pem), 0);
    return finish(a, &reply);
}

static answer_t ask_get(world_t *w, const char *topic)
{
    answer_t a = { .status = -1, .ctx = request(w, NULL) };
    nmdm_reply_t reply = { 0 };

    a.err = nmdm_api_pushcert_get(a.ctx, &reply, &a.status, topic);
    return finish(a, &reply);
}

/* ---- Enqueue ---- */

static void a_queued_command_is_told_with_uuid_and_type(void **state)
{
    world_t *w = *state;
    answer_t a;

    enroll(w, device(w, "D"));
    a = ask_enqueue(w, "D", command(w, "C1"), 0);
    OK(a.err);
    assert_int_equal(a.status, 200);
    IS(a.json, "{\n\t\"no_push\": true,\n\t\"command_uuid\": \"C1\",\n"
               "\t\"request_type\": \"Test\"\n}\n");
    IS(a.ctx->access_log.next_command_uuid, "C1");
    IS(a.ctx->access_log.request_type, "Test");
    assert_int_equal(logged(w, "NMDM0904: D: Test C1 queued for 1 of 1 "), 1);
}

/* Many enrollments, D0 and so on, without the messages that make them, and
 * all of their ids. */
static const char *many(world_t *w, int n)
{
    apr_array_header_t *ids = apr_array_make(w->pool, n, sizeof(char *));
    int i;

    tell(w, "WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL"
            "  SELECT i + 1 FROM n WHERE i + 1 < %d)"
            " INSERT INTO devices (id, authenticate)"
            " SELECT 'D' || i, '<plist/>' FROM n", n);
    tell(w, "INSERT INTO enrollments (id, device_id, type, topic, push_magic,"
            "                         token_hex)"
            " SELECT id, id, 'Device', 'topic', 'magic', '00' FROM devices");
    for (i = 0; i < n; i++) {
        APR_ARRAY_PUSH(ids, const char *) = apr_psprintf(w->pool, "D%d", i);
    }
    return apr_array_pstrcat(w->pool, ids, ',');
}

static void many_ids_are_queued_in_parts(void **state)
{
    world_t *w = *state;
    const char *ids = many(w, 10500);
    answer_t a = ask_enqueue(w, ids, command(w, "C1"), 0);

    OK(a.err);
    assert_int_equal(a.status, 200);
    IS(ask(w, "SELECT COUNT(*) FROM enrollment_queue"), "10500");
    assert_int_equal(logged(w, "Test C1 queued for"), 2);
    assert_int_equal(logged(w, "queued for 10000 of 10500 enrollments"), 1);
    assert_int_equal(logged(w, "queued for 10500 of 10500 enrollments"), 1);
}

static void an_unknown_id_among_many_leaves_nothing(void **state)
{
    world_t *w = *state;
    const char *ids = apr_pstrcat(w->pool, many(w, 2500), ",nobody", NULL);
    answer_t a = ask_enqueue(w, ids, command(w, "C1"), 0);

    assert_int_equal(a.status, 500);
    assert_non_null(strstr(a.json, "nobody is not enrolled"));
    IS(ask(w, "SELECT COUNT(*) FROM commands"), "0");
}

static void a_failure_on_the_way_takes_all_back(void **state)
{
    world_t *w = *state;
    const char *ids = many(w, 2500);
    answer_t a;

    tell(w, "CREATE TRIGGER stop BEFORE INSERT ON enrollment_queue"
            " WHEN NEW.id = 'D999'"
            " BEGIN SELECT RAISE(ABORT, 'no more'); END");
    a = ask_enqueue(w, ids, command(w, "C1"), 0);
    assert_int_equal(a.status, 500);
    assert_non_null(strstr(a.json, "queued for 2000 of 2500 by then, and is"
                                   " withdrawn"));
    IS(ask(w, "SELECT COUNT(*) FROM commands"), "0");
    IS(ask(w, "SELECT COUNT(*) FROM enrollment_queue"), "0");
}

static void ids_are_split_at_commas_and_taken_once(void **state)
{
    world_t *w = *state;
    answer_t a;

    enroll(w, device(w, "D"));
    enroll(w, device(w, "E f"));
    a = ask_enqueue(w, ",D,E f,,D,E f,", command(w, "C1"), 0);
    OK(a.err);
    assert_int_equal(a.status, 200);
    IS(ask(w, "SELECT GROUP_CONCAT(id) FROM (SELECT id FROM enrollment_queue"
              " ORDER BY id)"), "D,E f");
    /* No trimming. */
    a = ask_enqueue(w, "D, E f", command(w, "C2"), 0);
    assert_int_equal(a.status, 500);
}

static void without_ids_nothing_is_queued(void **state)
{
    world_t *w = *state;
    static const char *const EMPTY[] = { "", ",", ",,," };
    int i;

    for (i = 0; i < 3; i++) {
        answer_t a = ask_enqueue(w, EMPTY[i], command(w, "C1"), 0);

        assert_int_equal(a.status, 500);
        assert_non_null(a.err);
        IS(a.json, "{\n\t\"no_push\": true,\n\t\"command_error\":"
                   " \"getting enrollment ids: empty path\"\n}\n");
    }
    IS(ask(w, "SELECT COUNT(*) FROM commands"), "0");
}

static void an_id_that_is_not_utf8_is_a_bad_request(void **state)
{
    answer_t a = ask_enqueue(*state, "D,\xFF", command(*state, "C1"), 0);

    assert_int_equal(a.status, 400);
    IS(a.json, "{\n\t\"no_push\": true,\n\t\"command_error\":"
               " \"getting enrollment ids: not UTF-8\"\n}\n");
}

static void an_empty_body_asks_for_nothing(void **state)
{
    answer_t a = ask_enqueue(*state, "D", bytes_of(""), 0);

    assert_int_equal(a.status, 500);
    IS(a.json, "{\n\t\"no_push\": true,\n\t\"command_error\":"
               " \"must enqueue or push\"\n}\n");
}

static void a_bad_command_is_a_bad_request(void **state)
{
    answer_t a = ask_enqueue(*state, "D", bytes_of("<plist><dict/></plist>"),
                             0);

    assert_int_equal(a.status, 400);
    IS(a.json, "{\n\t\"no_push\": true,\n\t\"command_error\":"
               " \"decoding command: invalid command\"\n}\n");
    a = ask_enqueue(*state, "D", bytes_of("<secret>"), 0);
    assert_int_equal(a.status, 400);
    assert_non_null(strstr(a.json, "\"decoding command: "));
    assert_null(strstr(a.json, "secret"));
    assert_null(strstr(a.json, "NMDM"));
    assert_int_equal(((world_t *)*state)->borrows, 0);
}

static void what_the_database_says_against_it_is_an_error(void **state)
{
    world_t *w = *state;
    answer_t a;

    enroll(w, device(w, "D"));
    a = ask_enqueue(w, "D,nobody", command(w, "C1"), 0);
    assert_int_equal(a.status, 500);
    IS(a.json, "{\n\t\"no_push\": true,\n\t\"command_error\": \"nobody is"
               " not enrolled; nothing was queued\",\n\t\"command_uuid\":"
               " \"C1\",\n\t\"request_type\": \"Test\"\n}\n");
    OK(ask_enqueue(w, "D", command(w, "C1"), 0).err);
    a = ask_enqueue(w, "D", command(w, "C1"), 0);
    assert_int_equal(a.status, 500);
    assert_non_null(strstr(a.json, "command already exists: C1"));
}

static void without_a_database_the_operator_may_try_again(void **state)
{
    world_t *w = *state;
    answer_t a;

    enroll(w, device(w, "D"));
    w->fail_for_ever = 1;
    a = ask_enqueue(w, "D", command(w, "C1"), 0);
    assert_int_equal(a.status, 503);
    assert_int_equal(a.err->kind, NMDM_UNAVAILABLE);
    w->fail_for_ever = 0;
    a = ask_enqueue(w, "D", command(w, "C1"), 0);
    assert_int_equal(a.status, 200);
}

static void a_database_error_is_shown_without_its_tag(void **state)
{
    world_t *w = *state;
    answer_t a;

    enroll(w, device(w, "D"));
    tell(w, "CREATE TRIGGER t BEFORE INSERT ON commands BEGIN"
            " SELECT RAISE(ABORT, 'out of order'); END");
    a = ask_enqueue(w, "D", command(w, "C1"), 0);
    assert_int_equal(a.status, 500);
    assert_non_null(strstr(a.json, "out of order"));
    assert_null(strstr(a.json, "NMDM"));
}

static void html_in_what_an_operator_sent_is_escaped(void **state)
{
    answer_t a = ask_enqueue(*state, "<script>&", command(*state, "C1"), 0);

    assert_int_equal(a.status, 500);
    assert_non_null(strstr(a.json, "\\u003cscript\\u003e\\u0026 is not"
                                   " enrolled"));
}

/* ---- Simple errors ---- */

static void a_simple_error_has_one_key(void **state)
{
    world_t *w = *state;
    nmdm_reply_t reply = { 0 };

    nmdm_api_answer_error(&reply, w->pool, "a \"text\"");
    IS(reply.content_type, "application/json");
    IS(reply.body.data, "{\n\t\"error\": \"a \\\"text\\\"\"\n}\n");
}

/* ---- Push certificates ---- */

static const char *upload(apr_pool_t *p, const identity_t *one)
{
    return apr_pstrcat(p, pem_of(p, one->x509), key_pem(p, one->key), NULL);
}

static void a_push_certificate_is_stored_and_described(void **state)
{
    world_t *w = *state;
    /* 2027-11-21T22:25:33Z */
    const identity_t *one = IDENTITY(w->pool, .uid = TOPIC, .until =
                                     apr_time_from_sec(1826835933));
    answer_t a = ask_put(w, upload(w->pool, one));

    OK(a.err);
    assert_int_equal(a.status, 200);
    IS(a.json, "{\n\t\"not_after\": \"2027-11-21T22:25:33Z\",\n"
               "\t\"topic\": \"" TOPIC "\"\n}\n");
    a = ask_get(w, TOPIC);
    OK(a.err);
    assert_int_equal(a.status, 200);
    IS(a.json, "{\n\t\"not_after\": \"2027-11-21T22:25:33Z\",\n"
               "\t\"topic\": \"" TOPIC "\"\n}\n");
    IS(ask(w, "SELECT cert_pem FROM push_certs"),
       pem_of(w->pool, one->x509));
    assert_int_equal(logged(w, "PRIVATE"), 0);
}

static void an_upload_replaces_and_counts(void **state)
{
    world_t *w = *state;
    const identity_t *old = IDENTITY(w->pool, .uid = TOPIC);
    const identity_t *new = IDENTITY(w->pool, .uid = TOPIC);
    const identity_t *other = IDENTITY(w->pool, .uid = TOPIC ".other");

    OK(ask_put(w, upload(w->pool, old)).err);
    IS(ask(w, "SELECT stale_token FROM push_certs"), "0");
    OK(ask_put(w, upload(w->pool, new)).err);
    OK(ask_put(w, upload(w->pool, other)).err);
    IS(ask(w, "SELECT COUNT(*) FROM push_certs"), "2");
    IS(ask(w, "SELECT stale_token FROM push_certs WHERE topic = '" TOPIC
              "'"), "1");
    IS(ask(w, "SELECT cert_pem FROM push_certs WHERE topic = '" TOPIC "'"),
       pem_of(w->pool, new->x509));
}

static void a_bad_upload_is_a_bad_request_and_stores_nothing(void **state)
{
    world_t *w = *state;
    const identity_t *one = IDENTITY(w->pool, .uid = TOPIC);
    const identity_t *wrong = IDENTITY(w->pool, .uid = "com.example");
    const identity_t *none = IDENTITY(w->pool, .name = "no uid");
    const struct {
        const char *pem, *error;
    } rows[] = {
        { "", "tls: failed to find any PEM data in certificate input" },
        { pem_of(w->pool, one->x509),
          "tls: failed to find any PEM data in key input" },
        { apr_pstrcat(w->pool, pem_of(w->pool, one->x509),
                      key_pem(w->pool, wrong->key), NULL),
          "tls: private key does not match public key" },
        { upload(w->pool, none), "no APNs Topic found" },
        { upload(w->pool, wrong),
          "invalid APNs Topic: \\\"com.example\\\"" }
    };
    apr_size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        answer_t a = ask_put(w, rows[i].pem);

        assert_int_equal(a.status, 400);
        assert_non_null(a.err);
        IS(a.json, apr_psprintf(w->pool, "{\n\t\"error\": \"%s\"\n}\n",
                                rows[i].error));
    }
    IS(ask(w, "SELECT COUNT(*) FROM push_certs"), "0");
}

/* OpenSSL makes no such subject, so the limit is that of its own. */
static void the_longest_topic_is_stored(void **state)
{
    world_t *w = *state;
    const char *topic = apr_pstrcat(w->pool, "com.apple.mgmt.",
                                    repeat(w->pool, 't', 240), NULL);
    answer_t a = ask_put(w, upload(w->pool, IDENTITY(w->pool,
                                                     .uid = topic)));

    OK(a.err);
    assert_int_equal(ask_get(w, topic).status, 200);
}

static void a_topic_has_to_be_named(void **state)
{
    static const char *const NONE[] = { NULL, "" };
    int i;

    for (i = 0; i < 2; i++) {
        answer_t a = ask_get(*state, NONE[i]);

        assert_int_equal(a.status, 400);
        IS(a.json, "{\n\t\"error\": \"missing required query parameter:"
                   " topic\"\n}\n");
    }
}

static void an_unknown_topic_is_an_error(void **state)
{
    answer_t a = ask_get(*state, "com.apple.mgmt.nobody");

    assert_int_equal(a.status, 500);
    assert_non_null(a.err);
    assert_int_equal(strncmp(a.json, "{\n\t\"error\": \"", 13), 0);
    a = ask_get(*state, "\xFF");
    assert_int_equal(a.status, 500);
    assert_int_equal(strncmp(a.json, "{\n\t\"error\": \"", 13), 0);
}

/* The operator asked for something good; the database is at fault. */
static void a_stored_pair_that_is_of_no_use_is_an_error(void **state)
{
    world_t *w = *state;
    answer_t a;

    tell(w, "INSERT INTO push_certs VALUES ('" TOPIC "',"
            " '-----BEGIN CERTIFICATE-----', '-----', 0, 'x', 'x')");
    a = ask_get(w, TOPIC);
    assert_non_null(a.err);
    assert_int_equal(a.status, 500);
}

#define DB_TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_world, support_world_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(a_queued_command_is_told_with_uuid_and_type),
        DB_TEST(many_ids_are_queued_in_parts),
        DB_TEST(an_unknown_id_among_many_leaves_nothing),
        DB_TEST(a_failure_on_the_way_takes_all_back),
        DB_TEST(ids_are_split_at_commas_and_taken_once),
        DB_TEST(without_ids_nothing_is_queued),
        DB_TEST(an_id_that_is_not_utf8_is_a_bad_request),
        DB_TEST(an_empty_body_asks_for_nothing),
        DB_TEST(a_bad_command_is_a_bad_request),
        DB_TEST(what_the_database_says_against_it_is_an_error),
        DB_TEST(without_a_database_the_operator_may_try_again),
        DB_TEST(a_database_error_is_shown_without_its_tag),
        DB_TEST(html_in_what_an_operator_sent_is_escaped),
        DB_TEST(a_simple_error_has_one_key),
        DB_TEST(a_push_certificate_is_stored_and_described),
        DB_TEST(an_upload_replaces_and_counts),
        DB_TEST(a_bad_upload_is_a_bad_request_and_stores_nothing),
        DB_TEST(the_longest_topic_is_stored),
        DB_TEST(a_topic_has_to_be_named),
        DB_TEST(an_unknown_topic_is_an_error),
        DB_TEST(a_stored_pair_that_is_of_no_use_is_an_error),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
