/* SPDX-License-Identifier: Apache-2.0 */
/* test_renewal.c -- NanoMDMReenroll keep: what a renewed profile leaves as it
 * is, and what ends as it does without. */

#include "support.h"

#include <apr_strings.h>

#include <string.h>

#define IS(actual, expected) assert_string_equal((actual), (expected))

#define TOKENS "Topic", "com.apple.mgmt.x", "PushMagic", "new magic", \
               "Token", "<data>q83v</data>"

/* A device with a user, tokens and a queue: C0 answered, C1 put off, C2 and,
 * for the user, C1 as well. */
static device_t settled(world_t *w)
{
    device_t d = device(w, "D"), u = user_of(d, "U");

    enroll(w, d);
    token_update(w, u);
    OK(checkin(w, NULL, d, "TokenUpdate", TOKENS,
               "UnlockToken", "<data>dW5sb2Nr</data>", NULL));
    OK(checkin(w, NULL, d, "SetBootstrapToken", "BootstrapToken",
               "<data>AAEC</data>", NULL));
    enqueue(w, "D", "C0");
    enqueue(w, "D,D:U", "C1");
    enqueue(w, "D", "C2");
    next(w, d, "Acknowledged", "C0");
    next(w, d, "NotNow", "C1");
    /* Before anything that follows, by the database's clock. */
    tell(w, "UPDATE enrollment_queue"
            "   SET created_at = '2001-01-01 00:00:00.000'");
    tell(w, "UPDATE devices"
            "   SET bootstrap_token_at = '2001-01-01 00:00:00.000'");
    forget(w);
    return d;
}

static device_t with_cert(world_t *w, device_t from, const char *name)
{
    from.cert = some_cert(w, name);
    return from;
}

static const char *enrollments(world_t *w)
{
    return ask(w, "SELECT GROUP_CONCAT(id || ' ' || enabled || ' '"
                  "                    || token_update_tally, ', ')"
                  "  FROM (SELECT * FROM enrollments ORDER BY id)");
}

static const char *tokens(world_t *w)
{
    return ask(w, "SELECT COALESCE(bootstrap_token_b64, '-') || ' '"
                  "       || COALESCE(CAST(unlock_token AS TEXT), '-')"
                  "  FROM devices WHERE id = 'D'");
}

static const char *serial(world_t *w)
{
    return ask(w, "SELECT COALESCE(serial_number, '-') FROM devices");
}

static const char *waiting(world_t *w)
{
    return ask(w, "SELECT COUNT(*) FROM enrollment_queue"
                  " WHERE active = TRUE AND answered = FALSE");
}

static const char *staged(world_t *w)
{
    return ask(w, "SELECT COUNT(*) FROM nanomdm_renewals");
}

/* With a serial number, to tell it by. */
static void renew(world_t *w, device_t from)
{
    OK(checkin(w, NULL, from, "Authenticate", "Topic", "com.apple.mgmt.x",
               "SerialNumber", "NEW", NULL));
}

static void set_up(world_t *w, device_t from)
{
    OK(checkin(w, NULL, from, "TokenUpdate", TOKENS,
               "AwaitingConfiguration", "<true/>", NULL));
}

static void is_untouched(world_t *w)
{
    IS(enrollments(w), "D 1 2, D:U 1 1");
    IS(tokens(w), "AAEC unlock");
    IS(waiting(w), "3");
    IS(serial(w), "-");
}

static void is_reset(world_t *w, const char *expected)
{
    IS(enrollments(w), expected);
    IS(tokens(w), "- -");
    IS(waiting(w), "0");
    IS(serial(w), "NEW");
    IS(staged(w), "0");
}

static void a_renewal_changes_nothing_before_its_token_update(void **state)
{
    world_t *w = *state;
    device_t d = settled(w), anew = with_cert(w, d, "second");

    renew(w, anew);
    is_untouched(w);
    IS(staged(w), "1");
    assert_int_equal(logged(w, "NMDM0721: D: "), 1);
    /* Served under the old certificate and under the new. */
    IS(next(w, d, "Idle", NULL), "C1");
    IS(next(w, anew, "Idle", NULL), "C1");
    IS(next(w, user_of(d, "U"), "Idle", NULL), "C1");
}

static void a_renewal_keeps_queue_and_tokens(void **state)
{
    world_t *w = *state;
    device_t d = settled(w), anew = with_cert(w, d, "second");

    renew(w, anew);
    OK(checkin(w, NULL, anew, "TokenUpdate", TOKENS, NULL));
    IS(enrollments(w), "D 1 3, D:U 1 1");
    IS(tokens(w), "AAEC unlock");
    IS(waiting(w), "3");
    IS(serial(w), "NEW");
    IS(staged(w), "0");
    IS(ask(w, "SELECT push_magic FROM enrollments WHERE id = 'D'"),
       "new magic");
    assert_non_null(strstr(ask(w, "SELECT authenticate FROM devices"),
                           "<string>NEW</string>"));
    assert_int_equal(logged(w, "NMDM0723: D: "), 1);
    IS(next(w, anew, "Acknowledged", "C1"), "C2");
    /* A later one is a plain TokenUpdate. */
    token_update(w, anew);
    IS(enrollments(w), "D 1 4, D:U 1 1");
    assert_int_equal(logged(w, "NMDM0723"), 1);
}

static void false_is_no_setup(void **state)
{
    world_t *w = *state;
    device_t d = settled(w);

    renew(w, d);
    OK(checkin(w, NULL, d, "TokenUpdate", TOKENS, "AwaitingConfiguration",
               "<false/>", NULL));
    IS(waiting(w), "3");
    renew(w, d);
    OK(checkin(w, NULL, d, "TokenUpdate", TOKENS, "AwaitingConfiguration",
               "true", NULL));
    IS(waiting(w), "3");
}

static void a_device_that_is_set_up_again_begins_anew(void **state)
{
    world_t *w = *state;
    device_t d = settled(w);

    renew(w, d);
    set_up(w, d);
    is_reset(w, "D 1 1, D:U 0 0");
    assert_int_equal(logged(w, "NMDM0724: D: "), 1);
    IS(next(w, d, "Idle", NULL), "");
    token_update(w, user_of(d, "U"));
    IS(enrollments(w), "D 1 1, D:U 1 1");
}

/* As with reset: an event of Authenticate may make an operator queue. */
static void what_comes_after_authenticate_outlives_the_reset(void **state)
{
    world_t *w = *state;
    device_t d = settled(w);

    renew(w, d);
    tell(w, "UPDATE nanomdm_renewals"
            "   SET staged_at = '2002-01-01 00:00:00.000'");
    enqueue(w, "D", "C3");
    OK(checkin(w, NULL, d, "SetBootstrapToken", "BootstrapToken",
               "<data>BBBB</data>", NULL));
    set_up(w, d);
    IS(waiting(w), "1");
    IS(tokens(w), "BBBB -");
    IS(next(w, d, "Idle", NULL), "C3");
}

static void a_lost_token_update_leaves_the_enrollment(void **state)
{
    world_t *w = *state;
    device_t d = settled(w), anew = with_cert(w, d, "second");

    renew(w, anew);
    /* A plain one, under the certificate of before. */
    token_update(w, d);
    IS(enrollments(w), "D 1 3, D:U 1 1");
    IS(serial(w), "-");
    IS(staged(w), "1");
    assert_int_equal(logged(w, "NMDM0722: D: "), 1);
    /* Not even when it says so: it is not known what it is about. */
    set_up(w, d);
    IS(waiting(w), "3");
    OK(checkin(w, NULL, anew, "TokenUpdate", TOKENS, NULL));
    IS(serial(w), "NEW");
    IS(waiting(w), "3");
}

static void a_users_token_update_ends_no_renewal(void **state)
{
    world_t *w = *state;
    device_t d = settled(w);

    renew(w, d);
    set_up(w, user_of(d, "U"));
    IS(staged(w), "1");
    IS(enrollments(w), "D 1 2, D:U 1 2");
    IS(waiting(w), "3");
}

static void a_new_device_is_enrolled_at_once(void **state)
{
    world_t *w = *state;
    device_t d = device(w, "D");

    renew(w, d);
    IS(staged(w), "0");
    IS(serial(w), "NEW");
    /* Known, but without a TokenUpdate yet. */
    renew(w, d);
    IS(staged(w), "0");
    token_update(w, d);
    IS(enrollments(w), "D 1 1");
}

static void a_disabled_device_begins_anew(void **state)
{
    world_t *w = *state;
    device_t d = settled(w);

    OK(checkin(w, NULL, d, "CheckOut", NULL));
    renew(w, d);
    is_reset(w, "D 0 0, D:U 0 0");
    token_update(w, d);
    IS(enrollments(w), "D 1 1, D:U 0 0");
}

static void a_device_that_was_disabled_meanwhile_begins_anew(void **state)
{
    world_t *w = *state;
    device_t d = settled(w);

    renew(w, d);
    tell(w, "UPDATE enrollments SET enabled = FALSE");
    token_update(w, d);
    IS(waiting(w), "0");
    IS(tokens(w), "- -");
}

static void a_check_out_ends_a_renewal_as_a_reset(void **state)
{
    world_t *w = *state;
    device_t d = settled(w);

    renew(w, d);
    OK(checkin(w, NULL, user_of(d, "U"), "CheckOut", NULL));
    IS(staged(w), "1");
    OK(checkin(w, NULL, d, "CheckOut", NULL));
    is_reset(w, "D 0 0, D:U 0 0");
    token_update(w, d);
    is_reset(w, "D 1 1, D:U 0 0");
}

static void a_flood_of_authenticate_leaves_one_row(void **state)
{
    world_t *w = *state;
    device_t d = settled(w);
    int i;

    for (i = 0; i < 50; i++) {
        renew(w, with_cert(w, d, apr_psprintf(w->pool, "cert %d", i)));
    }
    IS(staged(w), "1");
    is_untouched(w);
    OK(checkin(w, NULL, with_cert(w, d, "cert 49"), "TokenUpdate", TOKENS,
               NULL));
    IS(staged(w), "0");
    IS(waiting(w), "3");
}

static void a_stranger_renews_nothing(void **state)
{
    world_t *w = *state;
    device_t d = settled(w), other = device(w, "E");

    enroll(w, other);
    REFUSED(checkin(w, NULL, with_cert(w, d, "E"), "Authenticate", NULL),
            NMDM_REFUSED, "re-use");
    IS(staged(w), "0");
    IS(waiting(w), "3");
    IS(tokens(w), "AAEC unlock");
}

static void reset_forgets_what_keep_has_staged(void **state)
{
    world_t *w = *state;
    device_t d = settled(w);

    renew(w, d);
    w->policy.keeps_renewed = 0;
    renew(w, d);
    is_reset(w, "D 0 0, D:U 0 0");
}

static void what_is_staged_is_committed_whatever_holds_by_then(void **state)
{
    world_t *w = *state;
    device_t d = settled(w);

    renew(w, d);
    w->policy.keeps_renewed = 0;
    token_update(w, d);
    IS(waiting(w), "3");
    IS(serial(w), "NEW");
    IS(staged(w), "0");
}

static void an_operator_renews_without_a_certificate(void **state)
{
    world_t *w = *state;
    device_t d = settled(w);

    d.cert = NULL;
    w->is_migration = 1;
    renew(w, d);
    token_update(w, d);
    IS(waiting(w), "3");
    IS(serial(w), "NEW");
    IS(ask(w, "SELECT identity_cert FROM devices"), "");
}

static void a_failure_half_way_leaves_the_renewal_open(void **state)
{
    world_t *w = *state;
    device_t d = settled(w);

    renew(w, d);
    tell(w, "CREATE TRIGGER broken BEFORE UPDATE ON enrollments"
            " WHEN NEW.enabled = TRUE"
            " BEGIN SELECT RAISE(ABORT, 'broken'); END");
    assert_non_null(checkin(w, NULL, d, "TokenUpdate", TOKENS, NULL));
    is_untouched(w);
    IS(staged(w), "1");
    assert_non_null(checkin(w, NULL, d, "TokenUpdate", TOKENS,
                            "AwaitingConfiguration", "<true/>", NULL));
    is_untouched(w);
    IS(staged(w), "1");
}

static void without_the_additive_schema_it_is_a_reset(void **state)
{
    world_t *w = *state;
    device_t d = settled(w);

    w->schema.version = 0;
    renew(w, d);
    assert_int_equal(logged(w, "NMDM0720: D: NanoMDMReenroll keep needs"), 1);
    IS(staged(w), "0");
    IS(enrollments(w), "D 0 0, D:U 0 0");
    IS(waiting(w), "0");
    token_update(w, d);
    IS(enrollments(w), "D 1 1, D:U 0 0");
    OK(checkin(w, NULL, d, "CheckOut", NULL));
}

static int setup(void **state)
{
    int rv = support_world(state);

    ((world_t *)*state)->policy.keeps_renewed = 1;
    return rv;
}

#define DB_TEST(name) \
    cmocka_unit_test_setup_teardown(name, setup, support_world_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(a_renewal_changes_nothing_before_its_token_update),
        DB_TEST(a_renewal_keeps_queue_and_tokens),
        DB_TEST(false_is_no_setup),
        DB_TEST(a_device_that_is_set_up_again_begins_anew),
        DB_TEST(what_comes_after_authenticate_outlives_the_reset),
        DB_TEST(a_lost_token_update_leaves_the_enrollment),
        DB_TEST(a_users_token_update_ends_no_renewal),
        DB_TEST(a_new_device_is_enrolled_at_once),
        DB_TEST(a_disabled_device_begins_anew),
        DB_TEST(a_device_that_was_disabled_meanwhile_begins_anew),
        DB_TEST(a_check_out_ends_a_renewal_as_a_reset),
        DB_TEST(a_flood_of_authenticate_leaves_one_row),
        DB_TEST(a_stranger_renews_nothing),
        DB_TEST(reset_forgets_what_keep_has_staged),
        DB_TEST(what_is_staged_is_committed_whatever_holds_by_then),
        DB_TEST(an_operator_renews_without_a_certificate),
        DB_TEST(a_failure_half_way_leaves_the_renewal_open),
        DB_TEST(without_the_additive_schema_it_is_a_reset),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
