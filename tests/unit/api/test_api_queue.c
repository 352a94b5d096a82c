/* SPDX-License-Identifier: Apache-2.0 */
/* test_api_queue.c -- queues and results as operators see them, and taking
 * commands back. */

#include "support.h"
#include "api/answer.h"
#include "api/enqueue.h"
#include "codec/json.h"
#include "api/commands.h"
#include "api/queue.h"
#include "api/results.h"
#include "storage/queue.h"

#include <apr_strings.h>

#include <string.h>

#define IS(actual, expected) assert_string_equal((actual), (expected))

static device_t one_device(world_t *w)
{
    device_t d = device(w, "D");

    enroll(w, d);
    forget(w);
    return d;
}

/* The texts under `key` of all entries of a page, and its cursor. */
static const char *texts(world_t *w, nmdm_bytes_t body, const char *list,
                         const char *key, const char **cursor)
{
    nmdm_json_t *answer, *entries;
    const char *all = "";
    int i;

    OK(nmdm_json_read(&answer, w->pool, body));
    entries = nmdm_json_get(answer, list);
    for (i = 0; i < nmdm_json_length(entries); i++) {
        all = apr_pstrcat(w->pool, all, i ? " " : "", nmdm_json_string(
            nmdm_json_item(entries, i), key), NULL);
    }
    *cursor = nmdm_json_string(answer, "next_cursor");
    return all;
}

static const char *queue_of(world_t *w, const char *id, const char *limit,
                            const char **cursor)
{
    nmdm_api_paging_query_t page = { limit, NULL, *cursor };
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_reply_t reply = { 0 };
    int status;

    OK(nmdm_api_queue_list(ctx, &reply, &status, id, &page));
    nmdm_db_release(ctx);
    assert_int_equal(status, 200);
    return texts(w, reply.body, "commands", "command_uuid", cursor);
}

static void put(world_t *w, const char *uuid, nmdm_enqueue_options_t terms)
{
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_reply_t reply;
    int status;

    OK(nmdm_api_enqueue_on(ctx, &reply, &status,
                           nmdm_api_answer_split_ids(ctx->pool, "D"),
                           command(w, uuid), 0, &terms));
    nmdm_db_release(ctx);
    assert_int_equal(status, 200);
}

static void the_queue_is_shown_in_the_order_of_delivery(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);
    const char *cursor = NULL;

    put(w, "low", (nmdm_enqueue_options_t){ -1, 0 });
    put(w, "a", (nmdm_enqueue_options_t){ 0, 0 });
    put(w, "b", (nmdm_enqueue_options_t){ 0, 0 });
    put(w, "high", (nmdm_enqueue_options_t){ 5, 0 });
    IS(queue_of(w, "D", NULL, &cursor), "high a b low");
    assert_null(cursor);
    IS(queue_of(w, "D", "2", &cursor), "high a");
    IS(queue_of(w, "D", "2", &cursor), "b low");
    assert_null(cursor);
    IS(next(w, d, "Acknowledged", "high"), "a");
    IS(queue_of(w, "D", NULL, &cursor), "a b low");
}

/* Commands queued in one moment are told apart by their rows. */
static void a_page_may_end_within_one_moment(void **state)
{
    world_t *w = *state;
    const char *cursor = NULL;

    one_device(w);
    enqueue(w, "D", "z");
    enqueue(w, "D", "y");
    enqueue(w, "D", "x");
    tell(w, "UPDATE enrollment_queue SET created_at = '2026-01-01'");
    IS(queue_of(w, "D", "1", &cursor), "z");
    tell(w, "UPDATE enrollment_queue SET created_at = '2026-01-01 00:00:00'");
    cursor = NULL;
    IS(queue_of(w, "D", "1", &cursor), "z");
    IS(queue_of(w, "D", "1", &cursor), "y");
    IS(queue_of(w, "D", "1", &cursor), "x");
    assert_null(cursor);
}

static void what_expires_is_gone_from_then_on(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);
    const char *cursor = NULL;

    put(w, "gone",
        (nmdm_enqueue_options_t){ 1, apr_time_from_sec(1000000000) });
    put(w, "stays",
        (nmdm_enqueue_options_t){ 0, apr_time_from_sec(2147483647) });
    IS(ask(w, "SELECT expires_at FROM enrollment_queue WHERE priority = 1"),
       "2001-09-09 01:46:40.000");
    IS(next(w, d, "Idle", NULL), "stays");
    IS(queue_of(w, "D", NULL, &cursor), "stays");
}

static void without_a_column_nothing_expires(void **state)
{
    world_t *w = *state;
    nmdm_enqueue_options_t terms = { 0, NOW + apr_time_from_sec(60) };
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_reply_t reply;
    int status;

    one_device(w);
    w->schema.version = 0;
    REFUSED(nmdm_api_enqueue_on(ctx, &reply, &status,
                                nmdm_api_answer_split_ids(ctx->pool, "D"),
                                command(w, "C"), 0, &terms),
            NMDM_INVALID, "NanoMDMSchema auto");
    nmdm_db_release(ctx);
    assert_int_equal(status, 500);
    IS(ask(w, "SELECT COUNT(*) FROM commands"), "0");
}

static int clear(world_t *w, const char *ids, const char *uuid,
                 const char **json)
{
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_reply_t reply = { 0 };
    int status;

    (void)nmdm_api_queue_clear(ctx, &reply, &status,
                               nmdm_api_answer_split_ids(ctx->pool, ids), uuid);
    nmdm_db_release(ctx);
    *json = reply.body.data;
    return status;
}

static void clearing_is_for_these_ids_alone(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w), u = user_of(d, "U");
    const char *json;

    token_update(w, u);
    enqueue(w, "D,D:U", "C1");
    enqueue(w, "D", "C2");
    next(w, d, "Acknowledged", "C1");
    assert_int_equal(clear(w, "D", NULL, &json), 204);
    assert_null(json);
    IS(next(w, d, "Idle", NULL), "");
    IS(next(w, u, "Idle", NULL), "C1");
    IS(ask(w, "SELECT GROUP_CONCAT(id || command_uuid || active, ' ') FROM"
              " (SELECT * FROM enrollment_queue ORDER BY id, command_uuid)"),
       "DC11 DC20 D:UC11");
    assert_int_equal(clear(w, "D,nobody", NULL, &json), 207);
    IS(json, "{\n\t\"status\": {\n\t\t\"nobody\": \"nobody is not enrolled\""
             "\n\t}\n}\n");
    assert_int_equal(clear(w, "", NULL, &json), 400);
}

static void one_command_is_taken_back_once(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);
    const char *json;

    enqueue(w, "D", "C1");
    enqueue(w, "D", "C2");
    assert_int_equal(clear(w, "D", "C1", &json), 204);
    IS(next(w, d, "Idle", NULL), "C2");
    assert_int_equal(clear(w, "D", "C1", &json), 207);
    next(w, d, "Acknowledged", "C2");
    assert_int_equal(clear(w, "D", "C2", &json), 207);
    assert_int_equal(clear(w, "D", "", &json), 400);
}

static void a_command_is_taken_back_from_everybody(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w), e = device(w, "E");
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_reply_t reply = { 0 };
    int status;

    enroll(w, e);
    enqueue(w, "D,E", "C1");
    next(w, d, "Error", "C1");
    OK(nmdm_api_queue_cancel(ctx, &reply, &status, "C1"));
    IS(reply.body.data,
       "{\n\t\"command_uuid\": \"C1\",\n\t\"cancelled\": 1\n}\n");
    REFUSED(nmdm_api_queue_cancel(ctx, &reply, &status, "C2"), NMDM_NOT_FOUND,
            "there is no command C2");
    assert_int_equal(status, 404);
    nmdm_db_release(ctx);
    IS(next(w, e, "Idle", NULL), "");
}

static void results_come_newest_first(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);
    nmdm_api_paging_query_t page = { "2", NULL, NULL };
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_reply_t reply = { 0 };
    int status, i;

    for (i = 1; i <= 3; i++) {
        const char *uuid = apr_psprintf(w->pool, "C%d", i);

        enqueue(w, "D", uuid);
        next(w, d, "Acknowledged", uuid);
        tell(w, "UPDATE command_results SET updated_at ="
                " '2026-01-01 00:00:0%d.000' WHERE command_uuid = 'C%d'",
             i / 2, i);
    }
    OK(nmdm_api_results_list(ctx, &reply, &status, "D", NULL, &page));
    IS(texts(w, reply.body, "results", "command_uuid", &page.cursor),
       "C3 C2");
    assert_non_null(page.cursor);
    OK(nmdm_api_results_list(ctx, &reply, &status, "D", NULL, &page));
    IS(texts(w, reply.body, "results", "command_uuid", &page.cursor), "C1");
    assert_null(page.cursor);
    OK(nmdm_api_results_list(ctx, &reply, &status, "D", "C2", &page));
    IS(texts(w, reply.body, "results", "status", &page.cursor),
       "Acknowledged");
    nmdm_db_release(ctx);
}

static void a_command_shows_who_has_it(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w), e = device(w, "E");
    nmdm_api_paging_query_t page = { NULL, NULL, NULL };
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_reply_t reply = { 0 };
    int status;

    enroll(w, e);
    enroll(w, device(w, "F"));
    enroll(w, device(w, "G"));
    enqueue(w, "D,E,F,G", "C1");
    next(w, d, "Acknowledged", "C1");
    next(w, e, "NotNow", "C1");
    tell(w, "UPDATE enrollment_queue SET active = FALSE WHERE id = 'F'");
    tell(w, "UPDATE enrollment_queue SET expires_at = '2020-01-01 00:00:00'"
            " WHERE id = 'G'");
    OK(nmdm_api_commands_get(ctx, &reply, &status, "C1", &page));
    IS(texts(w, reply.body, "enrollments", "state", &page.cursor),
       "answered pending cancelled expired");
    assert_true(has_text(reply.body, "\"result_json\": {"));
    w->schema.version = 0;
    OK(nmdm_api_commands_get(ctx, &reply, &status, "C1", &page));
    IS(texts(w, reply.body, "enrollments", "state", &page.cursor),
       "answered pending cancelled pending");
    nmdm_db_release(ctx);
}

#define DB_TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_world, support_world_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(the_queue_is_shown_in_the_order_of_delivery),
        DB_TEST(a_page_may_end_within_one_moment),
        DB_TEST(what_expires_is_gone_from_then_on),
        DB_TEST(without_a_column_nothing_expires),
        DB_TEST(clearing_is_for_these_ids_alone),
        DB_TEST(one_command_is_taken_back_once),
        DB_TEST(a_command_is_taken_back_from_everybody),
        DB_TEST(results_come_newest_first),
        DB_TEST(a_command_shows_who_has_it),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
