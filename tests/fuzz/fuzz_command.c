/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_command.c -- any bytes as a command. */

#include "message.h"

static void fuzz_command(apr_pool_t *p, nmdm_bytes_t body)
{
    nmdm_command_t command;

    if (nmdm_message_command(&command, p, body)) {
        return;
    }
    PROMISED(fits(command.uuid, 127));
    PROMISED(fits(command.request_type, 63));
    PROMISED(!strncmp(command.text, "<?xml", 5));
    if (!memcmp(body.data, "\xEF\xBB\xBF", 3)) {       /* is left out */
        body.data += 3;
        body.len -= 3;
    }
    PROMISED(strlen(command.text) == body.len);
    PROMISED(!memcmp(command.text, body.data, body.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    fuzz_command(p, body_of(p, data, size));
    apr_pool_destroy(p);
    return 0;
}
