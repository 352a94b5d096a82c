/* SPDX-License-Identifier: Apache-2.0 */
/* message.c -- check-ins and command reports: decode, and resolve the
 * enrollment id. */

#include "mdm/message.h"
#include "codec/plist.h"
#include "codec/plist_binary.h"
#include "codec/plist_repair.h"
#include "codec/plist_tree.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

/* What iPadOS sends as UserID on a Shared iPad, whose users go by their
 * short names (behaviour specification 2.1). */
#define SHARED_IPAD_USER_ID "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"

/* The widths of columns, in characters. */
#define MAX_ID 255
#define MAX_SERIAL 127
#define MAX_TOPIC 255
#define MAX_PUSH_MAGIC 127
#define MAX_TOKEN_HEX 255
#define MAX_USER_NAME 255
#define MAX_UUID 127
#define MAX_REQUEST_TYPE 63
#define MAX_STATUS 31

/* Every key of every message; those that do not belong to the message at hand
 * are read and then not looked at. */
static const char *const KEYS[] = {
    "MessageType", "UDID", "UserID", "UserShortName", "UserLongName",
    "EnrollmentID", "EnrollmentUserID", "SerialNumber", "Topic", "PushMagic",
    "Token", "UnlockToken", "DigestResponse", "BootstrapToken", "Endpoint",
    "Data", "TokenServiceType", "TokenParameters", "CommandUUID", "Status",
    "Command/RequestType", "AwaitingConfiguration", NULL
};

typedef nmdm_err_t *(*decode_fn)(nmdm_msg_t *msg, apr_pool_t *p,
                                 nmdm_plist_t *plist);

static nmdm_err_t *invalid(apr_pool_t *p, const char *id, const char *what)
{
    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS,
                    NMDMNO(0401) "%s: %s", id ? id : "-", what);
}

static nmdm_err_t *fits(apr_pool_t *p, const char *id, const char *key,
                        const char *value, apr_size_t most)
{
    if (value && nmdm_utf8_length(value) > most) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0402)
                        "%s: %s is longer than %" APR_SIZE_T_FMT
                        " characters", id ? id : "-", key, most);
    }
    return NULL;
}

/* A name may be repaired. What names somebody or something may not: another
 * could be meant. */
static nmdm_err_t *is_as_sent(const nmdm_msg_t *msg, apr_pool_t *p,
                              const char *key, const char *value)
{
    if (msg->replaced && value && strstr(value, NMDM_REPLACEMENT)) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0408)
                        "%s: %s has a character that XML does not allow",
                        msg->who.id ? msg->who.id : "no enrollment", key);
    }
    return NULL;
}

/* A binary property list is stored, and answered, as XML: the tables demand
 * it. */
static nmdm_err_t *to_xml(nmdm_bytes_t *xml, apr_pool_t *p, nmdm_bytes_t body)
{
    *xml = body;
    return nmdm_plist_binary_is(body)
        ? nmdm_plist_tree_binary_to_xml(xml, p, body) : NULL;
}

/* ---- Who ---- */

static nmdm_err_t *resolve_user_of_device(nmdm_id_t *who, apr_pool_t *p,
                                          const char *udid,
                                          const char *user_id,
                                          const char *short_name)
{
    who->device_id = udid;
    who->on_user_channel = 1;
    if (strcmp(user_id, SHARED_IPAD_USER_ID)) {
        who->type = NMDM_USER;
        who->id = apr_pstrcat(p, udid, ":", user_id, NULL);
        return NULL;
    }
    if (!short_name) {
        return invalid(p, udid, "Shared iPad without UserShortName");
    }
    who->type = NMDM_SHARED_IPAD;
    who->id = apr_pstrcat(p, udid, ":", short_name, NULL);
    return NULL;
}

/* People have long names. What is shown of one need not be all of it. */
static const char *shortened(apr_pool_t *p, const char *name)
{
    return name ? nmdm_utf8_shortened(p, name, MAX_USER_NAME) : NULL;
}

static nmdm_err_t *resolve(nmdm_msg_t *msg, apr_pool_t *p,
                           nmdm_plist_t *plist)
{
    nmdm_id_t *who = &msg->who;
    const char *user_id, *enrollment_user_id;
    nmdm_err_t *err;

    NMDM_TRY(nmdm_plist_string(&msg->udid, plist, "UDID"));
    NMDM_TRY(nmdm_plist_string(&user_id, plist, "UserID"));
    err = nmdm_plist_string(&msg->user_short_name, plist, "UserShortName");
    if (err && (msg->type
                || (user_id && !strcmp(user_id, SHARED_IPAD_USER_ID)))) {
        return err;             /* in other reports nobody reads it */
    }
    NMDM_TRY(nmdm_plist_string(&msg->enrollment_id, plist, "EnrollmentID"));
    NMDM_TRY(nmdm_plist_string(&enrollment_user_id, plist,
                               "EnrollmentUserID"));

    if (msg->udid && user_id) {
        NMDM_TRY(resolve_user_of_device(who, p, msg->udid, user_id,
                                        msg->user_short_name));
    }
    else if (msg->udid) {
        who->type = NMDM_DEVICE;
        who->id = who->device_id = msg->udid;
    }
    else if (msg->enrollment_id && enrollment_user_id) {
        who->type = NMDM_USER_ENROLLMENT;
        who->device_id = msg->enrollment_id;
        who->on_user_channel = 1;
        who->id = apr_pstrcat(p, msg->enrollment_id, ":", enrollment_user_id,
                              NULL);
    }
    else if (msg->enrollment_id) {
        who->type = NMDM_USER_ENROLLMENT_DEVICE;
        who->id = who->device_id = msg->enrollment_id;
    }
    else {
        return nmdm_err(p, NMDM_REFUSED, APR_SUCCESS, NMDMNO(0403)
                        "nil enrollment id: neither UDID nor EnrollmentID");
    }
    NMDM_TRY(is_as_sent(msg, p, "the enrollment id", who->id));
    NMDM_TRY(fits(p, NULL, "the enrollment id", who->id, MAX_ID));
    msg->user_short_name = shortened(p, msg->user_short_name);
    return NULL;
}

int nmdm_message_has_control(const char *text)
{
    for (; *text; text++) {
        if (apr_iscntrl(*text)) {
            return 1;
        }
    }
    return 0;
}

/* A header ends at a line break, and receivers trim it: " A" would speak for
 * the enrollment "A". */
int nmdm_message_id_fits_header(const char *id)
{
    apr_size_t len = strlen(id);

    return len && !nmdm_message_has_control(id) && id[0] != ' '
        && id[len - 1] != ' ';
}

/* ---- Check-ins ---- */

static nmdm_err_t *decode_authenticate(nmdm_msg_t *msg, apr_pool_t *p,
                                       nmdm_plist_t *plist)
{
    nmdm_authenticate_t *m = &msg->u.authenticate;
    const char *topic;

    NMDM_TRY(nmdm_plist_string(&topic, plist, "Topic"));
    NMDM_TRY(nmdm_plist_string(&m->serial_number, plist, "SerialNumber"));
    return fits(p, msg->who.id, "SerialNumber", m->serial_number, MAX_SERIAL);
}

static nmdm_err_t *decode_token_update(nmdm_msg_t *msg, apr_pool_t *p,
                                       nmdm_plist_t *plist)
{
    nmdm_token_update_t *m = &msg->u.token_update;
    const char *id = msg->who.id;
    nmdm_bytes_t token;

    NMDM_TRY(nmdm_plist_string(&m->topic, plist, "Topic"));
    NMDM_TRY(nmdm_plist_string(&m->push_magic, plist, "PushMagic"));
    NMDM_TRY(nmdm_plist_data(&token, plist, "Token"));
    NMDM_TRY(nmdm_plist_data(&m->unlock_token, plist, "UnlockToken"));
    m->is_setting_up = nmdm_plist_is_true(plist, "AwaitingConfiguration");
    if (!m->topic || !m->push_magic || !token.len) {
        return invalid(p, id, "TokenUpdate without Topic, PushMagic or"
                              " Token");
    }
    m->token_hex = nmdm_hex(p, token);
    NMDM_TRY(is_as_sent(msg, p, "Topic", m->topic));
    NMDM_TRY(is_as_sent(msg, p, "PushMagic", m->push_magic));
    NMDM_TRY(fits(p, id, "Topic", m->topic, MAX_TOPIC));
    NMDM_TRY(fits(p, id, "PushMagic", m->push_magic, MAX_PUSH_MAGIC));
    return fits(p, id, "Token in hex", m->token_hex, MAX_TOKEN_HEX);
}

static nmdm_err_t *decode_nothing_more(nmdm_msg_t *msg, apr_pool_t *p,
                                       nmdm_plist_t *plist)
{
    (void)msg;
    (void)p;
    (void)plist;
    return NULL;
}

static nmdm_err_t *decode_user_authenticate(nmdm_msg_t *msg, apr_pool_t *p,
                                            nmdm_plist_t *plist)
{
    (void)p;
    return nmdm_plist_string(&msg->u.user_authenticate.digest_response, plist,
                             "DigestResponse");
}

static nmdm_err_t *decode_set_bootstrap_token(nmdm_msg_t *msg, apr_pool_t *p,
                                              nmdm_plist_t *plist)
{
    nmdm_bytes_t token;

    NMDM_TRY(nmdm_plist_data(&token, plist, "BootstrapToken"));
    msg->u.bootstrap_token.token_b64 = token.len
        ? nmdm_base64_encode(p, token) : "";
    return NULL;
}

static nmdm_err_t *decode_declarative(nmdm_msg_t *msg, apr_pool_t *p,
                                      nmdm_plist_t *plist)
{
    nmdm_declarative_t *m = &msg->u.declarative;

    (void)p;
    NMDM_TRY(nmdm_plist_string(&m->endpoint, plist, "Endpoint"));
    return nmdm_plist_data(&m->data, plist, "Data");
}

static nmdm_err_t *decode_get_token(nmdm_msg_t *msg, apr_pool_t *p,
                                    nmdm_plist_t *plist)
{
    nmdm_get_token_t *m = &msg->u.get_token;
    int has_parameters;

    NMDM_TRY(nmdm_plist_string(&m->service_type, plist, "TokenServiceType"));
    NMDM_TRY(nmdm_plist_dict(&has_parameters, plist, "TokenParameters"));
    if (!m->service_type) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0404)
                        "%s: empty GetToken TokenServiceType", msg->who.id);
    }
    if (!strcmp(m->service_type, "com.apple.watch.pairing")
        && !has_parameters) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0405)
                        "%s: nil TokenParameters for GetToken:"
                        " com.apple.watch.pairing", msg->who.id);
    }
    return NULL;
}

static const struct {
    const char *type;
    decode_fn decode;
} MESSAGES[] = {
    { "Authenticate", decode_authenticate },
    { "TokenUpdate", decode_token_update },
    { "CheckOut", decode_nothing_more },
    { "UserAuthenticate", decode_user_authenticate },
    { "SetBootstrapToken", decode_set_bootstrap_token },
    { "GetBootstrapToken", decode_nothing_more },
    { "DeclarativeManagement", decode_declarative },
    { "GetToken", decode_get_token },
    { "ReturnToService", decode_nothing_more },
    { NULL, NULL }
};

/* The type from our own table, or NULL. */
static decode_fn find_decoder(const char **type)
{
    int i;

    for (i = 0; MESSAGES[i].type; i++) {
        if (!strcmp(*type, MESSAGES[i].type)) {
            *type = MESSAGES[i].type;
            return MESSAGES[i].decode;
        }
    }
    return NULL;
}

nmdm_err_t *nmdm_message_checkin(nmdm_msg_t *msg, apr_pool_t *p,
                                 nmdm_bytes_t body)
{
    nmdm_bytes_t xml, document;
    nmdm_plist_t *plist;
    decode_fn decode;

    memset(msg, 0, sizeof(*msg));
    msg->raw = body;
    NMDM_TRY(to_xml(&xml, p, body));
    NMDM_TRY(nmdm_plist_read_lenient(&plist, &document, &msg->replaced, p,
                                     xml, KEYS));
    msg->text = document.data;
    NMDM_TRY(nmdm_plist_string(&msg->type, plist, "MessageType"));
    if (!msg->type) {
        return invalid(p, NULL, "check-in without MessageType");
    }
    decode = find_decoder(&msg->type);
    if (!decode) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0406)
                        "unrecognized MessageType: \"%.64s\"", msg->type);
    }
    NMDM_TRY(resolve(msg, p, plist));
    NMDM_TRY(nmdm_plist_string(&msg->user_long_name, plist, "UserLongName"));
    msg->user_long_name = shortened(p, msg->user_long_name);
    return decode(msg, p, plist);
}

/* ---- Command reports ---- */

/* NanoMDM's tables demand this start of a result. A report without an XML
 * declaration means the same with one; refusing it would make the device send
 * it again for ever. */
static const char *with_declaration(apr_pool_t *p, const char *text)
{
    if (!strncmp(text, "<?xml", 5)) {
        return text;
    }
    return apr_pstrcat(p, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
                       text + strspn(text, " \t\r\n"), NULL);
}

/* A report is refused for as little as possible: whatever is odd in it, the
 * device would send it again and again, and nothing behind it in the queue
 * would move (behaviour specification 3.5). */
nmdm_err_t *nmdm_message_report(nmdm_msg_t *msg, apr_pool_t *p,
                                nmdm_bytes_t body)
{
    nmdm_report_t *m = &msg->u.report;
    nmdm_bytes_t xml, document;
    nmdm_plist_t *plist;

    memset(msg, 0, sizeof(*msg));
    msg->raw = body;
    NMDM_TRY(to_xml(&xml, p, body));
    NMDM_TRY(nmdm_plist_read_lenient(&plist, &document, &msg->replaced, p,
                                     xml, KEYS));
    msg->text = document.data;
    NMDM_TRY(nmdm_plist_string(&m->status, plist, "Status"));
    if (!m->status) {
        return invalid(p, NULL, "report without Status");
    }
    NMDM_TRY(resolve(msg, p, plist));
    NMDM_TRY(nmdm_plist_string(&m->command_uuid, plist, "CommandUUID"));
    if (m->command_uuid
        && (nmdm_utf8_length(m->command_uuid) > MAX_UUID
            || is_as_sent(msg, p, "CommandUUID", m->command_uuid))) {
        m->command_uuid = NULL;     /* no command has such a UUID */
    }
    m->status = nmdm_utf8_shortened(p, m->status, MAX_STATUS);
    m->stored = with_declaration(p, msg->text);
    return NULL;
}

/* ---- Commands ---- */

static nmdm_err_t *bad_command(apr_pool_t *p, const char *why)
{
    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS,
                    NMDMNO(0407) "decoding command: %s", why);
}

nmdm_err_t *nmdm_message_command(nmdm_command_t *command, apr_pool_t *p,
                                 nmdm_bytes_t body)
{
    nmdm_bytes_t document;
    nmdm_plist_t *plist;
    nmdm_err_t *err;

    err = to_xml(&body, p, body);
    if (!err) {
        err = nmdm_plist_read(&plist, &document, p, body, KEYS);
    }
    if (!err) {
        err = nmdm_plist_string(&command->uuid, plist, "CommandUUID");
    }
    if (!err) {
        err = nmdm_plist_string(&command->request_type, plist,
                                "Command/RequestType");
    }
    if (err) {
        return bad_command(p, nmdm_err_text(err));
    }
    if (!command->uuid || !command->request_type) {
        return bad_command(p, "invalid command");
    }
    if (nmdm_utf8_length(command->uuid) > MAX_UUID) {
        return bad_command(p, "CommandUUID is longer than 127 characters");
    }
    if (nmdm_utf8_length(command->request_type) > MAX_REQUEST_TYPE) {
        return bad_command(p, "RequestType is longer than 63 characters");
    }
    if (strncmp(document.data, "<?xml", 5)) {
        return bad_command(p, "a command must begin with \"<?xml\"");
    }
    if (document.data + document.len != body.data + body.len) {
        return bad_command(p, "what follows its end is not text");
    }
    command->text = document.data;
    return NULL;
}
