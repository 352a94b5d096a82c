/* SPDX-License-Identifier: Apache-2.0 */
/* dead_events.c -- what is logged of events that no receiver took. */

#include "webhook/dead_events.h"
#include "base/counters.h"

void nmdm_dead_events_log(nmdm_ctx_t *ctx, const nmdm_event_t *event,
                          const char *why)
{
    apr_uint32_t deaths = nmdm_counters_due_deaths(ctx->services->counters,
                                                   1, ctx->now);

    if (deaths) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(1811)
                 "%s: event %s (%s) for webhook %s is dead after %d %s: %s;"
                 " %u %s died since the last such line, which is written once"
                 " a minute; see GET .../events?state=dead",
                 event->device_id, event->event_id, event->topic,
                 event->target, event->tries + 1,
                 event->tries ? "tries" : "try", why, deaths,
                 deaths > 1 ? "events" : "event");
    }
}

void nmdm_dead_events_log_rest(nmdm_ctx_t *ctx)
{
    apr_uint32_t deaths = nmdm_counters_due_deaths(ctx->services->counters,
                                                   0, ctx->now);

    if (deaths) {
        nmdm_log(ctx, NMDM_LOG_WARNING, NMDMNO(1821)
                 "-: %u further %s for webhooks died in a minute; see GET"
                 " .../events?state=dead", deaths,
                 deaths > 1 ? "events" : "event");
    }
}
