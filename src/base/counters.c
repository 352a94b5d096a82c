/* SPDX-License-Identifier: Apache-2.0 */
/* counters.c -- what happened, counted by all children together.
 *
 * Counting is an atomic addition. Once a minute and once a quarter of an hour
 * all counters are copied, so that the last hour and day are differences.
 * Different devices are counted by sketches (HyperLogLog): 2 KiB for each five
 * minutes and each hour, however many devices there are. */

#include "base/counters.h"

#include <apr_atomic.h>

#include <math.h>
#include <string.h>

/* ---- The memory ---- */

/* Room for all families; a test compares. */
#define CELLS 200

/* One copy more than there are steps. */
#define MINUTES (NMDM_MINUTES + 1)
#define QUARTERS (NMDM_QUARTERS + 1)
/* A depth of the queue that is older, in seconds, is not known any more. */
#define OLD_DEPTH 180

/* 2048 registers err by 1.04 / sqrt(2048) = 2.3 %. */
#define REGISTERS 2048
#define REGISTER_BITS 11
#define FIVE_MINUTES 13
#define HOURS 25

typedef struct {
    apr_uint32_t period;        /* since 1970 */
    unsigned char registers[REGISTERS];
} sketch_t;

/* What was there when a step began. */
typedef struct {
    apr_uint32_t period;        /* since 1970 */
    apr_uint32_t depth;         /* of the queue and 1; 0: not known */
    apr_uint64_t cells[CELLS];
} copy_t;

struct nmdm_counters_t {
    apr_time_t since;
    apr_uint64_t cells[CELLS];
    apr_uint32_t depth;         /* as above */
    apr_uint32_t depth_at;      /* seconds since 1970 */
    apr_uint32_t depth_minute;  /* since 1970, of the last look */
    apr_uint32_t last[NMDM_STEPS];      /* period of the last copy */
    copy_t minutes[MINUTES], quarters[QUARTERS];
    sketch_t of_five_minutes[FIVE_MINUTES], of_hours[HOURS], ending[HOURS];
    apr_uint32_t deaths;        /* since the last line about them */
    apr_uint32_t deaths_at;     /* of that line, seconds since 1970 */
};

static const struct {
    int seconds, slots;
    apr_size_t at;              /* of the first copy */
} STEPS[NMDM_STEPS] = {
    [NMDM_BY_MINUTE] = { 60, MINUTES,
                         APR_OFFSETOF(nmdm_counters_t, minutes) },
    [NMDM_BY_QUARTER] = { 900, QUARTERS,
                          APR_OFFSETOF(nmdm_counters_t, quarters) },
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
    /* Copies are due. */
    counters->last[NMDM_BY_MINUTE] = period_of(now, 60) - 1;
    counters->last[NMDM_BY_QUARTER] = period_of(now, 900) - 1;
}

apr_time_t nmdm_counters_since(nmdm_counters_t *counters)
{
    return counters->since;
}

/* ---- Counting ---- */

#define COUNT(list) ((int)(sizeof(list) / sizeof(*(list))))

/* The upper bounds of durations but the last, which has none. */
static const apr_interval_time_t BOUNDS_OF[] = {
    1000, 5000, 25000, 100000, 500000, 2500000
};

/* The cell of a family's first value: after those of the families before
 * it. */
static int first_cell(nmdm_count_e family)
{
    int i, cell = 0;

    for (i = 0; i < (int)family; i++) {
        cell += nmdm_count_family(i)->n * nmdm_count_family(i)->seconds;
    }
    return cell;
}

static int find(const char *const *values, int n, const char *value)
{
    int i = 0;

    while (values && value && i < n - 1 && strcmp(values[i], value)) {
        i++;
    }
    return values ? i : 0;
}

void nmdm_count(nmdm_counters_t *counters, nmdm_count_e family,
                const char *value, const char *second, apr_uint64_t number)
{
    const nmdm_family_t *f = nmdm_count_family(family);
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
    const nmdm_family_t *f = nmdm_count_family(NMDM_COUNT_DURATION);
    int i = 0;

    while (i < COUNT(BOUNDS_OF) && took > BOUNDS_OF[i]) {
        i++;
    }
    nmdm_count(counters, NMDM_COUNT_DURATION, handler, f->second_values[i], 1);
    nmdm_count(counters, NMDM_COUNT_MICROSECONDS, handler, NULL,
               took > 0 ? (apr_uint64_t)took : 0);
}

/* ---- Reading ---- */

static int cell_of(nmdm_count_e family, int value, int second)
{
    return first_cell(family) + value * nmdm_count_family(family)->seconds
        + second;
}

apr_uint64_t nmdm_counted(nmdm_counters_t *counters,
                          nmdm_count_e family, int value, int second)
{
    return apr_atomic_read64(
        &counters->cells[cell_of(family, value, second)]);
}

static copy_t *copy_of(nmdm_counters_t *counters, nmdm_step_e step,
                       apr_uint32_t period)
{
    return (copy_t *)((char *)counters + STEPS[step].at)
        + period % (apr_uint32_t)STEPS[step].slots;
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
        copy_t *copy = copy_of(counters, NMDM_BY_MINUTE, minute);

        if (copy->period == minute) {
            return copy->cells;
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

/* What was there when that step began; NULL when no copy was made. */
static const copy_t *at_step(nmdm_counters_t *counters, nmdm_step_e step,
                             apr_uint32_t period)
{
    const copy_t *copy = copy_of(counters, step, period);

    return copy->period == period ? copy : NULL;
}

int nmdm_counted_steps(nmdm_step_e step)
{
    return STEPS[step].slots - 1;
}

void nmdm_counted_by_step(apr_uint64_t *out, nmdm_counters_t *counters,
                          nmdm_step_e step, nmdm_count_e family, int value,
                          int second, apr_time_t now)
{
    int cell = cell_of(family, value, second), i;
    int steps = nmdm_counted_steps(step), seconds = STEPS[step].seconds;
    apr_uint32_t first = period_of(now, seconds) - (apr_uint32_t)steps + 1;
    apr_uint64_t before = 0;
    int is_known = counters->since
        > now - apr_time_from_sec((apr_int64_t)seconds * steps);

    for (i = 0; i < steps; i++) {
        const copy_t *start = at_step(counters, step,
                                      first + (apr_uint32_t)i);
        const copy_t *end = at_step(counters, step,
                                    first + (apr_uint32_t)i + 1);
        apr_uint64_t after;

        before = start ? start->cells[cell] : before;
        is_known = is_known || start;
        after = i == steps - 1
            ? nmdm_counted(counters, family, value, second)
            : end ? end->cells[cell] : before;
        out[i] = is_known && after > before ? after - before : 0;
        before = after;
    }
}

apr_uint64_t nmdm_counted_of(nmdm_counters_t *counters,
                             nmdm_count_e family, int value)
{
    apr_uint64_t sum = 0;
    int i;

    for (i = 0; i < nmdm_count_family(family)->seconds; i++) {
        sum += nmdm_counted(counters, family, value, i);
    }
    return sum;
}

apr_uint64_t nmdm_counted_all(nmdm_counters_t *counters,
                              nmdm_count_e family)
{
    apr_uint64_t sum = 0;
    int i;

    for (i = 0; i < nmdm_count_family(family)->n; i++) {
        sum += nmdm_counted_of(counters, family, i);
    }
    return sum;
}

/* As noted, unless that is long ago. */
static apr_uint32_t depth_now(nmdm_counters_t *counters, apr_time_t now)
{
    apr_uint32_t at = apr_atomic_read32(&counters->depth_at);
    apr_int64_t age = apr_time_sec(now) - (apr_int64_t)at;

    return age > OLD_DEPTH || age < -OLD_DEPTH
        ? 0 : apr_atomic_read32(&counters->depth);
}

static void tick(nmdm_counters_t *counters, nmdm_step_e step, apr_time_t now)
{
    apr_uint32_t period = period_of(now, STEPS[step].seconds), last;
    copy_t *copy = copy_of(counters, step, period);
    int i;

    last = apr_atomic_read32(&counters->last[step]);
    /* Further ahead than a step it is of a clock that has been set back. */
    if (last == period || last == period + 1
        || apr_atomic_cas32(&counters->last[step], period, last) != last) {
        return;                 /* another thread has, or does */
    }
    apr_atomic_set32(&copy->period, 0);
    copy->depth = depth_now(counters, now);
    for (i = 0; i < CELLS; i++) {
        copy->cells[i] = apr_atomic_read64(&counters->cells[i]);
    }
    apr_atomic_set32(&copy->period, period);
}

void nmdm_counters_tick(nmdm_counters_t *counters, apr_time_t now)
{
    if (counters) {
        tick(counters, NMDM_BY_MINUTE, now);
        tick(counters, NMDM_BY_QUARTER, now);
    }
}

/* ---- The depth of the queue ---- */

int nmdm_counters_depth_is_due(nmdm_counters_t *counters, apr_time_t now)
{
    apr_uint32_t minute = period_of(now, 60), last;

    if (!counters) {
        return 0;
    }
    last = apr_atomic_read32(&counters->depth_minute);
    return last != minute
        && apr_atomic_cas32(&counters->depth_minute, minute, last) == last;
}

void nmdm_counters_note_depth(nmdm_counters_t *counters, apr_int64_t depth,
                              apr_time_t now)
{
    if (counters) {
        apr_atomic_set32(&counters->depth, (apr_uint32_t)depth + 1);
        apr_atomic_set32(&counters->depth_at,
                         (apr_uint32_t)apr_time_sec(now));
    }
}

void nmdm_counters_depths(apr_int64_t *out, nmdm_counters_t *counters,
                          nmdm_step_e step, apr_time_t now)
{
    int steps = nmdm_counted_steps(step), i;
    apr_uint32_t first = period_of(now, STEPS[step].seconds)
        - (apr_uint32_t)steps + 1;

    for (i = 0; i < steps - 1; i++) {
        const copy_t *end = at_step(counters, step,
                                    first + (apr_uint32_t)i + 1);

        out[i] = end ? (apr_int64_t)end->depth - 1 : -1;
    }
    out[i] = (apr_int64_t)depth_now(counters, now) - 1;
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
