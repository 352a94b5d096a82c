/* SPDX-License-Identifier: Apache-2.0 */
/* test_queue.c -- the command queue. Letters and numbers in comments are
 * conformance cases of the behaviour specification. */

#include "support.h"
#include "api/answer.h"
#include "api/enqueue.h"

#include <apr_strings.h>

#include <string.h>

/* A world with one enrolled device, D. */
static device_t one_device(world_t *w)
{
    device_t d = device(w, "D");

    enroll(w, d);
    forget(w);
    return d;
}

#define IS(actual, expected) assert_string_equal((actual), (expected))

/* ---- Delivery ---- */

/* CQ1 */
static void commands_come_one_after_the_other(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    IS(next(w, d, "Idle", NULL), "");
    enqueue(w, "D", "C1");
    enqueue(w, "D", "C2");
    IS(next(w, d, "Idle", NULL), "C1");
    IS(next(w, d, "Acknowledged", "C1"), "C2");
    IS(next(w, d, "Acknowledged", "C2"), "");
    IS(next(w, d, "Idle", NULL), "");
}

/* CQ2 */
static void not_now_is_skipped_until_idle(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "C3");
    IS(next(w, d, "Idle", NULL), "C3");
    IS(next(w, d, "NotNow", "C3"), "");
    IS(next(w, d, "Idle", NULL), "C3");
    IS(next(w, d, "Acknowledged", "C3"), "");
    IS(next(w, d, "Idle", NULL), "");
}

/* CQ4, the example of 3.4 */
static void a_long_sequence_of_not_now_keeps_the_order(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "Q1");
    enqueue(w, "D", "Q2");
    enqueue(w, "D", "Q3");
    enqueue(w, "D", "Q4");
    IS(next(w, d, "Idle", NULL), "Q1");
    IS(next(w, d, "NotNow", "Q1"), "Q2");
    IS(next(w, d, "NotNow", "Q2"), "Q3");
    IS(next(w, d, "Idle", NULL), "Q1");
    IS(next(w, d, "Acknowledged", "Q3"), "Q1");
    IS(next(w, d, "Error", "Q1"), "Q2");
    IS(next(w, d, "CommandFormatError", "Q2"), "Q4");
    IS(next(w, d, "Acknowledged", "Q4"), "");
}

/* CQ5 */
static void idle_gets_the_same_command_until_it_is_answered(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "C1");
    enqueue(w, "D", "C2");
    IS(next(w, d, "Idle", NULL), "C1");
    IS(next(w, d, "Idle", NULL), "C1");
    IS(next(w, d, "Idle", NULL), "C1");
}

/* CQ6 */
static void a_command_is_delivered_byte_for_byte(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);
    nmdm_bytes_t body = text_of(
        w->pool, "%s<!-- \xC3\xA4 'quoted' %%s -->\r\n\n",
        command(w, "C1").data);
    nmdm_reply_t reply;
    int status;

    OK(nmdm_api_enqueue(request(w, NULL), &reply, &status,
                        nmdm_api_answer_split_ids(w->pool, "D"), body, 0));
    OK(report(w, &reply, d, "Idle", NULL));
    assert_int_equal(reply.body.len, body.len);
    assert_memory_equal(reply.body.data, body.data, body.len);
    IS(reply.content_type, NMDM_TYPE_PLIST);
}

/* CQ17 */
static void commands_of_one_moment_keep_their_order(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);
    const char *uuid = NULL;
    int i;

    /* In an order that is neither that of the UUIDs nor its reverse. */
    for (i = 0; i < 100; i++) {
        enqueue(w, "D", apr_psprintf(w->pool, "%02d", i * 37 % 100));
    }
    tell(w, "UPDATE enrollment_queue SET created_at = '2026-06-01'");
    for (i = 0; i < 100; i++) {
        uuid = i ? next(w, d, "Acknowledged", uuid)
                 : next(w, d, "Idle", NULL);
        IS(uuid, apr_psprintf(w->pool, "%02d", i * 37 % 100));
    }
    IS(next(w, d, "Acknowledged", uuid), "");
}

/* CQ18 */
static void a_higher_priority_comes_first(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "C1");
    enqueue(w, "D", "C2");
    enqueue(w, "D", "C3");
    tell(w, "UPDATE enrollment_queue SET priority = 5"
            " WHERE command_uuid = 'C2'");
    tell(w, "UPDATE enrollment_queue SET priority = -1"
            " WHERE command_uuid = 'C1'");
    IS(next(w, d, "Idle", NULL), "C2");
    IS(next(w, d, "Acknowledged", "C2"), "C3");
    IS(next(w, d, "Acknowledged", "C3"), "C1");
}

static void the_time_of_queueing_comes_before_the_row(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "C1");
    enqueue(w, "D", "C2");
    tell(w, "UPDATE enrollment_queue SET created_at = '2000-01-01'"
            " WHERE command_uuid = 'C2'");
    IS(next(w, d, "Idle", NULL), "C2");
}

static void what_is_not_active_is_not_delivered(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "C1");
    enqueue(w, "D", "C2");
    tell(w, "UPDATE enrollment_queue SET active = FALSE"
            " WHERE command_uuid = 'C1'");
    IS(next(w, d, "Idle", NULL), "C2");
}

static void a_queue_is_of_one_device_only(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w), e = device(w, "E");

    enroll(w, e);
    enqueue(w, "E", "C1");
    IS(next(w, d, "Idle", NULL), "");
    IS(next(w, e, "Idle", NULL), "C1");
}

/* CQ14 */
static void device_and_user_answer_the_same_command_apart(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w), u = user_of(d, "U");

    token_update(w, u);
    enqueue(w, "D,D:U", "C1");
    IS(next(w, d, "Idle", NULL), "C1");
    IS(next(w, d, "Acknowledged", "C1"), "");
    IS(next(w, u, "Idle", NULL), "C1");
    IS(next(w, u, "NotNow", "C1"), "");
    IS(next(w, u, "Idle", NULL), "C1");
    IS(next(w, u, "Error", "C1"), "");
    IS(ask(w, "SELECT status FROM command_results WHERE id = 'D'"),
       "Acknowledged");
    IS(ask(w, "SELECT status FROM command_results WHERE id = 'D:U'"),
       "Error");
}

/* CQ16 */
static void before_the_token_update_there_is_nothing(void **state)
{
    world_t *w = *state;
    device_t d = device(w, "D");

    authenticate(w, d);
    IS(next(w, d, "Idle", NULL), "");
}

/* 2.6 */
static void a_disabled_enrollment_still_gets_its_commands(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "C1");
    OK(checkin(w, NULL, d, "CheckOut", NULL));
    IS(next(w, d, "Idle", NULL), "C1");
    enqueue(w, "D", "C2");
    IS(next(w, d, "Acknowledged", "C1"), "C2");
}

/* ---- Reports ---- */

/* CQ7 */
static void idle_stores_nothing_even_with_a_uuid(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "C1");
    IS(next(w, d, "Idle", "C1"), "C1");
    IS(ask(w, "SELECT COUNT(*) FROM command_results"), "0");
}

/* CQ8 */
static void any_other_status_finishes_the_command(void **state)
{
    static const char *const STATUSES[] = {
        "Acknowledged", "Error", "CommandFormatError", "Whatever", "idle",
        "notnow", "NotNow ", "\xC3\xA4"
    };
    world_t *w = *state;
    device_t d = one_device(w);
    apr_size_t i;

    for (i = 0; i < sizeof(STATUSES) / sizeof(*STATUSES); i++) {
        const char *uuid = apr_psprintf(w->pool, "C%d", (int)i);

        enqueue(w, "D", uuid);
        IS(next(w, d, "Idle", NULL), uuid);
        IS(next(w, d, STATUSES[i], uuid), "");
        IS(next(w, d, "Idle", NULL), "");
        IS(ask(w, "SELECT status FROM command_results"
                  " WHERE command_uuid = '%s'", uuid), STATUSES[i]);
    }
}

static void a_result_is_the_report_as_it_was_sent(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);
    const char *result;

    enqueue(w, "D", "C1");
    next(w, d, "Acknowledged", "C1");
    result = ask(w, "SELECT result FROM command_results");
    IS(result, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
               "<plist version=\"1.0\"><dict><key>UDID</key><string>D"
               "</string><key>Status</key><string>Acknowledged</string>"
               "<key>CommandUUID</key><string>C1</string></dict></plist>\n");
}

/* CQ10 */
static void an_unknown_command_does_not_disturb_the_queue(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "C1");
    IS(next(w, d, "Acknowledged", "never queued"), "C1");
    IS(next(w, d, "NotNow", "never queued"), "C1");
    IS(ask(w, "SELECT COUNT(*) FROM command_results"), "0");
    assert_int_equal(logged(w, "NMDM0706"), 2);
    IS(next(w, d, "Idle", NULL), "C1");
}

/* 3.5, second row */
static void a_known_command_of_somebody_else_is_stored(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w), e = device(w, "E");

    enroll(w, e);
    enqueue(w, "E", "C1");
    IS(next(w, d, "Acknowledged", "C1"), "");
    IS(ask(w, "SELECT id FROM command_results"), "D");
    IS(next(w, e, "Idle", NULL), "C1");
}

/* CQ11 */
static void the_last_of_two_reports_counts(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "C1");
    enqueue(w, "D", "C2");
    IS(next(w, d, "Acknowledged", "C1"), "C2");
    IS(next(w, d, "Error", "C1"), "C2");
    IS(ask(w, "SELECT COUNT(*) || status FROM command_results"), "1Error");
    IS(next(w, d, "Idle", NULL), "C2");
}

static void a_finished_command_may_become_not_now_again(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "C1");
    IS(next(w, d, "Acknowledged", "C1"), "");
    IS(next(w, d, "NotNow", "C1"), "");
    IS(next(w, d, "Idle", NULL), "C1");
}

/* CQ12 */
static void a_report_without_a_uuid_stores_nothing(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "C1");
    IS(next(w, d, "Acknowledged", NULL), "C1");
    IS(next(w, d, "NotNow", NULL), "C1");
    IS(ask(w, "SELECT COUNT(*) FROM command_results"), "0");
    assert_int_equal(logged(w, "NMDM0707"), 2);
}

/* CQ13 */
static void not_now_is_counted_and_its_first_time_kept(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "C1");
    next(w, d, "NotNow", "C1");
    IS(ask(w, "SELECT not_now_tally FROM command_results"), "1");
    tell(w, "UPDATE command_results SET not_now_at = '2000-01-01'");
    next(w, d, "NotNow", "C1");
    next(w, d, "Acknowledged", "C1");
    IS(ask(w, "SELECT not_now_tally || not_now_at FROM command_results"),
       "22000-01-01");
}

/* Late reports of a device that was removed with all its rows. */
static void a_report_of_an_unknown_enrollment_is_stored_nowhere(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "C1");
    tell(w, "DELETE FROM enrollments");
    IS(next(w, d, "Acknowledged", "C1"), "");
    IS(ask(w, "SELECT COUNT(*) FROM command_results"), "0");
}

/* ---- What a report costs ---- */

static void an_idle_poll_is_one_statement(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    next(w, d, "Idle", NULL);
    assert_int_equal(logged(w, "NMDM0103"), 1);
    forget(w);
    enqueue(w, "D", "C1");
    forget(w);
    IS(next(w, d, "Idle", NULL), "C1");
    assert_int_equal(logged(w, "NMDM0103"), 1);
    assert_int_equal(logged(w, "queue_next"), 1);
}

static void a_report_is_two_statements(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "C1");
    forget(w);
    next(w, d, "NotNow", "C1");
    assert_int_equal(logged(w, "NMDM0103"), 2);
    assert_int_equal(logged(w, "result_not_now"), 1);
    forget(w);
    next(w, d, "Acknowledged", "C1");
    assert_int_equal(logged(w, "NMDM0103"), 2);
    assert_int_equal(logged(w, "result_put"), 1);
    assert_int_equal(logged(w, "queue_next"), 1);
}

static void a_poll_borrows_once(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "C1");
    w->borrows = 0;
    next(w, d, "Idle", NULL);
    assert_int_equal(w->borrows, 1);
    /* Where writers do not take turns, a report as well. */
    w->db_source.writer = NULL;
    w->borrows = 0;
    next(w, d, "Acknowledged", "C1");
    assert_int_equal(w->borrows, 1);
}

/* ---- Databases without our column ---- */

static void the_slow_statements_deliver_the_same(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w), u = user_of(d, "U");

    token_update(w, u);
    w->schema.version = 0;
    enqueue(w, "D", "C1");
    enqueue(w, "D,D:U", "C2");
    forget(w);
    IS(next(w, d, "Idle", NULL), "C1");
    assert_int_equal(logged(w, "queue_next_scan"), 1);
    IS(next(w, d, "NotNow", "C1"), "C2");
    IS(next(w, d, "Acknowledged", "C2"), "C1");
    IS(next(w, d, "Idle", NULL), "C1");
    forget(w);
    authenticate(w, d);
    assert_int_equal(logged(w, "queue_clear_scan"), 1);
    IS(next(w, d, "Idle", NULL), "");
    IS(next(w, u, "Idle", NULL), "");
    IS(ask(w, "SELECT GROUP_CONCAT(id || active, ' ') FROM (SELECT * FROM"
              " enrollment_queue WHERE command_uuid = 'C2' ORDER BY id)"),
       "D1 D:U0");
}

/* ---- Clearing (CQ3) ---- */

static void clearing_keeps_what_was_answered(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "answered");
    enqueue(w, "D", "put off");
    enqueue(w, "D", "untouched");
    next(w, d, "Acknowledged", "answered");
    next(w, d, "NotNow", "put off");
    authenticate(w, d);
    IS(next(w, d, "Idle", NULL), "");
    IS(ask(w, "SELECT GROUP_CONCAT(command_uuid || active) FROM (SELECT *"
              " FROM enrollment_queue ORDER BY command_uuid)"),
       "answered1,put off0,untouched0");
    IS(ask(w, "SELECT COUNT(*) FROM command_results"), "2");
}

static void clearing_is_for_one_device_and_its_users(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w), u = user_of(d, "U"), e = device(w, "E");

    enroll(w, e);
    token_update(w, u);
    enqueue(w, "D,D:U,E", "C1");
    authenticate(w, d);
    IS(next(w, d, "Idle", NULL), "");
    IS(next(w, u, "Idle", NULL), "");
    IS(next(w, e, "Idle", NULL), "C1");
}

/* ---- Deleting what was answered (CQ15) ---- */

static const char *left(world_t *w)
{
    return ask(w, "SELECT (SELECT COUNT(*) FROM enrollment_queue) || ' ' ||"
                  "       (SELECT COUNT(*) FROM command_results) || ' ' ||"
                  "       (SELECT COUNT(*) FROM commands)");
}

static void an_answer_removes_the_command_for_good(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    w->policy.delete_commands = 1;
    enqueue(w, "D", "C1");
    enqueue(w, "D", "C2");
    IS(next(w, d, "NotNow", "C1"), "C2");
    IS(left(w), "2 1 2");
    IS(next(w, d, "Acknowledged", "C1"), "C2");
    IS(left(w), "1 0 1");
    IS(next(w, d, "Error", "C2"), "");
    IS(left(w), "0 0 0");
    IS(next(w, d, "Acknowledged", "C2"), "");
    IS(next(w, d, "Acknowledged", "never queued"), "");
}

static void the_last_to_answer_removes_the_command(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w), e = device(w, "E");

    enroll(w, e);
    w->policy.delete_commands = 1;
    enqueue(w, "D,E", "C1");
    next(w, d, "Acknowledged", "C1");
    IS(left(w), "1 0 1");
    IS(next(w, e, "Idle", NULL), "C1");
    next(w, e, "Acknowledged", "C1");
    IS(left(w), "0 0 0");
}

static void somebody_elses_result_keeps_the_command(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w), e = device(w, "E");

    enroll(w, e);
    enqueue(w, "D,E", "C1");
    next(w, e, "Acknowledged", "C1");
    w->policy.delete_commands = 1;
    next(w, d, "Acknowledged", "C1");
    IS(left(w), "1 1 1");
}

static void a_stranger_removes_nothing(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w), stranger = d;
    nmdm_reply_t reply;

    w->policy.delete_commands = 1;
    stranger.cert = some_cert(w, "stranger");
    enqueue(w, "D", "C1");
    REFUSED(report(w, &reply, stranger, "Acknowledged", "C1"), NMDM_REFUSED,
            "not associated");
    IS(left(w), "1 0 1");
}

/* ---- Queueing ---- */

static const char *many_ids(world_t *w, int n, const char *more)
{
    const char *ids = more;
    int i;

    for (i = 0; i < n; i++) {
        ids = apr_psprintf(w->pool, "%s,M%d", ids, i);
    }
    return ids;
}

static void make_many(world_t *w, int n)
{
    int i;

    tell(w, "BEGIN");
    for (i = 0; i < n; i++) {
        tell(w, "INSERT INTO devices (id, authenticate) VALUES ('M%d', 'x')",
             i);
        tell(w, "INSERT INTO enrollments (id, device_id, type, topic,"
                " push_magic, token_hex) VALUES ('M%d', 'M%d', 'Device',"
                " 't', 'm', 'aa')", i, i);
    }
    tell(w, "COMMIT");
}

static void a_command_for_many_takes_few_statements(void **state)
{
    world_t *w = *state;

    one_device(w);
    make_many(w, 249);
    forget(w);
    enqueue(w, many_ids(w, 249, "D"), "C1");
    IS(left(w), "250 0 1");
    /* One looks, one writes the command, three queue it. */
    assert_int_equal(logged(w, "NMDM0103"), 5);
    enqueue(w, many_ids(w, 99, "D"), "C2");
    IS(left(w), "350 0 2");
    enqueue(w, many_ids(w, 100, "D"), "C3");
    IS(left(w), "451 0 3");
}

static nmdm_err_t *enqueue_fails(world_t *w, const char *ids,
                                 const char *uuid)
{
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_reply_t reply;
    nmdm_err_t *err;
    int status;

    err = nmdm_api_enqueue(ctx, &reply, &status,
                           nmdm_api_answer_split_ids(ctx->pool, ids),
                           command(w, uuid), 0);
    nmdm_db_release(ctx);
    return err;
}

static void one_unknown_id_and_nobody_gets_the_command(void **state)
{
    world_t *w = *state;

    one_device(w);
    make_many(w, 150);
    REFUSED(enqueue_fails(w, "D,nobody", "C1"), NMDM_INVALID,
            "nobody is not enrolled; nothing was queued");
    REFUSED(enqueue_fails(w, many_ids(w, 150, "D,nobody"), "C1"),
            NMDM_INVALID, "nobody is not enrolled");
    /* In the second hundred. */
    REFUSED(enqueue_fails(w, apr_pstrcat(w->pool, many_ids(w, 150, "D"),
                                         ",nobody", NULL), "C1"),
            NMDM_INVALID, "nobody is not enrolled");
    IS(left(w), "0 0 0");
    enqueue(w, many_ids(w, 150, "D"), "C1");
    IS(left(w), "151 0 1");
}

static void a_uuid_is_used_once(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w), e = device(w, "E");

    enroll(w, e);
    enqueue(w, "D", "C1");
    REFUSED(enqueue_fails(w, "D", "C1"), NMDM_INVALID,
            "command already exists: C1");
    REFUSED(enqueue_fails(w, "E", "C1"), NMDM_INVALID,
            "command already exists: C1");
    IS(left(w), "1 0 1");
    IS(next(w, d, "Idle", NULL), "C1");
}

static void uuids_and_ids_are_compared_exactly(void **state)
{
    world_t *w = *state;
    device_t d = one_device(w);

    enqueue(w, "D", "c");
    enqueue(w, "D", "C");
    enqueue(w, "D", "C ");
    IS(left(w), "3 0 3");
    REFUSED(enqueue_fails(w, "d", "x"), NMDM_INVALID, "not enrolled");
    IS(next(w, d, "Acknowledged", "C"), "c");
    IS(next(w, d, "Acknowledged", "c"), "C ");
}

static void a_device_without_a_token_cannot_be_queued_for(void **state)
{
    world_t *w = *state;

    authenticate(w, device(w, "D"));
    REFUSED(enqueue_fails(w, "D", "C1"), NMDM_INVALID, "D is not enrolled");
    IS(left(w), "0 0 0");
}

#define DB_TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_world, support_world_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(commands_come_one_after_the_other),
        DB_TEST(not_now_is_skipped_until_idle),
        DB_TEST(a_long_sequence_of_not_now_keeps_the_order),
        DB_TEST(idle_gets_the_same_command_until_it_is_answered),
        DB_TEST(a_command_is_delivered_byte_for_byte),
        DB_TEST(commands_of_one_moment_keep_their_order),
        DB_TEST(a_higher_priority_comes_first),
        DB_TEST(the_time_of_queueing_comes_before_the_row),
        DB_TEST(what_is_not_active_is_not_delivered),
        DB_TEST(a_queue_is_of_one_device_only),
        DB_TEST(device_and_user_answer_the_same_command_apart),
        DB_TEST(before_the_token_update_there_is_nothing),
        DB_TEST(a_disabled_enrollment_still_gets_its_commands),
        DB_TEST(idle_stores_nothing_even_with_a_uuid),
        DB_TEST(any_other_status_finishes_the_command),
        DB_TEST(a_result_is_the_report_as_it_was_sent),
        DB_TEST(an_unknown_command_does_not_disturb_the_queue),
        DB_TEST(a_known_command_of_somebody_else_is_stored),
        DB_TEST(the_last_of_two_reports_counts),
        DB_TEST(a_finished_command_may_become_not_now_again),
        DB_TEST(a_report_without_a_uuid_stores_nothing),
        DB_TEST(not_now_is_counted_and_its_first_time_kept),
        DB_TEST(a_report_of_an_unknown_enrollment_is_stored_nowhere),
        DB_TEST(an_idle_poll_is_one_statement),
        DB_TEST(a_report_is_two_statements),
        DB_TEST(a_poll_borrows_once),
        DB_TEST(the_slow_statements_deliver_the_same),
        DB_TEST(clearing_keeps_what_was_answered),
        DB_TEST(clearing_is_for_one_device_and_its_users),
        DB_TEST(an_answer_removes_the_command_for_good),
        DB_TEST(the_last_to_answer_removes_the_command),
        DB_TEST(somebody_elses_result_keeps_the_command),
        DB_TEST(a_stranger_removes_nothing),
        DB_TEST(a_command_for_many_takes_few_statements),
        DB_TEST(one_unknown_id_and_nobody_gets_the_command),
        DB_TEST(a_uuid_is_used_once),
        DB_TEST(uuids_and_ids_are_compared_exactly),
        DB_TEST(a_device_without_a_token_cannot_be_queued_for),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
