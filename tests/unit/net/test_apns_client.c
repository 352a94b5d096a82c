/* SPDX-License-Identifier: Apache-2.0 */
/* test_apns_client.c -- pushes over HTTP/2, against
 * tests/http/harness/apns.py. */

#include "support.h"
#include "net/apns_client.h"
#include "base/time.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>

#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define MSEC(n) apr_time_from_msec(n)
#define LONG apr_time_from_sec(60)      /* no test comes to it */
#define HANGING apr_time_from_sec(30)   /* what takes longer has hung */

/* ---- The stand-in: one process for all tests ---- */

typedef struct {
    apr_pool_t *pool;
    apr_proc_t proc;
    const char *folder;
    int port, proxy_port;
    const char *ca_pem, *cert[2], *key[2];
} stand_in_t;

static stand_in_t apple;

/* The number behind "name": in a line of JSON. */
static int number(const char *json, const char *name)
{
    char key[40];
    const char *at;

    snprintf(key, sizeof(key), "\"%s\": ", name);
    at = strstr(json, key);
    return at ? atoi(at + strlen(key)) : -1;
}

/* Gives the stand-in a command; the counters before it. */
static const char *order(apr_pool_t *p, const char *fmt, ...)
{
    char *line = apr_palloc(p, 8192);
    va_list args;
    const char *text;

    va_start(args, fmt);
    text = apr_pstrcat(p, apr_pvsprintf(p, fmt, args), "\n", NULL);
    va_end(args);
    assert_int_equal(apr_file_puts(text, apple.proc.in), APR_SUCCESS);
    assert_int_equal(apr_file_gets(line, 8192, apple.proc.out),
                     APR_SUCCESS);
    return line;
}

static int count(apr_pool_t *p, const char *name)
{
    return number(order(p, "{}"), name);
}

static const char *read_file(const char *name)
{
    const char *path = apr_pstrcat(apple.pool, apple.folder, "/", name,
                                   NULL);
    apr_finfo_t info;
    apr_file_t *file;
    char *text;

    assert_int_equal(apr_file_open(&file, path, APR_READ, 0, apple.pool),
                     APR_SUCCESS);
    apr_file_info_get(&info, APR_FINFO_SIZE, file);
    text = apr_pcalloc(apple.pool, (apr_size_t)info.size + 1);
    apr_file_read_full(file, text, (apr_size_t)info.size, NULL);
    apr_file_close(file);
    return text;
}

static int start_apple(void **state)
{
    const char *args[] = { "python3", "tests/http/harness/apns.py", "--commands",
                           "--proxy", "--identities", "2", "--folder", NULL,
                           NULL };
    apr_procattr_t *attr;
    char line[1024];

    support_start(state);
    apr_pool_create(&apple.pool, NULL);
    args[7] = apple.folder = mkdtemp(apr_pstrdup(apple.pool,
                                                 "/tmp/nmdm-apns-XXXXXX"));
    apr_procattr_create(&attr, apple.pool);
    apr_procattr_io_set(attr, APR_FULL_BLOCK, APR_FULL_BLOCK, APR_NO_PIPE);
    apr_procattr_cmdtype_set(attr, APR_PROGRAM_ENV);
    if (apr_proc_create(&apple.proc, "/usr/bin/python3", args, NULL, attr,
                        apple.pool)
        || apr_file_gets(line, sizeof(line), apple.proc.out)) {
        fprintf(stderr, "tests/http/harness/apns.py does not start\n");
        return -1;
    }
    apple.port = number(line, "port");
    apple.proxy_port = number(line, "proxy_port");
    apple.ca_pem = read_file("apns-ca.pem");
    apple.cert[0] = read_file("client1.pem");
    apple.key[0] = read_file("client1.key");
    apple.cert[1] = read_file("client2.pem");
    apple.key[1] = read_file("client2.key");
    return 0;
}

static int end_apple(void **state)
{
    const char *names[] = { "apns-ca.pem", "client1.pem", "client1.key",
                            "client2.pem", "client2.key" };
    size_t i;
    int code;
    apr_exit_why_e why;

    apr_file_close(apple.proc.in);
    apr_proc_wait(&apple.proc, &code, &why, APR_WAIT);
    for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
        apr_file_remove(apr_pstrcat(apple.pool, apple.folder, "/", names[i],
                                    NULL), apple.pool);
    }
    apr_dir_remove(apple.folder, apple.pool);
    apr_pool_destroy(apple.pool);
    return support_end(state);
}

/* ---- A test: a pool, a client ---- */

typedef struct {
    apr_pool_t *pool;
    nmdm_apns_client_t *apns;
} client_t;

static nmdm_apns_client_t *start_with(apr_pool_t *p, const char *ca_pem,
                                      const char *proxy)
{
    nmdm_apns_client_conf_t conf = { ca_pem, proxy };
    nmdm_apns_client_t *apns = NULL;

    OK(nmdm_apns_client_start(&apns, p, &conf));
    return apns;
}

static int begin(void **state)
{
    apr_pool_t *p;
    client_t *client;

    apr_pool_create(&p, NULL);
    client = apr_pcalloc(p, sizeof(*client));
    client->pool = p;
    /* What the test before sent at last shall not be counted in this one. */
    while (count(p, "open") > 0) {
        apr_sleep(MSEC(2));
    }
    order(p, "{\"do\": \"reset\"}");
    client->apns = start_with(p, apple.ca_pem, NULL);
    *state = client;
    return 0;
}

static int end(void **state)
{
    client_t *client = *state;

    nmdm_apns_client_stop(client->apns);
    apr_pool_destroy(client->pool);
    return 0;
}

static nmdm_exchange_t *push(apr_pool_t *p, int token,
                             apr_interval_time_t within)
{
    nmdm_exchange_t *x = apr_pcalloc(p, sizeof(*x));
    apr_table_t *headers = apr_table_make(p, 2);

    apr_table_set(headers, "Content-Type", "application/json");
    apr_table_set(headers, "apns-topic", "com.example");
    x->method = "POST";
    x->url = apr_psprintf(p, "https://localhost:%d/3/device/%08x",
                          apple.port, token);
    x->headers = headers;
    x->body = bytes_of("{\"mdm\":\"magic\"}");
    x->cert_pem = apple.cert[0];
    x->key_pem = apple.key[0];
    x->deadline = nmdm_time_steady() + within;
    return x;
}

static nmdm_exchange_t **pushes(apr_pool_t *p, int n,
                                apr_interval_time_t within)
{
    nmdm_exchange_t **x = apr_palloc(p, (apr_size_t)n * sizeof(*x));
    int i;

    for (i = 0; i < n; i++) {
        x[i] = push(p, i, within);
    }
    return x;
}

/* Returns how long it took. */
static apr_interval_time_t run(nmdm_apns_client_t *apns, nmdm_exchange_t **x,
                               int n, apr_pool_t *p)
{
    apr_time_t start = apr_time_now();

    nmdm_apns_client_run(apns, x, n, p);
    return apr_time_now() - start;
}

static nmdm_exchange_t *run_one(client_t *c, nmdm_exchange_t *x)
{
    run(c->apns, &x, 1, c->pool);
    return x;
}

static void all_have(nmdm_exchange_t **x, int n, int status)
{
    int i;

    for (i = 0; i < n; i++) {
        HOLDS(x[i]->status == status, "push %d of %d: %d, %s", i, n,
              x[i]->status, x[i]->failure ? x[i]->failure : "");
        HOLDS(!x[i]->failure == !!status, "push %d: %d, %s", i, status,
              x[i]->failure ? x[i]->failure : "no failure");
    }
}

static void failed_with(const nmdm_exchange_t *x, const char *text)
{
    assert_int_equal(x->status, 0);
    assert_non_null(x->failure);
    HOLDS(strstr(x->failure, text), "%s", x->failure);
    assert_non_null(x->reply_headers);
    assert_int_equal(x->reply.len, 0);
}

/* ---- Answers ---- */

static void a_push_is_answered(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x = push(c->pool, 1, LONG);

    order(c->pool, "{\"default\": {\"apns_id\": \"AB-CD\", \"headers\":"
                   " {\"apns-unique-id\": \"XY\"}}}");
    run_one(c, x);
    assert_int_equal(x->status, 200);
    assert_null(x->failure);
    assert_int_equal(x->reply.len, 0);
    assert_string_equal(apr_table_get(x->reply_headers, "apns-id"),
                        "AB-CD");
    assert_string_equal(apr_table_get(x->reply_headers, "apns-unique-id"),
                        "XY");
    assert_int_equal(count(c->pool, "streams"), 1);
}

static void a_refusal_comes_with_its_reason_and_is_final(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x = push(c->pool, 1, LONG);

    order(c->pool, "{\"default\": {\"status\": 410, \"reason\":"
                   " \"Unregistered\", \"timestamp\": 1454948015990}}");
    run_one(c, x);
    assert_int_equal(x->status, 410);
    assert_string_equal(x->reply.data, "{\"reason\": \"Unregistered\","
                                       " \"timestamp\": 1454948015990}");
    assert_int_equal(x->reply.len, strlen(x->reply.data));
    assert_int_equal(count(c->pool, "streams"), 1);
}

static void of_a_long_reply_4_kb_are_kept(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x = push(c->pool, 1, LONG);

    order(c->pool, "{\"default\": {\"status\": 400, \"body\": \"%s\"}}",
          repeat(c->pool, 'x', 60000));
    run_one(c, x);
    assert_int_equal(x->status, 400);
    assert_int_equal(x->reply.len, 4096);
}

static void thousands_share_a_connection_without_a_reset(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t **x = pushes(c->pool, 5000, LONG);

    run(c->apns, x, 5000, c->pool);
    all_have(x, 5000, 200);
    run(c->apns, x, 100, c->pool);
    all_have(x, 100, 200);
    assert_int_equal(count(c->pool, "connections"), 1);
    assert_int_equal(count(c->pool, "streams"), 5100);
    assert_int_equal(count(c->pool, "resets"), 0);
    assert_non_null(strstr(order(c->pool, "{}"), "\"errors\": []"));
}

static void no_more_streams_than_the_server_wants(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t **x = pushes(c->pool, 50, LONG);

    order(c->pool, "{\"rules\": {\"max_streams\": 1}}");
    run(c->apns, x, 50, c->pool);
    all_have(x, 50, 200);
    assert_non_null(strstr(order(c->pool, "{}"), "\"errors\": []"));
}

static void each_certificate_has_a_connection(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t **x = pushes(c->pool, 200, LONG);
    int i, round;

    for (i = 0; i < 200; i++) {
        x[i]->cert_pem = apr_pstrdup(c->pool, apple.cert[i % 2]);
        x[i]->key_pem = apr_pstrdup(c->pool, apple.key[i % 2]);
    }
    for (round = 0; round < 3; round++) {
        run(c->apns, x, 200, c->pool);
        all_have(x, 200, 200);
    }
    assert_int_equal(count(c->pool, "connections"), 2);
}

/* The same identity, spelled in a hundred ways. */
static void of_many_connections_the_idle_ones_make_room(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t **x = pushes(c->pool, 100, LONG);
    int i;

    for (i = 0; i < 100; i++) {
        x[i]->cert_pem = apr_psprintf(c->pool, "%d\n%s", i, apple.cert[0]);
    }
    run(c->apns, x, 100, c->pool);
    all_have(x, 100, 200);
    run(c->apns, x, 100, c->pool);
    all_have(x, 100, 200);
    assert_true(count(c->pool, "open") <= 64);
    assert_true(count(c->pool, "connections") >= 100);
}

/* ---- Trying again ---- */

static void unavailable_then_accepted(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x = push(c->pool, 1, LONG);
    apr_interval_time_t took;

    order(c->pool, "{\"script\": [{\"status\": 503, \"reason\": \"A\"},"
                   " {\"status\": 429}, {\"status\": 500},"
                   " {\"status\": 503, \"headers\": {\"retry-after\": \"1\"}}"
                   "]}");
    took = run(c->apns, &x, 1, c->pool);
    assert_int_equal(x->status, 200);
    assert_int_equal(x->reply.len, 0);
    assert_null(x->failure);
    HOLDS(took > MSEC(1000) && took < HANGING, "%d ms",
          (int)apr_time_as_msec(took));
    assert_int_equal(count(c->pool, "streams"), 5);
    assert_int_equal(count(c->pool, "connections"), 1);
}

static void the_last_status_is_the_outcome(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x = push(c->pool, 1, MSEC(700));
    apr_interval_time_t took;

    order(c->pool, "{\"default\": {\"status\": 503, \"reason\": \"Busy\"}}");
    took = run(c->apns, &x, 1, c->pool);
    assert_int_equal(x->status, 503);
    assert_null(x->failure);
    assert_string_equal(x->reply.data, "{\"reason\": \"Busy\"}");
    assert_true(took < HANGING);
    assert_true(count(c->pool, "streams") > 2);
}

static void a_retry_beyond_the_deadline_is_not_waited_for(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x = push(c->pool, 1, LONG);
    apr_interval_time_t took;

    order(c->pool, "{\"default\": {\"status\": 429, \"headers\":"
                   " {\"retry-after\": \"3600\"}}}");
    took = run(c->apns, &x, 1, c->pool);
    assert_int_equal(x->status, 429);
    assert_string_equal(apr_table_get(x->reply_headers, "retry-after"),
                        "3600");
    assert_true(took < HANGING);
}

static void a_status_survives_a_stalled_repetition(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x = push(c->pool, 1, MSEC(1500));

    order(c->pool, "{\"script\": [{\"status\": 503, \"reason\": \"Busy\"}],"
                   " \"default\": {\"stall\": true}}");
    run_one(c, x);
    assert_int_equal(x->status, 503);
    assert_string_equal(x->reply.data, "{\"reason\": \"Busy\"}");
}

/* All 2000 arrive although this happens on the way. */
static void costs_none(client_t *c, const char *rules)
{
    nmdm_exchange_t **x = pushes(c->pool, 2000, LONG);

    order(c->pool, "{\"rules\": %s}", rules);
    run(c->apns, x, 2000, c->pool);
    all_have(x, 2000, 200);
    assert_int_equal(count(c->pool, "resets"), 0);
    assert_non_null(strstr(order(c->pool, "{}"), "\"errors\": []"));
}

static void goaway_costs_none(void **state)
{
    client_t *c = *state;

    costs_none(c, "{\"goaway_every\": 300, \"goaway_unseen\": 7}");
    assert_true(count(c->pool, "connections") > 5);
}

static void graceful_goaway_costs_none(void **state)
{
    client_t *c = *state;

    costs_none(c, "{\"goaway_every\": 150, \"goaway_debug\": \"bye\"}");
    assert_int_equal(count(c->pool, "streams"), 2000);
}

static void a_lost_connection_costs_none(void **state)
{
    client_t *c = *state;

    costs_none(c, "{\"drop_every\": 300}");
    assert_true(count(c->pool, "connections") > 5);
}

static void refused_streams_cost_none(void **state)
{
    client_t *c = *state;

    costs_none(c, "{\"refuse_every\": 20}");
    assert_int_equal(count(c->pool, "connections"), 1);
}

static void goaway_at_every_try_is_the_failure(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x = push(c->pool, 1, MSEC(500));

    order(c->pool, "{\"default\": {\"goaway\": 5, \"debug\":"
                   " \"{\\\"reason\\\":\\\"Gone\\\"}\\n\"}}");
    run_one(c, x);
    failed_with(x, "GOAWAY (code 5): {\"reason\":\"Gone\"}?");
    assert_true(count(c->pool, "connections") > 2);
}

static void a_stream_reset_at_every_try_is_the_failure(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x = push(c->pool, 1, MSEC(500));

    order(c->pool, "{\"default\": {\"reset\": 2}}");
    run_one(c, x);
    failed_with(x, "stream reset (code 2)");
    assert_int_equal(count(c->pool, "connections"), 1);
}

static void a_connection_lost_at_every_try_is_the_failure(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t **x = pushes(c->pool, 3, MSEC(600));

    order(c->pool, "{\"default\": {\"drop\": true}}");
    run(c->apns, x, 3, c->pool);
    all_have(x, 3, 0);
    HOLDS(strstr(x[0]->failure, "connection lost to localhost")
          || strstr(x[0]->failure, "connection closed by localhost"),
          "%s", x[0]->failure);
    assert_int_in_range(count(c->pool, "connections"), 3, 8);
}

static void an_idle_connection_that_was_lost_is_replaced(void **state)
{
    client_t *c = *state;
    int before;

    assert_int_equal(run_one(c, push(c->pool, 1, LONG))->status, 200);
    before = count(c->pool, "connections");
    order(c->pool, "{\"do\": \"drop_all\"}");
    assert_int_equal(run_one(c, push(c->pool, 2, LONG))->status, 200);
    assert_int_equal(count(c->pool, "connections"), before + 1);
}

/* ---- No answer ---- */

static void a_refused_connection_fails_at_the_deadline(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t **x = pushes(c->pool, 20, MSEC(600));
    apr_interval_time_t took;

    order(c->pool, "{\"do\": \"stop\"}");
    took = run(c->apns, x, 20, c->pool);
    order(c->pool, "{\"do\": \"start\"}");
    all_have(x, 20, 0);
    failed_with(x[19], apr_psprintf(c->pool, "connecting to localhost:%d:"
                                    " Connection refused", apple.port));
    HOLDS(took > MSEC(500) && took < HANGING, "%d ms",
          (int)apr_time_as_msec(took));
}

static void a_stalled_server_fails_at_the_deadline(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t **x = pushes(c->pool, 150, MSEC(1500));
    apr_interval_time_t took;

    order(c->pool, "{\"default\": {\"stall\": true}}");
    took = run(c->apns, x, 150, c->pool);
    all_have(x, 150, 0);
    failed_with(x[0], "no answer before the deadline");
    HOLDS(took > MSEC(1450) && took < HANGING, "%d ms",
          (int)apr_time_as_msec(took));

    /* Streams were given up, among them those that were opened between the
     * first deadline and the last; the connection was not. */
    order(c->pool, "{\"default\": {}}");
    assert_int_equal(run_one(c, push(c->pool, 2, LONG))->status, 200);
    assert_int_equal(count(c->pool, "connections"), 1);
    assert_int_in_range(count(c->pool, "resets"), 100, 150);
}

/* So many seconds. */
static _Atomic int clock_is_ahead;

/* What APR asks, here and in the thread. */
int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec real;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &real);
    now->tv_sec = real.tv_sec + clock_is_ahead;
    now->tv_usec = real.tv_nsec / 1000;
    return 0;
}

static void a_clock_that_is_set_back_moves_no_deadline(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x;
    apr_interval_time_t took;

    order(c->pool, "{\"default\": {\"stall\": true}}");
    clock_is_ahead = 40;        /* beyond what has hung */
    failed_with(run_one(c, push(c->pool, 1, MSEC(100))),
                "no answer before the deadline");
    clock_is_ahead = 0;
    x = push(c->pool, 2, MSEC(300));
    took = run(c->apns, &x, 1, c->pool);
    failed_with(x, "no answer before the deadline");
    HOLDS(took < HANGING, "%d ms", (int)apr_time_as_msec(took));
}

static void a_silent_connection_is_replaced(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x;
    apr_interval_time_t took;

    assert_int_equal(run_one(c, push(c->pool, 1, LONG))->status, 200);
    order(c->pool, "{\"rules\": {\"deaf\": true}}");
    x = push(c->pool, 2, MSEC(7000));
    took = run(c->apns, &x, 1, c->pool);
    failed_with(x, "has fallen silent");
    HOLDS(took > MSEC(6500) && took < HANGING, "%d ms",
          (int)apr_time_as_msec(took));
    assert_int_equal(count(c->pool, "connections"), 2);
}

static void a_deadline_in_the_past_is_an_outcome(void **state)
{
    client_t *c = *state;

    failed_with(run_one(c, push(c->pool, 1, -MSEC(1000))),
                "no answer before the deadline");
}

static void urls_of_no_use_fail_at_once(void **state)
{
    const char *urls[] = { "http://localhost/", "https://", "https:///3",
                           "https://local host/", "https://localhost/a#b",
                           "https://localhost/\r\nx: y",
                           "https://localhost:99999/", "" };
    client_t *c = *state;
    nmdm_exchange_t **x = pushes(c->pool, 9, LONG);
    int i;

    for (i = 0; i < 8; i++) {
        x[i]->url = urls[i];
    }
    assert_true(run(c->apns, x, 9, c->pool) < MSEC(2000));
    for (i = 0; i < 8; i++) {
        HOLDS(x[i]->failure && strstr(x[i]->failure, "URL"), "%s: %s",
              urls[i], x[i]->failure);
    }
    assert_int_equal(x[8]->status, 200);
}

static void nothing_to_push_is_no_wait(void **state)
{
    client_t *c = *state;

    nmdm_apns_client_run(c->apns, NULL, 0, c->pool);
}

/* ---- TLS ---- */

static void a_server_nobody_vouches_for_is_refused(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x = push(c->pool, 1, MSEC(300));
    nmdm_apns_client_t *apns = start_with(c->pool, apple.cert[0], NULL);

    run(apns, &x, 1, c->pool);
    nmdm_apns_client_stop(apns);
    failed_with(x, "TLS: certificate verify failed: unable to get local"
                   " issuer certificate");
    assert_int_equal(count(c->pool, "streams"), 0);
}

static void an_address_is_verified_as_such(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x = push(c->pool, 1, LONG);

    x->url = apr_psprintf(c->pool, "https://127.0.0.1:%d/3/device/ab",
                          apple.port);
    assert_int_equal(run_one(c, x)->status, 200);
}

static void a_server_of_another_name_is_refused(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x = push(c->pool, 1, MSEC(300));
    const char *proxy = apr_psprintf(c->pool, "http://127.0.0.1:%d",
                                     apple.proxy_port);
    nmdm_apns_client_t *apns = start_with(c->pool, apple.ca_pem, proxy);

    x->url = apr_psprintf(c->pool, "https://push.example:%d/", apple.port);
    run(apns, &x, 1, c->pool);
    failed_with(x, "TLS: certificate verify failed: hostname mismatch");
    x = push(c->pool, 1, MSEC(300));
    x->url = apr_psprintf(c->pool, "https://192.0.2.1:%d/", apple.port);
    run(apns, &x, 1, c->pool);
    failed_with(x, "TLS: certificate verify failed: IP address mismatch");
    nmdm_apns_client_stop(apns);
}

/* Which of "closed" and "certificate required" it is, is the server's. */
static void a_client_without_certificate_is_not_let_in(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x = push(c->pool, 1, MSEC(300));

    x->cert_pem = x->key_pem = NULL;
    failed_with(run_one(c, x), "");
    assert_int_equal(count(c->pool, "streams"), 0);
}

static void a_key_of_no_use_fails_at_once(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t **x = pushes(c->pool, 3, LONG);

    x[0]->key_pem = apple.key[1];
    x[1]->key_pem = "no key";
    x[2]->cert_pem = "no certificate";
    assert_true(run(c->apns, x, 3, c->pool) < MSEC(2000));
    failed_with(x[0], "certificate or key is of no use");
    failed_with(x[1], "certificate or key is of no use");
    failed_with(x[2], "certificate or key is of no use");
}

/* ---- The proxy ---- */

static void a_proxy_is_asked(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t **x = pushes(c->pool, 500, LONG);
    const char *proxy = apr_psprintf(c->pool, "http://127.0.0.1:%d",
                                     apple.proxy_port);
    nmdm_apns_client_t *apns = start_with(c->pool, apple.ca_pem, proxy);

    run(apns, x, 500, c->pool);
    nmdm_apns_client_stop(apns);
    all_have(x, 500, 200);
}

static void a_proxy_may_be_away_or_refuse(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *x = push(c->pool, 1, MSEC(300));
    nmdm_apns_client_t *apns = start_with(c->pool, apple.ca_pem,
                                          "http://127.0.0.1:1");

    run(apns, &x, 1, c->pool);
    nmdm_apns_client_stop(apns);
    failed_with(x, "connecting to proxy 127.0.0.1:1: Connection refused");

    /* Not a proxy at all: it does not understand, and hangs up. */
    x = push(c->pool, 1, MSEC(300));
    apns = start_with(c->pool, apple.ca_pem,
                      apr_psprintf(c->pool, "http://127.0.0.1:%d",
                                   apple.port));
    run(apns, &x, 1, c->pool);
    nmdm_apns_client_stop(apns);
    failed_with(x, "proxy 127.0.0.1");
}

static void a_configuration_of_no_use_is_refused(void **state)
{
    client_t *c = *state;
    nmdm_apns_client_conf_t no_ca = { "no certificate", NULL };
    nmdm_apns_client_conf_t no_proxy = { NULL, "socks5://127.0.0.1:1" };
    nmdm_apns_client_t *apns;

    REFUSED(nmdm_apns_client_start(&apns, c->pool, &no_ca), NMDM_INTERNAL,
            "given as PEM");
    REFUSED(nmdm_apns_client_start(&apns, c->pool, &no_proxy), NMDM_INVALID,
            "proxy");
}

/* ---- A name server that does not answer ---- */

#define SLOW_NAME "slow.example"

static int is_waiting;

/* In place of libc's, for everything in this program. */
int getaddrinfo(const char *node, const char *service,
                const struct addrinfo *hints, struct addrinfo **res)
{
    static int (*libc)(const char *, const char *, const struct addrinfo *,
                       struct addrinfo **);

    if (node && !strcmp(node, SLOW_NAME)) {
        __atomic_store_n(&is_waiting, 1, __ATOMIC_SEQ_CST);
        apr_sleep(apr_time_from_sec(4));
        return EAI_AGAIN;
    }
    if (!libc) {
        *(void **)&libc = dlsym(RTLD_NEXT, "getaddrinfo");
    }
    return libc(node, service, hints, res);
}

/* Both the one that has the name looked up and one that comes meanwhile. */
static void callers_do_not_wait_for_a_name_server(void **state)
{
    client_t *c = *state;
    nmdm_exchange_t *later = push(c->pool, 2, MSEC(500));
    nmdm_exchange_t *x = push(c->pool, 1, MSEC(500));

    x->url = "https://" SLOW_NAME "/3/device/00000001";
    HOLDS(run(c->apns, &x, 1, c->pool) < apr_time_from_sec(2), "slow%s", "");
    failed_with(x, "looking up the name");
    assert_int_equal(__atomic_load_n(&is_waiting, __ATOMIC_SEQ_CST), 1);
    HOLDS(run(c->apns, &later, 1, c->pool) < apr_time_from_sec(2), "slow%s",
          "");
    failed_with(later, "no answer in time");
    /* Nothing of theirs is used any more. */
    memset(x, 0x55, sizeof(*x));
    memset(later, 0x55, sizeof(*later));
    x = push(c->pool, 3, LONG);
    run(c->apns, &x, 1, c->pool);
    all_have(&x, 1, 200);
}

/* ---- Threads ---- */

typedef struct {
    nmdm_apns_client_t *apns;
    apr_pool_t *pool;
    apr_thread_t *thread;
    nmdm_exchange_t **x;
    int n, rounds;
} caller_t;

static void *APR_THREAD_FUNC call(apr_thread_t *thread, void *data)
{
    caller_t *caller = data;
    int i;

    (void)thread;
    for (i = 0; i < caller->rounds; i++) {
        nmdm_apns_client_run(caller->apns, caller->x, caller->n, caller->pool);
    }
    return NULL;
}

/* Its pool is of its own, as those of request threads are. */
static caller_t *start_caller(client_t *c, int n, int rounds,
                              apr_interval_time_t within)
{
    caller_t *caller = apr_pcalloc(c->pool, sizeof(*caller));

    apr_pool_create(&caller->pool, NULL);
    caller->apns = c->apns;
    caller->n = n;
    caller->rounds = rounds;
    caller->x = pushes(caller->pool, n, within);
    assert_int_equal(apr_thread_create(&caller->thread, NULL, call, caller,
                                       c->pool), APR_SUCCESS);
    return caller;
}

static void join(caller_t *caller)
{
    apr_status_t rv;

    apr_thread_join(&rv, caller->thread);
}

static void callers_do_not_disturb_each_other(void **state)
{
    client_t *c = *state;
    caller_t *caller[6];
    int i;

    for (i = 0; i < 6; i++) {
        caller[i] = start_caller(c, i < 2 ? 1000 : 1, i < 2 ? 1 : 50, LONG);
    }
    for (i = 0; i < 6; i++) {
        join(caller[i]);
        all_have(caller[i]->x, caller[i]->n, 200);
        apr_pool_destroy(caller[i]->pool);
    }
    assert_int_equal(count(c->pool, "connections"), 1);
    assert_int_equal(count(c->pool, "streams"), 2200);
}

static void a_server_that_comes_back_in_time_gets_all(void **state)
{
    client_t *c = *state;
    caller_t *caller;

    order(c->pool, "{\"do\": \"stop\"}");
    caller = start_caller(c, 100, 1, LONG);
    apr_sleep(MSEC(300));
    order(c->pool, "{\"do\": \"start\"}");
    join(caller);
    all_have(caller->x, 100, 200);
    apr_pool_destroy(caller->pool);
}

static void stop_ends_what_is_under_way(void **state)
{
    client_t *c = *state;
    caller_t *caller;
    nmdm_exchange_t *x = push(c->pool, 1, LONG);
    apr_time_t start;

    order(c->pool, "{\"default\": {\"stall\": true}}");
    caller = start_caller(c, 1000, 1, LONG);
    while (count(c->pool, "streams") < 100) {
        apr_sleep(MSEC(5));
    }
    start = apr_time_now();
    nmdm_apns_client_stop(c->apns);
    join(caller);
    assert_true(apr_time_now() - start < HANGING);
    all_have(caller->x, 1000, 0);
    failed_with(caller->x[0], "stopping");
    failed_with(caller->x[999], "stopping");
    apr_pool_destroy(caller->pool);

    failed_with(run_one(c, x), "stopping");
    nmdm_apns_client_stop(c->apns);
}

static void stop_does_not_wait_for_a_connection(void **state)
{
    client_t *c = *state;
    caller_t *caller;
    apr_time_t start;

    order(c->pool, "{\"rules\": {\"deaf\": true}}");
    caller = start_caller(c, 10, 1, LONG);
    apr_sleep(MSEC(100));
    start = apr_time_now();
    nmdm_apns_client_stop(c->apns);
    join(caller);
    assert_true(apr_time_now() - start < HANGING);
    all_have(caller->x, 10, 0);
    apr_pool_destroy(caller->pool);
}

#define APNS_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        APNS_TEST(a_push_is_answered),
        APNS_TEST(a_refusal_comes_with_its_reason_and_is_final),
        APNS_TEST(of_a_long_reply_4_kb_are_kept),
        APNS_TEST(thousands_share_a_connection_without_a_reset),
        APNS_TEST(no_more_streams_than_the_server_wants),
        APNS_TEST(each_certificate_has_a_connection),
        APNS_TEST(of_many_connections_the_idle_ones_make_room),
        APNS_TEST(unavailable_then_accepted),
        APNS_TEST(the_last_status_is_the_outcome),
        APNS_TEST(a_retry_beyond_the_deadline_is_not_waited_for),
        APNS_TEST(a_status_survives_a_stalled_repetition),
        APNS_TEST(goaway_costs_none),
        APNS_TEST(graceful_goaway_costs_none),
        APNS_TEST(a_lost_connection_costs_none),
        APNS_TEST(refused_streams_cost_none),
        APNS_TEST(goaway_at_every_try_is_the_failure),
        APNS_TEST(a_stream_reset_at_every_try_is_the_failure),
        APNS_TEST(a_connection_lost_at_every_try_is_the_failure),
        APNS_TEST(an_idle_connection_that_was_lost_is_replaced),
        APNS_TEST(a_refused_connection_fails_at_the_deadline),
        APNS_TEST(a_stalled_server_fails_at_the_deadline),
        APNS_TEST(a_clock_that_is_set_back_moves_no_deadline),
        APNS_TEST(a_silent_connection_is_replaced),
        APNS_TEST(a_deadline_in_the_past_is_an_outcome),
        APNS_TEST(urls_of_no_use_fail_at_once),
        APNS_TEST(nothing_to_push_is_no_wait),
        APNS_TEST(a_server_nobody_vouches_for_is_refused),
        APNS_TEST(an_address_is_verified_as_such),
        APNS_TEST(a_server_of_another_name_is_refused),
        APNS_TEST(a_client_without_certificate_is_not_let_in),
        APNS_TEST(a_key_of_no_use_fails_at_once),
        APNS_TEST(a_proxy_is_asked),
        APNS_TEST(a_proxy_may_be_away_or_refuse),
        APNS_TEST(a_configuration_of_no_use_is_refused),
        APNS_TEST(callers_do_not_wait_for_a_name_server),
        APNS_TEST(callers_do_not_disturb_each_other),
        APNS_TEST(a_server_that_comes_back_in_time_gets_all),
        APNS_TEST(stop_ends_what_is_under_way),
        APNS_TEST(stop_does_not_wait_for_a_connection),
    };

    return cmocka_run_group_tests_name("apns", tests, start_apple,
                                       end_apple);
}
