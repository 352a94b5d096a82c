/* SPDX-License-Identifier: Apache-2.0 */
/* support.c -- what the unit tests share. */

#include "support.h"

#include "api/answer.h"
#include "api/enqueue.h"
#include "crypto/digest.h"
#include "mdm/message.h"
#include "db/schema.h"
#include "db/sqlite_wal.h"
#include "service/service.h"

#include <apr_dbd.h>
#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_hash.h>
#include <apr_strings.h>

#include <openssl/cms.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <string.h>

/* ---- Verdicts ---- */

void support_ok(nmdm_err_t *err, const char *what, const char *file, int line)
{
    if (err) {
        print_error("%s: %s\n", what, err->msg);
        _fail(file, line);
    }
}

void support_refused(nmdm_err_t *err, nmdm_kind_e kind, const char *part,
                     const char *what, const char *file, int line)
{
    if (!err) {
        print_error("%s: not refused\n", what);
        _fail(file, line);
        return;
    }
    if (err->kind != kind || !strstr(err->msg, part)) {
        print_error("%s: kind %d, expected %d: \"%s\", expected \"%s\"\n",
                    what, err->kind, kind, err->msg, part);
        _fail(file, line);
    }
}

void support_holds(int condition, const char *what, const char *file,
                   int line, const char *fmt, ...)
{
    va_list args;

    if (condition) {
        return;
    }
    print_error("%s does not hold for ", what);
    va_start(args, fmt);
    vprint_error(fmt, args);
    va_end(args);
    print_error("\n");
    _fail(file, line);
}

/* ---- Pools and bytes ---- */

int support_start(void **state)
{
    (void)state;
    return apr_initialize() != APR_SUCCESS;
}

int support_end(void **state)
{
    (void)state;
    apr_terminate();
    return 0;
}

int support_pool(void **state)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    *state = p;
    return 0;
}

int support_pool_done(void **state)
{
    apr_pool_destroy(*state);
    return 0;
}

nmdm_bytes_t bytes_of(const char *text)
{
    nmdm_bytes_t bytes = { text, strlen(text) };

    return bytes;
}

nmdm_bytes_t text_of(apr_pool_t *p, const char *fmt, ...)
{
    nmdm_bytes_t bytes;
    va_list args;

    va_start(args, fmt);
    bytes = bytes_of(apr_pvsprintf(p, fmt, args));
    va_end(args);
    return bytes;
}

static apr_status_t free_memory(void *memory)
{
    free(memory);
    return APR_SUCCESS;
}

nmdm_bytes_t exact_copy(apr_pool_t *p, nmdm_bytes_t bytes)
{
    char *copy = malloc(bytes.len ? bytes.len : 1);
    nmdm_bytes_t result = { copy, bytes.len };

    memcpy(copy, bytes.data, bytes.len);
    apr_pool_cleanup_register(p, copy, free_memory, apr_pool_cleanup_null);
    return result;
}

const char *repeat(apr_pool_t *p, char c, apr_size_t n)
{
    char *text = apr_palloc(p, n + 1);

    memset(text, c, n);
    text[n] = '\0';
    return text;
}

int has_text(nmdm_bytes_t bytes, const char *text)
{
    return memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
}

nmdm_bytes_t test_file(apr_pool_t *p, const char *name)
{
    const char *path = apr_pstrcat(p, "tests/", name, NULL);
    nmdm_bytes_t bytes = { 0 };
    apr_finfo_t info;
    apr_file_t *file;
    char *data;

    HOLDS(apr_file_open(&file, path, APR_FOPEN_READ, APR_OS_DEFAULT, p)
          == APR_SUCCESS, "%s", path);
    apr_file_info_get(&info, APR_FINFO_SIZE, file);
    data = apr_palloc(p, (apr_size_t)info.size + 1);
    HOLDS(apr_file_read_full(file, data, (apr_size_t)info.size, &bytes.len)
          == APR_SUCCESS, "%s", path);
    apr_file_close(file);
    data[bytes.len] = '\0';
    bytes.data = data;
    return bytes;
}

const char *temp_file(apr_pool_t *p, const char *text)
{
    char *name = apr_pstrdup(p, "nmdm-test-XXXXXX");
    const char *folder = NULL;
    apr_size_t len = strlen(text);
    apr_file_t *file;

    apr_temp_dir_get(&folder, p);
    name = apr_pstrcat(p, folder, "/nmdm-test-XXXXXX", NULL);
    /* Deleted when the file is closed, at the end of p. */
    assert_int_equal(apr_file_mktemp(&file, name, 0, p), APR_SUCCESS);
    assert_int_equal(apr_file_write_full(file, text, len, NULL), APR_SUCCESS);
    assert_int_equal(apr_file_flush(file), APR_SUCCESS);
    return name;
}

/* ---- Property lists ---- */

nmdm_bytes_t plist(apr_pool_t *p, ...)
{
    const char *xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                      "<plist version=\"1.0\"><dict>";
    const char *key, *value;
    va_list args;

    va_start(args, p);
    while ((key = va_arg(args, const char *))) {
        value = va_arg(args, const char *);
        xml = apr_pstrcat(p, xml, "<key>", key, "</key>",
                          *value == '<' ? "" : "<string>", value,
                          *value == '<' ? "" : "</string>", NULL);
    }
    va_end(args);
    return bytes_of(apr_pstrcat(p, xml, "</dict></plist>\n", NULL));
}

/* ---- A small world ---- */

#define MEMORY ":memory:"

static nmdm_err_t *lend(nmdm_ctx_t *ctx, nmdm_db_t **db)
{
    world_t *w = ctx->services->db_source->baton;

    w->borrows++;
    if (w->fail_next > 0 || w->fail_for_ever) {
        nmdm_err_t *err = nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_EGENERAL,
                                   "the lender has no connection");

        w->fail_next--;
        err->retry = NMDM_RETRY_WAIT;
        return err;
    }
    HOLDS(!w->is_lent, "a second borrow");
    w->is_lent = 1;
    *db = &w->db;
    return NULL;
}

static void take_back(nmdm_ctx_t *ctx, nmdm_db_t *db)
{
    world_t *w = ctx->services->db_source->baton;

    assert_ptr_equal(db, &w->db);
    w->is_lent = 0;
}

static nmdm_err_t *make_tables(nmdm_ctx_t *ctx)
{
    return nmdm_schema_check(ctx, NMDM_SCHEMA_AUTO);
}

static nmdm_err_t *check_tables(nmdm_ctx_t *ctx)
{
    return nmdm_schema_check(ctx, NMDM_SCHEMA_CHECK);
}

static void write_down(nmdm_ctx_t *ctx, nmdm_log_e level, const char *line)
{
    world_t *w = ctx->log_baton;

    (void)level;
    APR_ARRAY_PUSH(w->log, const char *) = apr_pstrdup(w->pool, line);
}

static world_t *open_world(apr_pool_t *p, const char *prefix,
                           const char *path)
{
    world_t *w = apr_pcalloc(p, sizeof(*w));
    const char *error = NULL;

    w->pool = p;
    w->now = NOW;
    w->log = apr_array_make(p, 64, sizeof(const char *));
    w->db_source.acquire = lend;
    w->db_source.release = take_back;
    w->db_source.baton = w;
    w->db_source.prefix = prefix;
    w->db_source.schema = &w->schema;
    /* The kind that hangs when one thread takes it twice. */
    apr_thread_mutex_create(&w->db_source.writer, APR_THREAD_MUTEX_UNNESTED, p);

    assert_int_equal(apr_dbd_init(p), APR_SUCCESS);
    assert_int_equal(apr_dbd_get_driver(p, "sqlite3", &w->db.driver),
                     APR_SUCCESS);
    HOLDS(apr_dbd_open_ex(w->db.driver, p, path, &w->db.handle, &error)
          == APR_SUCCESS, "sqlite3: %s", error ? error : "-");
    w->db.pool = p;
    w->db.notes = apr_hash_make(p);
    return w;
}

world_t *world_make_empty(apr_pool_t *p)
{
    world_t *w = open_world(p, "", MEMORY);

    w->db_source.check_schema = check_tables;
    return w;
}

static nmdm_err_t *do_nothing(nmdm_ctx_t *ctx, void *baton)
{
    (void)ctx;
    (void)baton;
    return NULL;
}

static world_t *with_tables(world_t *w)
{
    nmdm_ctx_t *ctx = request(w, NULL);

    w->db_source.check_schema = make_tables;
    OK(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_nothing, NULL));
    nmdm_db_release(ctx);
    forget(w);
    w->borrows = 0;
    return w;
}

world_t *world_make(apr_pool_t *p, const char *prefix)
{
    return with_tables(open_world(p, prefix, MEMORY));
}

world_t *world_make_on_disk(apr_pool_t *p, const char *path)
{
    world_t *w = open_world(p, "", path);

    OK(nmdm_sqlite_wal_create(&w->db_source.wal, p));
    return with_tables(w);
}

void world_end(world_t *w)
{
    apr_dbd_close(w->db.driver, w->db.handle);
}

int support_world(void **state)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    *state = world_make(p, "");
    return 0;
}

int support_world_done(void **state)
{
    world_t *w = *state;

    world_end(w);
    apr_pool_destroy(w->pool);
    return 0;
}

nmdm_ctx_t *request(world_t *w, const nmdm_cert_t *cert)
{
    nmdm_ctx_t *ctx = apr_pcalloc(w->pool, sizeof(*ctx));

    /* The request before this one is over. */
    w->is_lent = 0;
    ctx->pool = w->pool;
    ctx->policy = &w->policy;
    ctx->services = &w->services;
    ctx->services->db_source = &w->db_source;
    ctx->services->seen = w->seen;
    ctx->services->relay = w->relay;
    ctx->cert = cert;
    ctx->is_migration = w->is_migration;
    ctx->cert_expired = w->cert_expired;
    ctx->trace_id = "0123456789abcdef";
    ctx->now = w->now;
    ctx->access_log = (nmdm_access_log_t){ "", "", "", "", "", "" };
    ctx->log = write_down;
    ctx->log_baton = w;
    ctx->wants_debug = 1;
    return ctx;
}

const nmdm_cert_t *some_cert(world_t *w, const char *name)
{
    nmdm_cert_t *cert = apr_pcalloc(w->pool, sizeof(*cert));

    cert->der = bytes_of(name);
    cert->sha256 = nmdm_digest_sha256(w->pool, cert->der);
    return cert;
}

const char *ask(world_t *w, const char *sql, ...)
{
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    const char *value = "(none)", *text;
    va_list args;
    int rv;

    va_start(args, sql);
    text = apr_pvsprintf(w->pool, sql, args);
    va_end(args);
    rv = apr_dbd_select(w->db.driver, w->pool, w->db.handle, &results, text,
                        1);
    HOLDS(!rv, "%s: %s", text,
          apr_dbd_error(w->db.driver, w->db.handle, rv));
    if (!apr_dbd_get_row(w->db.driver, w->pool, results, &row, 1)) {
        value = apr_dbd_get_entry(w->db.driver, row, 0);
    }
    return value ? value : "";
}

void tell(world_t *w, const char *sql, ...)
{
    const char *text;
    va_list args;
    int rows, rv;

    va_start(args, sql);
    text = apr_pvsprintf(w->pool, sql, args);
    va_end(args);
    rv = apr_dbd_query(w->db.driver, w->db.handle, &rows, text);
    HOLDS(!rv, "%s: %s", text,
          apr_dbd_error(w->db.driver, w->db.handle, rv));
}

int logged(const world_t *w, const char *part)
{
    int i, n = 0;

    for (i = 0; i < w->log->nelts; i++) {
        n += strstr(APR_ARRAY_IDX(w->log, i, const char *), part) != NULL;
    }
    return n;
}

void forget(world_t *w)
{
    apr_array_clear(w->log);
}

/* ---- Devices ---- */

device_t device(world_t *w, const char *udid)
{
    device_t made = { some_cert(w, udid), udid, NULL };

    return made;
}

device_t user_of(device_t from, const char *user)
{
    from.user = user;
    return from;
}

static const char *string_key(apr_pool_t *p, const char *key,
                              const char *value)
{
    return value ? apr_pstrcat(p, "<key>", key, "</key><string>", value,
                               "</string>", NULL) : "";
}

/* The first keys name the sender, more of them come from content. */
static nmdm_bytes_t message_from(world_t *w, device_t from,
                                 const char *content)
{
    return text_of(w->pool, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                   "<plist version=\"1.0\"><dict>%s%s%s</dict></plist>\n",
                   string_key(w->pool, "UDID", from.udid),
                   string_key(w->pool, "UserID", from.user), content);
}

nmdm_err_t *checkin(world_t *w, nmdm_reply_t *reply, device_t from,
                    const char *type, ...)
{
    const char *content = string_key(w->pool, "MessageType", type);
    const char *key, *value;
    nmdm_reply_t unread;
    nmdm_ctx_t *ctx = request(w, from.cert);
    nmdm_err_t *err;
    va_list args;

    va_start(args, type);
    while ((key = va_arg(args, const char *))) {
        value = va_arg(args, const char *);
        content = apr_pstrcat(w->pool, content, *value == '<'
            ? apr_pstrcat(w->pool, "<key>", key, "</key>", value, NULL)
            : string_key(w->pool, key, value), NULL);
    }
    va_end(args);
    reply = reply ? reply : &unread;
    memset(reply, 0, sizeof(*reply));
    err = nmdm_service_checkin(ctx, reply, message_from(w, from, content));
    nmdm_db_release(ctx);
    return err;
}

void authenticate(world_t *w, device_t from)
{
    OK(checkin(w, NULL, from, "Authenticate", "Topic", "com.apple.mgmt.x",
               NULL));
}

void token_update(world_t *w, device_t from)
{
    OK(checkin(w, NULL, from, "TokenUpdate", "Topic", "com.apple.mgmt.x",
               "PushMagic", "magic", "Token", "<data>q83v</data>", NULL));
}

void enroll(world_t *w, device_t from)
{
    authenticate(w, from);
    token_update(w, from);
}

nmdm_err_t *report(world_t *w, nmdm_reply_t *reply, device_t from,
                   const char *status, const char *uuid)
{
    nmdm_ctx_t *ctx = request(w, from.cert);
    nmdm_err_t *err;

    memset(reply, 0, sizeof(*reply));
    err = nmdm_service_report(ctx, reply, message_from(w, from, apr_pstrcat(
        w->pool, string_key(w->pool, "Status", status),
        string_key(w->pool, "CommandUUID", uuid), NULL)));
    nmdm_db_release(ctx);
    return err;
}

const char *next(world_t *w, device_t from, const char *status,
                 const char *uuid)
{
    nmdm_command_t found;
    nmdm_reply_t reply;

    OK(report(w, &reply, from, status, uuid));
    if (!reply.content_type) {
        assert_int_equal(reply.body.len, 0);
        return "";
    }
    assert_string_equal(reply.content_type, NMDM_TYPE_PLIST);
    OK(nmdm_message_command(&found, w->pool, reply.body));
    return found.uuid;
}

nmdm_bytes_t command(world_t *w, const char *uuid)
{
    return plist(w->pool, "CommandUUID", uuid, "Command",
                 "<dict><key>RequestType</key><string>Test</string></dict>",
                 NULL);
}

void enqueue(world_t *w, const char *ids, const char *uuid)
{
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_reply_t reply;
    int status;

    OK(nmdm_api_enqueue(ctx, &reply, &status,
                        nmdm_api_answer_split_ids(ctx->pool, ids),
                        command(w, uuid), 0));
    nmdm_db_release(ctx);
    assert_int_equal(status, 200);
}

/* ---- Certificates ---- */

static apr_status_t free_key(void *key)
{
    EVP_PKEY_free(key);
    return APR_SUCCESS;
}

static apr_status_t free_x509(void *x509)
{
    X509_free(x509);
    return APR_SUCCESS;
}

/* RSA keys take long to make: one of a kind serves the whole program. */
static EVP_PKEY *rsa_key(key_kind_e kind)
{
    static EVP_PKEY *keys[KEY_WEAK_RSA + 1];

    if (!keys[kind]) {
        keys[kind] = EVP_RSA_gen(kind == KEY_WEAK_RSA ? 512u : 2048u);
    }
    EVP_PKEY_up_ref(keys[kind]);
    return keys[kind];
}

static void add_extension(X509 *x509, X509 *issuer, int nid,
                          const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    HOLDS(extension, "%s", value);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
}

static void name_subject(X509 *x509, const wish_t *wish)
{
    X509_NAME *name = X509_get_subject_name(x509);
    const char *cn = wish->name ? wish->name : "test";

    X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                               (const unsigned char *)cn, -1, -1, 0);
    if (wish->uid) {
        X509_NAME_add_entry_by_NID(name, NID_userId, MBSTRING_UTF8,
                                   (const unsigned char *)wish->uid, -1, -1,
                                   0);
    }
}

static void date(X509 *x509, const wish_t *wish)
{
    apr_time_t year = apr_time_from_sec(365 * 86400);
    apr_time_t from = wish->from ? wish->from : NOW - year;
    apr_time_t until = wish->until ? wish->until : NOW + year;

    ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)apr_time_sec(from));
    ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)apr_time_sec(until));
}

const identity_t *make_identity(apr_pool_t *p, wish_t wish)
{
    static long serial = 0x1000;
    identity_t *made = apr_palloc(p, sizeof(*made));
    const identity_t *issuer = wish.issuer ? wish.issuer : made;

    made->key = wish.key == KEY_EC ? EVP_EC_gen("P-256") : rsa_key(wish.key);
    apr_pool_cleanup_register(p, made->key, free_key, apr_pool_cleanup_null);
    made->x509 = X509_new();
    apr_pool_cleanup_register(p, made->x509, free_x509,
                              apr_pool_cleanup_null);
    X509_set_version(made->x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made->x509), serial++);
    name_subject(made->x509, &wish);
    date(made->x509, &wish);
    X509_set_issuer_name(made->x509, X509_get_subject_name(issuer->x509));
    X509_set_pubkey(made->x509, made->key);
    add_extension(made->x509, issuer->x509, NID_basic_constraints,
                  wish.is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    add_extension(made->x509, issuer->x509, NID_subject_key_identifier,
                  "hash");
    if (wish.eku) {
        add_extension(made->x509, issuer->x509, NID_ext_key_usage, wish.eku);
    }
    if (wish.key_usage) {
        add_extension(made->x509, issuer->x509, NID_key_usage,
                      wish.key_usage);
    }
    if (wish.names_issuers_key) {
        add_extension(made->x509, issuer->x509, NID_authority_key_identifier,
                      "keyid:always");
    }
    HOLDS(X509_sign(made->x509, issuer->key,
                    wish.digest ? wish.digest : EVP_sha256()) > 0,
          "%s", wish.name ? wish.name : "test");
    return made;
}

nmdm_bytes_t der_of(apr_pool_t *p, const X509 *x509)
{
    int len = i2d_X509(x509, NULL);
    unsigned char *at = apr_palloc(p, (apr_size_t)len);
    nmdm_bytes_t der = { (const char *)at, (apr_size_t)len };

    i2d_X509(x509, &at);
    return der;
}

nmdm_cert_t *cert_of(apr_pool_t *p, const identity_t *identity)
{
    nmdm_cert_t *cert = apr_pcalloc(p, sizeof(*cert));
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int i, len = 0;
    char *hex;

    cert->der = der_of(p, identity->x509);
    X509_digest(identity->x509, EVP_sha256(), digest, &len);
    cert->sha256 = hex = apr_palloc(p, len * 2 + 1);
    for (i = 0; i < len; i++) {
        apr_snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    return cert;
}

static const char *text_of_bio(apr_pool_t *p, BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    const char *text = apr_pstrmemdup(p, data, (apr_size_t)len);

    BIO_free(bio);
    return text;
}

const char *pem_of(apr_pool_t *p, const X509 *x509)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_X509(bio, x509);
    return text_of_bio(p, bio);
}

const char *key_pem(apr_pool_t *p, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    return text_of_bio(p, bio);
}

const char *traditional_key_pem(apr_pool_t *p, EVP_PKEY *key,
                                const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PrivateKey_traditional(
        bio, key, password ? EVP_aes_128_cbc() : NULL,
        (const unsigned char *)password,
        password ? (int)strlen(password) : 0, NULL, NULL);
    return text_of_bio(p, bio);
}

const char *encrypted_key_pem(apr_pool_t *p, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "secret", 6,
                                  NULL, NULL);
    return text_of_bio(p, bio);
}

void is_cert_of(apr_pool_t *p, const nmdm_cert_t *cert,
                const identity_t *identity)
{
    const nmdm_cert_t *expected = cert_of(p, identity);

    assert_int_equal(cert->der.len, expected->der.len);
    assert_memory_equal(cert->der.data, expected->der.data, cert->der.len);
    assert_string_equal(cert->sha256, expected->sha256);
}

nmdm_trust_t *trust_in(apr_pool_t *p, const char *anchors,
                       const char *intermediates)
{
    nmdm_trust_t *trust = NULL;

    OK(nmdm_trust_read(&trust, p, temp_file(p, anchors),
                       intermediates ? temp_file(p, intermediates)
                                     : NULL));
    return trust;
}

house_t house(apr_pool_t *p)
{
    house_t made;

    made.ca = IDENTITY(p, .name = "CA", .is_ca = 1);
    made.trust = trust_in(p, pem_of(p, made.ca->x509), NULL);
    return made;
}

/* ---- CMS signatures ---- */

const identity_t *rsa_signer(apr_pool_t *p)
{
    return IDENTITY(p, .name = "signer", .key = KEY_RSA);
}

static void date_signature(CMS_SignerInfo *si, apr_time_t when)
{
    ASN1_TIME *t = ASN1_TIME_set(NULL, (time_t)apr_time_sec(when));

    CMS_signed_add1_attr_by_NID(si, NID_pkcs9_signingTime, t->type, t, -1);
    ASN1_TIME_free(t);
}

static void add_signer(CMS_ContentInfo *cms, const identity_t *signer,
                       const signature_t *how)
{
    unsigned int flags = CMS_PARTIAL | CMS_BINARY | CMS_NOSMIMECAP;
    CMS_SignerInfo *si;

    flags |= how->how & SIGN_ATTRIBUTES ? 0 : CMS_NOATTR;
    flags |= how->how & SIGN_NO_CERT ? CMS_NOCERTS : 0;
    flags |= how->how & SIGN_KEY_ID ? CMS_USE_KEYID : 0;
    flags |= how->how & SIGN_PSS ? CMS_KEY_PARAM : 0;
    si = CMS_add1_signer(cms, signer->x509, signer->key,
                         how->digest ? how->digest : EVP_sha256(), flags);
    assert_non_null(si);
    if (how->how & SIGN_PSS) {
        EVP_PKEY_CTX_set_rsa_padding(CMS_SignerInfo_get0_pkey_ctx(si),
                                     RSA_PKCS1_PSS_PADDING);
    }
    if (how->how & SIGN_ATTRIBUTES) {
        date_signature(si, how->signing_time ? how->signing_time : NOW);
    }
}

/* OpenSSL writes rsaEncryption; devices write the name of the whole
 * procedure, such as sha1WithRSAEncryption. */
static void name_procedure(CMS_ContentInfo *cms)
{
    CMS_SignerInfo *si
        = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
    X509_ALGOR *digest, *signature;
    int nid = NID_undef;

    CMS_SignerInfo_get0_algs(si, NULL, NULL, &digest, &signature);
    OBJ_find_sigid_by_algs(&nid, OBJ_obj2nid(digest->algorithm),
                           NID_rsaEncryption);
    X509_ALGOR_set0(signature, OBJ_nid2obj(nid), V_ASN1_NULL, NULL);
}

const char *sign(apr_pool_t *p, nmdm_bytes_t body, signature_t how)
{
    unsigned int flags = CMS_PARTIAL | CMS_BINARY;
    BIO *in = BIO_new_mem_buf(body.data, (int)body.len);
    BIO *out = BIO_new(BIO_s_mem());
    CMS_ContentInfo *cms;
    nmdm_bytes_t der;
    const char *base64;
    char *data;

    flags |= how.how & SIGN_EMBED ? 0 : CMS_DETACHED;
    flags |= how.how & SIGN_INDEFINITE ? CMS_STREAM : 0;
    cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
    assert_non_null(cms);
    if (how.signer) {
        add_signer(cms, how.signer, &how);
    }
    if (how.second_signer) {
        add_signer(cms, how.second_signer, &how);
    }
    if (how.extra_cert) {
        CMS_add1_cert(cms, (X509 *)how.extra_cert);
    }
    if (how.how & SIGN_INDEFINITE) {
        assert_int_equal(i2d_CMS_bio_stream(out, cms, in, (int)flags), 1);
    }
    else {
        /* Without a signer there is nothing to make final. */
        if (how.signer) {
            assert_int_equal(CMS_final(cms, in, NULL, flags), 1);
        }
        if (how.how & SIGN_SHA_NAME) {
            name_procedure(cms);
        }
        assert_int_equal(i2d_CMS_bio(out, cms), 1);
    }
    der.len = (apr_size_t)BIO_get_mem_data(out, &data);
    der.data = data;
    base64 = nmdm_base64_encode(p, der);
    BIO_free(in);
    BIO_free(out);
    CMS_ContentInfo_free(cms);
    return base64;
}
