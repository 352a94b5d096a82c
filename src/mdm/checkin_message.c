/* SPDX-License-Identifier: Apache-2.0 */
/* checkin_message.c -- decodes check-ins, each type of them. */

#include "mdm/message_parts.h"

#include <string.h>

#define MAX_SERIAL 127
#define MAX_TOPIC 255
#define MAX_PUSH_MAGIC 127
#define MAX_TOKEN_HEX 255

typedef nmdm_err_t *(*decode_fn)(nmdm_msg_t *msg, apr_pool_t *p,
                                 nmdm_plist_t *plist);

static nmdm_err_t *decode_authenticate(nmdm_msg_t *msg, apr_pool_t *p,
                                       nmdm_plist_t *plist)
{
    nmdm_authenticate_t *m = &msg->u.authenticate;
    const char *topic;

    NMDM_TRY(nmdm_plist_string(&topic, plist, "Topic"));
    NMDM_TRY(nmdm_plist_string(&m->serial_number, plist, "SerialNumber"));
    return nmdm_message_fits(p, msg->who.id, "SerialNumber",
                             m->serial_number, MAX_SERIAL);
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
        return nmdm_message_invalid(p, id, "TokenUpdate without Topic,"
                                           " PushMagic or Token");
    }
    m->token_hex = nmdm_hex(p, token);
    NMDM_TRY(nmdm_message_is_as_sent(msg, p, "Topic", m->topic));
    NMDM_TRY(nmdm_message_is_as_sent(msg, p, "PushMagic", m->push_magic));
    NMDM_TRY(nmdm_message_fits(p, id, "Topic", m->topic, MAX_TOPIC));
    NMDM_TRY(nmdm_message_fits(p, id, "PushMagic", m->push_magic,
                               MAX_PUSH_MAGIC));
    return nmdm_message_fits(p, id, "Token in hex", m->token_hex,
                             MAX_TOKEN_HEX);
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
    NMDM_TRY(nmdm_message_to_xml(&xml, p, body));
    NMDM_TRY(nmdm_plist_read_lenient(&plist, &document, &msg->replaced, p,
                                     xml, NMDM_MESSAGE_KEYS, 0));
    msg->text = document.data;
    NMDM_TRY(nmdm_plist_string(&msg->type, plist, "MessageType"));
    if (!msg->type) {
        return nmdm_message_invalid(p, NULL, "check-in without MessageType");
    }
    decode = find_decoder(&msg->type);
    if (!decode) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0406)
                        "unrecognized MessageType: \"%.64s\"", msg->type);
    }
    NMDM_TRY(nmdm_message_resolve(msg, p, plist));
    NMDM_TRY(nmdm_plist_string(&msg->user_long_name, plist, "UserLongName"));
    msg->user_long_name = nmdm_message_shortened(p, msg->user_long_name);
    return decode(msg, p, plist);
}
