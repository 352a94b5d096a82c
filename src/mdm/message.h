/* SPDX-License-Identifier: Apache-2.0 */
/* message.h -- check-ins and command reports: decode, and resolve the
 * enrollment id. Keys and types are Apple's ("Mobile Device Management:
 * Check-in"), their limits those of the database's columns. */

#ifndef NMDM_MESSAGE_H
#define NMDM_MESSAGE_H

#include "base/context.h"

typedef struct {
    const char *serial_number;          /* or NULL */
} nmdm_authenticate_t;

typedef struct {
    const char *topic;
    const char *push_magic;
    const char *token_hex;
    nmdm_bytes_t unlock_token;          /* len 0: none */
    int is_setting_up;                  /* AwaitingConfiguration */
} nmdm_token_update_t;

typedef struct {
    const char *digest_response;        /* NULL: the first of two steps */
} nmdm_user_authenticate_t;

typedef struct {
    const char *token_b64;              /* "" means remove it */
} nmdm_bootstrap_token_t;

typedef struct {
    const char *endpoint;               /* or NULL */
    nmdm_bytes_t data;
} nmdm_declarative_t;

typedef struct {
    const char *service_type;
} nmdm_get_token_t;

typedef struct {
    const char *status;
    const char *command_uuid;           /* or NULL */
    const char *stored;                 /* begins with "<?xml" */
} nmdm_report_t;

typedef struct nmdm_msg_t {
    const char *type;                   /* MessageType; NULL for a report */
    nmdm_id_t who;
    const char *udid;                   /* as sent, or NULL */
    const char *enrollment_id;          /* as sent, or NULL */
    const char *user_short_name;        /* or NULL */
    const char *user_long_name;         /* or NULL */
    nmdm_bytes_t raw;                   /* the request body */
    const char *text;                   /* the document, for the database */
    int replaced;                       /* characters in text that were not
                                         * XML's; 0: text is as in raw */
    union {
        nmdm_authenticate_t authenticate;
        nmdm_token_update_t token_update;
        nmdm_user_authenticate_t user_authenticate;
        nmdm_bootstrap_token_t bootstrap_token;
        nmdm_declarative_t declarative;
        nmdm_get_token_t get_token;
        nmdm_report_t report;
    } u;
} nmdm_msg_t;

/* The operator's half of a command: what enqueue needs of its plist. */
typedef struct {
    const char *uuid;
    const char *request_type;
    const char *text;                   /* as stored and delivered */
} nmdm_command_t;

/* Whether text has a control character of ASCII. */
int nmdm_message_has_control(const char *text);
/* Whether another server that gets an id in a header understands this one and
 * no other. */
int nmdm_message_id_fits_header(const char *id);

/* Decode body, whose memory must outlive the message. */
nmdm_err_t *nmdm_message_checkin(nmdm_msg_t *msg, apr_pool_t *p,
                                 nmdm_bytes_t body);
nmdm_err_t *nmdm_message_report(nmdm_msg_t *msg, apr_pool_t *p,
                                nmdm_bytes_t body);
nmdm_err_t *nmdm_message_command(nmdm_command_t *command, apr_pool_t *p,
                                 nmdm_bytes_t body);

#endif /* NMDM_MESSAGE_H */
