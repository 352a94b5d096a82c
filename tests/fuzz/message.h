/* SPDX-License-Identifier: Apache-2.0 */
/* message.h -- for the targets that decode messages: what holds for every one
 * that was accepted. */

#ifndef MESSAGE_H
#define MESSAGE_H

#include "fuzz.h"
#include "mdm/message.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return apr_initialize() != APR_SUCCESS;
}

/* Whether a column of so many characters holds text. */
static int fits(const char *text, apr_size_t most)
{
    return *text && nmdm_utf8_valid(text, strlen(text))
        && nmdm_utf8_length(text) <= most;
}

static inline int fits_or_null(const char *text, apr_size_t most)
{
    return !text || fits(text, most);
}

static inline void check_who(const nmdm_msg_t *msg)
{
    PROMISED(msg->who.type);
    PROMISED(fits(msg->who.id, 255));
    PROMISED(fits(msg->who.device_id, 255));
    PROMISED(msg->who.on_user_channel
             || !strcmp(msg->who.id, msg->who.device_id));
    PROMISED(fits_or_null(msg->user_short_name, 255));
    PROMISED(fits_or_null(msg->user_long_name, 255));
    PROMISED(*msg->text && nmdm_utf8_valid(msg->text, strlen(msg->text)));
}

#endif /* MESSAGE_H */
