/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_json.c -- any bytes as the JSON of every call that takes some. */

#include "world.h"
#include "api/enqueue.h"
#include "api/events.h"
#include "codec/json.h"
#include "api/queue.h"
#include "api/command_json.h"
#include "codec/plist.h"
#include "api/enrollments.h"

/* What was read is written so that it is read as the same. */
static void fuzz_tree(apr_pool_t *p, nmdm_bytes_t json)
{
    nmdm_bytes_t once, twice;
    nmdm_json_t *object;

    if (nmdm_json_read(&object, p, json)) {
        return;
    }
    once = nmdm_json_write_compact(p, object);
    PROMISED(!nmdm_json_read(&object, p, once));
    twice = nmdm_json_write_compact(p, object);
    PROMISED(once.len == twice.len
             && !memcmp(once.data, twice.data, once.len));
    once = nmdm_json_write(p, object);
    PROMISED(!strpbrk(once.data, "<>&"));
}

static void ignore_open(void *baton, const char *key, int is_array)
{
    (void)baton;
    (void)key;
    (void)is_array;
}

static void ignore_close(void *baton)
{
    (void)baton;
}

static void ignore_value(void *baton, const char *key,
                         nmdm_plist_type_e type, const char *text)
{
    (void)baton;
    (void)key;
    (void)type;
    (void)text;
}

/* A command that was made is a property list, as far as we read them. */
static void fuzz_order(apr_pool_t *p, nmdm_bytes_t json)
{
    static const nmdm_plist_events_t ignore = { ignore_open, ignore_close,
                                                ignore_value };
    nmdm_ctx_t *ctx = request_in(p);
    nmdm_json_t *order;
    nmdm_bytes_t plist;

    if (!nmdm_json_read(&order, p, json)
        && !nmdm_api_command_json_plist(&plist, ctx, order)) {
        PROMISED(!nmdm_plist_walk(p, plist, &ignore, NULL));
    }
}

static void fuzz_calls(apr_pool_t *p, nmdm_bytes_t json)
{
    static const nmdm_api_paging_query_t FIRST = { NULL, NULL, NULL };
    nmdm_ctx_t *ctx = request_in(p);
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };
    int status = 0;

    check_answer(
        ctx, nmdm_api_enrollments_query(ctx, &reply, &status, json, &FIRST),
        &reply);
    check_answer(ctx, nmdm_api_enqueue_command(ctx, &reply, &status, json),
                 &reply);
    check_answer(ctx, nmdm_api_enqueue_json(ctx, &reply, &status, json, 1),
                 &reply);
    check_answer(ctx, nmdm_api_events_replay(ctx, &reply, &status, json),
                 &reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nmdm_bytes_t json;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    json = body_of(p, data, size);
    fuzz_tree(p, json);
    fuzz_order(p, json);
    fuzz_calls(p, json);
    apr_pool_destroy(p);
    return 0;
}
