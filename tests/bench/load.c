/* SPDX-License-Identifier: Apache-2.0 */
/* load.c -- many devices at work: requests over TLS with client certificates,
 * timed one by one. Says "ready", waits for a line, works, and prints one
 * line of JSON.
 *
 * Each thread plays its share of the devices, one request at a time, as a
 * device does. Nothing is started afresh inside the measured time but what the
 * workload is about. Device number i has a UDID made of i and the i-th
 * certificate of the file of identities; one key serves all. */

#include "load.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

options_t opt = { .threads = 25, .count = 25, .path = "/mdm", .workload = "poll",
                  .timeout = 120,
                  .topic = "com.apple.mgmt.External.bench" };

static pthread_barrier_t start_line;
static double ends;

/* ---- Workloads: what a device does in one turn; 0 when it has done all ---- */

typedef int (*turn_fn)(worker_t *w, device_t *device);

static int turn_static(worker_t *w, device_t *device)
{
    request(w, device, "GET", NULL, "");
    return 1;
}

static int turn_poll(worker_t *w, device_t *device)
{
    idle(w, device);
    return 1;
}

/* Asks an endpoint of declarative management; Data is base64. */
static int turn_declarative(worker_t *w, device_t *device)
{
    char keys[7680];

    snprintf(keys, sizeof(keys),
             "<key>MessageType</key><string>DeclarativeManagement</string>\n"
             "<key>UDID</key><string>%s</string>\n"
             "<key>Endpoint</key><string>%s</string>\n%s%s%s",
             device->udid, opt.endpoint,
             opt.data ? "<key>Data</key><data>" : "",
             opt.data ? opt.data : "", opt.data ? "</data>\n" : "");
    send_plist(w, device, CHECKIN, keys);
    return opt.seconds > 0;
}

static int turn_enrol(worker_t *w, device_t *device)
{
    if (authenticate(w, device)) {
        token_update(w, device);
    }
    return 0;
}

/* Answers opt.each commands: each report is stored and answered with the next
 * command. */
static int turn_roundtrip(worker_t *w, device_t *device)
{
    char uuid[128];
    int i;

    idle(w, device);
    for (i = 0; i < opt.each; i++) {
        delivered(w, uuid, sizeof(uuid));
        if (!*uuid) {
            w->exhausted++;
            break;
        }
        acknowledge(w, device, uuid);
    }
    return 0;
}

/* Answers one command whose UUID is known beforehand. */
static int turn_answer(worker_t *w, device_t *device)
{
    char uuid[128];

    snprintf(uuid, sizeof(uuid), opt.uuid_each ? "%s%d" : "%s", opt.uuid,
             device->number);
    acknowledge(w, device, uuid);
    return 0;
}

static const struct {
    const char *name;
    turn_fn turn;
} WORKLOADS[] = {
    { "static", turn_static }, { "poll", turn_poll },
    { "enrol", turn_enrol }, { "roundtrip", turn_roundtrip },
    { "answer", turn_answer }, { "declarative", turn_declarative },
    { NULL, NULL }
};

static turn_fn turn;

/* Kept connections are there before the clock runs. Until its first request
 * is answered, one holds a thread of httpd's: where there are more of them than
 * threads, each has to ask at once. */
static void connect_early(worker_t *w)
{
    if (opt.is_warm) {
        turn(w, w->devices);
        w->n = 0;
    }
    else if (!dial(w, w->devices)) {
        die("connect");
    }
}

static void *work(void *baton)
{
    worker_t *w = baton;
    int more = 1, i = 0;

    w->fd = -1;
    w->body = malloc(MOST_BODY + MOST_HEAD + 1);
    w->request = malloc(MOST_BODY);
    if (opt.connect == KEEP && opt.seconds > 0) {
        connect_early(w);
    }
    pthread_barrier_wait(&start_line);
    pthread_barrier_wait(&start_line);
    /* Devices that poll now and then do not all do so in one instant. */
    if (opt.pause_ms) {
        usleep((useconds_t)(random() % (opt.pause_ms * 1000L)));
    }
    while (opt.seconds > 0 ? now() < ends : i < w->ndevices) {
        more = turn(w, &w->devices[i]);
        /* A kept TLS connection belongs to one device. */
        if (!more || opt.connect != KEEP || opt.is_plain) {
            i++;
        }
        if (opt.seconds > 0 && i == w->ndevices) {
            i = 0;
        }
        if (opt.pause_ms) {
            usleep((useconds_t)opt.pause_ms * 1000);
        }
    }
    hang_up(w);
    return NULL;
}

/* ---- Results ---- */

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void report(worker_t *workers, double seconds)
{
    worker_t sum = { 0 };
    struct rusage used;
    uint32_t *all;
    int i;

    for (i = 0; i < opt.threads; i++) {
        sum.n += workers[i].n;
        sum.refused += workers[i].refused;
        sum.lost += workers[i].lost;
        sum.hung += workers[i].hung;
        sum.connections += workers[i].connections;
        sum.resumed += workers[i].resumed;
        sum.exhausted += workers[i].exhausted;
    }
    all = malloc((sum.n + 1) * sizeof(*all));
    sum.n = 0;
    for (i = 0; i < opt.threads; i++) {
        memcpy(all + sum.n, workers[i].micros,
               workers[i].n * sizeof(*all));
        sum.n += workers[i].n;
    }
    qsort(all, sum.n, sizeof(*all), by_size);
    all[sum.n] = 0;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"requests\": %zu, \"seconds\": %.6f, \"refused\": %ld,"
           " \"lost\": %ld, \"hung\": %ld, \"connections\": %ld, \"resumed\": %ld,"
           " \"exhausted\": %ld, \"p50_us\": %u, \"p99_us\": %u,"
           " \"max_us\": %u, \"client_cpu\": %.6f}\n",
           sum.n, seconds, sum.refused, sum.lost, sum.hung, sum.connections,
           sum.resumed, sum.exhausted, all[sum.n / 2],
           all[sum.n * 99 / 100], sum.n ? all[sum.n - 1] : 0,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec)
           + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
}

static void parse(int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "port", 1, 0, 'p' }, { "threads", 1, 0, 't' },
        { "seconds", 1, 0, 's' }, { "path", 1, 0, 'a' },
        { "workload", 1, 0, 'w' }, { "identities", 1, 0, 'i' },
        { "first", 1, 0, 'f' }, { "count", 1, 0, 'c' },
        { "each", 1, 0, 'e' }, { "uuid", 1, 0, 'u' },
        { "uuid-each", 1, 0, 'U' }, { "header", 1, 0, 'h' },
        { "plain", 0, 0, 'P' }, { "fresh", 0, 0, 'F' },
        { "resume", 0, 0, 'R' }, { "pause", 1, 0, 'z' },
        { "topic", 1, 0, 'T' }, { "endpoint", 1, 0, 'E' },
        { "data", 1, 0, 'D' }, { "timeout", 1, 0, 'O' },
        { "warm", 0, 0, 'W' }, { 0, 0, 0, 0 }
    };
    int letter, i;

    while ((letter = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        switch (letter) {
        case 'p': opt.port = atoi(optarg); break;
        case 't': opt.threads = atoi(optarg); break;
        case 's': opt.seconds = atof(optarg); break;
        case 'a': opt.path = optarg; break;
        case 'w': opt.workload = optarg; break;
        case 'i': opt.identities = optarg; break;
        case 'f': opt.first = atoi(optarg); break;
        case 'c': opt.count = atoi(optarg); break;
        case 'e': opt.each = atoi(optarg); break;
        case 'U': opt.uuid_each = 1; /* fall through */
        case 'u': opt.uuid = optarg; break;
        case 'h': opt.header = optarg; break;
        case 'P': opt.is_plain = 1; break;
        case 'F': opt.connect = FRESH; break;
        case 'R': opt.connect = RESUME; break;
        case 'z': opt.pause_ms = atoi(optarg); break;
        case 'T': opt.topic = optarg; break;
        case 'E': opt.endpoint = optarg; break;
        case 'D': opt.data = optarg; break;
        case 'O': opt.timeout = atoi(optarg); break;
        case 'W': opt.is_warm = 1; break;
        default: exit(2);
        }
    }
    for (i = 0; WORKLOADS[i].name; i++) {
        if (!strcmp(WORKLOADS[i].name, opt.workload)) {
            turn = WORKLOADS[i].turn;
        }
    }
    if (!turn || (turn == turn_declarative && !opt.endpoint) || !opt.port
        || !opt.identities || opt.threads < 1 || opt.count < opt.threads) {
        fprintf(stderr, "usage: load --port N --identities FILE"
                " --workload static|poll|enrol|roundtrip|answer|"
                "declarative\n"
                "  [--threads N] [--first N] [--count N] [--path PATH]\n"
                "  [--seconds S | each device once] [--fresh | --resume]\n"
                "  [--plain --header NAME] [--each N] [--pause MS]\n"
                "  [--uuid UUID | --uuid-each PREFIX] [--topic TOPIC]\n"
                "  [--endpoint NAME [--data BASE64]] [--timeout S] [--warm]\n"
                "at least one device for each thread\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    worker_t *workers;
    double began;
    int i, from;

    signal(SIGPIPE, SIG_IGN);
    parse(argc, argv);
    read_devices();
    make_tls();
    workers = calloc((size_t)opt.threads, sizeof(*workers));
    pthread_barrier_init(&start_line, NULL, (unsigned)opt.threads + 1);
    for (i = 0; i < opt.threads; i++) {
        from = (int)((long)opt.count * i / opt.threads);
        workers[i].devices = devices + from;
        workers[i].ndevices = (int)((long)opt.count * (i + 1) / opt.threads)
                              - from;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) {
            die("thread");
        }
    }
    pthread_barrier_wait(&start_line);
    /* Whoever started us reads the clocks of the servers now. */
    printf("ready\n");
    fflush(stdout);
    getchar();
    began = now();
    ends = began + opt.seconds;
    pthread_barrier_wait(&start_line);
    for (i = 0; i < opt.threads; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    report(workers, now() - began);
    return 0;
}
