/* SPDX-License-Identifier: Apache-2.0 */
/* counter_families.c -- which counters there are. */

#include "base/counters.h"

#define COUNT(list) ((int)(sizeof(list) / sizeof(*(list))))

/* ---- The families ---- */

static const char *const HANDLERS[] = {
    "device", "api", "migration", "scep", "enroll", "status", "version"
};
static const char *const CLASSES[] = { "2xx", "4xx", "503", "5xx" };
static const char *const OUTCOMES[] = { "ok", "unavailable", "refused" };
static const char *const CHECKINS[] = {
    "Authenticate", "TokenUpdate", "CheckOut", "UserAuthenticate",
    "SetBootstrapToken", "GetBootstrapToken", "DeclarativeManagement",
    "GetToken", "ReturnToService", "other"
};
static const char *const STATUSES[] = {
    "Idle", "Acknowledged", "NotNow", "Error", "CommandFormatError", "other"
};
static const char *const PUSHES[] = {
    "ok", "BadDeviceToken", "DeviceTokenNotForTopic", "ExpiredToken",
    "Unregistered", "TopicDisallowed", "BadCertificate",
    "BadCertificateEnvironment", "Forbidden", "TooManyRequests",
    "InternalServerError", "ServiceUnavailable", "Shutdown", "no answer",
    "not tried", "other"
};
static const char *const SCEP[] = {
    "success", "badAlg", "badMessageCheck", "badRequest", "badTime",
    "badCertId", "unreadable"
};
static const char *const PROFILES[] = {
    "user", "link", "machineinfo", "open", "gate", "limited", "refused"
};
static const char *const EVENTS[] = { "taken", "too_large", "failed" };
static const char *const FAILURES[] = { "connection", "statement", "batch" };
static const char *const AFTERWARDS[] = { "repeated", "failed" };
/* Upper bounds of durations, in seconds. */
static const char *const BOUNDS[] = {
    "0.001", "0.005", "0.025", "0.1", "0.5", "2.5", "+Inf"
};

#define NO_KEY NULL, NULL, 1
#define KEY(name, list) name, list, COUNT(list)

static const nmdm_family_t FAMILIES[] = {
    [NMDM_COUNT_REQUESTS] = {
        "requests", "Requests answered, by handler and class of status.",
        KEY("handler", HANDLERS), KEY("code", CLASSES) },
    [NMDM_COUNT_CHECKINS] = {
        "checkins", "Check-ins of devices, by message type and outcome.",
        KEY("type", CHECKINS), KEY("outcome", OUTCOMES) },
    [NMDM_COUNT_REPORTS] = {
        "reports", "Polls and command reports, by status and outcome.",
        KEY("status", STATUSES), KEY("outcome", OUTCOMES) },
    [NMDM_COUNT_UNREAD] = {
        "unread", "Requests of devices answered before their message was"
        " known.", KEY("outcome", OUTCOMES), NO_KEY },
    [NMDM_COUNT_DELIVERED] = {
        "commands_delivered", "Commands sent to devices.", NO_KEY, NO_KEY },
    [NMDM_COUNT_PUSHES] = {
        "pushes", "Pushes to APNs, by result.", KEY("result", PUSHES),
        NO_KEY },
    [NMDM_COUNT_EVENTS] = {
        "webhook_events", "Tries to deliver an event to a webhook.",
        KEY("result", EVENTS), NO_KEY },
    [NMDM_COUNT_DATABASE] = {
        "database_failures", "Connections that were not to be had and"
        " statements that failed: what was then repeated, and what the client"
        " was refused.",
        KEY("kind", FAILURES), KEY("outcome", AFTERWARDS) },
    [NMDM_COUNT_LIMITED] = {
        "limited", "Requests of devices beyond what"
        " NanoMDMRateLimit allows.", NO_KEY, NO_KEY },
    [NMDM_COUNT_SCEP] = {
        "scep_answers", "Answers to PKIOperation: success, the failInfo, or"
        " unreadable for a message that no CertRep can answer.",
        KEY("result", SCEP), NO_KEY },
    [NMDM_COUNT_PROFILES] = {
        "enrollment_profiles", "Enrollment profiles given, by the reason, and"
        " not given: to a device that a gate sent away, beyond"
        " NanoMDMEnrollLimit, and without a reason.",
        KEY("result", PROFILES), NO_KEY },
    [NMDM_COUNT_DURATION] = {
        "request_duration_seconds", "From the request line to the end of the"
        " answer.", KEY("handler", HANDLERS), KEY("le", BOUNDS) },
    [NMDM_COUNT_MICROSECONDS] = {
        "request_microseconds", "The sum of these.",
        KEY("handler", HANDLERS), NO_KEY },
};

const nmdm_family_t *nmdm_count_family(nmdm_count_e family)
{
    return &FAMILIES[family];
}
