/* SPDX-License-Identifier: Apache-2.0 */
/* test_message.c -- check-ins, reports and commands: what they mean, and who
 * sends them. Letters and numbers in comments are conformance cases of the
 * behaviour specification. */

#include "support.h"
#include "mdm/message.h"

#include <apr_strings.h>

#include <string.h>

#define ALL_F "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"

/* A report from whoever these keys name. */
#define REPORT_FROM(p, ...) \
    plist((p), "Status", "Idle", __VA_ARGS__, NULL)
#define CHECKIN(p, type, ...) \
    plist((p), "MessageType", (type), __VA_ARGS__, NULL)

static nmdm_msg_t report_of(apr_pool_t *p, nmdm_bytes_t body)
{
    nmdm_msg_t msg;

    OK(nmdm_message_report(&msg, p, body));
    return msg;
}

static nmdm_msg_t checkin_of(apr_pool_t *p, nmdm_bytes_t body)
{
    nmdm_msg_t msg;

    OK(nmdm_message_checkin(&msg, p, body));
    return msg;
}

static nmdm_err_t *report_fails(apr_pool_t *p, nmdm_bytes_t body)
{
    nmdm_msg_t msg;

    return nmdm_message_report(&msg, p, body);
}

static nmdm_err_t *checkin_fails(apr_pool_t *p, nmdm_bytes_t body)
{
    nmdm_msg_t msg;

    return nmdm_message_checkin(&msg, p, body);
}

/* ---- Who (I1 to I12) ---- */

static void is_device(const nmdm_msg_t *msg, const char *type,
                      const char *id)
{
    assert_string_equal(msg->who.type, type);
    assert_string_equal(msg->who.id, id);
    assert_string_equal(msg->who.device_id, id);
    assert_false(msg->who.on_user_channel);
}

static void is_user(const nmdm_msg_t *msg, const char *type, const char *id,
                    const char *device_id)
{
    assert_string_equal(msg->who.type, type);
    assert_string_equal(msg->who.id, id);
    assert_string_equal(msg->who.device_id, device_id);
    assert_true(msg->who.on_user_channel);
}

/* I1, M32 */
static void without_ids_it_is_nobody(void **state)
{
    REFUSED(report_fails(*state, REPORT_FROM(*state, "X", "y")), NMDM_REFUSED,
            "nil enrollment id");
    REFUSED(report_fails(*state, REPORT_FROM(*state, "UDID", "")),
            NMDM_REFUSED, "nil enrollment id");
    REFUSED(report_fails(*state, REPORT_FROM(*state, "UserID", "c")),
            NMDM_REFUSED, "nil enrollment id");
    REFUSED(checkin_fails(*state, CHECKIN(*state, "CheckOut", "X", "y")),
            NMDM_REFUSED, "nil enrollment id");
}

/* I2 */
static void a_udid_is_a_device(void **state)
{
    nmdm_msg_t msg = report_of(*state, REPORT_FROM(*state, "UDID", "a"));

    is_device(&msg, "Device", "a");
    assert_string_equal(msg.udid, "a");
    assert_null(msg.enrollment_id);
}

/* I3 */
static void a_udid_with_a_user_id_is_a_user(void **state)
{
    nmdm_msg_t msg = report_of(*state, REPORT_FROM(*state, "UDID", "b",
                                                "UserID", "c"));

    is_user(&msg, "User", "b:c", "b");
}

/* I4 */
static void an_enrollment_id_is_a_device_of_a_user_enrollment(void **state)
{
    nmdm_msg_t msg = report_of(*state, REPORT_FROM(*state, "EnrollmentID",
                                                "d"));

    is_device(&msg, "User Enrollment (Device)", "d");
    assert_null(msg.udid);
}

/* I5 */
static void an_enrollment_user_id_is_a_user_of_a_user_enrollment(void **state)
{
    nmdm_msg_t msg = report_of(*state, REPORT_FROM(*state, "EnrollmentID", "e",
                                                "EnrollmentUserID", "f"));

    is_user(&msg, "User Enrollment", "e:f", "e");
}

/* I6 */
static void a_shared_ipad_user_goes_by_the_short_name(void **state)
{
    nmdm_msg_t msg = report_of(*state, REPORT_FROM(
        *state, "UDID", "g", "UserID", ALL_F, "UserShortName",
        "appleid@example.com"));

    is_user(&msg, "Shared iPad", "g:appleid@example.com", "g");
}

/* I7 */
static void the_udid_wins_over_the_enrollment_id(void **state)
{
    nmdm_msg_t msg = report_of(*state, REPORT_FROM(
        *state, "EnrollmentID", "e", "EnrollmentUserID", "f", "UDID", "a"));

    is_device(&msg, "Device", "a");
    assert_string_equal(msg.udid, "a");
    assert_string_equal(msg.enrollment_id, "e");
}

/* I8 */
static void an_empty_user_id_is_none(void **state)
{
    nmdm_msg_t msg = report_of(*state, REPORT_FROM(*state, "UDID", "a",
                                                "UserID", ""));

    is_device(&msg, "Device", "a");
    msg = report_of(*state, REPORT_FROM(*state, "EnrollmentID", "e",
                                     "EnrollmentUserID", "<string/>"));
    is_device(&msg, "User Enrollment (Device)", "e");
    msg = report_of(*state, REPORT_FROM(*state, "UDID", "", "EnrollmentID",
                                     "e"));
    is_device(&msg, "User Enrollment (Device)", "e");
}

/* I9 */
static void a_shared_ipad_user_needs_a_short_name(void **state)
{
    REFUSED(report_fails(*state, REPORT_FROM(*state, "UDID", "g", "UserID",
                                             ALL_F)),
            NMDM_INVALID, "UserShortName");
    REFUSED(report_fails(*state, REPORT_FROM(*state, "UDID", "g", "UserID",
                                             ALL_F, "UserShortName", "")),
            NMDM_INVALID, "UserShortName");
}

/* I10 */
static void an_enrollment_user_id_alone_is_nobody(void **state)
{
    nmdm_msg_t msg;

    REFUSED(report_fails(*state, REPORT_FROM(*state, "EnrollmentUserID",
                                             "f")),
            NMDM_REFUSED, "nil enrollment id");
    msg = report_of(*state, REPORT_FROM(*state, "EnrollmentUserID", "f",
                                        "UDID", "a"));
    is_device(&msg, "Device", "a");
}

/* I11 */
static void the_shared_ipad_constant_is_compared_exactly(void **state)
{
    nmdm_msg_t msg = report_of(*state, REPORT_FROM(
        *state, "UDID", "g", "UserID",
        "ffffffff-ffff-ffff-ffff-ffffffffffff", "UserShortName", "s"));

    is_user(&msg, "User", "g:ffffffff-ffff-ffff-ffff-ffffffffffff", "g");
    msg = report_of(*state, REPORT_FROM(*state, "UDID", "g", "UserID",
                                     ALL_F " ", "UserShortName", "s"));
    is_user(&msg, "User", "g:" ALL_F " ", "g");
}

/* I12: columns are measured in characters. */
static void an_id_has_at_most_255_characters(void **state)
{
    const char *most = repeat(*state, 'i', 255);
    const char *umlauts = "";
    nmdm_msg_t msg = report_of(*state, REPORT_FROM(*state, "UDID", most));
    int i;

    is_device(&msg, "Device", most);
    REFUSED(report_fails(*state, REPORT_FROM(*state, "UDID",
                                             repeat(*state, 'i', 256))),
            NMDM_INVALID, "longer than 255");
    REFUSED(report_fails(*state, REPORT_FROM(*state, "UDID", most, "UserID",
                                             "u")),
            NMDM_INVALID, "longer than 255");
    for (i = 0; i < 255; i++) {
        umlauts = apr_pstrcat(*state, umlauts, "\xC3\xA4", NULL);
    }
    msg = report_of(*state, REPORT_FROM(*state, "UDID", umlauts));
    is_device(&msg, "Device", umlauts);
    REFUSED(report_fails(*state, REPORT_FROM(
        *state, "UDID", apr_pstrcat(*state, umlauts, "\xC3\xA4", NULL))),
        NMDM_INVALID, "longer than 255");
}

static void an_id_is_used_as_it_is(void **state)
{
    nmdm_msg_t msg = report_of(*state, REPORT_FROM(
        *state, "UDID", " aB:c@d.e/%2C,\xC3\xA4&lt; "));

    is_device(&msg, "Device", " aB:c@d.e/%2C,\xC3\xA4< ");
    msg = report_of(*state, REPORT_FROM(*state, "UDID", " "));
    is_device(&msg, "Device", " ");
}

static void an_id_of_another_type_is_refused(void **state)
{
    static const char *const KEYS[] = {
        "UDID", "UserID", "EnrollmentID", "EnrollmentUserID"
    };
    nmdm_msg_t msg;
    apr_size_t i;

    for (i = 0; i < sizeof(KEYS) / sizeof(*KEYS); i++) {
        nmdm_err_t *err = report_fails(*state, REPORT_FROM(
            *state, "UDID", "a", KEYS[i], "<integer>1</integer>"));

        HOLDS(err && err->kind == NMDM_INVALID && strstr(err->msg, KEYS[i]),
              "%s", KEYS[i]);
    }
    msg = report_of(*state, REPORT_FROM(
        *state, "UDID", "a", "UserID", "u", "UserShortName",
        "<integer>1</integer>", "UserLongName", "<true/>"));
    assert_string_equal(msg.who.id, "a:u");
    REFUSED(checkin_fails(*state, CHECKIN(
        *state, "CheckOut", "UDID", "a", "UserShortName", "<true/>")),
        NMDM_INVALID, "UserShortName");
    REFUSED(report_fails(*state, REPORT_FROM(
        *state, "UDID", "a", "UserID", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "UserShortName", "<true/>")), NMDM_INVALID, "UserShortName");
}

/* An id with a character that was replaced could be another's. */
static void an_id_is_not_repaired(void **state)
{
    static const char *const KEYS[][2] = {
        { "UDID", "a\x01" }, { "UDID", "a&#0;" }, { "EnrollmentID", "\xFF" }
    };
    apr_size_t i;

    for (i = 0; i < sizeof(KEYS) / sizeof(*KEYS); i++) {
        REFUSED(report_fails(*state, REPORT_FROM(*state, KEYS[i][0],
                                                 KEYS[i][1])),
                NMDM_INVALID, "character that XML does not allow");
        REFUSED(checkin_fails(*state, CHECKIN(*state, "CheckOut", KEYS[i][0],
                                              KEYS[i][1])),
                NMDM_INVALID, "character that XML does not allow");
    }
    REFUSED(report_fails(*state, REPORT_FROM(
        *state, "UDID", "a", "UserID", "u\x02")), NMDM_INVALID,
        "character that XML does not allow");
    REFUSED(checkin_fails(*state, CHECKIN(
        *state, "TokenUpdate", "UDID", "a", "Topic", "t\x02", "PushMagic",
        "m", "Token", "<data>AAAA</data>")), NMDM_INVALID, "Topic");
    REFUSED(checkin_fails(*state, CHECKIN(
        *state, "TokenUpdate", "UDID", "a", "Topic", "t", "PushMagic",
        "m\x02", "Token", "<data>AAAA</data>")), NMDM_INVALID, "PushMagic");
}

static void a_name_is_repaired(void **state)
{
    nmdm_msg_t msg = checkin_of(*state, CHECKIN(
        *state, "CheckOut", "UDID", "a", "UserLongName", "Zo\xEB"));

    assert_string_equal(msg.user_long_name, "Zo\xEF\xBF\xBD");
    assert_int_equal(msg.replaced, 1);
    msg = report_of(*state, REPORT_FROM(*state, "UDID", "a", "CommandUUID",
                                        "c\x01"));
    assert_null(msg.u.report.command_uuid);
    msg = report_of(*state, REPORT_FROM(
        *state, "UDID", "\xEF\xBF\xBD", "CommandUUID", "\xEF\xBF\xBD"));
    assert_string_equal(msg.who.id, "\xEF\xBF\xBD");
    assert_string_equal(msg.u.report.command_uuid, "\xEF\xBF\xBD");
}

static void user_names_are_cut_to_255_characters(void **state)
{
    const char *most = repeat(*state, 'n', 255);
    const char *more = repeat(*state, 'n', 256);
    nmdm_msg_t msg = checkin_of(*state, CHECKIN(
        *state, "CheckOut", "UDID", "a", "UserID", "u", "UserShortName", most,
        "UserLongName", most));

    assert_string_equal(msg.user_short_name, most);
    assert_string_equal(msg.user_long_name, most);
    msg = checkin_of(*state, CHECKIN(
        *state, "CheckOut", "UDID", "a", "UserID", "u", "UserShortName", more,
        "UserLongName", more));
    assert_string_equal(msg.user_short_name, most);
    assert_string_equal(msg.user_long_name, most);
    msg = report_of(*state, REPORT_FROM(
        *state, "UDID", "a", "UserID", "u", "UserLongName", more));
    assert_null(msg.user_long_name);
}

/* ---- Any check-in ---- */

/* M31, M30 */
static void an_unknown_message_type_is_refused_by_name(void **state)
{
    REFUSED(checkin_fails(*state, CHECKIN(*state, "NoSuchType", "UDID",
                                          "a")),
            NMDM_INVALID, "unrecognized MessageType: \"NoSuchType\"");
    REFUSED(checkin_fails(*state, CHECKIN(*state, "authenticate", "UDID",
                                          "a")),
            NMDM_INVALID, "unrecognized MessageType");
    REFUSED(checkin_fails(*state, plist(*state, "UDID", "a", NULL)),
            NMDM_INVALID, "without MessageType");
    REFUSED(checkin_fails(*state, CHECKIN(*state, "", "UDID", "a")),
            NMDM_INVALID, "without MessageType");
    REFUSED(checkin_fails(*state, CHECKIN(*state, "<integer>1</integer>",
                                          "UDID", "a")),
            NMDM_INVALID, "MessageType is a integer");
}

static void an_unknown_message_type_is_not_logged_at_length(void **state)
{
    nmdm_err_t *err = checkin_fails(*state, CHECKIN(
        *state, repeat(*state, 'T', 5000), "UDID", "a"));

    REFUSED(err, NMDM_INVALID, "unrecognized MessageType");
    assert_true(strlen(err->msg) < 200);
}

static void the_body_is_kept_as_it_was_sent(void **state)
{
    nmdm_bytes_t body = text_of(*state, "%s\n\n", CHECKIN(
        *state, "CheckOut", "UDID", "a").data);
    nmdm_msg_t msg = checkin_of(*state, body);

    assert_ptr_equal(msg.raw.data, body.data);
    assert_int_equal(msg.raw.len, body.len);
    assert_string_equal(msg.text, body.data);
}

/* M29: a database cannot hold it, the message is good all the same. */
static void a_nul_after_the_message_is_not_stored(void **state)
{
    nmdm_bytes_t body = CHECKIN(*state, "CheckOut", "UDID", "a");
    nmdm_bytes_t longer = { body.data, body.len + 1 };
    nmdm_msg_t msg = checkin_of(*state, longer);

    assert_int_equal(msg.raw.len, body.len + 1);
    /* The newline goes too: the cut is at the root's end. */
    assert_memory_equal(msg.text, body.data, body.len - 1);
    assert_int_equal(strlen(msg.text), body.len - 1);
}

static void keys_of_other_messages_do_not_matter(void **state)
{
    nmdm_msg_t msg = checkin_of(*state, CHECKIN(
        *state, "CheckOut", "UDID", "a", "Token", "no data", "Status",
        "<integer>1</integer>", "Topic", "<true/>", "TokenParameters", "x",
        "BootstrapToken", "<data>!</data>"));

    assert_string_equal(msg.type, "CheckOut");
    is_device(&msg, "Device", "a");
}

/* ---- Authenticate ---- */

static void authenticate_may_have_a_serial_number(void **state)
{
    nmdm_msg_t msg = checkin_of(*state, CHECKIN(*state, "Authenticate", "UDID",
                                             "a", "Topic", "t",
                                             "SerialNumber", "SN1"));

    assert_string_equal(msg.type, "Authenticate");
    assert_string_equal(msg.u.authenticate.serial_number, "SN1");
    msg = checkin_of(*state, CHECKIN(*state, "Authenticate", "UDID", "a"));
    assert_null(msg.u.authenticate.serial_number);
    msg = checkin_of(*state, CHECKIN(*state, "Authenticate", "UDID", "a",
                                  "SerialNumber", ""));
    assert_null(msg.u.authenticate.serial_number);
}

static void a_serial_number_has_at_most_127_characters(void **state)
{
    const char *most = repeat(*state, 's', 127);
    nmdm_msg_t msg = checkin_of(*state, CHECKIN(*state, "Authenticate", "UDID",
                                             "a", "SerialNumber", most));

    assert_string_equal(msg.u.authenticate.serial_number, most);
    REFUSED(checkin_fails(*state, CHECKIN(
        *state, "Authenticate", "UDID", "a", "SerialNumber",
        repeat(*state, 's', 128))), NMDM_INVALID,
        "SerialNumber is longer than 127");
}

static void keys_of_authenticate_have_their_types(void **state)
{
    REFUSED(checkin_fails(*state, CHECKIN(
        *state, "Authenticate", "UDID", "a", "Topic", "<data></data>")),
        NMDM_INVALID, "Topic is a data");
    REFUSED(checkin_fails(*state, CHECKIN(
        *state, "Authenticate", "UDID", "a", "SerialNumber",
        "<integer>7</integer>")), NMDM_INVALID, "SerialNumber is a integer");
}

/* ---- TokenUpdate ---- */

#define TOKEN_UPDATE(p, ...) \
    CHECKIN((p), "TokenUpdate", "UDID", "a", "Topic", "com.apple.mgmt.x", \
            "PushMagic", "magic", "Token", "<data>q83v</data>", __VA_ARGS__)

static void token_update_has_topic_magic_and_token(void **state)
{
    nmdm_msg_t msg = checkin_of(*state, TOKEN_UPDATE(*state, "X", "y"));

    assert_string_equal(msg.type, "TokenUpdate");
    assert_string_equal(msg.u.token_update.topic, "com.apple.mgmt.x");
    assert_string_equal(msg.u.token_update.push_magic, "magic");
    assert_string_equal(msg.u.token_update.token_hex, "abcdef");
    assert_int_equal(msg.u.token_update.unlock_token.len, 0);
}

static void the_unlock_token_is_any_bytes(void **state)
{
    nmdm_msg_t msg = checkin_of(*state, TOKEN_UPDATE(
        *state, "UnlockToken", "<data>AAH/</data>"));

    assert_int_equal(msg.u.token_update.unlock_token.len, 3);
    assert_memory_equal(msg.u.token_update.unlock_token.data, "\0\1\xff", 3);
    msg = checkin_of(*state, TOKEN_UPDATE(*state, "UnlockToken", "<data/>"));
    assert_int_equal(msg.u.token_update.unlock_token.len, 0);
}

/* The last of equal keys wins, so each of these spoils a good message. */
static void token_update_is_refused_without_any_of_the_three(void **state)
{
    static const char *const BAD[][2] = {
        { "Topic", "" }, { "PushMagic", "" }, { "Token", "<data/>" },
        { "Topic", "<true/>" }, { "PushMagic", "<true/>" },
        { "Token", "q83v" }, { "Token", "<data>q8</data>" },
        { "UnlockToken", "text" }, { "UnlockToken", "<data>!</data>" }
    };
    apr_size_t i;

    for (i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        nmdm_err_t *err = checkin_fails(*state, TOKEN_UPDATE(
            *state, BAD[i][0], BAD[i][1]));

        HOLDS(err && err->kind == NMDM_INVALID, "%s %s", BAD[i][0],
              BAD[i][1]);
    }
    REFUSED(checkin_fails(*state, CHECKIN(*state, "TokenUpdate", "UDID",
                                          "a")),
            NMDM_INVALID, "TokenUpdate without");
}

static void the_columns_of_a_token_update_have_limits(void **state)
{
    static const struct {
        const char *key;
        apr_size_t most;
    } ROWS[] = { { "Topic", 255 }, { "PushMagic", 127 } };
    char token[128];
    nmdm_bytes_t bytes = { token, 127 };
    nmdm_msg_t msg;
    apr_size_t i;

    for (i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
        const char *most = repeat(*state, 'x', ROWS[i].most);

        checkin_of(*state, TOKEN_UPDATE(*state, ROWS[i].key, most));
        REFUSED(checkin_fails(*state, TOKEN_UPDATE(
            *state, ROWS[i].key, apr_pstrcat(*state, most, "x", NULL))),
            NMDM_INVALID, ROWS[i].key);
    }
    /* 127 bytes are 254 digits, 128 are one too many. */
    memset(token, 7, sizeof(token));
    msg = checkin_of(*state, TOKEN_UPDATE(*state, "Token", apr_pstrcat(
        *state, "<data>", nmdm_base64_encode(*state, bytes), "</data>",
        NULL)));
    assert_int_equal(strlen(msg.u.token_update.token_hex), 254);
    bytes.len = 128;
    REFUSED(checkin_fails(*state, TOKEN_UPDATE(*state, "Token", apr_pstrcat(
        *state, "<data>", nmdm_base64_encode(*state, bytes), "</data>",
        NULL))), NMDM_INVALID, "Token in hex");
}

/* ---- The other check-ins ---- */

static void user_authenticate_has_a_digest_in_its_second_step(void **state)
{
    nmdm_msg_t msg = checkin_of(*state, CHECKIN(
        *state, "UserAuthenticate", "UDID", "a", "UserID", "u"));

    assert_null(msg.u.user_authenticate.digest_response);
    msg = checkin_of(*state, CHECKIN(*state, "UserAuthenticate", "UDID", "a",
                                  "UserID", "u", "DigestResponse", ""));
    assert_null(msg.u.user_authenticate.digest_response);
    msg = checkin_of(*state, CHECKIN(*state, "UserAuthenticate", "UDID", "a",
                                  "UserID", "u", "DigestResponse", "d"));
    assert_string_equal(msg.u.user_authenticate.digest_response, "d");
    REFUSED(checkin_fails(*state, CHECKIN(
        *state, "UserAuthenticate", "UDID", "a", "UserID", "u",
        "DigestResponse", "<data/>")), NMDM_INVALID, "DigestResponse");
}

static void a_bootstrap_token_is_kept_as_plain_base64(void **state)
{
    nmdm_msg_t msg = checkin_of(*state, CHECKIN(
        *state, "SetBootstrapToken", "UDID", "a", "BootstrapToken",
        "<data>\n\tAAH/\n\tAA==\n</data>"));

    assert_string_equal(msg.u.bootstrap_token.token_b64, "AAH/AA==");
}

static void no_bootstrap_token_means_remove_it(void **state)
{
    nmdm_msg_t msg = checkin_of(*state, CHECKIN(
        *state, "SetBootstrapToken", "UDID", "a", "BootstrapToken",
        "<data></data>"));

    assert_string_equal(msg.u.bootstrap_token.token_b64, "");
    msg = checkin_of(*state, CHECKIN(*state, "SetBootstrapToken", "UDID",
                                     "a"));
    assert_string_equal(msg.u.bootstrap_token.token_b64, "");
    REFUSED(checkin_fails(*state, CHECKIN(
        *state, "SetBootstrapToken", "UDID", "a", "BootstrapToken", "AAH/")),
        NMDM_INVALID, "BootstrapToken is a string");
}

static void declarative_management_has_endpoint_and_data(void **state)
{
    nmdm_msg_t msg = checkin_of(*state, CHECKIN(
        *state, "DeclarativeManagement", "UDID", "a", "Endpoint", "status",
        "Data", "<data>e30=</data>"));

    assert_string_equal(msg.u.declarative.endpoint, "status");
    assert_int_equal(msg.u.declarative.data.len, 2);
    assert_memory_equal(msg.u.declarative.data.data, "{}", 2);
    msg = checkin_of(*state, CHECKIN(*state, "DeclarativeManagement", "UDID",
                                  "a"));
    assert_null(msg.u.declarative.endpoint);
    assert_int_equal(msg.u.declarative.data.len, 0);
    REFUSED(checkin_fails(*state, CHECKIN(
        *state, "DeclarativeManagement", "UDID", "a", "Data", "{}")),
        NMDM_INVALID, "Data is a string");
    REFUSED(checkin_fails(*state, CHECKIN(
        *state, "DeclarativeManagement", "UDID", "a", "Endpoint",
        "<array/>")), NMDM_INVALID, "Endpoint is a array");
}

/* C19 */
static void get_token_for_maid_needs_no_parameters(void **state)
{
    nmdm_msg_t msg = checkin_of(*state, CHECKIN(
        *state, "GetToken", "UDID", "a", "TokenServiceType",
        "com.apple.maid"));

    assert_string_equal(msg.u.get_token.service_type, "com.apple.maid");
}

/* C20 */
static void get_token_needs_a_service_and_a_watch_parameters(void **state)
{
    nmdm_msg_t msg;

    REFUSED(checkin_fails(*state, CHECKIN(*state, "GetToken", "UDID", "a")),
            NMDM_INVALID, "empty GetToken TokenServiceType");
    REFUSED(checkin_fails(*state, CHECKIN(
        *state, "GetToken", "UDID", "a", "TokenServiceType",
        "com.apple.watch.pairing")), NMDM_INVALID,
        "nil TokenParameters for GetToken: com.apple.watch.pairing");
    REFUSED(checkin_fails(*state, CHECKIN(
        *state, "GetToken", "UDID", "a", "TokenServiceType", "x",
        "TokenParameters", "text")), NMDM_INVALID,
        "TokenParameters is a string");
    msg = checkin_of(*state, CHECKIN(
        *state, "GetToken", "UDID", "a", "TokenServiceType",
        "com.apple.watch.pairing", "TokenParameters",
        "<dict><key>PhoneUDID</key><string>p</string></dict>"));
    assert_string_equal(msg.u.get_token.service_type,
                        "com.apple.watch.pairing");
}

static void get_bootstrap_token_and_check_out_need_ids_alone(void **state)
{
    nmdm_msg_t msg = checkin_of(*state, CHECKIN(*state, "GetBootstrapToken",
                                             "UDID", "a"));

    assert_string_equal(msg.type, "GetBootstrapToken");
    msg = checkin_of(*state, CHECKIN(*state, "CheckOut", "EnrollmentID", "e"));
    assert_string_equal(msg.type, "CheckOut");
    is_device(&msg, "User Enrollment (Device)", "e");
}

/* ---- Recorded messages (C22, CQ20) ---- */

static void samples_of_devices_decode(void **state)
{
    nmdm_msg_t msg = checkin_of(*state, test_file(
        *state, "fuzz/corpus/checkin/authenticate-mac.plist"));

    assert_string_equal(msg.type, "Authenticate");
    is_device(&msg, "Device", "66ADE930-5FDF-5EC4-8429-15640684C489");
    assert_string_equal(msg.u.authenticate.serial_number, "C02XXXXXXXXX");

    msg = checkin_of(*state, test_file(
        *state, "fuzz/corpus/checkin/token-update-ipad.plist"));
    is_device(&msg, "Device", "00008020000915D83C80002E0123456789abcdef");
    assert_string_equal(msg.u.token_update.topic,
                        "com.apple.mgmt.External.18a8ea24-1f9e-4d7a");
    assert_int_equal(strlen(msg.u.token_update.token_hex), 64);
    assert_int_equal(msg.u.token_update.unlock_token.len, 48);

    msg = report_of(*state, test_file(
        *state, "fuzz/corpus/report/device-information.plist"));
    is_device(&msg, "Device", "66ADE930-5FDF-5EC4-8429-15640684C489");
    assert_string_equal(msg.u.report.status, "Acknowledged");
    assert_string_equal(msg.u.report.command_uuid,
                        "76eda590-22b8-4b87-a8c7-e73eb9b5fd1d");
}

/* ---- Reports ---- */

/* CQ9 */
static void a_report_needs_a_status(void **state)
{
    REFUSED(report_fails(*state, plist(*state, "UDID", "a", NULL)),
            NMDM_INVALID, "report without Status");
    REFUSED(report_fails(*state, plist(*state, "UDID", "a", "Status", "",
                                       NULL)),
            NMDM_INVALID, "report without Status");
    REFUSED(report_fails(*state, plist(*state, "UDID", "a", "Status",
                                       "<true/>", NULL)),
            NMDM_INVALID, "Status is a true");
}

static void a_report_may_name_a_command(void **state)
{
    nmdm_msg_t msg = report_of(*state, plist(
        *state, "UDID", "a", "Status", "NotNow", "CommandUUID", "C1", NULL));

    assert_null(msg.type);
    assert_string_equal(msg.u.report.status, "NotNow");
    assert_string_equal(msg.u.report.command_uuid, "C1");
    msg = report_of(*state, REPORT_FROM(*state, "UDID", "a"));
    assert_null(msg.u.report.command_uuid);
    msg = report_of(*state, REPORT_FROM(*state, "UDID", "a", "CommandUUID",
                                     ""));
    assert_null(msg.u.report.command_uuid);
    REFUSED(report_fails(*state, REPORT_FROM(*state, "UDID", "a",
                                             "CommandUUID", "<data/>")),
            NMDM_INVALID, "CommandUUID is a data");
}

/* A refused report would be sent again for ever. */
static void a_long_status_is_shortened_to_31_characters(void **state)
{
    const char *most = repeat(*state, 's', 31);
    nmdm_msg_t msg = report_of(*state, plist(*state, "UDID", "a", "Status",
                                          most, NULL));

    assert_string_equal(msg.u.report.status, most);
    msg = report_of(*state, plist(*state, "UDID", "a", "Status",
                               repeat(*state, 's', 32), NULL));
    assert_string_equal(msg.u.report.status, most);
    /* Between characters, never within one. */
    msg = report_of(*state, plist(*state, "UDID", "a", "Status", apr_pstrcat(
        *state, repeat(*state, 's', 30), "\xC3\xA4\xC3\xB6", NULL), NULL));
    assert_string_equal(msg.u.report.status, apr_pstrcat(
        *state, repeat(*state, 's', 30), "\xC3\xA4", NULL));
}

static void a_uuid_that_no_column_holds_is_no_uuid(void **state)
{
    const char *most = repeat(*state, 'u', 127);
    nmdm_msg_t msg = report_of(*state, REPORT_FROM(*state, "UDID", "a",
                                                "CommandUUID", most));

    assert_string_equal(msg.u.report.command_uuid, most);
    msg = report_of(*state, REPORT_FROM(*state, "UDID", "a", "CommandUUID",
                                     repeat(*state, 'u', 128)));
    assert_null(msg.u.report.command_uuid);
}

/* CQ21 */
static void an_odd_error_chain_does_not_matter(void **state)
{
    static const char *const CHAINS[] = {
        "text", "<integer>1</integer>", "<dict/>", "<array/>",
        "<array><string>x</string></array>",
        "<array><dict><key>ErrorCode</key><string>x</string></dict></array>"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(CHAINS) / sizeof(*CHAINS); i++) {
        nmdm_msg_t msg = report_of(*state, plist(
            *state, "UDID", "a", "Status", "Error", "CommandUUID", "C1",
            "ErrorChain", CHAINS[i], NULL));

        HOLDS(!strcmp(msg.u.report.status, "Error"), "%s", CHAINS[i]);
    }
}

/* The tables demand it, the devices need not know. */
static void a_report_without_a_declaration_is_stored_with_one(void **state)
{
    nmdm_bytes_t body = bytes_of("\n\t <plist><dict><key>Status</key><string>"
                                 "Idle</string><key>UDID</key><string>a"
                                 "</string></dict></plist>");
    nmdm_msg_t msg = report_of(*state, body);

    assert_string_equal(msg.u.report.stored, apr_pstrcat(
        *state, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
        body.data + 3, NULL));
    assert_ptr_equal(msg.raw.data, body.data);
    body = REPORT_FROM(*state, "UDID", "a");
    msg = report_of(*state, body);
    assert_string_equal(msg.u.report.stored, body.data);
}

/* ---- Commands ---- */

static nmdm_err_t *command_of(nmdm_command_t *command, apr_pool_t *p,
                              const char *uuid, const char *inner)
{
    return nmdm_message_command(command, p, plist(
        p, "CommandUUID", uuid, "Command", inner, NULL));
}

#define INNER "<dict><key>RequestType</key><string>Restart</string></dict>"

static void a_command_is_kept_byte_for_byte(void **state)
{
    nmdm_bytes_t body = text_of(
        *state, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!-- c -->"
        "<plist><dict>\t<key>Command</key>" INNER "<key>CommandUUID</key>"
        "<string>C&#49;</string></dict></plist>\n\n trailing");
    nmdm_command_t command;

    OK(nmdm_message_command(&command, *state, body));
    assert_string_equal(command.uuid, "C1");
    assert_string_equal(command.request_type, "Restart");
    assert_string_equal(command.text, body.data);
}

static void a_command_needs_a_uuid_and_a_request_type(void **state)
{
    nmdm_command_t command;

    REFUSED(command_of(&command, *state, "", INNER), NMDM_INVALID,
            "decoding command: invalid command");
    REFUSED(command_of(&command, *state, "C1", "<dict/>"), NMDM_INVALID,
            "decoding command: invalid command");
    REFUSED(command_of(&command, *state, "C1", "text"), NMDM_INVALID,
            "decoding command: invalid command");
    REFUSED(command_of(&command, *state, "C1", "<dict><key>RequestType</key>"
                       "<string/></dict>"), NMDM_INVALID,
            "decoding command: invalid command");
    REFUSED(nmdm_message_command(&command, *state, plist(
        *state, "CommandUUID", "C1", "RequestType", "Restart", NULL)),
        NMDM_INVALID, "decoding command: invalid command");
}

static void a_command_of_wrong_types_is_refused(void **state)
{
    nmdm_command_t command;

    REFUSED(command_of(&command, *state, "<integer>1</integer>", INNER),
            NMDM_INVALID, "decoding command: CommandUUID is a integer");
    REFUSED(command_of(&command, *state, "C1", "<dict><key>RequestType</key>"
                       "<true/></dict>"), NMDM_INVALID,
            "decoding command: Command/RequestType is a true");
    REFUSED(nmdm_message_command(&command, *state, bytes_of("garbage")),
            NMDM_INVALID, "decoding command: property list refused");
}

static void a_command_error_does_not_repeat_the_body(void **state)
{
    nmdm_command_t command;
    nmdm_err_t *err = nmdm_message_command(&command, *state, bytes_of(
        "<plist><dict><key>secret</key></dict></plist>"));

    REFUSED(err, NMDM_INVALID, "decoding command");
    assert_null(strstr(err->msg, "secret"));
}

static void the_columns_of_a_command_have_limits(void **state)
{
    nmdm_command_t command;

    OK(command_of(&command, *state, repeat(*state, 'u', 127), INNER));
    REFUSED(command_of(&command, *state, repeat(*state, 'u', 128), INNER),
            NMDM_INVALID, "CommandUUID is longer than 127");
    OK(command_of(&command, *state, "C1", text_of(
        *state, "<dict><key>RequestType</key><string>%s</string></dict>",
        repeat(*state, 'r', 63)).data));
    assert_int_equal(strlen(command.request_type), 63);
    REFUSED(command_of(&command, *state, "C1", text_of(
        *state, "<dict><key>RequestType</key><string>%s</string></dict>",
        repeat(*state, 'r', 64)).data), NMDM_INVALID,
        "RequestType is longer than 63");
}

static void a_command_begins_with_a_declaration(void **state)
{
    nmdm_bytes_t body = bytes_of("<plist><dict><key>CommandUUID</key><string>"
                                 "C1</string><key>Command</key>" INNER
                                 "</dict></plist>");
    nmdm_command_t command;

    REFUSED(nmdm_message_command(&command, *state, body), NMDM_INVALID,
            "<?xml");
}

static void a_command_ends_with_text(void **state)
{
    nmdm_bytes_t body = plist(*state, "CommandUUID", "C1", "Command", INNER,
                              NULL);
    nmdm_command_t command;

    body.len++;                 /* the NUL behind it */
    REFUSED(nmdm_message_command(&command, *state, body), NMDM_INVALID,
            "not text");
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_ids_it_is_nobody),
        TEST(a_udid_is_a_device),
        TEST(a_udid_with_a_user_id_is_a_user),
        TEST(an_enrollment_id_is_a_device_of_a_user_enrollment),
        TEST(an_enrollment_user_id_is_a_user_of_a_user_enrollment),
        TEST(a_shared_ipad_user_goes_by_the_short_name),
        TEST(the_udid_wins_over_the_enrollment_id),
        TEST(an_empty_user_id_is_none),
        TEST(a_shared_ipad_user_needs_a_short_name),
        TEST(an_enrollment_user_id_alone_is_nobody),
        TEST(the_shared_ipad_constant_is_compared_exactly),
        TEST(an_id_has_at_most_255_characters),
        TEST(an_id_is_used_as_it_is),
        TEST(an_id_of_another_type_is_refused),
        TEST(an_id_is_not_repaired),
        TEST(a_name_is_repaired),
        TEST(user_names_are_cut_to_255_characters),
        TEST(an_unknown_message_type_is_refused_by_name),
        TEST(an_unknown_message_type_is_not_logged_at_length),
        TEST(the_body_is_kept_as_it_was_sent),
        TEST(a_nul_after_the_message_is_not_stored),
        TEST(keys_of_other_messages_do_not_matter),
        TEST(authenticate_may_have_a_serial_number),
        TEST(a_serial_number_has_at_most_127_characters),
        TEST(keys_of_authenticate_have_their_types),
        TEST(token_update_has_topic_magic_and_token),
        TEST(the_unlock_token_is_any_bytes),
        TEST(token_update_is_refused_without_any_of_the_three),
        TEST(the_columns_of_a_token_update_have_limits),
        TEST(user_authenticate_has_a_digest_in_its_second_step),
        TEST(a_bootstrap_token_is_kept_as_plain_base64),
        TEST(no_bootstrap_token_means_remove_it),
        TEST(declarative_management_has_endpoint_and_data),
        TEST(get_token_for_maid_needs_no_parameters),
        TEST(get_token_needs_a_service_and_a_watch_parameters),
        TEST(get_bootstrap_token_and_check_out_need_ids_alone),
        TEST(samples_of_devices_decode),
        TEST(a_report_needs_a_status),
        TEST(a_report_may_name_a_command),
        TEST(a_long_status_is_shortened_to_31_characters),
        TEST(a_uuid_that_no_column_holds_is_no_uuid),
        TEST(an_odd_error_chain_does_not_matter),
        TEST(a_report_without_a_declaration_is_stored_with_one),
        TEST(a_command_is_kept_byte_for_byte),
        TEST(a_command_needs_a_uuid_and_a_request_type),
        TEST(a_command_of_wrong_types_is_refused),
        TEST(a_command_error_does_not_repeat_the_body),
        TEST(the_columns_of_a_command_have_limits),
        TEST(a_command_begins_with_a_declaration),
        TEST(a_command_ends_with_text),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
