/* SPDX-License-Identifier: Apache-2.0 */
/* counters.c -- what happened, counted by all children together.
 *
 * Counting is an atomic addition. Once a minute all counters are copied, so
 * that the last hour is a difference. Different devices are counted by
 * sketches (HyperLogLog): 2 KiB for each five minutes and each hour, however
 * many devices there are. */

#include "base/counters.h"

#include <apr_atomic.h>

#include <math.h>
#include <string.h>

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
static const apr_interval_time_t BOUNDS_OF[] = {
    1000, 5000, 25000, 100000, 500000, 2500000
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

/* ---- The memory ---- */

/* Room for all families; a test compares. */
#define CELLS 200

/* Copies of an hour and a minute. */
#define COPIES 61

/* 2048 registers err by 1.04 / sqrt(2048) = 2.3 %. */
#define REGISTERS 2048
#define REGISTER_BITS 11
#define FIVE_MINUTES 13
#define HOURS 25

typedef struct {
    apr_uint32_t period;        /* since 1970 */
    unsigned char registers[REGISTERS];
} sketch_t;

struct nmdm_counters_t {
    apr_time_t since;
    apr_uint64_t cells[CELLS];
    apr_uint32_t minute;        /* since 1970, of the last copy */
    struct {
        apr_uint32_t minute;
        apr_uint64_t cells[CELLS];
    } copies[COPIES];
    sketch_t of_five_minutes[FIVE_MINUTES], of_hours[HOURS], ending[HOURS];
    apr_uint32_t deaths;        /* since the last line about them */
    apr_uint32_t deaths_at;     /* of that line, seconds since 1970 */
};

static const struct {
    int seconds, slots;
} SPANS[] = {
    [NMDM_LAST_HOUR] = { 300, FIVE_MINUTES },
    [NMDM_LAST_DAY] = { 3600, HOURS },
    [NMDM_ENDING_LAST_DAY] = { 3600, HOURS },
};

apr_size_t nmdm_counters_size(void)
{
    return sizeof(nmdm_counters_t);
}

static apr_uint32_t period_of(apr_time_t now, int seconds)
{
    return (apr_uint32_t)(apr_time_sec(now) / seconds);
}

void nmdm_counters_make(nmdm_counters_t *counters, apr_time_t now)
{
    counters->since = now;
    counters->minute = period_of(now, 60) - 1;  /* the copy is due */
}

apr_time_t nmdm_counters_since(nmdm_counters_t *counters)
{
    return counters->since;
}

/* ---- Counting ---- */

/* The cell of a family's first value: after those of the families before
 * it. */
static int first_cell(nmdm_count_e family)
{
    int i, cell = 0;

    for (i = 0; i < (int)family; i++) {
        cell += FAMILIES[i].n * FAMILIES[i].seconds;
    }
    return cell;
}

static int find(const char *const *values, int n, const char *value)
{
    int i = 0;

    while (values && i < n - 1 && strcmp(values[i], value)) {
        i++;
    }
    return values ? i : 0;
}

void nmdm_count(nmdm_counters_t *counters, nmdm_count_e family,
                const char *value, const char *second, apr_uint64_t number)
{
    const nmdm_family_t *f = &FAMILIES[family];
    int cell;

    if (counters) {
        cell = first_cell(family) + find(f->values, f->n, value) * f->seconds
            + find(f->second_values, f->seconds, second);
        apr_atomic_add64(&counters->cells[cell], number);
    }
}

void nmdm_count_duration(nmdm_counters_t *counters, const char *handler,
                         apr_interval_time_t took)
{
    int i = 0;

    while (i < COUNT(BOUNDS_OF) && took > BOUNDS_OF[i]) {
        i++;
    }
    nmdm_count(counters, NMDM_COUNT_DURATION, handler, BOUNDS[i], 1);
    nmdm_count(counters, NMDM_COUNT_MICROSECONDS, handler, NULL,
               took > 0 ? (apr_uint64_t)took : 0);
}

/* ---- Reading ---- */

static int cell_of(nmdm_count_e family, int value, int second)
{
    return first_cell(family) + value * FAMILIES[family].seconds + second;
}

apr_uint64_t nmdm_counted(nmdm_counters_t *counters,
                          nmdm_count_e family, int value, int second)
{
    return apr_atomic_read64(
        &counters->cells[cell_of(family, value, second)]);
}

/* The oldest copy of the last hour; NULL when counting began later. */
static const apr_uint64_t *an_hour_ago(nmdm_counters_t *counters,
                                       apr_time_t now)
{
    apr_uint32_t to = period_of(now, 60), minute;

    if (counters->since > now - apr_time_from_sec(3600)) {
        return NULL;
    }
    for (minute = to - 60; minute <= to; minute++) {
        if (counters->copies[minute % COPIES].minute == minute) {
            return counters->copies[minute % COPIES].cells;
        }
    }
    return NULL;
}

apr_uint64_t nmdm_counted_lately(nmdm_counters_t *counters,
                                 nmdm_count_e family, int value, int second,
                                 apr_time_t now)
{
    const apr_uint64_t *before = an_hour_ago(counters, now);
    apr_uint64_t all = nmdm_counted(counters, family, value, second);

    return before ? all - before[cell_of(family, value, second)] : all;
}

/* What a cell held when that minute began; NULL when no copy was made. */
static const apr_uint64_t *at_minute(nmdm_counters_t *counters,
                                     apr_uint32_t minute, int cell)
{
    return counters->copies[minute % COPIES].minute == minute
        ? &counters->copies[minute % COPIES].cells[cell] : NULL;
}

void nmdm_counted_by_minute(apr_uint64_t *out, nmdm_counters_t *counters,
                            nmdm_count_e family, int value, int second,
                            apr_time_t now)
{
    int cell = cell_of(family, value, second), i;
    apr_uint32_t first = period_of(now, 60) - NMDM_MINUTES + 1;
    apr_uint64_t before = 0;
    int is_known = counters->since > now - apr_time_from_sec(3600);

    for (i = 0; i < NMDM_MINUTES; i++) {
        const apr_uint64_t *start = at_minute(counters, first + i, cell);
        const apr_uint64_t *end = at_minute(counters, first + i + 1, cell);
        apr_uint64_t after;

        before = start ? *start : before;
        is_known = is_known || start;
        after = i == NMDM_MINUTES - 1
            ? nmdm_counted(counters, family, value, second)
            : end ? *end : before;
        out[i] = is_known && after > before ? after - before : 0;
        before = after;
    }
}

apr_uint64_t nmdm_counted_of(nmdm_counters_t *counters,
                             nmdm_count_e family, int value)
{
    apr_uint64_t sum = 0;
    int i;

    for (i = 0; i < FAMILIES[family].seconds; i++) {
        sum += nmdm_counted(counters, family, value, i);
    }
    return sum;
}

apr_uint64_t nmdm_counted_all(nmdm_counters_t *counters,
                              nmdm_count_e family)
{
    apr_uint64_t sum = 0;
    int i;

    for (i = 0; i < FAMILIES[family].n; i++) {
        sum += nmdm_counted_of(counters, family, i);
    }
    return sum;
}

void nmdm_counters_tick(nmdm_counters_t *counters, apr_time_t now)
{
    apr_uint32_t minute = period_of(now, 60), last;
    int slot = minute % COPIES, i;

    if (!counters) {
        return;
    }
    last = apr_atomic_read32(&counters->minute);
    /* Further ahead than a minute it is of a clock that has been set back. */
    if (last == minute || last == minute + 1
        || apr_atomic_cas32(&counters->minute, minute, last) != last) {
        return;                 /* another thread has, or does */
    }
    apr_atomic_set32(&counters->copies[slot].minute, 0);
    for (i = 0; i < CELLS; i++) {
        counters->copies[slot].cells[i]
            = apr_atomic_read64(&counters->cells[i]);
    }
    apr_atomic_set32(&counters->copies[slot].minute, minute);
}

/* ---- How many different devices ---- */

/* FNV-1a, its bits mixed well by the finish of MurmurHash3. */
static apr_uint64_t hash_of(const char *id)
{
    apr_uint64_t hash = 0xcbf29ce484222325ULL;

    for (; *id; id++) {
        hash = (hash ^ (unsigned char)*id) * 0x100000001b3ULL;
    }
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdULL;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return hash ^ hash >> 33;
}

static sketch_t *sketches(nmdm_counters_t *counters, nmdm_span_e span)
{
    return span == NMDM_LAST_HOUR ? counters->of_five_minutes
        : span == NMDM_LAST_DAY ? counters->of_hours : counters->ending;
}

/* Two threads may write at once and one of them be lost: an estimate tolerates
 * that, and the device asks again. */
static void note(nmdm_counters_t *counters, nmdm_span_e span,
                 apr_uint64_t hash, apr_time_t now)
{
    apr_uint32_t period = period_of(now, SPANS[span].seconds);
    sketch_t *sketch = &sketches(counters, span)[period % SPANS[span].slots];
    apr_uint32_t last = apr_atomic_read32(&sketch->period);
    apr_uint64_t rest = hash << REGISTER_BITS;
    unsigned char *slot = &sketch->registers[hash >> (64 - REGISTER_BITS)];
    unsigned char rank = 1;

    if (last != period
        && apr_atomic_cas32(&sketch->period, period, last) == last) {
        memset(sketch->registers, 0, sizeof(sketch->registers));
    }
    while (rank <= 64 - REGISTER_BITS && !(rest & 1ULL << 63)) {
        rest <<= 1;
        rank++;
    }
    if (*slot < rank) {
        *slot = rank;
    }
}

void nmdm_counters_see(nmdm_counters_t *counters, const char *id,
                       apr_time_t now)
{
    apr_uint64_t hash;

    if (counters) {
        hash = hash_of(id);
        note(counters, NMDM_LAST_HOUR, hash, now);
        note(counters, NMDM_LAST_DAY, hash, now);
    }
}

void nmdm_counters_see_ending(nmdm_counters_t *counters, const char *sha256,
                              apr_time_t now)
{
    if (counters) {
        note(counters, NMDM_ENDING_LAST_DAY, hash_of(sha256), now);
    }
}

apr_uint64_t nmdm_counters_seen(nmdm_counters_t *counters,
                                nmdm_span_e span, apr_time_t now)
{
    const sketch_t *all = sketches(counters, span);
    apr_uint32_t to = period_of(now, SPANS[span].seconds);
    double sum = 0, estimate, m = REGISTERS;
    int zeros = 0, i, k;

    for (i = 0; i < REGISTERS; i++) {
        unsigned char most = 0;

        for (k = 0; k < SPANS[span].slots; k++) {
            if (all[k].period <= to
                && to - all[k].period < (apr_uint32_t)SPANS[span].slots
                && all[k].registers[i] > most) {
                most = all[k].registers[i];
            }
        }
        zeros += !most;
        sum += ldexp(1, -most);
    }
    estimate = 0.7213 / (1 + 1.079 / m) * m * m / sum;
    /* Small numbers are estimated by how many registers are empty. */
    if (estimate <= 2.5 * m && zeros) {
        estimate = m * log(m / zeros);
    }
    return (apr_uint64_t)(estimate + 0.5);
}

/* ---- Events that died ---- */

apr_uint32_t nmdm_counters_due_deaths(nmdm_counters_t *counters,
                                      apr_uint32_t number, apr_time_t now)
{
    apr_uint32_t second = (apr_uint32_t)apr_time_sec(now), before;

    if (!counters) {
        return number;
    }
    if (number) {
        apr_atomic_add32(&counters->deaths, number);
    }
    if (!apr_atomic_read32(&counters->deaths)) {
        return 0;
    }
    before = apr_atomic_read32(&counters->deaths_at);
    /* A clock that was set back is a new minute, too. */
    if ((second < before + 60 && second + 60 >= before)
        || apr_atomic_cas32(&counters->deaths_at, second, before) != before) {
        return 0;
    }
    return apr_atomic_xchg32(&counters->deaths, 0);
}
