/* SPDX-License-Identifier: Apache-2.0 */
/* message_parts.h -- what the decoders of src/mdm share. */

#ifndef NMDM_MESSAGE_PARTS_H
#define NMDM_MESSAGE_PARTS_H

#include "mdm/message.h"
#include "codec/plist.h"
#include "codec/plist_repair.h"

/* The width of the column of command UUIDs, in characters. */
#define NMDM_MESSAGE_UUID 127

/* Every key of every message, as nmdm_plist_read wants them; a decoder ignores
 * those of other messages. */
extern const char *const NMDM_MESSAGE_KEYS[];

/* NMDM_INVALID; id may be NULL. */
nmdm_err_t *nmdm_message_invalid(apr_pool_t *p, const char *id,
                                 const char *what);
/* NMDM_INVALID names key when value, which may be NULL, has more than `most`
 * characters. */
nmdm_err_t *nmdm_message_fits(apr_pool_t *p, const char *id, const char *key,
                              const char *value, apr_size_t most);

/* Sets *xml to body or, when that is a binary property list, to the same as
 * XML, in p. */
nmdm_err_t *nmdm_message_to_xml(nmdm_bytes_t *xml, apr_pool_t *p,
                                nmdm_bytes_t body);

/* NMDM_INVALID when value, which may be NULL, names an enrollment or the like
 * and has a replaced character. */
nmdm_err_t *nmdm_message_is_as_sent(const nmdm_msg_t *msg, apr_pool_t *p,
                                    const char *key, const char *value);
/* The name of a user, which may be NULL, as long as its column allows. */
const char *nmdm_message_shortened(apr_pool_t *p, const char *name);
/* Fills in msg->who and what it is made of (behaviour specification 2.1).
 * NMDM_REFUSED when the message has neither UDID nor EnrollmentID. */
nmdm_err_t *nmdm_message_resolve(nmdm_msg_t *msg, apr_pool_t *p,
                                 nmdm_plist_t *plist);

#endif /* NMDM_MESSAGE_PARTS_H */
