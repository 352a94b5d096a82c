/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_checkin.c -- any bytes as a check-in. */

#include "message.h"

static void check_token_update(const nmdm_token_update_t *update)
{
    PROMISED(fits(update->topic, 255));
    PROMISED(fits(update->push_magic, 127));
    PROMISED(fits(update->token_hex, 255));
}

static void fuzz_checkin(apr_pool_t *p, nmdm_bytes_t body)
{
    nmdm_msg_t msg;

    if (nmdm_message_checkin(&msg, p, body)) {
        return;
    }
    check_who(&msg);
    if (!strcmp(msg.type, "TokenUpdate")) {
        check_token_update(&msg.u.token_update);
    }
    if (!strcmp(msg.type, "Authenticate")) {
        PROMISED(fits_or_null(msg.u.authenticate.serial_number, 127));
    }
    if (!strcmp(msg.type, "SetBootstrapToken")) {
        PROMISED(msg.u.bootstrap_token.token_b64);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    fuzz_checkin(p, body_of(p, data, size));
    apr_pool_destroy(p);
    return 0;
}
