/* SPDX-License-Identifier: Apache-2.0 */
/* outbox.h -- the outbox of durable webhooks: a table of events that no
 * receiver has taken yet, shared by all children and servers.
 *
 * Events of one device for one target go out in the order of their numbers,
 * one at a time: only the first may be leased, and a lease keeps all others
 * away from it. Every call is to be made within a unit of db/db.h. */

#ifndef NMDM_OUTBOX_H
#define NMDM_OUTBOX_H

#include "base/context.h"

/* Seconds a lease holds unless it is renewed, and those after which a try that
 * fails is the last; both are in db/statements.c as well. */
#define NMDM_OUTBOX_LEASE 20
#define NMDM_OUTBOX_AGE 86400

/* How many events are leased at once: their bodies are held in memory. */
#define NMDM_OUTBOX_MOST 50
#define NMDM_OUTBOX_BYTES ((apr_size_t)8 * 1024 * 1024)
/* The payload of a long one is not among these: of such there is one alone. */

/* A longer event is not written. */
#define NMDM_OUTBOX_LONGEST ((apr_size_t)16 * 1024 * 1024)

typedef struct {
    const char *seq;            /* its number; NULL when it is new */
    const char *device_id;
    const char *target;         /* nmdm_event_target of the URL */
    const char *event_id;
    const char *topic;
    const char *traceparent;    /* or NULL */
    const char *body;           /* with an empty raw_payload where there is
                                 * a payload */
    nmdm_bytes_t payload;       /* of a new event, or { NULL, 0 } */
    apr_size_t payload_size;    /* characters of it that are stored as parts;
                                 * 0: body is all */
    int tries;                  /* that failed */
    int is_last_try;
} nmdm_event_t;

/* Whether the database has an outbox and takes an event of that length. */
int nmdm_outbox_takes(const nmdm_ctx_t *ctx, apr_size_t len);

/* Whether it has one, which is looked for if it is not known: not within a
 * unit. */
nmdm_err_t *nmdm_outbox_find(nmdm_ctx_t *ctx, int *found);

/* Whether the payload of an event of that length is stored by itself. */
int nmdm_outbox_splits(const nmdm_ctx_t *ctx, apr_size_t len);

/* Writes an event for its receiver, in the transaction of the change that it
 * reports. */
nmdm_err_t *nmdm_outbox_put(nmdm_ctx_t *ctx, const nmdm_event_t *event);

/* ---- Delivery; `lease` names the relay that delivers ---- */

/* The numbers (const char *) of up to `most` events whose turn it is; the
 * first few fit into NMDM_OUTBOX_BYTES together. One of them may have a
 * payload of its own if takes_long, else none. */
nmdm_err_t *nmdm_outbox_look(nmdm_ctx_t *ctx, apr_array_header_t *seqs,
                             const char *target, int most, int takes_long);

/* Leases what no other relay has leased meanwhile and reads it, as
 * nmdm_event_t *. */
nmdm_err_t *nmdm_outbox_lease(nmdm_ctx_t *ctx, const apr_array_header_t *seqs,
                              const char *lease);
nmdm_err_t *nmdm_outbox_read(nmdm_ctx_t *ctx, apr_array_header_t *events,
                             const apr_array_header_t *seqs,
                             const char *target, const char *lease);

/* Renews the lease of these events; of one that is lost meanwhile nothing is
 * changed. */
nmdm_err_t *nmdm_outbox_renew(nmdm_ctx_t *ctx, const apr_array_header_t *seqs,
                              const char *lease);

/* Taken by their receiver: they go. */
nmdm_err_t *nmdm_outbox_done(nmdm_ctx_t *ctx, const apr_array_header_t *seqs,
                             const char *lease);

/* Refused, or no answer: it and those after it wait `delay` seconds, or it is
 * dead. Only if the lease is still held. */
nmdm_err_t *nmdm_outbox_failed(nmdm_ctx_t *ctx, const nmdm_event_t *event,
                               const char *why, int delay,
                               const char *lease);

/* All that wait for this target are due now. */
nmdm_err_t *nmdm_outbox_make_due(nmdm_ctx_t *ctx, const char *target);

/* How many wait for this target, in how many bytes, and whether some wait
 * longer than they were ever put off, because the database's clock was ahead
 * then. */
nmdm_err_t *nmdm_outbox_backlog(nmdm_ctx_t *ctx, apr_int64_t *number,
                                apr_int64_t *bytes, int *is_overdue,
                                const char *target);

/* What the events of one device for this target take, dead ones included. */
nmdm_err_t *nmdm_outbox_bytes(nmdm_ctx_t *ctx, apr_int64_t *bytes,
                              const char *device_id, const char *target);

/* Seconds until an event is tried again that failed `tries` times before this
 * one: 1, 5, 30, 120, 600, then 3600. `chance`, from 0 to 255, spreads them by
 * a fifth more or less. */
int nmdm_outbox_delay(int tries, unsigned char chance);

/* ---- For operators ---- */

/* One row of a list. */
typedef struct {
    const char *seq, *event_id, *topic, *device_id, *target;
    const char *last_error;     /* or NULL */
    apr_int64_t tries, next_at, created_at;
} nmdm_listed_event_t;

/* Rows with a number above `after` (decimal digits), in order, as
 * nmdm_listed_event_t; NMDM_SQL_IDS at most. */
nmdm_err_t *nmdm_outbox_list(nmdm_ctx_t *ctx, apr_array_header_t *events,
                             int dead, const char *after);

/* Events of one target. */
typedef struct {
    const char *target;
    int waiting, dead;          /* each counted up to NMDM_OUTBOX_COUNTED */
    apr_time_t oldest;          /* of those counted that wait; 0: none */
} nmdm_outbox_state_t;
#define NMDM_OUTBOX_COUNTED 1000

/* Fills in the rest of *state. */
nmdm_err_t *nmdm_outbox_state(nmdm_ctx_t *ctx, nmdm_outbox_state_t *state);

/* Dead events start anew: those of these numbers, or all of a target. */
nmdm_err_t *nmdm_outbox_replay(nmdm_ctx_t *ctx, int *number,
                               const apr_array_header_t *seqs);
nmdm_err_t *nmdm_outbox_replay_target(nmdm_ctx_t *ctx, int *number,
                                      const char *target);
nmdm_err_t *nmdm_outbox_drop(nmdm_ctx_t *ctx, int *number, const char *seq);

#endif /* NMDM_OUTBOX_H */
