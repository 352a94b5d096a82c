/* SPDX-License-Identifier: Apache-2.0 */
/* message_parts.c -- what the decoders share. */

#include "mdm/message_parts.h"
#include "codec/plist_binary.h"
#include "codec/plist_tree.h"

/* Every key of every message; those that do not belong to the message at hand
 * are read and then not looked at. */
const char *const NMDM_MESSAGE_KEYS[] = {
    "MessageType", "UDID", "UserID", "UserShortName", "UserLongName",
    "EnrollmentID", "EnrollmentUserID", "SerialNumber", "Topic", "PushMagic",
    "Token", "UnlockToken", "DigestResponse", "BootstrapToken", "Endpoint",
    "Data", "TokenServiceType", "TokenParameters", "CommandUUID", "Status",
    "Command/RequestType", "AwaitingConfiguration", NULL
};

nmdm_err_t *nmdm_message_invalid(apr_pool_t *p, const char *id,
                                 const char *what)
{
    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS,
                    NMDMNO(0401) "%s: %s", id ? id : "-", what);
}

nmdm_err_t *nmdm_message_fits(apr_pool_t *p, const char *id, const char *key,
                              const char *value, apr_size_t most)
{
    if (value && nmdm_utf8_length(value) > most) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0402)
                        "%s: %s is longer than %" APR_SIZE_T_FMT
                        " characters", id ? id : "-", key, most);
    }
    return NULL;
}

/* A binary property list is stored, and answered, as XML: the tables demand
 * it. */
nmdm_err_t *nmdm_message_to_xml(nmdm_bytes_t *xml, apr_pool_t *p,
                                nmdm_bytes_t body)
{
    *xml = body;
    return nmdm_plist_binary_is(body)
        ? nmdm_plist_tree_binary_to_xml(xml, p, body) : NULL;
}
