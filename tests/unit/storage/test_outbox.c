/* SPDX-License-Identifier: Apache-2.0 */
/* test_outbox.c -- the outbox of durable webhooks: put, lease, order, delays,
 * death and replay; and that it shares the transaction of what it tells of. */

#include "support.h"
#include "webhook/relay.h"
#include "storage/outbox.h"
#include "storage/outbox_payload.h"
#include "db/schema.h"
#include "webhook/event.h"

#include <apr_strings.h>

#include <string.h>

#define TARGET "https://h#1"

/* ---- Calls, each in a unit of its own ---- */

typedef struct {
    const nmdm_event_t *event;
    apr_array_header_t *seqs, *events;
    const char *target, *lease, *why;
    int most, delay, number, takes_no_long;
} call_t;

static nmdm_err_t *do_put(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_outbox_put(ctx, ((call_t *)baton)->event);
}

static nmdm_err_t *do_look(nmdm_ctx_t *ctx, void *baton)
{
    call_t *call = baton;

    return nmdm_outbox_look(ctx, call->seqs, call->target, call->most,
                            !call->takes_no_long);
}

static nmdm_err_t *do_lease(nmdm_ctx_t *ctx, void *baton)
{
    call_t *call = baton;

    apr_array_clear(call->events);      /* it may be done again */
    NMDM_TRY(nmdm_outbox_lease(ctx, call->seqs, call->lease));
    return nmdm_outbox_read(ctx, call->events, call->seqs, call->target,
                            call->lease);
}

static nmdm_err_t *do_renew(nmdm_ctx_t *ctx, void *baton)
{
    call_t *call = baton;

    return nmdm_outbox_renew(ctx, call->seqs, call->lease);
}

static nmdm_err_t *do_done(nmdm_ctx_t *ctx, void *baton)
{
    call_t *call = baton;

    return nmdm_outbox_done(ctx, call->seqs, call->lease);
}

static nmdm_err_t *do_failed(nmdm_ctx_t *ctx, void *baton)
{
    call_t *call = baton;

    return nmdm_outbox_failed(ctx, call->event, call->why, call->delay,
                              call->lease);
}

static nmdm_err_t *do_replay(nmdm_ctx_t *ctx, void *baton)
{
    call_t *call = baton;

    return call->seqs
        ? nmdm_outbox_replay(ctx, &call->number, call->seqs)
        : nmdm_outbox_replay_target(ctx, &call->number, call->target);
}

static void run(world_t *w, nmdm_unit_fn work, call_t *call)
{
    nmdm_ctx_t *ctx = request(w, NULL);

    OK(nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, work, call));
    nmdm_db_release(ctx);
}

static void put_for(world_t *w, const char *device, const char *target,
                    const char *event_id)
{
    nmdm_event_t event = {
        .device_id = device, .target = target, .event_id = event_id,
        .topic = "mdm.Connect", .body = "{}"
    };
    call_t call = { .event = &event };

    run(w, do_put, &call);
}

static void put(world_t *w, const char *device, const char *event_id)
{
    put_for(w, device, TARGET, event_id);
}

static apr_array_header_t *look(world_t *w, int most)
{
    call_t call = { .target = TARGET, .most = most };

    call.seqs = apr_array_make(w->pool, 4, sizeof(const char *));
    run(w, do_look, &call);
    return call.seqs;
}

/* The events that are due, leased by `lease`. */
static apr_array_header_t *lease(world_t *w, apr_array_header_t *seqs,
                                 const char *who)
{
    call_t call = { .target = TARGET, .seqs = seqs, .lease = who };

    call.events = apr_array_make(w->pool, 4, sizeof(nmdm_event_t *));
    if (seqs->nelts) {
        run(w, do_lease, &call);
    }
    return call.events;
}

static const nmdm_event_t *nth(const apr_array_header_t *events, int i)
{
    HOLDS(i < events->nelts, "event %d", i);
    return APR_ARRAY_IDX(events, i, nmdm_event_t *);
}

/* The event ids that are leased by looking now, one after the other. */
static const char *due(world_t *w, const char *who)
{
    apr_array_header_t *events = lease(w, look(w, 50), who);
    const char *text = "";
    int i;

    for (i = 0; i < events->nelts; i++) {
        text = apr_pstrcat(w->pool, text, *text ? " " : "",
                           nth(events, i)->event_id, NULL);
    }
    return text;
}

static void done(world_t *w, const char *seq, const char *who)
{
    call_t call = { .lease = who };

    call.seqs = apr_array_make(w->pool, 1, sizeof(const char *));
    APR_ARRAY_PUSH(call.seqs, const char *) = seq;
    run(w, do_done, &call);
}

static void failed(world_t *w, const nmdm_event_t *event, int delay,
                   const char *who)
{
    call_t call = { .event = event, .why = "because", .delay = delay,
                    .lease = who };

    run(w, do_failed, &call);
}

static void let_leases_end(world_t *w)
{
    tell(w, "UPDATE nanomdm_events SET leased_until = 1");
}

/* ---- Order and leases ---- */

static void only_the_first_of_a_device_is_due(void **state)
{
    world_t *w = *state;

    put(w, "A", "a1");
    put(w, "A", "a2");
    put(w, "B", "b1");
    assert_string_equal(due(w, "me"), "a1 b1");
    assert_string_equal(due(w, "me"), "");
    done(w, "1", "me");
    assert_string_equal(due(w, "me"), "a2");
}

static void each_target_has_an_order_of_its_own(void **state)
{
    world_t *w = *state;

    put_for(w, "A", "https://other#2", "a1");
    put(w, "A", "a2");
    assert_string_equal(due(w, "me"), "a2");
}

static void an_event_has_all_that_was_put(void **state)
{
    world_t *w = *state;
    nmdm_event_t event = {
        .device_id = "A", .target = TARGET, .event_id = "a1",
        .topic = "mdm.CheckOut", .body = "{\"x\":\"\xC3\xA4\"}",
        .traceparent = "00-1"
    };
    call_t call = { .event = &event };
    const nmdm_event_t *got;

    run(w, do_put, &call);
    got = nth(lease(w, look(w, 50), "me"), 0);
    assert_string_equal(got->seq, "1");
    assert_string_equal(got->device_id, "A");
    assert_string_equal(got->topic, "mdm.CheckOut");
    assert_string_equal(got->body, event.body);
    assert_string_equal(got->traceparent, "00-1");
    assert_string_equal(got->target, TARGET);
    assert_int_equal(got->tries, 0);
    assert_false(got->is_last_try);
}

static void of_two_couriers_one_gets_the_lease(void **state)
{
    world_t *w = *state;
    apr_array_header_t *seen_by_both;

    put(w, "A", "a1");
    seen_by_both = look(w, 50);
    assert_int_equal(lease(w, seen_by_both, "me")->nelts, 1);
    assert_int_equal(lease(w, seen_by_both, "you")->nelts, 0);
}

static void a_lease_that_is_over_is_anybodys(void **state)
{
    world_t *w = *state;

    put(w, "A", "a1");
    put(w, "A", "a2");
    assert_string_equal(due(w, "me"), "a1");
    let_leases_end(w);
    assert_string_equal(due(w, "you"), "a1");
    /* Who lost it changes nothing any more. */
    done(w, "1", "me");
    assert_string_equal(ask(w, "SELECT COUNT(*) FROM nanomdm_events"), "2");
    done(w, "1", "you");
    assert_string_equal(due(w, "you"), "a2");
}

static void a_lease_by_a_clock_that_was_ahead_is_over(void **state)
{
    world_t *w = *state;

    put(w, "A", "a1");
    assert_string_equal(due(w, "me"), "a1");
    tell(w, "UPDATE nanomdm_events"
            "   SET leased_until = strftime('%%s', 'now') + 86400");
    assert_string_equal(due(w, "you"), "a1");
}

static void a_lease_is_renewed(void **state)
{
    world_t *w = *state;
    call_t call = { .lease = "me" };

    put(w, "A", "a1");
    call.seqs = look(w, 50);
    assert_int_equal(lease(w, call.seqs, "me")->nelts, 1);
    let_leases_end(w);
    run(w, do_renew, &call);
    assert_string_equal(due(w, "you"), "");
}

static void what_is_leased_at_once_is_bounded(void **state)
{
    world_t *w = *state;
    const char *big = repeat(w->pool, 'x', NMDM_OUTBOX_BYTES - 1);
    int i;

    for (i = 0; i < 60; i++) {
        put(w, apr_psprintf(w->pool, "%d", i), "e");
    }
    assert_int_equal(look(w, 50)->nelts, 50);
    assert_int_equal(look(w, 3)->nelts, 3);
    tell(w, "UPDATE nanomdm_events SET body = '%s' WHERE seq IN (1, 3)", big);
    assert_int_equal(look(w, 50)->nelts, 1);
    tell(w, "DELETE FROM nanomdm_events WHERE seq = 1");
    assert_int_equal(look(w, 50)->nelts, 1);
}

/* ---- Long events ---- */

static void put_long(world_t *w, const char *device, nmdm_bytes_t payload)
{
    nmdm_event_t event = {
        .device_id = device, .target = TARGET, .event_id = "e",
        .topic = "mdm.Connect", .body = "{\"raw_payload\":\"\"}",
        .payload = payload
    };
    call_t call = { .event = &event };

    run(w, do_put, &call);
}

/* Bytes that differ from part to part. */
static nmdm_bytes_t payload_of(world_t *w, apr_size_t len)
{
    char *data = apr_palloc(w->pool, len + 1);
    apr_size_t i;

    for (i = 0; i < len; i++) {
        data[i] = (char)(i * 7 + i / NMDM_OUTBOX_PART);
    }
    data[len] = '\0';
    return (nmdm_bytes_t){ data, len };
}

static void a_payload_is_read_as_it_was_put(void **state)
{
    static const apr_size_t LENGTHS[] = {
        1, 2, 3, NMDM_OUTBOX_PART - 1, NMDM_OUTBOX_PART, NMDM_OUTBOX_PART + 1,
        3 * NMDM_OUTBOX_PART, 3 * NMDM_OUTBOX_PART + 2
    };
    world_t *w = *state;
    nmdm_bytes_t payload, got;
    const nmdm_event_t *event;
    nmdm_ctx_t *ctx;
    size_t i;

    for (i = 0; i < sizeof(LENGTHS) / sizeof(*LENGTHS); i++) {
        payload = payload_of(w, LENGTHS[i]);
        put_long(w, "A", payload);
        event = nth(lease(w, look(w, 1), "me"), 0);
        assert_int_equal(event->payload_size,
                         nmdm_base64_length(payload.len));
        ctx = request(w, NULL);
        OK(nmdm_outbox_payload_read(ctx, &got, w->pool, event->seq,
                                    event->payload_size));
        assert_int_equal(got.len, payload.len);
        assert_memory_equal(got.data, payload.data, payload.len);
        done(w, event->seq, "me");
        assert_string_equal(ask(w, "SELECT COUNT(*)"
                                   "  FROM nanomdm_event_parts"), "0");
    }
}

static void a_damaged_payload_is_not_found(void **state)
{
    static const char *const DAMAGES[] = {
        "UPDATE nanomdm_event_parts SET content = content || 'AAAA'"
        " WHERE part = 1",
        "UPDATE nanomdm_event_parts SET content = '-' || SUBSTR(content, 2)"
        " WHERE part = 1",
        "DELETE FROM nanomdm_event_parts WHERE part = 1",
    };
    world_t *w = *state;
    const nmdm_event_t *event;
    nmdm_bytes_t got;
    size_t i;

    put_long(w, "A", payload_of(w, 3 * NMDM_OUTBOX_PART));
    event = nth(lease(w, look(w, 1), "me"), 0);
    for (i = 0; i < sizeof(DAMAGES) / sizeof(*DAMAGES); i++) {
        tell(w, "%s", DAMAGES[i]);
        REFUSED(nmdm_outbox_payload_read(request(w, NULL), &got, w->pool,
                                         event->seq, event->payload_size),
                NMDM_NOT_FOUND, "part 1 of its payload is missing or damaged");
    }
    REFUSED(nmdm_outbox_payload_read(request(w, NULL), &got, w->pool,
                                     event->seq, NMDM_OUTBOX_LONGEST + 1),
            NMDM_NOT_FOUND, "no payload has the size");
    REFUSED(nmdm_outbox_payload_read(request(w, NULL), &got, w->pool,
                                     event->seq, (apr_size_t)-4),
            NMDM_NOT_FOUND, "no payload has the size");
}

static nmdm_err_t *check_schema(nmdm_ctx_t *ctx)
{
    return nmdm_schema_check(ctx, NMDM_SCHEMA_CHECK);
}

/* By another server, after this one has looked. */
static void an_upgrade_meanwhile_is_noticed(void **state)
{
    world_t *w = *state;
    nmdm_bytes_t payload = payload_of(w, 3);
    const nmdm_event_t *event;

    put_long(w, "A", payload);
    w->db_source.check_schema = check_schema;
    w->schema.version = NMDM_SCHEMA_EVENT_PARTS - 1;
    event = nth(lease(w, look(w, 1), "me"), 0);
    assert_int_equal(event->payload_size, 4);
    assert_int_equal(w->schema.version, NMDM_SCHEMA_VERSION);
}

/* Of an event that never had a payload, in such a database. */
static void without_an_upgrade_nothing_is_done_again(void **state)
{
    world_t *w = *state;

    put_long(w, "A", (nmdm_bytes_t){ NULL, 0 });
    tell(w, "UPDATE nanomdm_schema SET version = %d",
         NMDM_SCHEMA_EVENT_PARTS - 1);
    w->db_source.check_schema = check_schema;
    w->schema.version = NMDM_SCHEMA_EVENT_PARTS - 1;
    w->schema.checked = 1;
    assert_int_equal(lease(w, look(w, 1), "me")->nelts, 1);
    assert_int_equal(w->schema.checked, 1);
}

/* And leaves the others their turn. */
static void one_long_event_is_leased_at_a_time(void **state)
{
    world_t *w = *state;
    call_t call = { .target = TARGET, .most = 50, .takes_no_long = 1 };

    put_long(w, "A", payload_of(w, 100));
    put_long(w, "B", payload_of(w, 100));
    put(w, "C", "c1");
    assert_string_equal(APR_ARRAY_IDX(look(w, 50), 0, const char *), "1");
    assert_string_equal(APR_ARRAY_IDX(look(w, 50), 1, const char *), "3");
    assert_int_equal(look(w, 50)->nelts, 2);
    call.seqs = apr_array_make(w->pool, 4, sizeof(const char *));
    run(w, do_look, &call);
    assert_int_equal(call.seqs->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(call.seqs, 0, const char *), "3");
}

static nmdm_err_t *do_count(nmdm_ctx_t *ctx, void *baton)
{
    apr_int64_t *counts = baton;
    int waits_in_vain;

    NMDM_TRY(nmdm_outbox_bytes(ctx, &counts[0], "A", TARGET));
    return nmdm_outbox_backlog(ctx, &counts[1], &counts[2], &waits_in_vain,
                               TARGET);
}

static void a_payload_counts(void **state)
{
    world_t *w = *state;
    apr_int64_t counts[3];
    nmdm_ctx_t *ctx = request(w, NULL);

    put_long(w, "A", payload_of(w, 3000));
    put(w, "B", "b1");
    OK(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_count, counts));
    nmdm_db_release(ctx);
    assert_int_equal(counts[0], 4000 + 18);
    assert_int_equal(counts[1], 2);
    assert_int_equal(counts[2], 4000 + 18 + 2);
}

/* ---- Failures ---- */

static void a_failure_keeps_its_device_waiting(void **state)
{
    world_t *w = *state;

    put(w, "A", "a1");
    put(w, "A", "a2");
    put(w, "B", "b1");
    failed(w, nth(lease(w, look(w, 1), "me"), 0), 60, "me");
    assert_string_equal(due(w, "me"), "b1");
    /* What comes now waits with them. */
    put(w, "A", "a3");
    assert_string_equal(ask(w, "SELECT COUNT(*) FROM nanomdm_events"
                               " WHERE device_id = 'A'"
                               " AND next_at - strftime('%%s', 'now')"
                               " BETWEEN 58 AND 60"), "3");
    assert_string_equal(ask(w, "SELECT tries FROM nanomdm_events"
                               " WHERE seq = 1"), "1");
    assert_string_equal(ask(w, "SELECT last_error FROM nanomdm_events"
                               " WHERE seq = 1"), "because");
    tell(w, "UPDATE nanomdm_events SET next_at = 0");
    assert_int_equal(nth(lease(w, look(w, 1), "me"), 0)->tries, 1);
}

static void delays_grow_and_spread(void **state)
{
    static const int STEPS[] = { 1, 5, 30, 120, 600, 3600, 3600, 3600 };
    int i;

    (void)state;
    for (i = 0; i < (int)(sizeof(STEPS) / sizeof(*STEPS)); i++) {
        int least = nmdm_outbox_delay(i, 0), most = nmdm_outbox_delay(i, 255);

        assert_int_equal(nmdm_outbox_delay(i, 128), STEPS[i]);
        HOLDS(least >= STEPS[i] * 8 / 10 && least <= STEPS[i], "step %d", i);
        HOLDS(most <= STEPS[i] * 12 / 10 && most >= STEPS[i], "step %d", i);
        HOLDS(least >= 1, "step %d", i);
    }
    assert_int_equal(nmdm_outbox_delay(1000, 128), 3600);
}

static void the_last_delay_ends_with_the_day(void **state)
{
    world_t *w = *state;

    put(w, "A", "a1");
    tell(w, "UPDATE nanomdm_events"
            "   SET dies_at = strftime('%%s', 'now') + 10");
    failed(w, nth(lease(w, look(w, 1), "me"), 0), 3600, "me");
    assert_string_equal(ask(w, "SELECT next_at = dies_at"
                               " FROM nanomdm_events"), "1");
}

static void after_a_day_a_failure_is_death(void **state)
{
    world_t *w = *state;
    const nmdm_event_t *event;
    call_t call = { .target = TARGET };

    put(w, "A", "a1");
    put(w, "A", "a2");
    tell(w, "UPDATE nanomdm_events SET dies_at = 1 WHERE seq = 1");
    event = nth(lease(w, look(w, 50), "me"), 0);
    assert_true(event->is_last_try);
    failed(w, event, 60, "me");
    assert_string_equal(ask(w, "SELECT is_dead FROM nanomdm_events"
                               " WHERE seq = 1"), "1");
    /* The next one goes on. */
    assert_string_equal(due(w, "me"), "a2");
    run(w, do_replay, &call);
    assert_int_equal(call.number, 1);
    let_leases_end(w);
    event = nth(lease(w, look(w, 50), "me"), 0);
    assert_string_equal(event->event_id, "a1");
    assert_int_equal(event->tries, 0);
    assert_false(event->is_last_try);
}

static void replay_is_for_the_dead(void **state)
{
    world_t *w = *state;
    call_t call = { .target = TARGET };

    put(w, "A", "a1");
    put(w, "B", "b1");
    put(w, "C", "c1");
    tell(w, "UPDATE nanomdm_events SET is_dead = TRUE, next_at = 9999999999"
            " WHERE seq > 1");
    call.seqs = apr_array_make(w->pool, 2, sizeof(const char *));
    APR_ARRAY_PUSH(call.seqs, const char *) = "1";
    APR_ARRAY_PUSH(call.seqs, const char *) = "2";
    run(w, do_replay, &call);
    assert_int_equal(call.number, 1);
    assert_string_equal(due(w, "me"), "a1 b1");
}

static void a_long_reason_is_shortened(void **state)
{
    world_t *w = *state;
    const nmdm_event_t *event;
    call_t call = { .delay = 1, .lease = "me" };

    put(w, "A", "a1");
    event = nth(lease(w, look(w, 50), "me"), 0);
    call.event = event;
    call.why = apr_pstrcat(w->pool, repeat(w->pool, 'x', 254), "\xC3\xA4\xC3"
                           "\xA4", NULL);
    run(w, do_failed, &call);
    assert_string_equal(ask(w, "SELECT LENGTH(last_error)"
                               " FROM nanomdm_events"), "254");
}

/* ---- With what it tells of ---- */

static nmdm_webhook_conf_t HOOK = { "http://localhost:9/", NULL,
                                    NMDM_WEBHOOK_DURABLE, 0,
                                    "http://localhost:9#1" };

static nmdm_ctx_t *any_context(void *world, apr_pool_t *p)
{
    (void)p;
    return request(world, NULL);
}

/* Requests that keep their events; these are not delivered. */
static nmdm_relay_t *keep_events(world_t *w)
{
    apr_array_header_t *hooks = apr_array_make(w->pool, 1, sizeof(void *));
    nmdm_relay_t *relay;
    nmdm_route_t route = { hooks, NULL, 0, any_context, w };

    APR_ARRAY_PUSH(hooks, nmdm_webhook_conf_t *) = &HOOK;
    OK(nmdm_relay_create(&relay, w->pool));
    nmdm_relay_add(relay, &route);
    w->policy.webhooks = hooks;
    w->policy.durable = 1;
    w->relay = relay;
    return relay;
}

static const char *topics(world_t *w)
{
    return ask(w, "SELECT COALESCE(GROUP_CONCAT(topic, ' '), '')"
                  " FROM (SELECT topic FROM nanomdm_events ORDER BY seq)");
}

static void a_check_in_is_written_with_its_event(void **state)
{
    world_t *w = *state;
    device_t mac = device(w, "A");

    keep_events(w);
    enroll(w, mac);
    assert_string_equal(topics(w), "mdm.Authenticate mdm.TokenUpdate");
    assert_string_equal(ask(w, "SELECT COUNT(*) FROM nanomdm_events"
                               " WHERE body LIKE"
                               " '%%\"token_update_tally\":1,%%'"), "1");
}

static void a_report_costs_one_row_and_one_statement(void **state)
{
    world_t *w = *state;
    device_t mac = device(w, "A");

    enroll(w, mac);
    enqueue(w, "A", "c1");
    keep_events(w);
    forget(w);
    assert_string_equal(next(w, mac, "Acknowledged", "c1"), "");
    assert_string_equal(topics(w), "mdm.Connect");
    assert_int_equal(logged(w, "NMDM0103"), 3);
    assert_int_equal(logged(w, "event_put"), 1);
}

/* It is leased, so that it is not sent. */
static void what_a_clock_that_was_ahead_put_off_is_due(void **state)
{
    world_t *w = *state;
    nmdm_relay_t *courier = keep_events(w);
    int i;

    put_for(w, "A", HOOK.target, "a1");
    for (i = 0; i < 2; i++) {
        tell(w, "UPDATE nanomdm_events"
                "   SET next_at = strftime('%%s', 'now') + %s,"
                "       leased_until = strftime('%%s', 'now') + 20",
             i ? "90000" : "4000");
        nmdm_relay_step(courier);
        assert_string_equal(ask(w, "SELECT next_at = 0 FROM nanomdm_events"),
                            i ? "1" : "0");
        courier = keep_events(w);       /* which looks at once */
    }
}

static void a_poll_writes_nothing(void **state)
{
    world_t *w = *state;
    device_t mac = device(w, "A");

    enroll(w, mac);
    keep_events(w);
    forget(w);
    assert_string_equal(next(w, mac, "Idle", NULL), "");
    assert_string_equal(topics(w), "");
    assert_int_equal(logged(w, "NMDM0103"), 1);
}

static void what_is_rolled_back_has_one_event_of_its_own(void **state)
{
    world_t *w = *state;
    device_t mac = device(w, "A");

    enroll(w, mac);
    keep_events(w);
    assert_non_null(checkin(w, NULL, mac, "GetToken", "TokenServiceType",
                            "x", NULL));
    assert_string_equal(topics(w), "mdm.GetToken");
}

static void a_stranger_leaves_no_event(void **state)
{
    world_t *w = *state;
    device_t mac = device(w, "A");

    enroll(w, mac);
    keep_events(w);
    mac.cert = some_cert(w, "another");
    assert_non_null(checkin(w, NULL, mac, "CheckOut", NULL));
    assert_string_equal(topics(w), "");
}

static void without_its_event_a_change_is_not_made(void **state)
{
    world_t *w = *state;
    device_t mac = device(w, "A");

    enroll(w, mac);
    keep_events(w);
    tell(w, "CREATE TRIGGER no_events BEFORE INSERT ON nanomdm_events"
            " BEGIN SELECT RAISE(ABORT, 'no room'); END");
    assert_non_null(checkin(w, NULL, mac, "CheckOut", NULL));
    assert_string_equal(ask(w, "SELECT enabled FROM enrollments"), "1");
    tell(w, "DROP TRIGGER no_events");
    OK(checkin(w, NULL, mac, "CheckOut", NULL));
    assert_string_equal(ask(w, "SELECT enabled FROM enrollments"), "0");
    assert_string_equal(topics(w), "mdm.CheckOut");
}

#define DB_TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_world, support_world_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(only_the_first_of_a_device_is_due),
        DB_TEST(each_target_has_an_order_of_its_own),
        DB_TEST(an_event_has_all_that_was_put),
        DB_TEST(of_two_couriers_one_gets_the_lease),
        DB_TEST(a_lease_that_is_over_is_anybodys),
        DB_TEST(a_lease_by_a_clock_that_was_ahead_is_over),
        DB_TEST(a_lease_is_renewed),
        DB_TEST(what_is_leased_at_once_is_bounded),
        DB_TEST(a_payload_is_read_as_it_was_put),
        DB_TEST(a_damaged_payload_is_not_found),
        DB_TEST(an_upgrade_meanwhile_is_noticed),
        DB_TEST(without_an_upgrade_nothing_is_done_again),
        DB_TEST(one_long_event_is_leased_at_a_time),
        DB_TEST(a_payload_counts),
        DB_TEST(a_failure_keeps_its_device_waiting),
        cmocka_unit_test(delays_grow_and_spread),
        DB_TEST(the_last_delay_ends_with_the_day),
        DB_TEST(after_a_day_a_failure_is_death),
        DB_TEST(replay_is_for_the_dead),
        DB_TEST(a_long_reason_is_shortened),
        DB_TEST(a_check_in_is_written_with_its_event),
        DB_TEST(a_report_costs_one_row_and_one_statement),
        DB_TEST(what_a_clock_that_was_ahead_put_off_is_due),
        DB_TEST(a_poll_writes_nothing),
        DB_TEST(what_is_rolled_back_has_one_event_of_its_own),
        DB_TEST(a_stranger_leaves_no_event),
        DB_TEST(without_its_event_a_change_is_not_made),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
