/* SPDX-License-Identifier: Apache-2.0 */
/* support.h -- what the unit tests share: a database, requests, messages,
 * certificates. */

#ifndef SUPPORT_H
#define SUPPORT_H

/* cmocka.h does not include what it needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* cmocka 2 has this and deprecates the one that 1 has. */
#ifndef assert_int_in_range
#define assert_int_in_range assert_in_range
#endif

#include "base/context.h"
#include "db/db.h"
#include "crypto/trust.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/* ---- Verdicts ---- */

/* Each fails the test with the error's own text. */
#define OK(expr) support_ok((expr), #expr, __FILE__, __LINE__)
#define REFUSED(expr, kind, part) \
    support_refused((expr), kind, part, #expr, __FILE__, __LINE__)
/* Says for which row of a table something does not hold. */
#define HOLDS(condition, ...) \
    support_holds(!!(condition), #condition, __FILE__, __LINE__, __VA_ARGS__)

void support_ok(nmdm_err_t *err, const char *what, const char *file,
                int line);
void support_refused(nmdm_err_t *err, nmdm_kind_e kind, const char *part,
                     const char *what, const char *file, int line);
void support_holds(int condition, const char *what, const char *file,
                   int line, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* ---- Pools and bytes ---- */

/* APR's start and end, round all tests of a program. */
int support_start(void **state);
int support_end(void **state);

/* A fixture that is a pool: *state is the apr_pool_t. */
int support_pool(void **state);
int support_pool_done(void **state);

nmdm_bytes_t bytes_of(const char *text);
/* Text with format, in p. */
nmdm_bytes_t text_of(apr_pool_t *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A copy without room to spare and without a NUL after it, so that what
 * reads past its end is found out. Freed with p. */
nmdm_bytes_t exact_copy(apr_pool_t *p, nmdm_bytes_t bytes);
/* n times the same character. */
const char *repeat(apr_pool_t *p, char c, apr_size_t n);
int has_text(nmdm_bytes_t bytes, const char *text);

/* A file below tests/, such as "data/authenticate.plist". The tests run in
 * the folder of the Makefile. */
nmdm_bytes_t test_file(apr_pool_t *p, const char *name);

/* ---- Property lists ---- */

/* A dict of key, value, ..., NULL. A value that starts with "<" is XML, any
 * other is a string's text. */
nmdm_bytes_t plist(apr_pool_t *p, ...) __attribute__((sentinel));

/* ---- A small world: a database, its lender, and what was logged ---- */

/* The time of all requests, unless a test says otherwise:
 * 2026-06-01T12:00:00Z. */
#define NOW apr_time_from_sec(1780315200)

typedef struct {
    apr_pool_t *pool;           /* of one test */
    nmdm_policy_t policy;
    nmdm_schema_state_t schema;
    nmdm_db_source_t db_source;
    nmdm_db_t db;
    nmdm_last_seen_t *seen;          /* handed to each request; NULL at first */
    nmdm_relay_t *relay;    /* likewise */
    nmdm_services_t services;   /* of all requests */
    apr_time_t now;
    int is_migration;           /* of each request */
    apr_time_t cert_expired;    /* likewise */

    int borrows;                /* how often the connection was lent */
    int is_lent;
    int fail_next;              /* so many borrows fail */
    int fail_for_ever;

    apr_array_header_t *log;    /* lines, as const char * */
} world_t;

/* A fixture that is a world with all tables, in memory. */
int support_world(void **state);
int support_world_done(void **state);

/* The same with a prefix for all tables. */
world_t *world_make(apr_pool_t *p, const char *prefix);
/* In a file, with a log whose flushes are shared. */
world_t *world_make_on_disk(apr_pool_t *p, const char *path);
/* Without tables, and with a lender that does not make them. */
world_t *world_make_empty(apr_pool_t *p);
void world_end(world_t *w);

/* A new request, whose memory is the test's. cert may be NULL. */
nmdm_ctx_t *request(world_t *w, const nmdm_cert_t *cert);

/* A certificate whose content is not read, the same for the same name. */
const nmdm_cert_t *some_cert(world_t *w, const char *name);

/* The first column of the first row, "" for NULL and "(none)" when there is
 * no row; fails the test when the database refuses. */
const char *ask(world_t *w, const char *sql, ...)
    __attribute__((format(printf, 2, 3)));
/* Runs one statement. */
void tell(world_t *w, const char *sql, ...)
    __attribute__((format(printf, 2, 3)));

/* How many log lines have this in them, since the world began or since
 * forget(). */
int logged(const world_t *w, const char *part);
void forget(world_t *w);

/* ---- Devices ---- */

/* Who a message comes from; user is NULL on the device channel. */
typedef struct {
    const nmdm_cert_t *cert;
    const char *udid, *user;
} device_t;

/* With a certificate named like the device. */
device_t device(world_t *w, const char *udid);
device_t user_of(device_t device, const char *user);

/* Sends a check-in with keys, values and a NULL after its type. */
nmdm_err_t *checkin(world_t *w, nmdm_reply_t *reply, device_t from,
                    const char *type, ...) __attribute__((sentinel));
/* Sends these and expects no error. */
void authenticate(world_t *w, device_t from);
void token_update(world_t *w, device_t from);
void enroll(world_t *w, device_t from);

/* Sends a report; uuid may be NULL. */
nmdm_err_t *report(world_t *w, nmdm_reply_t *reply, device_t from,
                   const char *status, const char *uuid);
/* The same, expecting no error: the UUID of the next command, or "". */
const char *next(world_t *w, device_t from, const char *status,
                 const char *uuid);

/* A command of type Test. */
nmdm_bytes_t command(world_t *w, const char *uuid);
/* Queues it for a comma-separated list of ids, expecting no error. */
void enqueue(world_t *w, const char *ids, const char *uuid);

/* ---- Certificates ---- */

typedef enum { KEY_EC, KEY_RSA, KEY_RSA_2, KEY_WEAK_RSA } key_kind_e;

typedef struct {
    X509 *x509;
    EVP_PKEY *key;
} identity_t;

/* What is left out is chosen so that the certificate is a good one. */
typedef struct {
    const char *name;           /* common name; NULL means "test" */
    const char *uid;            /* UID of the subject, or NULL */
    const identity_t *issuer;   /* NULL: signed by itself */
    int is_ca;
    const char *eku;            /* as OpenSSL spells it, or NULL for none */
    const char *key_usage;      /* likewise */
    int names_issuers_key;      /* by its key identifier */
    apr_time_t from, until;     /* 0: a year before and after NOW */
    key_kind_e key;
    const EVP_MD *digest;       /* of the signature; NULL: SHA-256 */
} wish_t;

/* Lives as long as p. Keys of one kind, CAs apart, are the same key. */
const identity_t *make_identity(apr_pool_t *p, wish_t wish);
#define IDENTITY(p, ...) make_identity((p), (wish_t){ __VA_ARGS__ })

nmdm_bytes_t der_of(apr_pool_t *p, const X509 *x509);
nmdm_cert_t *cert_of(apr_pool_t *p, const identity_t *identity);
/* Fails the test if cert is another than the identity's. */
void is_cert_of(apr_pool_t *p, const nmdm_cert_t *cert,
                const identity_t *identity);
const char *pem_of(apr_pool_t *p, const X509 *x509);
/* PKCS#8; `traditional` is the older form of the key's own kind. */
const char *key_pem(apr_pool_t *p, EVP_PKEY *key);
const char *traditional_key_pem(apr_pool_t *p, EVP_PKEY *key,
                                const char *password);
const char *encrypted_key_pem(apr_pool_t *p, EVP_PKEY *key);

/* Writes text to a temporary file that goes with p; its name. */
const char *temp_file(apr_pool_t *p, const char *text);

/* Trust as two files say it; intermediates may be NULL. */
nmdm_trust_t *trust_in(apr_pool_t *p, const char *anchors,
                       const char *intermediates);

/* A CA, and trust in it alone. */
typedef struct {
    const identity_t *ca;
    nmdm_trust_t *trust;
} house_t;

house_t house(apr_pool_t *p);

/* ---- CMS signatures ---- */

typedef enum {
    SIGN_PLAIN = 0,
    SIGN_ATTRIBUTES = 1,        /* with signed attributes */
    SIGN_INDEFINITE = 2,        /* BER of indefinite lengths, streamed */
    SIGN_EMBED = 4,             /* the content inside */
    SIGN_NO_CERT = 8,
    SIGN_KEY_ID = 16,           /* name the signer by its key id */
    SIGN_PSS = 32,
    SIGN_SHA_NAME = 64          /* shaXWithRSA instead of rsaEncryption */
} sign_e;

typedef struct {
    const identity_t *signer, *second_signer;
    const EVP_MD *digest;       /* NULL: SHA-256 */
    const X509 *extra_cert;
    apr_time_t signing_time;    /* 0: NOW, if there are attributes */
    int how;                    /* of sign_e */
} signature_t;

/* Who signs as devices do: with an RSA key. */
const identity_t *rsa_signer(apr_pool_t *p);

/* The value of a Mdm-Signature header. */
const char *sign(apr_pool_t *p, nmdm_bytes_t body, signature_t how);
#define SIGN(p, body, ...) sign((p), (body), (signature_t){ __VA_ARGS__ })

#endif /* SUPPORT_H */
