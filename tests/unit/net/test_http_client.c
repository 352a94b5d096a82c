/* SPDX-License-Identifier: Apache-2.0 */
/* test_http_client.c -- outbound HTTP, against tests/http/harness/receiver.py.
 * */

#include "support.h"
#include "net/http_client.h"
#include "base/time.h"

#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>

#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REPLY "4096"
/* What takes longer has hung: all deadlines but the short ones are 10 s. */
#define HANGING apr_time_from_sec(9)

static const char ANSWERS[] =
    "{\"/ok\": {\"body\": \"fine\","
    "          \"headers\": {\"X-Some-Thing\": \" A b \"}},"
    " \"/empty\": {\"status\": 204},"
    " \"/missing\": {\"status\": 404, \"body\": \"no\"},"
    " \"/slow\": {\"delay\": 0.2, \"body\": \"slow\"},"
    " \"/hang\": {\"hang\": true},"
    " \"/exact\": {\"body\": \"x\", \"times\": " MAX_REPLY "},"
    " \"/long\": {\"body\": \"x\", \"times\": 4097},"
    " \"/endless\": {\"body\": \"x\", \"times\": 700, \"endless\": true},"
    " \"/heads\": {\"headers\": {\"X\": \"%s\", \"Y\": \"%s\"}},"
    " \"/redirect\": {\"status\": 302, \"headers\": {\"Location\": \"/ok\"}},"
    " \"/before\": {\"close\": \"before\"},"
    " \"/within\": {\"close\": \"within\", \"body\": \"half of this\"}}";

/* ---- A resolver that takes its time ---- */

typedef int (*resolve_fn)(const char *, const char *, const struct addrinfo *,
                          struct addrinfo **);

int getaddrinfo(const char *node, const char *service,
                const struct addrinfo *hints, struct addrinfo **result)
{
    resolve_fn real = (resolve_fn)dlsym(RTLD_NEXT, "getaddrinfo");

    if (node && !strcmp(node, "slow.test")) {
        apr_sleep(apr_time_from_sec(4));
        return EAI_NONAME;
    }
    return real(node, service, hints, result);
}

/* ---- A receiver and a client ---- */

enum { MOST_ENDED = 1000 };

typedef struct {
    apr_pool_t *p;
    apr_proc_t receiver;
    const char *url;
    nmdm_http_client_t *client;
    int is_stopped;

    apr_thread_mutex_t *lock;   /* guards what follows */
    int n_ended;
    char ended[MOST_ENDED][100];
} net_t;

/* Returns the port. */
static int start_receiver(apr_proc_t *proc, apr_pool_t *p, const char *option,
                          const char *value, const char *option2,
                          const char *value2)
{
    const char *const args[] = {
        "/usr/bin/python3", "tests/http/harness/receiver.py", option, value, option2,
        value2, NULL
    };
    apr_procattr_t *attr;
    char line[32] = "";

    apr_procattr_create(&attr, p);
    apr_procattr_io_set(attr, APR_FULL_BLOCK, APR_FULL_BLOCK, APR_NO_PIPE);
    apr_procattr_cmdtype_set(attr, APR_PROGRAM_ENV);
    assert_int_equal(apr_proc_create(proc, args[0], args, NULL, attr, p), 0);
    assert_int_equal(apr_file_gets(line, sizeof(line), proc->out), 0);
    return atoi(line);
}

static void stop_receiver(apr_proc_t *proc)
{
    apr_file_close(proc->in);
    apr_proc_wait(proc, NULL, NULL, APR_WAIT);
}

static void note_end(void *baton, const nmdm_exchange_t *x)
{
    net_t *net = baton;

    apr_thread_mutex_lock(net->lock);
    if (net->n_ended < MOST_ENDED) {
        apr_snprintf(net->ended[net->n_ended++], sizeof(net->ended[0]),
                     "%d %s %.*s", x->status, x->failure ? x->failure : "-",
                     (int)x->reply.len, x->reply.data);
    }
    apr_thread_mutex_unlock(net->lock);
}

static void start_client(net_t *net, const char *ca_pem, int max_queue)
{
    nmdm_http_client_conf_t conf = {
        .ca_pem = ca_pem, .max_reply = (apr_size_t)atoi(MAX_REPLY),
        .max_queue = max_queue, .ended = note_end, .baton = net
    };

    OK(nmdm_http_client_start(&net->client, net->p, &conf));
    net->is_stopped = 0;
}

static void stop_client(net_t *net, apr_interval_time_t patience)
{
    if (!net->is_stopped) {
        nmdm_http_client_stop(net->client, patience);
        net->is_stopped = 1;
    }
}

static int set_up(void **state)
{
    apr_pool_t *p;
    net_t *net;
    const char *answers;
    int port;

    apr_pool_create(&p, NULL);
    net = apr_pcalloc(p, sizeof(*net));
    net->p = p;
    apr_thread_mutex_create(&net->lock, APR_THREAD_MUTEX_DEFAULT, p);
    answers = apr_psprintf(p, ANSWERS, repeat(p, 'x', 40000),
                           repeat(p, 'y', 40000));
    port = start_receiver(&net->receiver, p, "--answers", answers, NULL,
                          NULL);
    net->url = apr_psprintf(p, "http://127.0.0.1:%d", port);
    start_client(net, NULL, 500);
    *state = net;
    return 0;
}

static int take_down(void **state)
{
    net_t *net = *state;

    stop_client(net, 0);
    stop_receiver(&net->receiver);
    apr_pool_destroy(net->p);
    return 0;
}

static nmdm_exchange_t *asking(net_t *net, const char *method,
                               const char *path)
{
    nmdm_exchange_t *x = apr_pcalloc(net->p, sizeof(*x));

    x->method = method;
    x->url = *path == '/' ? apr_pstrcat(net->p, net->url, path, NULL) : path;
    x->deadline = nmdm_time_steady() + apr_time_from_sec(10);
    return x;
}

static void run(net_t *net, nmdm_exchange_t *x)
{
    nmdm_http_client_run(net->client, &x, 1, net->p);
}

static nmdm_exchange_t *got(net_t *net, const char *path)
{
    nmdm_exchange_t *x = asking(net, "GET", path);

    run(net, x);
    return x;
}

static void expect(const nmdm_exchange_t *x, int status, const char *body)
{
    HOLDS(!x->failure, "%s", x->failure ? x->failure : "-");
    assert_int_equal(x->status, status);
    assert_int_equal(x->reply.len, strlen(body));
    assert_string_equal(x->reply.data, body);
}

static void expect_failure(const nmdm_exchange_t *x, const char *part)
{
    HOLDS(x->failure, "%s: status %d", part, x->status);
    HOLDS(strstr(x->failure, part), "%s: %s", part, x->failure);
    assert_int_equal(x->status, 0);
    assert_int_equal(x->reply.len, 0);
    assert_non_null(x->reply_headers);
}

static void post(net_t *net, const char *order, const char *path,
                 const char *body)
{
    nmdm_exchange_t *x = asking(net, "POST", path);

    x->body = bytes_of(body);
    OK(nmdm_http_client_post(net->client, order, x, net->p));
}

static int count_ended(net_t *net)
{
    int n;

    apr_thread_mutex_lock(net->lock);
    n = net->n_ended;
    apr_thread_mutex_unlock(net->lock);
    return n;
}

static void wait_for_ended(net_t *net, int n)
{
    int i;

    for (i = 0; i < 1000 && count_ended(net) < n; i++) {
        apr_sleep(apr_time_from_msec(10));
    }
    assert_int_equal(count_ended(net), n);
}

/* Of the receiver: all connections, and the most requests at once. */
static void read_counts(net_t *net, int *connections, int *most)
{
    nmdm_exchange_t *x = got(net, "/-/counts");
    char *rest;

    *connections = (int)strtol(x->reply.data, &rest, 10);
    *most = (int)strtol(rest, NULL, 10);
}

/* Until the receiver has one for that path: it waits in no queue any more. */
static void wait_for_request(net_t *net, const char *path)
{
    int i;

    for (i = 0; i < 1000
                && !strstr(got(net, "/-/requests")->reply.data, path); i++) {
        apr_sleep(apr_time_from_msec(10));
    }
    assert_non_null(strstr(got(net, "/-/requests")->reply.data, path));
}

/* ---- Waiting for an answer ---- */

static void status_headers_and_body_come_back(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *x = got(net, "/ok");
    const apr_array_header_t *headers;
    const apr_table_entry_t *entries;
    int i, found = 0;

    expect(x, 200, "fine");
    headers = apr_table_elts(x->reply_headers);
    entries = (const void *)headers->elts;
    for (i = 0; i < headers->nelts; i++) {
        found += !strcmp(entries[i].key, "x-some-thing")
            && !strcmp(entries[i].val, "A b");
    }
    assert_int_equal(found, 1);
}

static void other_statuses_are_answers_as_well(void **state)
{
    expect(got(*state, "/missing"), 404, "no");
    expect(got(*state, "/empty"), 204, "");
}

static void request_arrives_as_it_was_made(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *x = asking(net, "PUT", "/-/echo?a=b%20c");
    apr_table_t *headers = apr_table_make(net->p, 3);

    apr_table_setn(headers, "X-Enrollment-ID", "A\xC3\xA4:1");
    apr_table_setn(headers, "X-Empty", "");
    apr_table_setn(headers, "Content-Type", "application/json");
    x->headers = headers;
    x->body = (nmdm_bytes_t){ "{\0}", 3 };
    run(net, x);
    assert_int_equal(x->status, 200);
    assert_true(has_text(x->reply, "PUT /-/echo?a=b%20c\n"));
    assert_true(has_text(x->reply, "X-Empty: \n"));
    assert_true(has_text(x->reply, "X-Enrollment-ID: A\xC3\xA4:1\n"));
    assert_true(has_text(x->reply, "Content-Type: application/json\n"));
    assert_true(has_text(x->reply, "Content-Length: 3\n"));
    assert_true(has_text(x->reply, "User-Agent: mod_nanomdm/"));
    assert_false(has_text(x->reply, "Expect"));
    assert_memory_equal(x->reply.data + x->reply.len - 3, "{\0}", 3);
}

static void body_without_type_is_called_nothing(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *x = asking(net, "POST", "/-/echo");

    run(net, x);
    assert_true(has_text(x->reply, "POST /-/echo\n"));
    assert_true(has_text(x->reply, "Content-Length: 0\n"));
    assert_false(has_text(x->reply, "Content-Type"));
}

static void each_of_many_has_its_own_outcome(void **state)
{
    static const char *const PATHS[] = { "/ok", "/missing", "/before" };
    net_t *net = *state;
    nmdm_exchange_t *all[60];
    int i;

    for (i = 0; i < 60; i++) {
        all[i] = asking(net, "GET", PATHS[i % 3]);
    }
    nmdm_http_client_run(net->client, all, 60, net->p);
    for (i = 0; i < 60; i += 3) {
        expect(all[i], 200, "fine");
        expect(all[i + 1], 404, "no");
        expect_failure(all[i + 2], "");
    }
}

static void running_none_returns(void **state)
{
    net_t *net = *state;

    nmdm_http_client_run(net->client, NULL, 0, net->p);
}

static void wait_ends_at_the_deadline(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *all[2] = { asking(net, "GET", "/hang"),
                                asking(net, "GET", "/slow") };
    apr_time_t start = nmdm_time_steady();

    all[0]->deadline = start + apr_time_from_msec(400);
    nmdm_http_client_run(net->client, all, 2, net->p);
    expect_failure(all[0], "no complete answer in time");
    expect(all[1], 200, "slow");
    assert_int_in_range(nmdm_time_steady() - start, apr_time_from_msec(395),
                    HANGING);
}

static void wait_for_a_name_ends_at_the_deadline(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *x = asking(net, "GET", "http://slow.test/");
    apr_time_t start = nmdm_time_steady();

    x->deadline = start + apr_time_from_msec(200);
    run(net, x);
    expect_failure(x, "no connection in time");
    assert_int_in_range(nmdm_time_steady() - start, 0, apr_time_from_msec(3000));
    expect(got(net, "/ok"), 200, "fine");
    assert_int_in_range(nmdm_time_steady() - start, 0, apr_time_from_msec(3500));
}

static void deadline_holds_for_those_without_a_connection(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *all[20];
    apr_time_t start = nmdm_time_steady();
    int i;

    for (i = 0; i < 20; i++) {
        all[i] = asking(net, "GET", "/hang");
        all[i]->deadline = start + apr_time_from_msec(i < 10 ? 1000 : 300);
    }
    nmdm_http_client_run(net->client, all + 10, 10, net->p);
    assert_int_in_range(nmdm_time_steady() - start, 0, HANGING);
    nmdm_http_client_run(net->client, all, 10, net->p);
    assert_int_in_range(nmdm_time_steady() - start, 0, HANGING);
    for (i = 0; i < 20; i++) {
        expect_failure(all[i], "in time");
    }
}

static void nothing_is_sent_after_the_deadline(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *x = asking(net, "GET", "/ok");

    x->deadline = nmdm_time_steady() - 1;
    run(net, x);
    expect_failure(x, "not sent in time");
    expect(got(net, "/-/requests"), 200, "");
}

static void broken_connections_are_failures(void **state)
{
    expect_failure(got(*state, "/before"), "");
    expect_failure(got(*state, "/within"), "");
    expect_failure(got(*state, "http://127.0.0.1:1/"), "127.0.0.1");
}

static void long_replies_are_failures(void **state)
{
    assert_int_equal(got(*state, "/exact")->reply.len, atoi(MAX_REPLY));
    expect_failure(got(*state, "/long"), "longer than allowed");
    expect_failure(got(*state, "/endless"), "longer than allowed");
    expect_failure(got(*state, "/heads"), "headers are longer");
}

static void redirects_are_not_followed(void **state)
{
    net_t *net = *state;

    expect(got(net, "/redirect"), 302, "");
    expect(got(net, "/-/requests"), 200, "GET /redirect\n");
}

static void only_http_is_spoken(void **state)
{
    expect_failure(got(*state, "file:///etc/hostname"), "");
    expect_failure(got(*state, "ftp://127.0.0.1/"), "");
    expect_failure(got(*state, "gopher://127.0.0.1/"), "");
}

static void a_header_cannot_bring_another(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *x = asking(net, "GET", "/ok");
    apr_table_t *headers = apr_table_make(net->p, 1);

    apr_table_setn(headers, "X-Enrollment-ID", "A\r\nX-Evil: 1");
    x->headers = headers;
    run(net, x);
    expect_failure(x, "control character");
    expect(got(net, "/-/requests"), 200, "");
}

static void environment_chooses_no_proxy(void **state)
{
    net_t *net = *state;

    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    expect(got(net, "/ok"), 200, "fine");
    unsetenv("http_proxy");
    unsetenv("all_proxy");
}

static void connections_are_used_again(void **state)
{
    net_t *net = *state;
    int i, connections, most;

    for (i = 0; i < 20; i++) {
        expect(got(net, "/ok"), 200, "fine");
    }
    read_counts(net, &connections, &most);
    assert_int_equal(connections, 1);
}

static void there_are_at_most_eight_connections(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *all[30];
    int i, connections, most;

    for (i = 0; i < 30; i++) {
        all[i] = asking(net, "GET", "/slow");
    }
    nmdm_http_client_run(net->client, all, 30, net->p);
    for (i = 0; i < 30; i++) {
        expect(all[i], 200, "slow");
    }
    read_counts(net, &connections, &most);
    assert_int_in_range(most, 2, 8);
    assert_int_in_range(connections, 2, 9);
}

/* ---- Posting ---- */

static void posted_one_is_copied(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *x = asking(net, "POST", "/slow");
    char *body = apr_pstrdup(net->p, "body");

    x->body = bytes_of(body);
    OK(nmdm_http_client_post(net->client, "A", x, net->p));
    memset(body, 'x', 4);
    memset(x, 0, sizeof(*x));
    wait_for_ended(net, 1);
    assert_string_equal(net->ended[0], "200 - ");
    expect(got(net, "/-/requests"), 200, "POST /slow body\n");
}

static void one_order_is_sent_in_its_order(void **state)
{
    static const char *const PATHS[] = { "/slow", "/ok", "/within",
                                         "/missing" };
    net_t *net = *state;
    const char *want = "";
    int i, connections, most;

    for (i = 0; i < 12; i++) {
        const char *number = apr_itoa(net->p, i);

        post(net, "A", PATHS[i % 4], number);
        want = apr_pstrcat(net->p, want, "POST ", PATHS[i % 4], " ", number,
                           "\n", NULL);
    }
    wait_for_ended(net, 12);
    read_counts(net, &connections, &most);
    assert_int_equal(most, 1);
    expect(got(net, "/-/requests"), 200, want);
}

/* Nobody can tell whether the receiver closed it before or after it had read:
 * libcurl takes the former for likely, on a connection that was idle. */
static void a_closed_connection_costs_no_event(void **state)
{
    net_t *net = *state;

    expect(got(net, "/ok"), 200, "fine");
    post(net, "A", "/before", "");
    wait_for_ended(net, 1);
    expect(got(net, "/-/requests"), 200, "GET /ok\nPOST /before\n"
                                         "POST /before\n");
}

static void orders_do_not_wait_for_each_other(void **state)
{
    net_t *net = *state;
    int i, connections, most;

    for (i = 0; i < 24; i++) {
        post(net, apr_itoa(net->p, i), "/slow", "");
    }
    wait_for_ended(net, 24);
    read_counts(net, &connections, &most);
    assert_int_in_range(most, 2, 6);
}

static void what_hangs_leaves_room_for_who_waits(void **state)
{
    net_t *net = *state;
    apr_time_t start = nmdm_time_steady();
    int i;

    for (i = 0; i < 100; i++) {
        post(net, apr_itoa(net->p, i), "/hang", "");
    }
    apr_sleep(apr_time_from_msec(300));
    expect(got(net, "/ok"), 200, "fine");
    assert_int_in_range(nmdm_time_steady() - start, 0, HANGING);
}

static void failures_of_posted_ones_are_told(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *x = asking(net, "POST", "/hang");

    post(net, "A", "/missing", "");
    wait_for_ended(net, 1);
    assert_string_equal(net->ended[0], "404 - ");
    x->deadline = nmdm_time_steady() + apr_time_from_msec(100);
    OK(nmdm_http_client_post(net->client, "A", x, net->p));
    OK(nmdm_http_client_post(net->client, "A", x, net->p));
    wait_for_ended(net, 3);
    assert_string_equal(net->ended[1], "0 no complete answer in time ");
    assert_string_equal(net->ended[2], "0 no complete answer in time ");
}

/* What fails at once gives its turn to the next of its order, which may be for
 * an address that had its look already. */
static void one_order_may_go_to_several_hosts(void **state)
{
    net_t *net = *state;
    int i;

    post(net, "A", "/slow", "");
    for (i = 0; i < 10; i++) {
        nmdm_exchange_t *x = asking(net, "POST", i % 2 ? "http://y.test/"
                                                       : "http://x.test/");

        x->deadline = nmdm_time_steady();
        OK(nmdm_http_client_post(net->client, "A", x, net->p));
    }
    post(net, "A", "/ok", "");
    wait_for_ended(net, 12);
    assert_string_equal(net->ended[0], "200 - ");
    for (i = 1; i < 11; i++) {
        assert_string_equal(net->ended[i], "0 not sent in time ");
    }
    assert_string_equal(net->ended[11], "200 - ");
}

static void a_full_queue_takes_no_more(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *x = asking(net, "POST", "/hang");
    int i;

    stop_client(net, 0);
    start_client(net, NULL, 3);
    x->deadline = nmdm_time_steady() + apr_time_from_sec(3);
    OK(nmdm_http_client_post(net->client, "A", x, net->p));
    wait_for_request(net, "/hang");
    for (i = 0; i < 3; i++) {
        post(net, "A", "/ok", "");
    }
    REFUSED(nmdm_http_client_post(net->client, "A", x, net->p),
            NMDM_UNAVAILABLE, "NMDM1705");
    wait_for_ended(net, 4);
    post(net, "A", "/ok", "");
    wait_for_ended(net, 5);
}

static void large_bodies_fill_the_queue_too(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *x = asking(net, "POST", "/hang");

    OK(nmdm_http_client_post(net->client, "A", x, net->p));
    wait_for_request(net, "/hang");
    x->body = bytes_of(repeat(net->p, 'x', 40 * 1024 * 1024));
    OK(nmdm_http_client_post(net->client, "A", x, net->p));
    REFUSED(nmdm_http_client_post(net->client, "A", x, net->p),
            NMDM_UNAVAILABLE, "41943040 bytes wait");
}

/* ---- Stopping ---- */

static void stop_lets_posted_ones_finish(void **state)
{
    net_t *net = *state;
    int i;

    for (i = 0; i < 5; i++) {
        post(net, i % 2 ? "A" : "B", "/slow", "");
    }
    stop_client(net, apr_time_from_sec(5));
    assert_int_equal(net->n_ended, 5);
    for (i = 0; i < 5; i++) {
        assert_string_equal(net->ended[i], "200 - ");
    }
}

static void patience_has_an_end(void **state)
{
    net_t *net = *state;
    apr_time_t start = nmdm_time_steady();
    int i;

    for (i = 0; i < 100; i++) {
        post(net, apr_itoa(net->p, i % 30), "/hang", "");
    }
    stop_client(net, apr_time_from_msec(200));
    assert_int_in_range(nmdm_time_steady() - start, apr_time_from_msec(195),
                    HANGING);
    assert_int_equal(net->n_ended, 100);
    for (i = 0; i < 100; i++) {
        assert_string_equal(net->ended[i], "0 the server is stopping ");
    }
}

static void *APR_THREAD_FUNC hang_on(apr_thread_t *thread, void *data)
{
    (void)thread;
    run(((void **)data)[0], ((void **)data)[1]);
    return NULL;
}

static void stop_ends_a_wait(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *x = asking(net, "GET", "/hang");
    void *both[] = { net, x };
    apr_thread_t *thread;
    apr_status_t rv;

    apr_thread_create(&thread, NULL, hang_on, both, net->p);
    apr_sleep(apr_time_from_msec(100));
    stop_client(net, 0);
    apr_thread_join(&rv, thread);
    expect_failure(x, "stopping");
}

static void hurry_ends_waits_and_no_posted_ones(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *x = asking(net, "GET", "/hang");
    void *both[] = { net, x };
    apr_time_t start = nmdm_time_steady();
    apr_thread_t *thread;
    apr_status_t rv;

    post(net, "A", "/slow", "");
    apr_thread_create(&thread, NULL, hang_on, both, net->p);
    apr_sleep(apr_time_from_msec(100));
    nmdm_http_client_shorten_deadlines(net->client, apr_time_from_msec(100));
    apr_thread_join(&rv, thread);
    assert_int_equal(x->status, 0);
    /* Also who comes after it. */
    run(net, x);
    assert_int_equal(x->status, 0);
    assert_true(nmdm_time_steady() - start < HANGING);
    stop_client(net, apr_time_from_sec(5));
    assert_string_equal(net->ended[0], "200 - ");
}

static void nothing_is_taken_after_the_stop(void **state)
{
    net_t *net = *state;
    nmdm_exchange_t *x = asking(net, "GET", "/ok");

    stop_client(net, 0);
    expect_failure(got(net, "/ok"), "stopping");
    REFUSED(nmdm_http_client_post(net->client, "A", x, net->p),
            NMDM_UNAVAILABLE, "NMDM1704");
    nmdm_http_client_stop(net->client, 0);
}

/* ---- TLS ---- */

typedef struct {
    apr_proc_t proc;
    const char *url;
} tls_t;

#define YEARS(n) (apr_time_now() + apr_time_from_sec(n * 365 * 86400LL))

static const identity_t *authority(apr_pool_t *p, const char *name)
{
    return IDENTITY(p, .name = name, .is_ca = 1, .from = YEARS(-1),
                    .until = YEARS(1));
}

static const identity_t *issued(apr_pool_t *p, const identity_t *issuer,
                                const char *name, const char *eku)
{
    return IDENTITY(p, .name = name, .issuer = issuer, .eku = eku,
                    .from = YEARS(-1), .until = YEARS(1));
}

/* clients: the issuer of certificates that clients must have, or NULL. */
static tls_t *start_tls(net_t *net, const identity_t *identity,
                        const identity_t *clients)
{
    tls_t *tls = apr_pcalloc(net->p, sizeof(*tls));
    const char *file = temp_file(net->p, apr_pstrcat(
        net->p, pem_of(net->p, identity->x509),
        key_pem(net->p, identity->key), NULL));
    int port;

    port = start_receiver(&tls->proc, net->p, "--tls", file,
                          clients ? "--clients" : NULL,
                          clients ? temp_file(net->p, pem_of(net->p,
                                                             clients->x509))
                                  : NULL);
    tls->url = apr_psprintf(net->p, "https://localhost:%d/-/client", port);
    return tls;
}

static void servers_are_verified(void **state)
{
    net_t *net = *state;
    const identity_t *ca = authority(net->p, "Test CA");
    const identity_t *other = authority(net->p, "Other CA");
    tls_t *good = start_tls(net, issued(net->p, ca, "localhost",
                                        "serverAuth"), NULL);
    tls_t *misnamed = start_tls(net, issued(net->p, ca, "example.org",
                                            "serverAuth"), NULL);

    expect_failure(got(net, good->url), "certificate");
    stop_client(net, 0);
    start_client(net, pem_of(net->p, other->x509), 9);
    expect_failure(got(net, good->url), "certificate");
    stop_client(net, 0);
    start_client(net, pem_of(net->p, ca->x509), 9);
    expect_failure(got(net, misnamed->url), "localhost");
    assert_int_equal(got(net, good->url)->status, 200);
    stop_receiver(&good->proc);
    stop_receiver(&misnamed->proc);
}

static nmdm_exchange_t *got_as(net_t *net, const tls_t *tls,
                               const identity_t *identity)
{
    nmdm_exchange_t *x = asking(net, "GET", tls->url);

    if (identity) {
        x->cert_pem = pem_of(net->p, identity->x509);
        x->key_pem = key_pem(net->p, identity->key);
    }
    run(net, x);
    return x;
}

static void each_request_has_its_own_identity(void **state)
{
    net_t *net = *state;
    const identity_t *ca = authority(net->p, "Test CA");
    const identity_t *one = issued(net->p, ca, "one", "clientAuth");
    const identity_t *two = issued(net->p, ca, "two", "clientAuth");
    tls_t *tls = start_tls(net, issued(net->p, ca, "localhost",
                                       "serverAuth"), ca);
    int i;

    stop_client(net, 0);
    start_client(net, pem_of(net->p, ca->x509), 9);
    for (i = 0; i < 3; i++) {
        assert_true(has_text(got_as(net, tls, one)->reply, "\"one\""));
        assert_true(has_text(got_as(net, tls, two)->reply, "\"two\""));
    }
    expect_failure(got_as(net, tls, NULL), "");
    stop_receiver(&tls->proc);
}

/* ---- Many at once ---- */

enum { THREADS = 6, EACH = 40 };

typedef struct {
    net_t *net;
    int number;
    int failures;
} worker_t;

static void *APR_THREAD_FUNC work(apr_thread_t *thread, void *data)
{
    worker_t *worker = data;
    net_t *net = worker->net;
    apr_pool_t *p;
    int i;

    for (i = 0; i < EACH; i++) {
        nmdm_exchange_t x = { .method = "POST",
                              .deadline = nmdm_time_steady()
                                          + apr_time_from_sec(20) };
        nmdm_exchange_t *all = &x;

        apr_pool_create(&p, NULL);
        x.url = apr_pstrcat(p, net->url, "/ok", NULL);
        x.body = bytes_of(apr_psprintf(p, "%d-%d", worker->number, i));
        worker->failures +=
            nmdm_http_client_post(net->client, apr_itoa(p, worker->number), &x,
                                  p) != NULL;
        if (i % 4 == 0) {
            nmdm_http_client_run(net->client, &all, 1, p);
            worker->failures += x.status != 200;
        }
        apr_pool_destroy(p);
    }
    (void)thread;
    return NULL;
}

static void threads_share_a_client(void **state)
{
    net_t *net = *state;
    apr_thread_t *threads[THREADS];
    worker_t workers[THREADS];
    apr_status_t rv;
    int i;

    for (i = 0; i < THREADS; i++) {
        workers[i] = (worker_t){ net, i, 0 };
        apr_thread_create(&threads[i], NULL, work, &workers[i], net->p);
    }
    for (i = 0; i < THREADS; i++) {
        apr_thread_join(&rv, threads[i]);
        assert_int_equal(workers[i].failures, 0);
    }
    wait_for_ended(net, THREADS * EACH);
    for (i = 0; i < THREADS * EACH; i++) {
        assert_string_equal(net->ended[i], "200 - ");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, take_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(status_headers_and_body_come_back),
        TEST(other_statuses_are_answers_as_well),
        TEST(request_arrives_as_it_was_made),
        TEST(body_without_type_is_called_nothing),
        TEST(each_of_many_has_its_own_outcome),
        TEST(running_none_returns),
        TEST(wait_ends_at_the_deadline),
        TEST(wait_for_a_name_ends_at_the_deadline),
        TEST(deadline_holds_for_those_without_a_connection),
        TEST(nothing_is_sent_after_the_deadline),
        TEST(broken_connections_are_failures),
        TEST(long_replies_are_failures),
        TEST(redirects_are_not_followed),
        TEST(only_http_is_spoken),
        TEST(a_header_cannot_bring_another),
        TEST(environment_chooses_no_proxy),
        TEST(connections_are_used_again),
        TEST(there_are_at_most_eight_connections),
        TEST(posted_one_is_copied),
        TEST(one_order_is_sent_in_its_order),
        TEST(a_closed_connection_costs_no_event),
        TEST(orders_do_not_wait_for_each_other),
        TEST(what_hangs_leaves_room_for_who_waits),
        TEST(failures_of_posted_ones_are_told),
        TEST(one_order_may_go_to_several_hosts),
        TEST(a_full_queue_takes_no_more),
        TEST(large_bodies_fill_the_queue_too),
        TEST(stop_lets_posted_ones_finish),
        TEST(patience_has_an_end),
        TEST(stop_ends_a_wait),
        TEST(hurry_ends_waits_and_no_posted_ones),
        TEST(nothing_is_taken_after_the_stop),
        TEST(servers_are_verified),
        TEST(each_request_has_its_own_identity),
        TEST(threads_share_a_client),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
