/* SPDX-License-Identifier: Apache-2.0 */
/* report_message.c -- decodes reports on commands. */

#include "mdm/message_parts.h"

#include <apr_strings.h>

#include <string.h>

#define MAX_STATUS 31

/* NanoMDM's tables demand this start of a result. A report without an XML
 * declaration means the same with one; refusing it would make the device send
 * it again without end. */
static const char *with_declaration(apr_pool_t *p, const char *text)
{
    if (!strncmp(text, "<?xml", 5)) {
        return text;
    }
    return apr_pstrcat(p, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
                       text + strspn(text, " \t\r\n"), NULL);
}

/* A report is refused for as little as possible: whatever is odd in it, the
 * device would send it again and again, and no command after it in the queue
 * would be delivered (behaviour specification 3.5). */
nmdm_err_t *nmdm_message_report(nmdm_msg_t *msg, apr_pool_t *p,
                                nmdm_bytes_t body)
{
    nmdm_report_t *m = &msg->u.report;
    nmdm_bytes_t xml, document;
    nmdm_plist_t *plist;

    memset(msg, 0, sizeof(*msg));
    msg->raw = body;
    NMDM_TRY(nmdm_message_to_xml(&xml, p, body));
    NMDM_TRY(nmdm_plist_read_lenient(&plist, &document, &msg->replaced, p,
                                     xml, NMDM_MESSAGE_KEYS, 1));
    msg->text = document.data;
    NMDM_TRY(nmdm_plist_string(&m->status, plist, "Status"));
    if (!m->status) {
        return nmdm_message_invalid(p, NULL, "report without Status");
    }
    NMDM_TRY(nmdm_message_resolve(msg, p, plist));
    NMDM_TRY(nmdm_plist_string(&m->command_uuid, plist, "CommandUUID"));
    if (m->command_uuid
        && (nmdm_utf8_length(m->command_uuid) > NMDM_MESSAGE_UUID
            || nmdm_message_is_as_sent(msg, p, "CommandUUID",
                                       m->command_uuid))) {
        m->command_uuid = NULL;     /* no command has such a UUID */
    }
    m->status = nmdm_utf8_shortened(p, m->status, MAX_STATUS);
    m->stored = with_declaration(p, msg->text);
    return NULL;
}
