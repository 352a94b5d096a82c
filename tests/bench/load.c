/* SPDX-License-Identifier: Apache-2.0 */
/* load.c -- many devices at work: requests over TLS with client certificates,
 * timed one by one. Says "ready", waits for a line, works, and prints one
 * line of JSON.
 *
 * Each thread plays its share of the devices, one request at a time, as a
 * device does. Nothing is started afresh inside the measured time but what the
 * workload is about. Device number i has a UDID made of i and the i-th
 * certificate of the file of identities; one key serves all. */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#define MOST_HEAD 16384
#define MOST_BODY 65536

typedef struct {
    int number;
    char udid[40];
    X509 *cert;
    char *header;               /* the certificate as RFC 9440 has it */
    SSL_SESSION *session;
} device_t;

typedef struct {
    pthread_t thread;
    device_t *devices;          /* its share */
    int ndevices;
    /* The connection, and whose it is. */
    int fd;
    SSL *ssl;
    device_t *owner;
    /* The answer to the last request. */
    int status;
    int is_last;                /* the server closes after it */
    char *body;
    size_t body_len;
    char *request;
    /* What is counted. */
    uint32_t *micros;           /* of each request */
    size_t n, room;
    long refused, lost, connections, resumed, exhausted;
} worker_t;

typedef enum { KEEP, FRESH, RESUME } connect_e;

static struct {
    int port, threads, first, count, each, pause_ms;
    double seconds;
    const char *path, *workload, *identities, *uuid, *header, *topic;
    const char *endpoint, *data;        /* of declarative management */
    int is_plain, uuid_each;
    connect_e connect;
} opt = { .threads = 25, .count = 25, .path = "/mdm", .workload = "poll",
          .topic = "com.apple.mgmt.External.bench" };

static SSL_CTX *tls;
static EVP_PKEY *key;
static device_t *devices;
static pthread_barrier_t start_line;
static double ends;

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(2);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- Devices ---- */

static char *as_header(X509 *cert)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    char *text = malloc((size_t)len * 4 / 3 + 8);

    *text = ':';
    strcpy(text + 1 + EVP_EncodeBlock((unsigned char *)text + 1, der, len),
           ":");
    OPENSSL_free(der);
    return text;
}

static void read_devices(void)
{
    BIO *in = BIO_new_file(opt.identities, "r");
    int i;

    key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
    if (!key) {
        die(opt.identities);
    }
    devices = calloc((size_t)opt.count, sizeof(*devices));
    for (i = 0; i < opt.first + opt.count; i++) {
        X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
        device_t *device = &devices[i - opt.first];

        if (!cert) {
            die("too few certificates");
        }
        if (i < opt.first) {
            X509_free(cert);
            continue;
        }
        device->number = i;
        device->cert = cert;
        device->header = opt.header ? as_header(cert) : NULL;
        snprintf(device->udid, sizeof(device->udid),
                 "0BE7C400-0000-4000-8000-%012d", i);
    }
    BIO_free(in);
}

/* ---- Connections ---- */

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    device_t *device = SSL_get_app_data(ssl);

    SSL_SESSION_free(device->session);
    device->session = session;
    return 1;                   /* the reference is ours now */
}

static void make_tls(void)
{
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(
        tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, keep_session);
}

static void hang_up(worker_t *w)
{
    if (w->ssl) {
        SSL_shutdown(w->ssl);
        SSL_free(w->ssl);
        w->ssl = NULL;
    }
    if (w->fd >= 0) {
        close(w->fd);
    }
    w->fd = -1;
    w->owner = NULL;
}

static int dial(worker_t *w, device_t *device)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)opt.port) };
    int yes = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (connect(w->fd, (struct sockaddr *)&to, sizeof(to))) {
        return 0;
    }
    w->connections++;
    w->owner = device;
    if (opt.is_plain) {
        return 1;
    }
    w->ssl = SSL_new(tls);
    SSL_set_app_data(w->ssl, device);
    SSL_use_certificate(w->ssl, device->cert);
    SSL_use_PrivateKey(w->ssl, key);
    SSL_set_tlsext_host_name(w->ssl, "localhost");
    if (opt.connect == RESUME && device->session) {
        SSL_set_session(w->ssl, device->session);
    }
    SSL_set_fd(w->ssl, w->fd);
    if (SSL_connect(w->ssl) != 1) {
        ERR_clear_error();
        return 0;
    }
    w->resumed += SSL_session_reused(w->ssl);
    return 1;
}

static int put(worker_t *w, const char *data, size_t len)
{
    if (w->ssl) {
        return SSL_write(w->ssl, data, (int)len) == (int)len;
    }
    return send(w->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static int get(worker_t *w, char *data, size_t len)
{
    return w->ssl ? SSL_read(w->ssl, data, (int)len)
                  : (int)recv(w->fd, data, len, 0);
}

/* ---- Requests ---- */

/* The head and the body, which ends where Content-Length says. */
static int read_answer(worker_t *w)
{
    char *head = w->body, *end = NULL, *field;
    size_t len = 0, want;
    int n;

    while (!end) {
        n = get(w, head + len, MOST_HEAD - 1 - len);
        if (n <= 0) {
            return 0;
        }
        len += (size_t)n;
        head[len] = '\0';
        end = strstr(head, "\r\n\r\n");
    }
    if (sscanf(head, "HTTP/1.1 %d", &w->status) != 1) {
        return 0;
    }
    *end = '\0';
    field = strcasestr(head, "\r\nContent-Length:");
    want = field ? (size_t)atol(field + 17) : 0;
    w->is_last = strcasestr(head, "\r\nConnection: close") != NULL;
    if (!field && w->status == 200) {
        fprintf(stderr, "load: an answer without Content-Length\n");
        return 0;
    }
    end += 4;
    len -= (size_t)(end - head);
    memmove(w->body, end, len);
    while (len < want && want < MOST_BODY) {
        n = get(w, w->body + len, MOST_BODY - len);
        if (n <= 0) {
            return 0;
        }
        len += (size_t)n;
    }
    w->body[len] = '\0';
    w->body_len = len;
    return 1;
}

static int exchange(worker_t *w, device_t *device, size_t len)
{
    return (w->fd >= 0 || dial(w, device)) && put(w, w->request, len)
           && read_answer(w);
}

static void note(worker_t *w, double began)
{
    if (w->n == w->room) {
        w->room = w->room ? 2 * w->room : 65536;
        w->micros = realloc(w->micros, w->room * sizeof(*w->micros));
    }
    w->micros[w->n++] = (uint32_t)((now() - began) * 1e6);
    w->refused += w->status != 200;
}

/* One request, timed from the wish to have it answered: with a fresh
 * connection, the handshake is part of it. A kept connection that the server
 * has closed meanwhile is opened anew, as devices do. */
static int request(worker_t *w, device_t *device, const char *method,
                   const char *type, const char *body)
{
    double began = now();
    int kept, len;

    /* Behind a proxy, one connection carries any device. */
    if (w->owner && (opt.connect != KEEP
                     || (w->owner != device && !opt.is_plain))) {
        hang_up(w);
    }
    kept = w->fd >= 0;
    len = snprintf(w->request, MOST_BODY,
                   "%s %s HTTP/1.1\r\nHost: localhost\r\n"
                   "User-Agent: MDM-OSX/1.0 mdmclient/1\r\n%s%s%s%s%s%s%s%s"
                   "Content-Length: %zu\r\n\r\n%s",
                   method, opt.path, type ? "Content-Type: " : "",
                   type ? type : "", type ? "\r\n" : "",
                   device->header ? opt.header : "",
                   device->header ? ": " : "",
                   device->header ? device->header : "",
                   device->header ? "\r\n" : "",
                   opt.connect == KEEP ? "" : "Connection: close\r\n",
                   strlen(body), body);
    if (!exchange(w, device, (size_t)len)) {
        hang_up(w);
        if (!kept || !exchange(w, device, (size_t)len)) {
            hang_up(w);
            w->lost++;
            return 0;
        }
    }
    if (w->is_last) {
        hang_up(w);
    }
    note(w, began);
    return w->status == 200;
}

#define PLIST \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" \
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\"" \
    " \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n" \
    "<plist version=\"1.0\">\n<dict>\n%s</dict>\n</plist>\n"
#define CHECKIN "application/x-apple-aspen-mdm-checkin"
#define REPORT "application/x-apple-aspen-mdm; charset=UTF-8"

static int send_plist(worker_t *w, device_t *device, const char *type,
                      const char *keys)
{
    char body[8192];

    snprintf(body, sizeof(body), PLIST, keys);
    return request(w, device, "PUT", type, body);
}

static int authenticate(worker_t *w, device_t *device)
{
    char keys[2048];

    snprintf(keys, sizeof(keys),
             "<key>MessageType</key><string>Authenticate</string>\n"
             "<key>UDID</key><string>%s</string>\n"
             "<key>Topic</key><string>%s</string>\n"
             "<key>SerialNumber</key><string>C%011d</string>\n"
             "<key>BuildVersion</key><string>24B83</string>\n"
             "<key>DeviceName</key><string>Bench</string>\n"
             "<key>Model</key><string>MacBookPro18,3</string>\n"
             "<key>ModelName</key><string>MacBook Pro</string>\n"
             "<key>OSVersion</key><string>15.1</string>\n"
             "<key>ProductName</key><string>MacBookPro18,3</string>\n",
             device->udid, opt.topic, device->number);
    return send_plist(w, device, CHECKIN, keys);
}

static int token_update(worker_t *w, device_t *device)
{
    char keys[2048];

    /* A token as long as real ones: 32 bytes. */
    snprintf(keys, sizeof(keys),
             "<key>MessageType</key><string>TokenUpdate</string>\n"
             "<key>UDID</key><string>%s</string>\n"
             "<key>Topic</key><string>%s</string>\n"
             "<key>AwaitingConfiguration</key><false/>\n"
             "<key>PushMagic</key>"
             "<string>0BE7C400-1111-4000-8000-%012d</string>\n"
             "<key>Token</key><data>%032dAAAAAAAAAAA=</data>\n",
             device->udid, opt.topic, device->number, device->number);
    return send_plist(w, device, CHECKIN, keys);
}

static int idle(worker_t *w, device_t *device)
{
    char keys[256];

    snprintf(keys, sizeof(keys),
             "<key>Status</key><string>Idle</string>\n"
             "<key>UDID</key><string>%s</string>\n", device->udid);
    return send_plist(w, device, REPORT, keys);
}

/* As long as the answer to a DeviceInformation. */
static int acknowledge(worker_t *w, device_t *device, const char *uuid)
{
    char keys[2048];
    int len, i;

    len = snprintf(keys, sizeof(keys),
                   "<key>CommandUUID</key><string>%s</string>\n"
                   "<key>Status</key><string>Acknowledged</string>\n"
                   "<key>UDID</key><string>%s</string>\n"
                   "<key>QueryResponses</key><dict>\n", uuid, device->udid);
    for (i = 0; i < 20; i++) {
        len += snprintf(keys + len, sizeof(keys) - (size_t)len,
                        "<key>Query%02d</key><string>An answer</string>\n",
                        i);
    }
    snprintf(keys + len, sizeof(keys) - (size_t)len, "</dict>\n");
    return send_plist(w, device, REPORT, keys);
}

/* The UUID of the command that was delivered; "" for none. */
static void delivered(const worker_t *w, char *uuid, size_t size)
{
    const char *at = strstr(w->body, "<key>CommandUUID</key>");
    const char *end;

    *uuid = '\0';
    at = at ? strstr(at, "<string>") : NULL;
    end = at ? strstr(at, "</string>") : NULL;
    if (end && (size_t)(end - at) < size) {
        snprintf(uuid, size, "%.*s", (int)(end - at - 8), at + 8);
    }
}

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

static void *work(void *baton)
{
    worker_t *w = baton;
    int more = 1, i = 0;

    w->fd = -1;
    w->body = malloc(MOST_BODY + MOST_HEAD + 1);
    w->request = malloc(MOST_BODY);
    /* Kept connections are there before the clock runs. */
    if (opt.connect == KEEP && opt.seconds > 0 && !dial(w, w->devices)) {
        die("connect");
    }
    pthread_barrier_wait(&start_line);
    pthread_barrier_wait(&start_line);
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
           " \"lost\": %ld, \"connections\": %ld, \"resumed\": %ld,"
           " \"exhausted\": %ld, \"p50_us\": %u, \"p99_us\": %u,"
           " \"max_us\": %u, \"client_cpu\": %.6f}\n",
           sum.n, seconds, sum.refused, sum.lost, sum.connections,
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
        { "data", 1, 0, 'D' }, { 0, 0, 0, 0 }
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
        default: exit(2);
        }
    }
    for (i = 0; WORKLOADS[i].name; i++) {
        if (!strcmp(WORKLOADS[i].name, opt.workload)) {
            turn = WORKLOADS[i].turn;
        }
    }
    if (!turn || (turn == turn_declarative && !opt.endpoint) || !opt.port || !opt.identities || opt.threads < 1
        || opt.count < opt.threads) {
        fprintf(stderr, "usage: load --port N --identities FILE"
                " --workload static|poll|enrol|roundtrip|answer|"
                "declarative\n"
                "  [--threads N] [--first N] [--count N] [--path PATH]\n"
                "  [--seconds S | each device once] [--fresh | --resume]\n"
                "  [--plain --header NAME] [--each N] [--pause MS]\n"
                "  [--uuid UUID | --uuid-each PREFIX] [--topic TOPIC]\n"
                "  [--endpoint NAME [--data BASE64]]\n"
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
