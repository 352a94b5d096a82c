/* SPDX-License-Identifier: Apache-2.0 */
/* batch_queue.h -- which callers ask together: the state machine of
 * db/combiner.h, without threads.
 *
 * A caller that finds few others inside begins at once. Once more than that
 * were inside, callers wait while a batch is under way; at its end the first of
 * those who wait leads the next one, and takes all who wait when it begins. So
 * it goes on until few have come for some time: were it decided anew with each
 * caller, a load that comes and goes would be asked for one by one. No call
 * waits and no timer runs: a batch is what has piled up. All calls of one queue
 * are made under a lock of the caller's. */

#ifndef NMDM_BATCH_QUEUE_H
#define NMDM_BATCH_QUEUE_H

/* The most callers of one batch. */
#define NMDM_BATCH_MOST 64

typedef enum {
    NMDM_BATCH_WAITING,         /* until a batch ends */
    NMDM_BATCH_LEADER,          /* runs the batch that begins with it */
    NMDM_BATCH_MEMBER,          /* of a batch that is under way */
    NMDM_BATCH_ANSWERED,
    NMDM_BATCH_SINGLE           /* goes on by itself */
} nmdm_batch_state_e;

/* One call. It belongs to the caller, who keeps it until it is answered or
 * single. */
typedef struct nmdm_batch_entry_t nmdm_batch_entry_t;
struct nmdm_batch_entry_t {
    const char *key;            /* is once in a batch at most; the caller's */
    nmdm_batch_entry_t *next;   /* of those who wait, or of the batch */
    nmdm_batch_state_e state;
    void *waiter;               /* the caller's own, untouched here */
};

/* All zero but for the first four is an empty queue. */
typedef struct {
    int few;                    /* up to so many inside, none waits: as many
                                 * statements under way take less time than
                                 * waiting for one of them */
    int many;                   /* from so many on, two batches are under way
                                 * at once */
    int calm;                   /* none waits any more after `patience` batches
                                 * in a row at whose beginning no more than
                                 * these were inside */
    int patience;
    nmdm_batch_entry_t *first;  /* of those who wait, in order of arrival */
    int inside;                 /* entered, and neither answered nor single */
    int under_way;              /* batches */
    int is_crowded;             /* do callers wait for a batch? */
    int calm_batches;           /* of those in a row */
    int is_stopped;
} nmdm_batch_queue_t;

/* Afterwards the entry is a leader or waits; single once the queue is
 * stopped. */
void nmdm_batch_queue_enter(nmdm_batch_queue_t *queue,
                            nmdm_batch_entry_t *entry);

/* A leader takes all who wait, each key once, into its batch. It does so just
 * before it asks: others may have come since it was made the leader. */
void nmdm_batch_queue_gather(nmdm_batch_queue_t *queue,
                             nmdm_batch_entry_t *leader);

/* Ends a leader's batch: all of it is answered or, without success, single.
 * Returns the leader of the next batch, or NULL. The links of the ended batch
 * stay as they are until its callers go. */
nmdm_batch_entry_t *nmdm_batch_queue_end(nmdm_batch_queue_t *queue,
                                         nmdm_batch_entry_t *leader,
                                         int is_answered);

/* Who has waited long enough becomes single: 1. 0 when it does not wait (any
 * more), so that an end is to be expected. */
int nmdm_batch_queue_leave(nmdm_batch_queue_t *queue,
                           nmdm_batch_entry_t *entry);

/* No batch begins any more. Returns those who waited, linked, as single. */
nmdm_batch_entry_t *nmdm_batch_queue_stop(nmdm_batch_queue_t *queue);

#endif /* NMDM_BATCH_QUEUE_H */
