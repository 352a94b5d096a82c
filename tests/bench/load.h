/* SPDX-License-Identifier: Apache-2.0 */
/* load.h -- what load.c and load_device.c share: the devices, their connections
 * and what they send. */

#ifndef LOAD_H
#define LOAD_H

#include <pthread.h>
#include <stdint.h>

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
    long refused, lost, hung, connections, resumed, exhausted;
} worker_t;

typedef enum { KEEP, FRESH, RESUME } connect_e;

/* The command line. */
typedef struct {
    int port, threads, first, count, each, pause_ms;
    double seconds;
    const char *path, *workload, *identities, *uuid, *header, *topic;
    const char *endpoint, *data;        /* of declarative management */
    int is_plain, uuid_each, is_warm;
    int timeout;                /* seconds without a byte */
    connect_e connect;
} options_t;

extern options_t opt;
extern device_t *devices;       /* opt.count of them */

#define CHECKIN "application/x-apple-aspen-mdm-checkin"

/* Ends the program. */
void die(const char *what);
/* Seconds, on the steady clock. */
double now(void);

/* Reads the devices' identities, and prepares TLS. */
void read_devices(void);
void make_tls(void);

/* Each returns 0 for a failure; hang_up() may be called at any time. */
int dial(worker_t *w, device_t *device);
void hang_up(worker_t *w);

/* Each sends one request, times it, and returns whether its answer was 200. */
int request(worker_t *w, device_t *device, const char *method,
            const char *type, const char *body);
int send_plist(worker_t *w, device_t *device, const char *type,
               const char *keys);
int authenticate(worker_t *w, device_t *device);
int token_update(worker_t *w, device_t *device);
int idle(worker_t *w, device_t *device);
int acknowledge(worker_t *w, device_t *device, const char *uuid);

/* The UUID of the command that was delivered; "" for none. */
void delivered(const worker_t *w, char *uuid, size_t size);

#endif /* LOAD_H */
