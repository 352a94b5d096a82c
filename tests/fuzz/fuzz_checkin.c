/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_message.c -- any bytes as a check-in, a report and a command. */

#include "fuzz.h"
#include "nmdm_message.h"

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

static int fits_or_null(const char *text, apr_size_t most)
{
    return !text || fits(text, most);
}

static void check_who(const nmdm_msg_t *msg)
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

static void fuzz_report(apr_pool_t *p, nmdm_bytes_t body)
{
    nmdm_report_t *report;
    nmdm_msg_t msg;

    if (nmdm_message_report(&msg, p, body)) {
        return;
    }
    report = &msg.u.report;
    check_who(&msg);
    PROMISED(fits(report->status, 31));
    PROMISED(fits_or_null(report->command_uuid, 127));
    PROMISED(!strncmp(report->stored, "<?xml", 5));
}

static void fuzz_command(apr_pool_t *p, nmdm_bytes_t body)
{
    nmdm_command_t command;

    if (nmdm_message_command(&command, p, body)) {
        return;
    }
    PROMISED(fits(command.uuid, 127));
    PROMISED(fits(command.request_type, 63));
    PROMISED(!strncmp(command.text, "<?xml", 5));
    PROMISED(strlen(command.text) == body.len);
    PROMISED(!memcmp(command.text, body.data, body.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    fuzz_checkin(p, body_of(p, data, size));
    fuzz_report(p, body_of(p, data, size));
    fuzz_command(p, body_of(p, data, size));
    apr_pool_destroy(p);
    return 0;
}
