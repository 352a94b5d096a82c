/* SPDX-License-Identifier: Apache-2.0 */
/* test_identity_cert.c -- digests, and certificates as others bring them.
 * Letters and numbers in comments are conformance cases of the behaviour
 * specification. */

#include "support.h"
#include "crypto/digest.h"
#include "crypto/push_cert_pem.h"
#include "crypto/identity_cert.h"
#include "crypto/trust.h"
#include "crypto/x509.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <string.h>

#define YEAR (365 * apr_time_from_sec(86400))

/* ---- Small things ---- */

static void sha256_knows_a_published_vector(void **state)
{
    assert_string_equal(nmdm_digest_sha256(*state, bytes_of("abc")),
                        "ba7816bf8f01cfea414140de5dae2223"
                        "b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(nmdm_digest_sha256(*state, bytes_of("")),
                        "e3b0c44298fc1c149afbf4c8996fb924"
                        "27ae41e4649b934ca495991b7852b855");
}

/* RFC 4231, test case 2 */
static void hmac_knows_a_published_vector(void **state)
{
    const char *hmac = nmdm_digest_hmac(*state, "Jefe", bytes_of(
        "what do ya want for nothing?"));
    nmdm_bytes_t bytes;

    assert_true(nmdm_base64_decode(&bytes, *state, hmac, strlen(hmac), 0));
    assert_string_equal(nmdm_hex(*state, bytes),
                        "5bdcc146bf60754e6a042426089575c7"
                        "5a003f089d2739839dec58b964ec3843");
}

static void hmac_of_nothing_is_one_too(void **state)
{
    assert_string_equal(nmdm_digest_hmac(*state, "k", bytes_of("")),
                        "i7mQxAp9YcuXWXqUISUCW+UKyL63RDbjc1uYiTp/ZiA=");
}

static void random_bytes_differ_and_stay_in_their_place(void **state)
{
    unsigned char a[34] = { 0 }, b[34] = { 0 };

    (void)state;
    assert_true(nmdm_digest_random(a + 1, 32));
    assert_true(nmdm_digest_random(b + 1, 32));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_int_equal(a[0] | a[33], 0);
}

static void secrets_are_the_same_or_not(void **state)
{
    (void)state;
    assert_true(nmdm_digest_same_secret("secret", "secret"));
    assert_true(nmdm_digest_same_secret("", ""));
    assert_false(nmdm_digest_same_secret("secret", "secres"));
    assert_false(nmdm_digest_same_secret("secret", "secret "));
    assert_false(nmdm_digest_same_secret("secret", ""));
}

static void pem_is_what_openssl_writes(void **state)
{
    const identity_t *one = IDENTITY(*state, .name = "x");

    assert_string_equal(nmdm_x509_pem(*state, der_of(*state, one->x509)),
                        pem_of(*state, one->x509));
}

/* ---- A TLS connection (1.7 C) ---- */

typedef struct {
    SSL_CTX *server_ctx, *client_ctx;
    SSL *server, *client;
} tls_t;

static int accept_anybody(int ok, X509_STORE_CTX *ctx)
{
    (void)ok;
    (void)ctx;
    return 1;
}

/* A connection within memory; the client has a certificate, or none. */
static tls_t connected(apr_pool_t *p, const identity_t *client)
{
    const identity_t *server = IDENTITY(p, .name = "server");
    tls_t tls;
    BIO *a, *b;
    int i;

    tls.server_ctx = SSL_CTX_new(TLS_server_method());
    tls.client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_use_certificate(tls.server_ctx, server->x509);
    SSL_CTX_use_PrivateKey(tls.server_ctx, server->key);
    SSL_CTX_set_verify(tls.server_ctx, SSL_VERIFY_PEER, accept_anybody);
    if (client) {
        SSL_CTX_use_certificate(tls.client_ctx, client->x509);
        SSL_CTX_use_PrivateKey(tls.client_ctx, client->key);
    }
    tls.server = SSL_new(tls.server_ctx);
    tls.client = SSL_new(tls.client_ctx);
    BIO_new_bio_pair(&a, 0, &b, 0);
    SSL_set_bio(tls.server, a, a);
    SSL_set_bio(tls.client, b, b);
    SSL_set_accept_state(tls.server);
    SSL_set_connect_state(tls.client);
    for (i = 0; i < 10 && !SSL_is_init_finished(tls.server); i++) {
        SSL_do_handshake(tls.client);
        SSL_do_handshake(tls.server);
    }
    ERR_clear_error();
    return tls;
}

static void disconnect(tls_t *tls)
{
    SSL_free(tls->server);
    SSL_free(tls->client);
    SSL_CTX_free(tls->server_ctx);
    SSL_CTX_free(tls->client_ctx);
}

static void the_peer_of_a_connection_is_read_once(void **state)
{
    const identity_t *one = IDENTITY(*state, .name = "device");
    tls_t tls = connected(*state, one);
    const nmdm_peer_t *peer = NULL, *again = NULL;

    OK(nmdm_identity_cert_tls_peer(&peer, *state, tls.server, NULL));
    assert_non_null(peer);
    is_cert_of(*state, &peer->cert, one);
    OK(nmdm_identity_cert_tls_peer(&again, *state, tls.server, peer));
    assert_ptr_equal(again, peer);
    disconnect(&tls);
    /* What was read outlives the connection. */
    is_cert_of(*state, &peer->cert, one);
}

static void another_peer_is_not_taken_for_the_known_one(void **state)
{
    const identity_t *one = IDENTITY(*state, .name = "one");
    const identity_t *two = IDENTITY(*state, .name = "two");
    tls_t first = connected(*state, one), second;
    const nmdm_peer_t *peer = NULL, *other = NULL;

    OK(nmdm_identity_cert_tls_peer(&peer, *state, first.server, NULL));
    disconnect(&first);
    second = connected(*state, two);
    OK(nmdm_identity_cert_tls_peer(&other, *state, second.server, peer));
    is_cert_of(*state, &other->cert, two);
    disconnect(&second);
}

static void a_client_without_a_certificate_is_nobody(void **state)
{
    tls_t tls = connected(*state, NULL);
    const nmdm_peer_t *peer = (const nmdm_peer_t *)&tls;

    assert_true(SSL_is_init_finished(tls.server));
    OK(nmdm_identity_cert_tls_peer(&peer, *state, tls.server, NULL));
    assert_null(peer);
    disconnect(&tls);
}

/* ---- A proxy's header (1.7 B) ---- */

static nmdm_err_t *header_fails(apr_pool_t *p, const char *value)
{
    nmdm_cert_t *cert = NULL;
    nmdm_err_t *err = nmdm_identity_cert_header(&cert, p, value);

    assert_true((err == NULL) == (cert != NULL));
    return err;
}

static const char *escaped(apr_pool_t *p, const char *text, int all)
{
    char *out = apr_palloc(p, strlen(text) * 3 + 1), *to = out;

    for (; *text; text++) {
        if (!all && *text == ' ') {
            *to++ = '+';
        }
        else if (!all && apr_isalnum(*text)) {
            *to++ = *text;
        }
        else {
            to += apr_snprintf(to, 4, "%%%02X", (unsigned char)*text);
        }
    }
    *to = '\0';
    return out;
}

/* M17 */
static void rfc_9440_is_der_between_colons(void **state)
{
    const identity_t *one = rsa_signer(*state);
    const char *base64 = nmdm_base64_encode(*state, der_of(*state,
                                                           one->x509));
    nmdm_cert_t *cert = NULL;

    OK(nmdm_identity_cert_header(&cert, *state, apr_pstrcat(*state, ":", base64,
                                                            ":", NULL)));
    is_cert_of(*state, cert, one);
    REFUSED(header_fails(*state, ":"), NMDM_INVALID, "identity header");
    REFUSED(header_fails(*state, "::"), NMDM_INVALID, "identity header");
    REFUSED(header_fails(*state, ":INVALID:"), NMDM_INVALID,
            "identity header");
    REFUSED(header_fails(*state, apr_pstrcat(*state, ":", base64, NULL)),
            NMDM_INVALID, "identity header");
    REFUSED(header_fails(*state, apr_pstrcat(*state, ":", base64, ":;a=1",
                                             NULL)),
            NMDM_INVALID, "identity header");
    REFUSED(header_fails(*state, apr_pstrcat(*state, ": ", base64, ":",
                                             NULL)),
            NMDM_INVALID, "identity header");
    REFUSED(header_fails(*state, apr_pstrcat(*state, ":", base64, ":, :",
                                             base64, ":", NULL)),
            NMDM_INVALID, "identity header");
}

/* M17: whatever accepts the header, such a certificate gets nowhere. */
static void bad_der_between_colons_never_verifies(void **state)
{
    house_t h = house(*state);
    const char *const values[] = { ":AAAA:", ":Z2FyYmFnZQ==:", ":MAA=:" };
    apr_size_t i;

    for (i = 0; i < sizeof(values) / sizeof(*values); i++) {
        nmdm_cert_t *cert = NULL;
        nmdm_err_t *err = nmdm_identity_cert_header(&cert, *state, values[i]);

        if (!err) {
            err = nmdm_trust_verify(h.trust, *state, cert, NOW);
        }
        HOLDS(err && err->kind == NMDM_INVALID, "%s", values[i]);
    }
}

/* The same certificate, written in a longer way, would have another hash: one
 * device could pass for many (behaviour specification 4). */
static void a_certificate_has_one_form_only(void **state)
{
    house_t h = house(*state);
    nmdm_bytes_t der = der_of(*state, IDENTITY(*state,
                                               .issuer = h.ca)->x509);
    char *longer = apr_palloc(*state, der.len + 1);
    nmdm_cert_t *cert = NULL;
    nmdm_err_t *err;

    /* 30 82 xx xx becomes 30 83 00 xx xx. */
    assert_memory_equal(der.data, "\x30\x82", 2);
    memcpy(longer, "\x30\x83\x00", 3);
    memcpy(longer + 3, der.data + 2, der.len - 2);
    err = nmdm_identity_cert_header(&cert, *state, apr_pstrcat(
        *state, ":", nmdm_base64_encode(*state, (nmdm_bytes_t){
            longer, der.len + 1 }), ":", NULL));
    if (!err) {
        err = nmdm_trust_verify(h.trust, *state, cert, NOW);
    }
    if (!err) {
        assert_string_equal(cert->sha256, nmdm_digest_sha256(*state, der));
    }
}

/* M18 */
static void a_query_escaped_pem_is_a_certificate(void **state)
{
    const identity_t *one = rsa_signer(*state);
    const char *pem = pem_of(*state, one->x509);
    nmdm_cert_t *cert = NULL;

    OK(nmdm_identity_cert_header(&cert, *state, escaped(*state, pem, 0)));
    is_cert_of(*state, cert, one);
    cert = NULL;
    OK(nmdm_identity_cert_header(&cert, *state, escaped(*state, pem, 1)));
    is_cert_of(*state, cert, one);
    cert = NULL;
    OK(nmdm_identity_cert_header(&cert, *state, escaped(*state, apr_pstrcat(
        *state, "some text\n", pem, "more text", NULL), 0)));
    is_cert_of(*state, cert, one);
}

static void other_header_values_are_refused(void **state)
{
    const char *const values[] = {
        "", "INVALID", "%GK", "%", "%4", "%00", "+", "-----BEGIN+CERTIFICATE"
        "-----%0AAAAA", "-----BEGIN+CERTIFICATE-----%0A%0A-----END+"
        "CERTIFICATE-----"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(values) / sizeof(*values); i++) {
        nmdm_err_t *err = header_fails(*state, values[i]);

        HOLDS(err && err->kind == NMDM_INVALID, "%s", values[i]);
    }
}

/* M19 */
static void the_first_pem_block_is_the_certificate(void **state)
{
    const identity_t *one = rsa_signer(*state);
    const char *pem = pem_of(*state, one->x509);
    const char *other = pem_of(*state, IDENTITY(*state, .name = "2")->x509);
    const char *key = key_pem(*state, one->key);
    char *folded = apr_pstrdup(*state, pem), *at;
    nmdm_cert_t *cert = NULL;

    OK(nmdm_identity_cert_header(&cert, *state, escaped(*state, apr_pstrcat(
        *state, pem, other, key, NULL), 0)));
    is_cert_of(*state, cert, one);
    REFUSED(header_fails(*state, escaped(*state, apr_pstrcat(
        *state, key, pem, NULL), 0)), NMDM_INVALID, "identity header");
    for (at = folded; *at; at++) {
        *at = *at == '\n' ? ' ' : *at;
    }
    REFUSED(header_fails(*state, escaped(*state, folded, 0)), NMDM_INVALID,
            "identity header");
    REFUSED(header_fails(*state, folded), NMDM_INVALID, "identity header");
}

/* A plus sign is a blank, so base64 has to have its plus signs escaped. */
static void a_plus_sign_has_to_be_escaped(void **state)
{
    const identity_t *one;
    const char *pem, *at;
    char *value;

    do {
        one = IDENTITY(*state, .name = "with a plus");
        pem = pem_of(*state, one->x509);
    } while (!strchr(pem, '+'));
    at = escaped(*state, pem, 0);
    OK(header_fails(*state, at));
    value = apr_pstrdup(*state, at);
    memcpy(strstr(value, "%2B"), "+++", 3);
    REFUSED(header_fails(*state, value), NMDM_INVALID, "identity header");
}

/* ---- Push certificates (6.4) ---- */

#define TOPIC "com.apple.mgmt.External.test"

static const identity_t *push_identity(apr_pool_t *p, key_kind_e key)
{
    return IDENTITY(p, .name = "APSP:test", .uid = TOPIC, .key = key);
}

static nmdm_err_t *push_cert(nmdm_push_cert_t *out, apr_pool_t *p,
                             const char *pem)
{
    memset(out, 0, sizeof(*out));
    return nmdm_push_cert_pem_read(out, p, bytes_of(pem));
}

static nmdm_err_t *push_fails(apr_pool_t *p, const char *pem)
{
    nmdm_push_cert_t out;

    return push_cert(&out, p, pem);
}

static int is_key(const char *pem, const EVP_PKEY *key)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *read = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    int same = read && EVP_PKEY_eq(read, key) == 1;

    EVP_PKEY_free(read);
    BIO_free(bio);
    return same;
}

static void certificate_and_key_come_in_any_order(void **state)
{
    static const key_kind_e KINDS[] = { KEY_EC, KEY_RSA };
    apr_size_t i;

    for (i = 0; i < 2; i++) {
        const identity_t *one = push_identity(*state, KINDS[i]);
        const char *cert = pem_of(*state, one->x509);
        const char *key = key_pem(*state, one->key);
        nmdm_push_cert_t out;

        OK(push_cert(&out, *state, apr_pstrcat(*state, cert, key, NULL)));
        assert_string_equal(out.topic, TOPIC);
        assert_string_equal(out.cert_pem, cert);
        assert_true(is_key(out.key_pem, one->key));
        assert_true(out.not_after == NOW + YEAR);
        OK(push_cert(&out, *state, apr_pstrcat(*state, key, cert, NULL)));
        assert_string_equal(out.cert_pem, cert);
        assert_true(is_key(out.key_pem, one->key));
    }
}

static void older_forms_of_keys_are_accepted_and_kept(void **state)
{
    static const key_kind_e KINDS[] = { KEY_EC, KEY_RSA };
    apr_size_t i;

    for (i = 0; i < 2; i++) {
        const identity_t *one = push_identity(*state, KINDS[i]);
        const char *old = traditional_key_pem(*state, one->key, NULL);
        nmdm_push_cert_t out;

        assert_non_null(strstr(old, KINDS[i] == KEY_EC
                               ? "BEGIN EC PRIVATE KEY"
                               : "BEGIN RSA PRIVATE KEY"));
        OK(push_cert(&out, *state, apr_pstrcat(
            *state, pem_of(*state, one->x509), old, NULL)));
        assert_string_equal(out.key_pem, old);
    }
}

static void files_joined_without_a_newline_are_parted(void **state)
{
    const identity_t *one = push_identity(*state, KEY_EC);
    char *cert = apr_pstrdup(*state, pem_of(*state, one->x509));
    nmdm_push_cert_t out;

    cert[strlen(cert) - 1] = '\0';
    OK(push_cert(&out, *state, apr_pstrcat(
        *state, cert, key_pem(*state, one->key), NULL)));
    assert_string_equal(out.topic, TOPIC);
}

static void text_round_the_blocks_is_passed_over(void **state)
{
    const identity_t *one = push_identity(*state, KEY_EC);
    nmdm_push_cert_t out;

    OK(push_cert(&out, *state, apr_pstrcat(
        *state, "Bag Attributes\n    friendlyName: x\n",
        pem_of(*state, one->x509), "\n\r\nKey:\n",
        key_pem(*state, one->key), "the end", NULL)));
    assert_string_equal(out.topic, TOPIC);
}

/* [BETTER] of 6.4 */
static void of_several_certificates_the_keys_own_is_taken(void **state)
{
    const identity_t *ca = IDENTITY(*state, .name = "CA", .is_ca = 1);
    const identity_t *one = push_identity(*state, KEY_EC);
    const char *leaf = pem_of(*state, one->x509);
    const char *chain = pem_of(*state, ca->x509);
    const char *key = key_pem(*state, one->key);
    nmdm_push_cert_t out;

    OK(push_cert(&out, *state, apr_pstrcat(*state, leaf, chain, key, NULL)));
    assert_string_equal(out.cert_pem, leaf);
    OK(push_cert(&out, *state, apr_pstrcat(*state, chain, key, leaf, NULL)));
    assert_string_equal(out.cert_pem, leaf);
}

static void the_last_key_wins(void **state)
{
    const identity_t *one = push_identity(*state, KEY_EC);
    const identity_t *other = push_identity(*state, KEY_EC);
    const char *cert = pem_of(*state, one->x509);
    const char *good = key_pem(*state, one->key);
    const char *bad = key_pem(*state, other->key);

    OK(push_fails(*state, apr_pstrcat(*state, cert, bad, good, NULL)));
    REFUSED(push_fails(*state, apr_pstrcat(*state, cert, good, bad, NULL)),
            NMDM_INVALID, "tls: private key does not match public key");
}

static void an_expired_push_certificate_is_accepted(void **state)
{
    const identity_t *one = IDENTITY(*state, .uid = TOPIC,
                                     .from = NOW - 2 * YEAR,
                                     .until = NOW - YEAR);
    nmdm_push_cert_t out;

    OK(push_cert(&out, *state, apr_pstrcat(
        *state, pem_of(*state, one->x509), key_pem(*state, one->key),
        NULL)));
    assert_true(out.not_after == NOW - YEAR);
}

static void not_after_reaches_beyond_2050(void **state)
{
    const identity_t *one = IDENTITY(*state, .uid = TOPIC,
                                     .until = NOW + 40 * YEAR);
    nmdm_push_cert_t out;

    OK(push_cert(&out, *state, apr_pstrcat(
        *state, pem_of(*state, one->x509), key_pem(*state, one->key),
        NULL)));
    assert_true(out.not_after == NOW + 40 * YEAR);
}

static void push_errors_have_the_words_that_clients_know(void **state)
{
    const identity_t *one = push_identity(*state, KEY_RSA);
    const identity_t *other = push_identity(*state, KEY_EC);
    const char *cert = pem_of(*state, one->x509);
    const char *key = key_pem(*state, one->key);
    const struct {
        const char *pem, *error;
    } rows[] = {
        { "", "tls: failed to find any PEM data in certificate input" },
        { "text", "tls: failed to find any PEM data in certificate input" },
        { key, "tls: failed to find any PEM data in certificate input" },
        { cert, "tls: failed to find any PEM data in key input" },
        { apr_pstrcat(*state, cert, key_pem(*state, other->key), NULL),
          "tls: private key does not match public key" },
        { apr_pstrcat(*state, cert, traditional_key_pem(*state, one->key,
                                                        "secret"), NULL),
          "tls: failed to parse private key: private key PEM appears to be"
          " encrypted; upload it without a passphrase (openssl pkey)" },
        { apr_pstrcat(*state, cert, encrypted_key_pem(*state, one->key),
                      NULL),
          "tls: failed to parse private key: private key PEM appears to be"
          " encrypted; upload it without a passphrase (openssl pkey)" },
        { apr_pstrcat(*state, cert, "-----BEGIN FOO-----\nAAAA\n-----END "
                      "FOO-----\n", key, NULL),
          "unrecognized PEM type: \"FOO\"" },
        { apr_pstrcat(*state, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END "
                      "CERTIFICATE-----\n", key, NULL),
          "tls: failed to parse certificate" },
        { apr_pstrcat(*state, cert, "-----BEGIN PRIVATE KEY-----\nAAAA\n"
                      "-----END PRIVATE KEY-----\n", NULL),
          "tls: failed to parse private key" }
    };
    apr_size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        nmdm_err_t *err = push_fails(*state, rows[i].pem);

        HOLDS(err && err->kind == NMDM_INVALID
              && !strcmp(nmdm_err_text(err), rows[i].error),
              "%s: %s", rows[i].error, err ? err->msg : "accepted");
    }
}

static void walking_stops_at_the_first_error(void **state)
{
    REFUSED(push_fails(*state, "-----BEGIN FOO-----\nAAAA\n-----END FOO"
                       "-----\n-----BEGIN BAR-----\nAAAA\n-----END BAR"
                       "-----\n"), NMDM_INVALID,
            "unrecognized PEM type: \"FOO\"");
}

static nmdm_err_t *with_uid(apr_pool_t *p, const char *uid)
{
    const identity_t *one = IDENTITY(p, .uid = uid);

    return push_fails(p, apr_pstrcat(p, pem_of(p, one->x509),
                                     key_pem(p, one->key), NULL));
}

static void the_topic_is_the_uid_of_the_subject(void **state)
{
    OK(with_uid(*state, "com.apple.mgmt"));
    OK(with_uid(*state, "com.apple.mgmt.External.\xC3\xA4"));
    REFUSED(with_uid(*state, NULL), NMDM_INVALID, "no APNs Topic found");
    REFUSED(with_uid(*state, "com.example"), NMDM_INVALID,
            "invalid APNs Topic: \"com.example\"");
    REFUSED(with_uid(*state, "com.apple.mgm"), NMDM_INVALID,
            "invalid APNs Topic: \"com.apple.mgm\"");
    REFUSED(with_uid(*state, "COM.APPLE.MGMT"), NMDM_INVALID,
            "invalid APNs Topic");
}

static void a_damaged_block_is_as_if_it_were_not_there(void **state)
{
    const identity_t *one = push_identity(*state, KEY_EC);
    const char *cert = pem_of(*state, one->x509);
    const char *key = key_pem(*state, one->key);

    OK(push_fails(*state, apr_pstrcat(
        *state, cert, "-----BEGIN CERTIFICATE-----\n!!!!\n"
        "-----END CERTIFICATE-----\n", key, NULL)));
    OK(push_fails(*state, apr_pstrcat(
        *state, cert, key, "-----BEGIN CERTIFICATE-----\nAAAA", NULL)));
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sha256_knows_a_published_vector),
        TEST(hmac_knows_a_published_vector),
        TEST(hmac_of_nothing_is_one_too),
        TEST(random_bytes_differ_and_stay_in_their_place),
        TEST(secrets_are_the_same_or_not),
        TEST(pem_is_what_openssl_writes),
        TEST(the_peer_of_a_connection_is_read_once),
        TEST(another_peer_is_not_taken_for_the_known_one),
        TEST(a_client_without_a_certificate_is_nobody),
        TEST(rfc_9440_is_der_between_colons),
        TEST(bad_der_between_colons_never_verifies),
        TEST(a_certificate_has_one_form_only),
        TEST(a_query_escaped_pem_is_a_certificate),
        TEST(other_header_values_are_refused),
        TEST(the_first_pem_block_is_the_certificate),
        TEST(a_plus_sign_has_to_be_escaped),
        TEST(certificate_and_key_come_in_any_order),
        TEST(older_forms_of_keys_are_accepted_and_kept),
        TEST(files_joined_without_a_newline_are_parted),
        TEST(text_round_the_blocks_is_passed_over),
        TEST(of_several_certificates_the_keys_own_is_taken),
        TEST(the_last_key_wins),
        TEST(an_expired_push_certificate_is_accepted),
        TEST(not_after_reaches_beyond_2050),
        TEST(push_errors_have_the_words_that_clients_know),
        TEST(walking_stops_at_the_first_error),
        TEST(the_topic_is_the_uid_of_the_subject),
        TEST(a_damaged_block_is_as_if_it_were_not_there),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
