/* SPDX-License-Identifier: Apache-2.0 */
/* apns_server.c -- a stand-in for APNs that costs little: HTTP/2 over TLS for
 * clients with a certificate, every push answered 200 after a fixed latency.
 *
 *   apns_server IDENTITY.pem CLIENT-CA.pem LATENCY-MS [MAX-STREAMS]
 *
 * Prints its port, serves until its standard input ends, then prints how many
 * connections and pushes there were. One thread, one epoll. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define OUT_ENOUGH 65536

typedef struct conn_t conn_t;
typedef struct late_t late_t;

struct conn_t {
    int fd, is_dead;
    int waiting;                /* answers that are due to it */
    SSL *ssl;
    nghttp2_session *h2;        /* once TLS is there */
    unsigned char out[2 * OUT_ENOUGH];
    size_t out_len;
};

/* Answers that wait; latency is the same for all, so first in is first out. */
struct late_t {
    late_t *next;
    conn_t *conn;
    int32_t stream;
    double due;
};

static late_t *first_late, **last_late = &first_late;
static double latency;
static int epoll_fd, max_streams = 1000;
static long connections, pushes;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(2);
}

/* ---- Answers ---- */

#define FIELD(name, value) \
    { (unsigned char *)name, (unsigned char *)value, sizeof(name) - 1, \
      sizeof(value) - 1, NGHTTP2_NV_FLAG_NONE }

static void answer(conn_t *conn, int32_t stream)
{
    static const nghttp2_nv FIELDS[] = {
        FIELD(":status", "200"),
        FIELD("apns-id", "0BE7C400-2222-4000-8000-000000000000"),
    };

    nghttp2_submit_response(conn->h2, stream, FIELDS, 2, NULL);
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame,
                    void *baton)
{
    conn_t *conn = baton;
    late_t *late;

    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        || (frame->hd.type != NGHTTP2_DATA
            && frame->hd.type != NGHTTP2_HEADERS)) {
        return 0;
    }
    pushes++;
    if (latency <= 0) {
        answer(conn, frame->hd.stream_id);
        return 0;
    }
    late = malloc(sizeof(*late));
    *late = (late_t){ NULL, conn, frame->hd.stream_id, now() + latency };
    *last_late = late;
    last_late = &late->next;
    conn->waiting++;
    (void)h2;
    return 0;
}

/* ---- Connections ---- */

static void bury(conn_t *conn)
{
    if (!conn->is_dead) {
        conn->is_dead = 1;
        close(conn->fd);
        SSL_free(conn->ssl);
        nghttp2_session_del(conn->h2);
    }
    if (!conn->waiting) {
        free(conn);
    }
}

static void want_to_write(conn_t *conn, int yes)
{
    struct epoll_event event = { .events = EPOLLIN | (yes ? EPOLLOUT : 0),
                                 .data.ptr = conn };

    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, conn->fd, &event);
}

/* Writes until nothing is left or the socket is full; 0 for a broken one. */
static int flush(conn_t *conn)
{
    const uint8_t *data;
    ssize_t len;
    int n;

    for (;;) {
        while (conn->out_len < OUT_ENOUGH) {
            len = nghttp2_session_mem_send(conn->h2, &data);
            if (len < 0) {
                return 0;
            }
            if (!len) {
                break;
            }
            memcpy(conn->out + conn->out_len, data, (size_t)len);
            conn->out_len += (size_t)len;
        }
        if (!conn->out_len) {
            want_to_write(conn, 0);
            return nghttp2_session_want_read(conn->h2);
        }
        n = SSL_write(conn->ssl, conn->out, (int)conn->out_len);
        if (n <= 0) {
            n = SSL_get_error(conn->ssl, n);
            want_to_write(conn, 1);
            return n == SSL_ERROR_WANT_WRITE || n == SSL_ERROR_WANT_READ;
        }
        conn->out_len -= (size_t)n;
        memmove(conn->out, conn->out + n, conn->out_len);
    }
}

/* Goes on with the handshake: 1 when it is over, 0 when it waits, -1 when it
 * failed. */
static int shake(conn_t *conn)
{
    nghttp2_settings_entry settings = {
        NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)max_streams };
    nghttp2_session_callbacks *callbacks;
    int rv = SSL_accept(conn->ssl);

    if (rv != 1) {
        rv = SSL_get_error(conn->ssl, rv);
        return rv == SSL_ERROR_WANT_READ || rv == SSL_ERROR_WANT_WRITE
            ? 0 : -1;
    }
    connections++;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks,
                                                         on_frame);
    nghttp2_session_server_new(&conn->h2, callbacks, conn);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(conn->h2, NGHTTP2_FLAG_NONE, &settings, 1);
    return 1;
}

/* 0 when the connection is over. */
static int serve(conn_t *conn)
{
    unsigned char data[16384];
    int n;

    if (!conn->h2) {
        n = shake(conn);
        if (n != 1) {
            return n == 0;
        }
    }
    while ((n = SSL_read(conn->ssl, data, sizeof(data))) > 0) {
        if (nghttp2_session_mem_recv(conn->h2, data, (size_t)n) < 0) {
            return 0;
        }
    }
    n = SSL_get_error(conn->ssl, n);
    return (n == SSL_ERROR_WANT_READ || n == SSL_ERROR_WANT_WRITE)
           && flush(conn);
}

static void admit(int listener, SSL_CTX *tls)
{
    struct epoll_event event = { .events = EPOLLIN };
    conn_t *conn;
    int yes = 1, fd = accept4(listener, NULL, NULL,
                              SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    conn = calloc(1, sizeof(*conn));
    conn->fd = fd;
    conn->ssl = SSL_new(tls);
    SSL_set_fd(conn->ssl, fd);
    event.data.ptr = conn;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void answer_late(void)
{
    double moment = now();
    conn_t *conn;
    late_t *late;

    while ((late = first_late) && late->due <= moment) {
        conn = late->conn;
        first_late = late->next;
        if (!first_late) {
            last_late = &first_late;
        }
        conn->waiting--;
        if (!conn->is_dead) {
            answer(conn, late->stream);
        }
        /* One write for all that are due to one connection. */
        if (!first_late || first_late->due > moment
            || first_late->conn != conn) {
            if (conn->is_dead || !flush(conn)) {
                bury(conn);
            }
        }
        free(late);
    }
}

/* ---- The server ---- */

static int choose_h2(SSL *ssl, const unsigned char **out,
                     unsigned char *out_len, const unsigned char *in,
                     unsigned int in_len, void *baton)
{
    (void)ssl;
    (void)baton;
    return nghttp2_select_next_protocol((unsigned char **)out, out_len, in,
                                        in_len) == 1
        ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *make_tls(const char *identity, const char *client_ca)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

    if (SSL_CTX_use_certificate_chain_file(tls, identity) != 1
        || SSL_CTX_use_PrivateKey_file(tls, identity, SSL_FILETYPE_PEM) != 1
        || SSL_CTX_load_verify_locations(tls, client_ca, NULL) != 1) {
        die("TLS");
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       NULL);
    SSL_CTX_set_session_id_context(tls, (const unsigned char *)"apns", 4);
    SSL_CTX_set_alpn_select_cb(tls, choose_h2, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE
                          | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return tls;
}

static int listen_somewhere(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 100)
        || getsockname(fd, (struct sockaddr *)&at, &len)) {
        die("listen");
    }
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

/* Until the next answer is due; rounded up, or the last millisecond would be
 * spent asking. */
static int patience(void)
{
    double left;

    if (!first_late) {
        return -1;
    }
    left = (first_late->due - now()) * 1000;
    return left <= 0 ? 0 : (int)left + 1;
}

int main(int argc, char **argv)
{
    struct epoll_event events[64], event = { .events = EPOLLIN };
    int listener, n, i;
    SSL_CTX *tls;

    if (argc < 4) {
        fprintf(stderr, "usage: apns_server IDENTITY.pem CLIENT-CA.pem"
                " LATENCY-MS [MAX-STREAMS]\n");
        return 2;
    }
    latency = atof(argv[3]) / 1000;
    max_streams = argc > 4 ? atoi(argv[4]) : max_streams;
    tls = make_tls(argv[1], argv[2]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    listener = listen_somewhere();
    event.data.ptr = &listener;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    event.data.ptr = NULL;      /* standard input */
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &event);
    for (;;) {
        n = epoll_wait(epoll_fd, events, 64, patience());
        for (i = 0; i < n; i++) {
            if (!events[i].data.ptr) {
                printf("{\"connections\": %ld, \"pushes\": %ld}\n",
                       connections, pushes);
                return 0;
            }
            if (events[i].data.ptr == &listener) {
                admit(listener, tls);
            }
            else if (!serve(events[i].data.ptr)) {
                bury(events[i].data.ptr);
            }
        }
        answer_late();
    }
}
