/* SPDX-License-Identifier: Apache-2.0 */
/* command_message.c -- decodes commands that operators queue. */

#include "mdm/message_parts.h"

#include <string.h>

#define MAX_REQUEST_TYPE 63

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

    err = nmdm_message_to_xml(&body, p, body);
    if (!err) {
        err = nmdm_plist_read(&plist, &document, p, body, NMDM_MESSAGE_KEYS);
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
    if (nmdm_utf8_length(command->uuid) > NMDM_MESSAGE_UUID) {
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
