/* SPDX-License-Identifier: Apache-2.0 */
/* batch_queue.c -- which callers ask together. */

#include "base/batch_queue.h"

#include <stddef.h>
#include <string.h>

/* Never less than one while a caller waits, so none waits in vain. */
static int most_under_way(const nmdm_batch_queue_t *queue)
{
    return !queue->is_crowded ? queue->few
        : queue->inside < queue->many ? 1 : 2;
}

static int may_begin(const nmdm_batch_queue_t *queue)
{
    return queue->under_way < most_under_way(queue);
}

static int has_key(const nmdm_batch_entry_t *batch, const char *key)
{
    for (; batch; batch = batch->next) {
        if (!strcmp(batch->key, key)) {
            return 1;
        }
    }
    return 0;
}

static void count_calm(nmdm_batch_queue_t *queue)
{
    queue->calm_batches
        = queue->inside <= queue->calm ? queue->calm_batches + 1 : 0;
    if (queue->calm_batches >= queue->patience
        && queue->inside <= queue->few) {
        queue->is_crowded = 0;
    }
}

/* The leader is not in the queue (any more). */
static void begin(nmdm_batch_queue_t *queue, nmdm_batch_entry_t *leader)
{
    leader->state = NMDM_BATCH_LEADER;
    leader->next = NULL;
    queue->under_way++;
    if (queue->is_crowded) {
        count_calm(queue);
    }
}

static void append(nmdm_batch_queue_t *queue, nmdm_batch_entry_t *entry)
{
    nmdm_batch_entry_t **last = &queue->first;

    while (*last) {
        last = &(*last)->next;
    }
    entry->state = NMDM_BATCH_WAITING;
    *last = entry;
}

void nmdm_batch_queue_enter(nmdm_batch_queue_t *queue,
                            nmdm_batch_entry_t *entry)
{
    entry->next = NULL;
    if (queue->is_stopped) {
        entry->state = NMDM_BATCH_SINGLE;
        return;
    }
    queue->inside++;
    if (queue->inside > queue->few && !queue->is_crowded) {
        queue->is_crowded = 1;
        queue->calm_batches = 0;
    }
    if (may_begin(queue)) {
        begin(queue, entry);
    }
    else {
        append(queue, entry);
    }
}

void nmdm_batch_queue_gather(nmdm_batch_queue_t *queue,
                             nmdm_batch_entry_t *leader)
{
    nmdm_batch_entry_t **from = &queue->first, *last = leader;
    int size;

    for (size = 1; last->next; size++) {
        last = last->next;
    }
    while (*from && size < NMDM_BATCH_MOST) {
        nmdm_batch_entry_t *entry = *from;

        if (has_key(leader, entry->key)) {
            from = &entry->next;
            continue;
        }
        *from = entry->next;
        entry->state = NMDM_BATCH_MEMBER;
        entry->next = NULL;
        last->next = entry;
        last = entry;
        size++;
    }
}

nmdm_batch_entry_t *nmdm_batch_queue_end(nmdm_batch_queue_t *queue,
                                         nmdm_batch_entry_t *leader,
                                         int is_answered)
{
    nmdm_batch_entry_t *entry, *first;

    for (entry = leader; entry; entry = entry->next) {
        entry->state = is_answered ? NMDM_BATCH_ANSWERED : NMDM_BATCH_SINGLE;
        queue->inside--;
    }
    queue->under_way--;
    first = queue->first;
    if (!first || !may_begin(queue)) {
        return NULL;
    }
    queue->first = first->next;
    begin(queue, first);
    return first;
}

int nmdm_batch_queue_leave(nmdm_batch_queue_t *queue,
                           nmdm_batch_entry_t *entry)
{
    nmdm_batch_entry_t **from = &queue->first;

    while (*from && *from != entry) {
        from = &(*from)->next;
    }
    if (!*from) {
        return 0;
    }
    *from = entry->next;
    entry->next = NULL;
    entry->state = NMDM_BATCH_SINGLE;
    queue->inside--;
    return 1;
}

nmdm_batch_entry_t *nmdm_batch_queue_stop(nmdm_batch_queue_t *queue)
{
    nmdm_batch_entry_t *waiting = queue->first, *entry;

    for (entry = waiting; entry; entry = entry->next) {
        entry->state = NMDM_BATCH_SINGLE;
        queue->inside--;
    }
    queue->first = NULL;
    queue->is_stopped = 1;
    return waiting;
}
