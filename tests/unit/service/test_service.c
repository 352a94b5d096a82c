/* SPDX-License-Identifier: Apache-2.0 */
/* test_service.c -- the MDM protocol: check-ins and whose certificate it is.
 * Letters and numbers in comments are conformance cases of the behaviour
 * specification; reports are in test_queue.c. */

#include "support.h"
#include "storage/last_seen.h"
#include "service/service.h"

#include <apr_strings.h>

#include <string.h>

#define IS(actual, expected) assert_string_equal((actual), (expected))

static device_t enrolled(world_t *w)
{
    device_t d = device(w, "D");

    enroll(w, d);
    forget(w);
    return d;
}

/* Whether a row exists and what an enrollment has come to. */
static const char *enrollment(world_t *w, const char *id)
{
    return ask(w, "SELECT type || ' ' || CASE enabled WHEN 1 THEN 'enabled'"
                  " ELSE 'disabled' END || ' ' || token_update_tally"
                  " FROM enrollments WHERE id = '%s'", id);
}

static void is_empty(const nmdm_reply_t *reply)
{
    assert_null(reply->content_type);
    assert_int_equal(reply->body.len, 0);
}

/* ---- Enrolling ---- */

/* C1 */
static void a_token_update_stores_what_a_push_needs(void **state)
{
    world_t *w = *state;
    device_t d = device(w, "D");
    nmdm_reply_t reply;

    OK(checkin(w, &reply, d, "Authenticate", "SerialNumber", "SN", NULL));
    is_empty(&reply);
    IS(enrollment(w, "D"), "(none)");
    OK(checkin(w, &reply, d, "TokenUpdate", "Topic", "the topic",
               "PushMagic", "the magic", "Token", "<data>q83v</data>",
               NULL));
    is_empty(&reply);
    IS(enrollment(w, "D"), "Device enabled 1");
    IS(ask(w, "SELECT topic || '|' || push_magic || '|' || token_hex || '|'"
              " || device_id || '|' || COALESCE(user_id, 'none')"
              " FROM enrollments"), "the topic|the magic|abcdef|D|none");
    IS(ask(w, "SELECT serial_number FROM devices"), "SN");
}

static void messages_are_stored_as_they_were_sent(void **state)
{
    world_t *w = *state;

    enrolled(w);
    IS(ask(w, "SELECT authenticate FROM devices"),
       "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\">"
       "<dict><key>UDID</key><string>D</string><key>MessageType</key>"
       "<string>Authenticate</string><key>Topic</key>"
       "<string>com.apple.mgmt.x</string></dict></plist>\n");
    assert_non_null(strstr(ask(w, "SELECT token_update FROM devices"),
                           "<string>TokenUpdate</string>"));
}

/* C2 */
static void the_tally_counts_token_updates_since_authenticate(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);

    IS(enrollment(w, "D"), "Device enabled 1");
    token_update(w, d);
    token_update(w, d);
    IS(enrollment(w, "D"), "Device enabled 3");
    authenticate(w, d);
    IS(enrollment(w, "D"), "Device disabled 0");
    token_update(w, d);
    IS(enrollment(w, "D"), "Device enabled 1");
}

/* C9, the walk-through of 2.11 */
static void a_device_enrolls_again(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w), u = user_of(d, "U");
    nmdm_reply_t reply;

    token_update(w, d);
    token_update(w, d);
    token_update(w, u);
    OK(checkin(w, NULL, d, "SetBootstrapToken", "BootstrapToken",
               "<data>AAEC</data>", NULL));
    enqueue(w, "D", "C0");
    enqueue(w, "D,D:U", "C1");
    enqueue(w, "D", "C2");
    next(w, d, "Acknowledged", "C0");
    next(w, d, "NotNow", "C1");

    authenticate(w, d);
    IS(next(w, d, "Idle", NULL), "");
    IS(next(w, u, "Idle", NULL), "");
    IS(ask(w, "SELECT status FROM command_results"
              " WHERE command_uuid = 'C0'"), "Acknowledged");
    IS(enrollment(w, "D"), "Device disabled 0");
    IS(enrollment(w, "D:U"), "User disabled 0");
    OK(checkin(w, &reply, d, "GetBootstrapToken", NULL));
    is_empty(&reply);

    token_update(w, d);
    IS(enrollment(w, "D"), "Device enabled 1");
    IS(enrollment(w, "D:U"), "User disabled 0");
    token_update(w, u);
    IS(enrollment(w, "D:U"), "User enabled 1");

    /* CQ22 */
    enqueue(w, "D", "C3");
    IS(next(w, d, "Acknowledged", "C1"), "C3");
    IS(next(w, d, "Acknowledged", "C2"), "C3");
    IS(next(w, d, "Acknowledged", "C3"), "");
    IS(ask(w, "SELECT COUNT(*) FROM command_results"), "4");
}

/* C8 */
static void a_user_cannot_authenticate(void **state)
{
    world_t *w = *state;
    device_t u = user_of(device(w, "D"), "U");

    REFUSED(checkin(w, NULL, u, "Authenticate", NULL), NMDM_REFUSED,
            "user channel");
    IS(ask(w, "SELECT COUNT(*) FROM devices"), "0");
    IS(ask(w, "SELECT COUNT(*) FROM cert_auth_associations"), "0");
}

/* C13 */
static void a_serial_number_that_is_gone_is_forgotten(void **state)
{
    world_t *w = *state;
    device_t d = device(w, "D");

    OK(checkin(w, NULL, d, "Authenticate", "SerialNumber", "SN", NULL));
    IS(ask(w, "SELECT serial_number FROM devices"), "SN");
    OK(checkin(w, NULL, d, "Authenticate", NULL));
    IS(ask(w, "SELECT serial_number IS NULL FROM devices"), "1");
}

/* C14 */
static void the_certificate_is_stored_as_pem(void **state)
{
    world_t *w = *state;
    const identity_t *one = IDENTITY(w->pool, .name = "device");
    device_t d = { cert_of(w->pool, one), "D", NULL };

    authenticate(w, d);
    IS(ask(w, "SELECT identity_cert FROM devices"),
       pem_of(w->pool, one->x509));
}

/* C21 */
static void the_five_types_have_their_rows(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w), e = { some_cert(w, "E"), NULL, NULL };

    token_update(w, user_of(d, "U"));
    OK(checkin(w, NULL, user_of(d, "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
               "TokenUpdate", "UserShortName", "short", "UserLongName",
               "Long", "Topic", "t", "PushMagic", "m", "Token",
               "<data>q83v</data>", NULL));
    OK(checkin(w, NULL, e, "Authenticate", "EnrollmentID", "E", NULL));
    OK(checkin(w, NULL, e, "TokenUpdate", "EnrollmentID", "E", "Topic", "t",
               "PushMagic", "m", "Token", "<data>q83v</data>", NULL));
    OK(checkin(w, NULL, e, "TokenUpdate", "EnrollmentID", "E",
               "EnrollmentUserID", "V", "Topic", "t", "PushMagic", "m",
               "Token", "<data>q83v</data>", NULL));
    IS(enrollment(w, "D"), "Device enabled 1");
    IS(enrollment(w, "D:U"), "User enabled 1");
    IS(enrollment(w, "D:short"), "Shared iPad enabled 1");
    IS(enrollment(w, "E"), "User Enrollment (Device) enabled 1");
    IS(enrollment(w, "E:V"), "User Enrollment enabled 1");
    IS(ask(w, "SELECT GROUP_CONCAT(id || '>' || device_id || '>' ||"
              " COALESCE(user_id, '')) FROM (SELECT * FROM enrollments"
              " ORDER BY id)"),
       "D>D>,D:U>D>D:U,D:short>D>D:short,E>E>,E:V>E>E:V");
    IS(ask(w, "SELECT user_short_name || user_long_name FROM users"
              " WHERE id = 'D:short'"), "shortLong");
    IS(ask(w, "SELECT user_short_name IS NULL AND user_long_name IS NULL"
              " FROM users WHERE id = 'D:U'"), "1");
}

static void names_of_a_user_follow_the_last_message(void **state)
{
    world_t *w = *state;
    device_t u = user_of(enrolled(w), "U");

    OK(checkin(w, NULL, u, "TokenUpdate", "UserShortName", "a",
               "UserLongName", "b", "Topic", "t", "PushMagic", "m",
               "Token", "<data>q83v</data>", NULL));
    token_update(w, u);
    IS(ask(w, "SELECT user_short_name IS NULL AND user_long_name IS NULL"
              " FROM users"), "1");
    IS(ask(w, "SELECT COUNT(*) FROM users"), "1");
}

/* C12 */
static void a_token_update_of_an_unknown_device_is_refused(void **state)
{
    world_t *w = *state;
    device_t d = device(w, "D");

    w->policy.retroactive = 1;
    REFUSED(checkin(w, NULL, d, "TokenUpdate", "Topic", "t", "PushMagic",
                    "m", "Token", "<data>q83v</data>", NULL), NMDM_REFUSED,
            "D: the device D was never seen");
    REFUSED(checkin(w, NULL, user_of(d, "U"), "TokenUpdate", "Topic", "t",
                    "PushMagic", "m", "Token", "<data>q83v</data>", NULL),
            NMDM_REFUSED, "D:U: the device D was never seen");
    /* And nothing stays, the association neither. */
    IS(ask(w, "SELECT COUNT(*) FROM enrollments"), "0");
    IS(ask(w, "SELECT COUNT(*) FROM cert_auth_associations"), "0");
}

/* ---- Unlock token ---- */

static void unlock(world_t *w, device_t from, const char *data)
{
    OK(checkin(w, NULL, from, "TokenUpdate", "Topic", "t", "PushMagic", "m",
               "Token", "<data>q83v</data>", "UnlockToken", data, NULL));
}

/* C10 */
static void an_unlock_token_stays_until_there_is_another(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);

    IS(ask(w, "SELECT unlock_token_at IS NULL FROM devices"), "1");
    unlock(w, d, "<data>AAH/AA==</data>");
    IS(ask(w, "SELECT hex(unlock_token) FROM devices"), "0001FF00");
    token_update(w, d);
    unlock(w, d, "<data></data>");
    IS(ask(w, "SELECT hex(unlock_token) FROM devices"), "0001FF00");
    unlock(w, d, "<data>qg==</data>");
    IS(ask(w, "SELECT hex(unlock_token) FROM devices"), "AA");
    IS(ask(w, "SELECT unlock_token_at IS NULL FROM devices"), "0");
    authenticate(w, d);
    IS(ask(w, "SELECT unlock_token IS NULL AND unlock_token_at IS NULL"
              " FROM devices"), "1");
}

/* C11 */
static void an_unlock_token_of_a_user_is_not_stored(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);

    unlock(w, user_of(d, "U"), "<data>AAH/</data>");
    IS(ask(w, "SELECT unlock_token IS NULL FROM devices"), "1");
    assert_int_equal(logged(w, "NMDM0502: D:U"), 1);
}

/* ---- Checking out ---- */

/* C6 */
static void a_device_leaves_with_its_users_and_may_come_back(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w), u = user_of(d, "U"), e = device(w, "E");
    nmdm_reply_t reply;

    token_update(w, u);
    enroll(w, e);
    enqueue(w, "D", "C1");
    OK(checkin(w, &reply, d, "CheckOut", NULL));
    is_empty(&reply);
    IS(enrollment(w, "D"), "Device disabled 0");
    IS(enrollment(w, "D:U"), "User disabled 0");
    IS(enrollment(w, "E"), "Device enabled 1");
    IS(next(w, d, "Idle", NULL), "C1");
    token_update(w, d);
    IS(enrollment(w, "D"), "Device enabled 1");
    IS(enrollment(w, "D:U"), "User disabled 0");
}

/* C7 */
static void a_user_leaves_alone(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w), u = user_of(d, "U");

    token_update(w, u);
    token_update(w, user_of(d, "V"));
    OK(checkin(w, NULL, u, "CheckOut", NULL));
    IS(enrollment(w, "D"), "Device enabled 1");
    IS(enrollment(w, "D:U"), "User disabled 0");
    IS(enrollment(w, "D:V"), "User enabled 1");
}

static void whoever_has_left_may_leave_again(void **state)
{
    world_t *w = *state;
    device_t d = device(w, "D");

    authenticate(w, d);
    OK(checkin(w, NULL, d, "CheckOut", NULL));
    OK(checkin(w, NULL, d, "CheckOut", NULL));
    OK(checkin(w, NULL, user_of(d, "U"), "CheckOut", NULL));
}

/* ---- UserAuthenticate ---- */

/* C15, C17 */
static void without_the_feature_users_are_declined(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w), u = user_of(d, "U");
    nmdm_reply_t reply;

    REFUSED(checkin(w, NULL, u, "UserAuthenticate", NULL), NMDM_GONE,
            "D:U: UserAuthenticate declined");
    REFUSED(checkin(w, NULL, d, "UserAuthenticate", NULL), NMDM_GONE,
            "declined");
    OK(checkin(w, &reply, u, "UserAuthenticate", "DigestResponse", "x",
               NULL));
    is_empty(&reply);
    IS(ask(w, "SELECT COUNT(*) FROM users"), "0");
}

/* C16 */
static void with_the_feature_both_steps_are_stored(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w), u = user_of(d, "U");
    nmdm_reply_t reply;

    w->policy.empty_challenge = 1;
    OK(checkin(w, &reply, u, "UserAuthenticate", "UserShortName", "s",
               NULL));
    IS(reply.content_type, NMDM_TYPE_PLIST);
    assert_true(has_text(reply.body, "<dict><key>DigestChallenge</key>"
                         "<string></string></dict>"));
    IS(ask(w, "SELECT user_authenticate_digest IS NULL FROM users"), "1");
    OK(checkin(w, &reply, u, "UserAuthenticate", "DigestResponse", "answer",
               "UserShortName", "s", NULL));
    is_empty(&reply);
    assert_non_null(strstr(ask(w, "SELECT user_authenticate_digest"
                                  " FROM users"), "answer"));
    assert_null(strstr(ask(w, "SELECT user_authenticate FROM users"),
                       "answer"));
    IS(ask(w, "SELECT id || device_id || user_short_name FROM users"),
       "D:UDs");
    IS(ask(w, "SELECT COUNT(*) FROM enrollments"), "1");
    REFUSED(checkin(w, NULL, d, "UserAuthenticate", NULL), NMDM_REFUSED,
            "without a user");
}

/* ---- Bootstrap token ---- */

static const char *bootstrap_token(world_t *w, device_t from)
{
    nmdm_reply_t reply;
    const char *start, *end;

    OK(checkin(w, &reply, from, "GetBootstrapToken", NULL));
    if (!reply.content_type) {
        is_empty(&reply);
        return "";
    }
    IS(reply.content_type, NMDM_TYPE_PLIST);
    start = strstr(reply.body.data, "<dict><key>BootstrapToken</key><data>");
    end = strstr(reply.body.data, "</data></dict></plist>\n");
    assert_true(start && end && end[23] == '\0');
    start += strlen("<dict><key>BootstrapToken</key><data>");
    return apr_pstrmemdup(w->pool, start, (apr_size_t)(end - start));
}

static void set_bootstrap_token(world_t *w, device_t from, const char *data)
{
    nmdm_reply_t reply;

    OK(checkin(w, &reply, from, "SetBootstrapToken", "BootstrapToken", data,
               NULL));
    is_empty(&reply);
}

/* C3, C5 */
static void a_bootstrap_token_is_kept_until_the_next_enrollment(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);

    IS(bootstrap_token(w, d), "");
    set_bootstrap_token(w, d, "<data>\n\tAAH/\n\tqg==\n</data>");
    IS(bootstrap_token(w, d), "AAH/qg==");
    token_update(w, d);
    IS(bootstrap_token(w, d), "AAH/qg==");
    set_bootstrap_token(w, d, "<data>AAAA</data>");
    IS(bootstrap_token(w, d), "AAAA");
    authenticate(w, d);
    IS(bootstrap_token(w, d), "");
    IS(ask(w, "SELECT bootstrap_token_at IS NULL FROM devices"), "1");
}

/* C4 */
static void an_empty_bootstrap_token_removes_it(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);

    set_bootstrap_token(w, d, "<data>AAAA</data>");
    set_bootstrap_token(w, d, "<data></data>");
    IS(bootstrap_token(w, d), "");
    set_bootstrap_token(w, d, "<data>AAAA</data>");
    OK(checkin(w, NULL, d, "SetBootstrapToken", NULL));
    IS(bootstrap_token(w, d), "");
    IS(ask(w, "SELECT bootstrap_token_b64 IS NULL AND bootstrap_token_at"
              " IS NOT NULL FROM devices"), "1");
}

static void a_bootstrap_token_is_the_devices_not_a_users(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w), u = user_of(d, "U");

    set_bootstrap_token(w, d, "<data>AAAA</data>");
    REFUSED(checkin(w, NULL, u, "SetBootstrapToken", "BootstrapToken",
                    "<data>BBBB</data>", NULL), NMDM_REFUSED,
            "operation supported on device channel only");
    IS(bootstrap_token(w, u), "");
    IS(bootstrap_token(w, d), "AAAA");
}

static void a_bootstrap_token_of_an_unknown_device_is_not_lost_silently(
    void **state)
{
    world_t *w = *state;
    device_t d = device(w, "D");

    w->policy.retroactive = 1;
    REFUSED(checkin(w, NULL, d, "SetBootstrapToken", "BootstrapToken",
                    "<data>AAAA</data>", NULL), NMDM_REFUSED, "never seen");
    IS(bootstrap_token(w, d), "");
}

/* ---- Tokens and Declarative Management ---- */

/* C18, C20 */
static void a_token_is_given_to_whom_it_was_configured_for(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);
    apr_hash_t *tokens = apr_hash_make(w->pool);
    nmdm_reply_t reply;

    REFUSED(checkin(w, NULL, d, "GetToken", "TokenServiceType",
                    "com.apple.maid", NULL), NMDM_REFUSED,
            "no handler for TokenServiceType: com.apple.maid");
    apr_hash_set(tokens, "com.apple.maid", APR_HASH_KEY_STRING, "AAEC");
    w->policy.tokens = tokens;
    OK(checkin(w, &reply, d, "GetToken", "TokenServiceType",
               "com.apple.maid", NULL));
    IS(reply.content_type, NMDM_TYPE_PLIST);
    assert_true(has_text(reply.body, "<dict><key>TokenData</key>"
                         "<data>AAEC</data></dict>"));
    REFUSED(checkin(w, &reply, d, "GetToken", "TokenServiceType",
                    "com.apple.other", NULL), NMDM_INVALID, "no handler");
    is_empty(&reply);
    d.cert = some_cert(w, "stranger");
    REFUSED(checkin(w, &reply, d, "GetToken", "TokenServiceType",
                    "com.apple.maid", NULL), NMDM_REFUSED, "not associated");
    is_empty(&reply);
}

/* ---- Migration ---- */

/* C12, C14 */
static void an_operator_migrates_without_a_certificate(void **state)
{
    world_t *w = *state;
    device_t d = { NULL, "D", NULL };

    w->is_migration = 1;
    REFUSED(checkin(w, NULL, d, "TokenUpdate", "Topic", "t", "PushMagic",
                    "m", "Token", "<data>q83v</data>", NULL), NMDM_REFUSED,
            "never seen");
    enroll(w, d);
    token_update(w, user_of(d, "U"));
    IS(enrollment(w, "D"), "Device enabled 1");
    IS(enrollment(w, "D:U"), "User enabled 1");
    IS(ask(w, "SELECT identity_cert IS NULL FROM devices"), "1");
    IS(ask(w, "SELECT COUNT(*) FROM cert_auth_associations"), "0");
}

/* ---- Whose certificate is it? ---- */

static const char *associations(world_t *w)
{
    return ask(w, "SELECT COUNT(*) FROM cert_auth_associations");
}

static nmdm_err_t *update_fails(world_t *w, device_t from)
{
    return checkin(w, NULL, from, "TokenUpdate", "Topic", "t", "PushMagic",
                   "m", "Token", "<data>q83v</data>", NULL);
}

/* The same device with another certificate. */
static device_t with_cert(world_t *w, device_t d, const char *name)
{
    d.cert = some_cert(w, name);
    return d;
}

/* A1 */
static void nobody_is_known_before_authenticate(void **state)
{
    world_t *w = *state;
    device_t d = device(w, "D");
    nmdm_reply_t reply;
    int i;

    for (i = 0; i < 2; i++) {
        REFUSED(update_fails(w, d), NMDM_REFUSED,
                "cert auth: existing enrollment: enrollment not associated"
                " with cert");
        REFUSED(report(w, &reply, d, "Idle", NULL), NMDM_REFUSED,
                "not associated");
        REFUSED(report(w, &reply, d, "Acknowledged", "C1"), NMDM_REFUSED,
                "not associated");
        REFUSED(report(w, &reply, d, "NotNow", NULL), NMDM_REFUSED,
                "not associated");
    }
    IS(associations(w), "0");
}

/* A2, A10 */
static void authenticate_associates_the_hash_of_the_certificate(void **state)
{
    world_t *w = *state;
    const identity_t *one = IDENTITY(w->pool, .name = "device");
    device_t d = { cert_of(w->pool, one), "D", NULL };

    authenticate(w, d);
    token_update(w, d);
    IS(ask(w, "SELECT id || sha256 FROM cert_auth_associations"),
       apr_pstrcat(w->pool, "D", d.cert->sha256, NULL));
}

/* A3 */
static void another_certificate_is_refused(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w), other = with_cert(w, d, "other");
    nmdm_reply_t reply;

    enqueue(w, "D", "C1");
    REFUSED(update_fails(w, other), NMDM_REFUSED, "not associated");
    REFUSED(report(w, &reply, other, "Idle", NULL), NMDM_REFUSED,
            "not associated");
    is_empty(&reply);
    REFUSED(report(w, &reply, other, "Acknowledged", "C1"), NMDM_REFUSED,
            "not associated");
    IS(ask(w, "SELECT COUNT(*) FROM command_results"), "0");
    IS(associations(w), "1");
    IS(next(w, d, "Idle", NULL), "C1");
}

/* A4, A9 */
static void a_certificate_may_be_associated_late_if_so_chosen(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w), e = device(w, "E"), e_again;

    tell(w, "DELETE FROM cert_auth_associations");
    REFUSED(update_fails(w, d), NMDM_REFUSED, "not associated");
    w->policy.retroactive = 1;
    token_update(w, d);
    assert_int_equal(logged(w, "NMDM0702: D"), 1);
    token_update(w, d);
    assert_int_equal(logged(w, "NMDM0702"), 1);
    REFUSED(update_fails(w, with_cert(w, d, "other")), NMDM_REFUSED,
            "cert re-use not permitted");
    /* One that is known elsewhere. */
    e_again = e;
    e_again.cert = d.cert;
    REFUSED(update_fails(w, e_again), NMDM_REFUSED,
            "cert re-use not permitted");
    IS(associations(w), "1");
}

static void a_report_may_associate_late_as_well(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);

    enqueue(w, "D", "C1");
    enqueue(w, "D", "C2");
    tell(w, "DELETE FROM cert_auth_associations");
    w->policy.retroactive = 1;
    IS(next(w, d, "Idle", NULL), "C1");
    IS(associations(w), "1");
    tell(w, "DELETE FROM cert_auth_associations");
    IS(next(w, d, "Acknowledged", "C1"), "C2");
    IS(ask(w, "SELECT status FROM command_results"), "Acknowledged");
    w->policy.delete_commands = 1;
    tell(w, "DELETE FROM cert_auth_associations");
    IS(next(w, d, "Acknowledged", "C2"), "");
    IS(ask(w, "SELECT COUNT(*) FROM commands WHERE command_uuid = 'C2'"),
       "0");
}

/* A5 */
static void a_certificate_stays_with_its_first_device(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w), thief = device(w, "E");

    thief.cert = d.cert;
    REFUSED(checkin(w, NULL, thief, "Authenticate", NULL), NMDM_REFUSED,
            "cert auth: new enrollment: cert re-use not permitted");
    w->policy.retroactive = 1;
    REFUSED(checkin(w, NULL, thief, "Authenticate", NULL), NMDM_REFUSED,
            "cert re-use not permitted");
    IS(ask(w, "SELECT COUNT(*) FROM devices"), "1");
    IS(associations(w), "1");
}

/* A6, A7 */
static void a_device_may_come_again_with_the_same_or_a_new_one(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w), renewed = with_cert(w, d, "renewed");

    authenticate(w, d);
    IS(associations(w), "1");
    authenticate(w, renewed);
    IS(associations(w), "2");
    token_update(w, renewed);
    /* The old one goes on being good, as in NanoMDM's SQL. */
    token_update(w, d);
    authenticate(w, d);
    IS(associations(w), "2");
}

/* A8 */
static void users_come_with_the_certificate_of_their_device(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w), u = user_of(d, "U");

    token_update(w, u);
    enqueue(w, "D:U", "C1");
    IS(next(w, u, "Idle", NULL), "C1");
    IS(associations(w), "1");
    REFUSED(update_fails(w, with_cert(w, u, "other")), NMDM_REFUSED,
            "not associated");
}

/* A9 */
static void a_device_of_a_migration_needs_the_late_association(void **state)
{
    world_t *w = *state;
    device_t d = device(w, "D"), known = enrolled(w);
    nmdm_reply_t reply;

    tell(w, "INSERT INTO devices (id, authenticate) VALUES ('M', 'x')");
    d = device(w, "M");
    REFUSED(report(w, &reply, d, "Idle", NULL), NMDM_REFUSED,
            "not associated");
    w->policy.retroactive = 1;
    d.cert = known.cert;
    REFUSED(report(w, &reply, d, "Idle", NULL), NMDM_REFUSED,
            "cert re-use not permitted");
    d.cert = some_cert(w, "M");
    IS(next(w, d, "Idle", NULL), "");
    token_update(w, d);
}

/* A11 */
static void a_check_in_without_a_certificate_is_refused(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);

    d.cert = NULL;
    REFUSED(checkin(w, NULL, d, "Authenticate", NULL), NMDM_REFUSED,
            "missing MDM certificate");
    REFUSED(update_fails(w, d), NMDM_REFUSED, "missing MDM certificate");
    REFUSED(checkin(w, NULL, d, "CheckOut", NULL), NMDM_REFUSED,
            "missing MDM certificate");
    IS(enrollment(w, "D"), "Device enabled 1");
}

/* NanoMDMIdentityGrace */
static void an_expired_certificate_serves_whose_it_is(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);
    const char *id;

    enqueue(w, "D", "C1");
    w->cert_expired = NOW - apr_time_from_sec(60);
    forget(w);
    authenticate(w, d);
    token_update(w, d);
    token_update(w, user_of(d, "U"));
    enqueue(w, "D", "C2");
    IS(next(w, d, "Idle", NULL), "C2");
    IS(next(w, d, "Acknowledged", "C2"), "");
    OK(nmdm_service_device_of_cert(request(w, d.cert), &id));
    IS(id, "D");
    assert_int_equal(logged(w, "NMDM0726: D: served although its identity"
                               " certificate expired on"
                               " 2026-06-01T11:59:00Z"), 5);
    assert_int_equal(logged(w, "NMDM0726: D:U: "), 1);
}

static void an_expired_certificate_is_nobodys_beginning(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w), other = device(w, "E");
    nmdm_reply_t reply;

    w->cert_expired = NOW - apr_time_from_sec(60);
    REFUSED(checkin(w, NULL, other, "Authenticate", NULL), NMDM_INVALID,
            "NMDM0725: E: ");
    IS(ask(w, "SELECT COUNT(*) FROM devices"), "1");
    d.cert = other.cert;
    REFUSED(checkin(w, NULL, d, "Authenticate", NULL), NMDM_INVALID,
            "NMDM0725: D: ");
    REFUSED(report(w, &reply, d, "Idle", NULL), NMDM_INVALID, "NMDM0725");
    w->policy.retroactive = 1;
    tell(w, "DELETE FROM cert_auth_associations");
    REFUSED(report(w, &reply, d, "Idle", NULL), NMDM_INVALID, "NMDM0725");
    REFUSED(checkin(w, NULL, d, "CheckOut", NULL), NMDM_INVALID,
            "NMDM0725");
    IS(enrollment(w, "D"), "Device enabled 1");
    IS(ask(w, "SELECT COUNT(*) FROM cert_auth_associations"), "0");
}

static void a_certificate_tells_whose_it_was_last(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);
    nmdm_ctx_t *ctx = request(w, d.cert);
    const char *id = NULL;

    OK(nmdm_service_device_of_cert(ctx, &id));
    IS(id, "D");
    IS(ctx->access_log.id, "D");
    nmdm_db_release(ctx);
    tell(w, "INSERT INTO cert_auth_associations (id, sha256, created_at)"
            " VALUES ('new', '%s', '2100-01-01'),"
            " ('old', '%s', '2000-01-01')", d.cert->sha256, d.cert->sha256);
    ctx = request(w, d.cert);
    OK(nmdm_service_device_of_cert(ctx, &id));
    IS(id, "new");
    nmdm_db_release(ctx);
    ctx = request(w, some_cert(w, "stranger"));
    REFUSED(nmdm_service_device_of_cert(ctx, &id), NMDM_REFUSED,
            "belongs to no enrollment");
    nmdm_db_release(ctx);
}

/* Before anything is said about certificates, the message has to be good. */
static void a_bad_message_costs_no_statement(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);
    nmdm_reply_t reply;

    w->borrows = 0;
    REFUSED(checkin(w, NULL, d, "NoSuchType", NULL), NMDM_INVALID,
            "unrecognized");
    REFUSED(report(w, &reply, d, "", NULL), NMDM_INVALID, "Status");
    assert_int_equal(w->borrows, 0);
}

/* ---- When the database is away (C23) ---- */

static void a_lost_connection_is_not_noticed_by_the_device(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);

    enqueue(w, "D", "C1");
    w->fail_next = 2;
    IS(next(w, d, "Idle", NULL), "C1");
    w->fail_next = 2;
    IS(next(w, d, "Acknowledged", "C1"), "");
    w->fail_next = 2;
    token_update(w, d);
    IS(enrollment(w, "D"), "Device enabled 2");
}

static void a_database_that_stays_away_is_not_the_devices_fault(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);
    nmdm_reply_t reply;

    w->fail_for_ever = 1;
    REFUSED(report(w, &reply, d, "Idle", NULL), NMDM_UNAVAILABLE,
            "no connection");
    is_empty(&reply);
    w->fail_for_ever = 0;
    IS(next(w, d, "Idle", NULL), "");
}

static void a_report_that_cannot_be_stored_delivers_nothing(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);
    nmdm_reply_t reply;

    enqueue(w, "D", "C1");
    enqueue(w, "D", "C2");
    tell(w, "CREATE TRIGGER t BEFORE INSERT ON command_results BEGIN"
            " SELECT RAISE(ABORT, 'out of order'); END");
    forget(w);
    REFUSED(report(w, &reply, d, "Acknowledged", "C1"), NMDM_INTERNAL,
            "out of order");
    is_empty(&reply);
    assert_int_equal(logged(w, "NMDM0102"), 2);
    assert_int_equal(logged(w, "queue_next"), 0);
    tell(w, "DROP TRIGGER t");
    IS(next(w, d, "Acknowledged", "C1"), "C2");
}

static void a_failure_half_way_leaves_an_enrollment_as_it_was(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);

    enqueue(w, "D", "C1");
    tell(w, "CREATE TRIGGER t BEFORE UPDATE ON enrollments BEGIN"
            " SELECT RAISE(ABORT, 'out of order'); END");
    REFUSED(checkin(w, NULL, d, "Authenticate", "SerialNumber", "new",
                    NULL), NMDM_INTERNAL, "out of order");
    tell(w, "DROP TRIGGER t");
    IS(ask(w, "SELECT serial_number IS NULL FROM devices"), "1");
    IS(next(w, d, "Idle", NULL), "C1");
    IS(enrollment(w, "D"), "Device enabled 1");
}

/* ---- Events ---- */

static void a_request_leaves_its_story(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w);
    nmdm_ctx_t *ctx = request(w, d.cert);
    nmdm_reply_t reply = { 0 };

    enqueue(w, "D", "C1");
    enqueue(w, "D", "C2");
    OK(nmdm_service_report(ctx, &reply, plist(
        w->pool, "UDID", "D", "Status", "Acknowledged", "CommandUUID", "C1",
        NULL)));
    IS(ctx->access_log.id, "D");
    IS(ctx->access_log.type, "Device");
    IS(ctx->access_log.message, "Acknowledged");
    IS(ctx->access_log.command_uuid, "C1");
    IS(ctx->access_log.next_command_uuid, "C2");
    IS(ctx->access_log.request_type, "Test");
    assert_int_equal(logged(w, "NMDM0708: D: Acknowledged C1 (Device); next:"
                            " Test C2 [trace 0123456789abcdef]"), 1);

    ctx = request(w, d.cert);
    OK(nmdm_service_checkin(ctx, &reply, plist(
        w->pool, "UDID", "D", "MessageType", "CheckOut", NULL)));
    IS(ctx->access_log.message, "CheckOut");
    IS(ctx->access_log.command_uuid, "");
    assert_int_equal(logged(w, "NMDM0705: D: CheckOut (Device)"), 1);
}

static void no_secret_is_ever_logged(void **state)
{
    world_t *w = *state;
    device_t d = device(w, "D");

    authenticate(w, d);
    OK(checkin(w, NULL, d, "TokenUpdate", "Topic", "t", "PushMagic",
               "SECRETMAGIC", "Token", "<data>3q2+7w==</data>",
               "UnlockToken", "<data>U0VDUkVU</data>", NULL));
    OK(checkin(w, NULL, d, "SetBootstrapToken", "BootstrapToken",
               "<data>U0VDUkVU</data>", NULL));
    OK(checkin(w, NULL, d, "GetBootstrapToken", NULL));
    assert_true(w->log->nelts > 5);
    assert_int_equal(logged(w, "SECRET"), 0);
    assert_int_equal(logged(w, "U0VDUkVU"), 0);
    assert_int_equal(logged(w, "deadbeef"), 0);
    assert_int_equal(logged(w, "3q2+7w"), 0);
}

static void who_polls_is_noted(void **state)
{
    world_t *w = *state;
    device_t d = enrolled(w), stranger = with_cert(w, d, "stranger");
    apr_array_header_t *ids;
    nmdm_reply_t reply;

    OK(nmdm_last_seen_create(&w->seen, w->pool));
    REFUSED(report(w, &reply, stranger, "Idle", NULL), NMDM_REFUSED, "");
    assert_int_equal(nmdm_last_seen_take(w->seen, w->pool)->nelts, 0);
    next(w, d, "Idle", NULL);
    next(w, d, "Idle", NULL);
    next(w, user_of(d, "U"), "Idle", NULL);
    ids = nmdm_last_seen_take(w->seen, w->pool);
    assert_int_equal(ids->nelts, 2);
    next(w, d, "Acknowledged", "C1");
    bootstrap_token(w, d);
    ids = nmdm_last_seen_take(w->seen, w->pool);
    assert_int_equal(ids->nelts, 1);
    IS(APR_ARRAY_IDX(ids, 0, const char *), "D");
}

/* Times are the database's own, and of this moment. */
static void times_are_those_of_the_clock(void **state)
{
    world_t *w = *state;

    enrolled(w);
    IS(ask(w, "SELECT ABS(julianday('now') - julianday(last_seen_at))"
              " < 0.001 FROM enrollments"), "1");
    IS(ask(w, "SELECT ABS(julianday('now') - julianday(authenticate_at))"
              " < 0.001 AND ABS(julianday('now')"
              "     - julianday(token_update_at)) < 0.001 FROM devices"),
       "1");
    /* With fractions of a second. */
    IS(ask(w, "SELECT LENGTH(last_seen_at) FROM enrollments"), "23");
}

#define DB_TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_world, support_world_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(a_token_update_stores_what_a_push_needs),
        DB_TEST(messages_are_stored_as_they_were_sent),
        DB_TEST(the_tally_counts_token_updates_since_authenticate),
        DB_TEST(a_device_enrolls_again),
        DB_TEST(a_user_cannot_authenticate),
        DB_TEST(a_serial_number_that_is_gone_is_forgotten),
        DB_TEST(the_certificate_is_stored_as_pem),
        DB_TEST(the_five_types_have_their_rows),
        DB_TEST(names_of_a_user_follow_the_last_message),
        DB_TEST(a_token_update_of_an_unknown_device_is_refused),
        DB_TEST(an_unlock_token_stays_until_there_is_another),
        DB_TEST(an_unlock_token_of_a_user_is_not_stored),
        DB_TEST(a_device_leaves_with_its_users_and_may_come_back),
        DB_TEST(a_user_leaves_alone),
        DB_TEST(whoever_has_left_may_leave_again),
        DB_TEST(without_the_feature_users_are_declined),
        DB_TEST(with_the_feature_both_steps_are_stored),
        DB_TEST(a_bootstrap_token_is_kept_until_the_next_enrollment),
        DB_TEST(an_empty_bootstrap_token_removes_it),
        DB_TEST(a_bootstrap_token_is_the_devices_not_a_users),
        DB_TEST(a_bootstrap_token_of_an_unknown_device_is_not_lost_silently),
        DB_TEST(a_token_is_given_to_whom_it_was_configured_for),
        DB_TEST(an_operator_migrates_without_a_certificate),
        DB_TEST(nobody_is_known_before_authenticate),
        DB_TEST(authenticate_associates_the_hash_of_the_certificate),
        DB_TEST(another_certificate_is_refused),
        DB_TEST(a_certificate_may_be_associated_late_if_so_chosen),
        DB_TEST(a_report_may_associate_late_as_well),
        DB_TEST(a_certificate_stays_with_its_first_device),
        DB_TEST(a_device_may_come_again_with_the_same_or_a_new_one),
        DB_TEST(users_come_with_the_certificate_of_their_device),
        DB_TEST(a_device_of_a_migration_needs_the_late_association),
        DB_TEST(a_check_in_without_a_certificate_is_refused),
        DB_TEST(an_expired_certificate_serves_whose_it_is),
        DB_TEST(an_expired_certificate_is_nobodys_beginning),
        DB_TEST(a_certificate_tells_whose_it_was_last),
        DB_TEST(a_bad_message_costs_no_statement),
        DB_TEST(a_lost_connection_is_not_noticed_by_the_device),
        DB_TEST(a_database_that_stays_away_is_not_the_devices_fault),
        DB_TEST(a_report_that_cannot_be_stored_delivers_nothing),
        DB_TEST(a_failure_half_way_leaves_an_enrollment_as_it_was),
        DB_TEST(a_request_leaves_its_story),
        DB_TEST(no_secret_is_ever_logged),
        DB_TEST(who_polls_is_noted),
        DB_TEST(times_are_those_of_the_clock),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
