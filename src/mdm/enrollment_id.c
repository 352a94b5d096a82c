/* SPDX-License-Identifier: Apache-2.0 */
/* enrollment_id.c -- whose message it is: NanoMDM's id from Apple's keys. */

#include "mdm/message_parts.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

/* What iPadOS sends as UserID on a Shared iPad, whose users go by their
 * short names (behaviour specification 2.1). */
#define SHARED_IPAD_USER_ID "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"

/* The widths of columns, in characters. */
#define MAX_ID 255

#define MAX_USER_NAME 255

/* A name may be repaired. What identifies a user or device may not: another
 * could be meant. */
nmdm_err_t *nmdm_message_is_as_sent(const nmdm_msg_t *msg, apr_pool_t *p,
                                    const char *key, const char *value)
{
    if (msg->replaced && value && strstr(value, NMDM_REPLACEMENT)) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0408)
                        "%s: %s has a character that XML does not allow",
                        msg->who.id ? msg->who.id : "no enrollment", key);
    }
    return NULL;
}

static nmdm_err_t *resolve_user_of_device(nmdm_id_t *who, apr_pool_t *p,
                                          const char *udid,
                                          const char *user_id,
                                          const char *short_name)
{
    who->device_id = udid;
    who->on_user_channel = 1;
    if (strcmp(user_id, SHARED_IPAD_USER_ID)) {
        who->type = NMDM_USER;
        who->id = apr_pstrcat(p, udid, ":", user_id, NULL);
        return NULL;
    }
    if (!short_name) {
        return nmdm_message_invalid(p, udid,
                                    "Shared iPad without UserShortName");
    }
    who->type = NMDM_SHARED_IPAD;
    who->id = apr_pstrcat(p, udid, ":", short_name, NULL);
    return NULL;
}

/* People have long names. What is shown of one need not be all of it. */
const char *nmdm_message_shortened(apr_pool_t *p, const char *name)
{
    return name ? nmdm_utf8_shortened(p, name, MAX_USER_NAME) : NULL;
}

static nmdm_err_t *read_names(nmdm_msg_t *msg, const char **user_id,
                              const char **enrollment_user_id,
                              nmdm_plist_t *plist)
{
    nmdm_err_t *err;

    NMDM_TRY(nmdm_plist_string(&msg->udid, plist, "UDID"));
    NMDM_TRY(nmdm_plist_string(user_id, plist, "UserID"));
    err = nmdm_plist_string(&msg->user_short_name, plist, "UserShortName");
    if (err && (msg->type
                || (*user_id && !strcmp(*user_id, SHARED_IPAD_USER_ID)))) {
        return err;             /* other reports do not need it */
    }
    NMDM_TRY(nmdm_plist_string(&msg->enrollment_id, plist, "EnrollmentID"));
    return nmdm_plist_string(enrollment_user_id, plist, "EnrollmentUserID");
}

nmdm_err_t *nmdm_message_resolve(nmdm_msg_t *msg, apr_pool_t *p,
                                 nmdm_plist_t *plist)
{
    nmdm_id_t *who = &msg->who;
    const char *user_id, *enrollment_user_id;

    NMDM_TRY(read_names(msg, &user_id, &enrollment_user_id, plist));
    if (msg->udid && user_id) {
        NMDM_TRY(resolve_user_of_device(who, p, msg->udid, user_id,
                                        msg->user_short_name));
    }
    else if (msg->udid) {
        who->type = NMDM_DEVICE;
        who->id = who->device_id = msg->udid;
    }
    else if (msg->enrollment_id && enrollment_user_id) {
        who->type = NMDM_USER_ENROLLMENT;
        who->device_id = msg->enrollment_id;
        who->on_user_channel = 1;
        who->id = apr_pstrcat(p, msg->enrollment_id, ":", enrollment_user_id,
                              NULL);
    }
    else if (msg->enrollment_id) {
        who->type = NMDM_USER_ENROLLMENT_DEVICE;
        who->id = who->device_id = msg->enrollment_id;
    }
    else {
        return nmdm_err(p, NMDM_REFUSED, APR_SUCCESS, NMDMNO(0403)
                        "nil enrollment id: neither UDID nor EnrollmentID");
    }
    NMDM_TRY(nmdm_message_is_as_sent(msg, p, "the enrollment id", who->id));
    NMDM_TRY(nmdm_message_fits(p, NULL, "the enrollment id", who->id, MAX_ID));
    msg->user_short_name = nmdm_message_shortened(p, msg->user_short_name);
    return NULL;
}

int nmdm_message_has_control(const char *text)
{
    for (; *text; text++) {
        if (apr_iscntrl(*text)) {
            return 1;
        }
    }
    return 0;
}

/* A header ends at a line break, and receivers trim it: " A" would speak for
 * the enrollment "A". */
int nmdm_message_id_fits_header(const char *id)
{
    apr_size_t len = strlen(id);

    return len && !nmdm_message_has_control(id) && id[0] != ' '
        && id[len - 1] != ' ';
}
