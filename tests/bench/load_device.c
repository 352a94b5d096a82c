/* SPDX-License-Identifier: Apache-2.0 */
/* load_device.c -- a device of load.c: its identity, its connection, and the
 * requests that it makes. */

#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

static SSL_CTX *tls;
static EVP_PKEY *key;
device_t *devices;

void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(2);
}

double now(void)
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

void read_devices(void)
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

void make_tls(void)
{
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(
        tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, keep_session);
}

void hang_up(worker_t *w)
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

int dial(worker_t *w, device_t *device)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)opt.port) };
    struct timeval wait = { .tv_sec = opt.timeout };
    int yes = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
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
    errno = 0;
    if (SSL_connect(w->ssl) != 1) {
        w->hung += errno == EAGAIN;
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
    int n;

    errno = 0;
    n = w->ssl ? SSL_read(w->ssl, data, (int)len)
               : (int)recv(w->fd, data, len, 0);
    w->hung += n < 0 && errno == EAGAIN;
    return n;
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
int request(worker_t *w, device_t *device, const char *method,
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
#define REPORT "application/x-apple-aspen-mdm; charset=UTF-8"

int send_plist(worker_t *w, device_t *device, const char *type,
               const char *keys)
{
    char body[8192];

    snprintf(body, sizeof(body), PLIST, keys);
    return request(w, device, "PUT", type, body);
}

int authenticate(worker_t *w, device_t *device)
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

int token_update(worker_t *w, device_t *device)
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

int idle(worker_t *w, device_t *device)
{
    char keys[256];

    snprintf(keys, sizeof(keys),
             "<key>Status</key><string>Idle</string>\n"
             "<key>UDID</key><string>%s</string>\n", device->udid);
    return send_plist(w, device, REPORT, keys);
}

/* As long as the answer to a DeviceInformation. */
int acknowledge(worker_t *w, device_t *device, const char *uuid)
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
void delivered(const worker_t *w, char *uuid, size_t size)
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
