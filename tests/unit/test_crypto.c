/* SPDX-License-Identifier: Apache-2.0 */
/* test_crypto.c -- whose certificate it is and whether it is good. Letters
 * and numbers in comments are conformance cases of the behaviour
 * specification. */

#include "support.h"
#include "nmdm_crypto.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <string.h>

#define DAY apr_time_from_sec(86400)
#define YEAR (365 * DAY)

static const nmdm_bytes_t BODY = { "<plist>any\0bytes</plist>", 24 };

/* ---- Small things ---- */

static void sha256_knows_a_published_vector(void **state)
{
    assert_string_equal(nmdm_crypto_sha256(*state, bytes_of("abc")),
                        "ba7816bf8f01cfea414140de5dae2223"
                        "b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(nmdm_crypto_sha256(*state, bytes_of("")),
                        "e3b0c44298fc1c149afbf4c8996fb924"
                        "27ae41e4649b934ca495991b7852b855");
}

/* RFC 4231, test case 2 */
static void hmac_knows_a_published_vector(void **state)
{
    const char *hmac = nmdm_crypto_hmac(*state, "Jefe", bytes_of(
        "what do ya want for nothing?"));
    nmdm_bytes_t bytes;

    assert_true(nmdm_base64_decode(&bytes, *state, hmac, strlen(hmac), 0));
    assert_string_equal(nmdm_hex(*state, bytes),
                        "5bdcc146bf60754e6a042426089575c7"
                        "5a003f089d2739839dec58b964ec3843");
}

static void hmac_of_nothing_is_one_too(void **state)
{
    assert_string_equal(nmdm_crypto_hmac(*state, "k", bytes_of("")),
                        "i7mQxAp9YcuXWXqUISUCW+UKyL63RDbjc1uYiTp/ZiA=");
}

static void random_bytes_differ_and_stay_in_their_place(void **state)
{
    unsigned char a[34] = { 0 }, b[34] = { 0 };

    (void)state;
    assert_true(nmdm_crypto_random(a + 1, 32));
    assert_true(nmdm_crypto_random(b + 1, 32));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_int_equal(a[0] | a[33], 0);
}

static void secrets_are_the_same_or_not(void **state)
{
    (void)state;
    assert_true(nmdm_crypto_same_secret("secret", "secret"));
    assert_true(nmdm_crypto_same_secret("", ""));
    assert_false(nmdm_crypto_same_secret("secret", "secres"));
    assert_false(nmdm_crypto_same_secret("secret", "secret "));
    assert_false(nmdm_crypto_same_secret("secret", ""));
}

static void pem_is_what_openssl_writes(void **state)
{
    const identity_t *one = IDENTITY(*state, .name = "x");

    assert_string_equal(nmdm_crypto_pem(*state, der_of(*state, one->x509)),
                        pem_of(*state, one->x509));
}

/* ---- Trust (1.8) ---- */

static nmdm_trust_t *trust_in(apr_pool_t *p, const char *anchors,
                              const char *intermediates)
{
    nmdm_trust_t *trust = NULL;

    OK(nmdm_crypto_trust(&trust, p, temp_file(p, anchors),
                         intermediates ? temp_file(p, intermediates)
                                       : NULL));
    return trust;
}

static nmdm_err_t *verify_at(nmdm_trust_t *trust, apr_pool_t *p,
                             const identity_t *one, apr_time_t now)
{
    return nmdm_crypto_verify(trust, p, cert_of(p, one), now);
}

/* A CA, and trust in it alone. */
typedef struct {
    const identity_t *ca;
    nmdm_trust_t *trust;
} house_t;

static house_t house(apr_pool_t *p)
{
    house_t made;

    made.ca = IDENTITY(p, .name = "CA", .is_ca = 1);
    made.trust = trust_in(p, pem_of(p, made.ca->x509), NULL);
    return made;
}

static void a_certificate_of_the_ca_is_good(void **state)
{
    house_t h = house(*state);

    OK(verify_at(h.trust, *state, IDENTITY(*state, .issuer = h.ca, .eku =
                                           "clientAuth"), NOW));
    OK(verify_at(h.trust, *state, IDENTITY(*state, .issuer = h.ca, .eku =
                                           "clientAuth", .key = KEY_RSA),
                 NOW));
}

/* M12 */
static void a_foreign_certificate_is_refused(void **state)
{
    house_t h = house(*state);
    const identity_t *foreign = IDENTITY(*state, .name = "Other CA",
                                         .is_ca = 1);
    const identity_t *same_name = IDENTITY(*state, .name = "CA",
                                           .is_ca = 1);

    REFUSED(verify_at(h.trust, *state, IDENTITY(*state, .issuer = foreign),
                      NOW), NMDM_INVALID, "identity certificate refused");
    REFUSED(verify_at(h.trust, *state, IDENTITY(*state, .issuer = same_name),
                      NOW), NMDM_INVALID, "identity certificate refused");
    REFUSED(verify_at(h.trust, *state, IDENTITY(*state, .name = "self"),
                      NOW), NMDM_INVALID, "identity certificate refused");
}

static void a_changed_certificate_is_refused(void **state)
{
    house_t h = house(*state);
    nmdm_cert_t *cert = cert_of(*state, IDENTITY(*state, .issuer = h.ca));
    char *der = apr_pmemdup(*state, cert->der.data, cert->der.len);

    OK(nmdm_crypto_verify(h.trust, *state, cert, NOW));
    der[cert->der.len - 1] ^= 1;
    cert->der.data = der;
    cert->sha256 = nmdm_crypto_sha256(*state, cert->der);
    REFUSED(nmdm_crypto_verify(h.trust, *state, cert, NOW), NMDM_INVALID,
            "");
}

static void a_damaged_certificate_is_refused(void **state)
{
    house_t h = house(*state);
    nmdm_cert_t *cert = cert_of(*state, IDENTITY(*state, .issuer = h.ca));
    nmdm_bytes_t whole = cert->der;
    char *longer = apr_palloc(*state, whole.len + 1);

    cert->der = exact_copy(*state, (nmdm_bytes_t){ whole.data,
                                                   whole.len - 1 });
    cert->sha256 = nmdm_crypto_sha256(*state, cert->der);
    REFUSED(nmdm_crypto_verify(h.trust, *state, cert, NOW), NMDM_INVALID,
            "damaged");
    memcpy(longer, whole.data, whole.len);
    longer[whole.len] = 0;
    cert->der = (nmdm_bytes_t){ longer, whole.len + 1 };
    cert->sha256 = nmdm_crypto_sha256(*state, cert->der);
    REFUSED(nmdm_crypto_verify(h.trust, *state, cert, NOW), NMDM_INVALID,
            "damaged");
    cert->der = (nmdm_bytes_t){ "", 0 };
    cert->sha256 = nmdm_crypto_sha256(*state, cert->der);
    REFUSED(nmdm_crypto_verify(h.trust, *state, cert, NOW), NMDM_INVALID,
            "damaged");
}

/* M12 */
static void the_leaf_has_to_be_valid_now(void **state)
{
    house_t h = house(*state);
    const identity_t *leaf = IDENTITY(*state, .issuer = h.ca,
                                      .from = NOW - DAY, .until = NOW + DAY);

    REFUSED(verify_at(h.trust, *state, leaf, NOW - DAY - apr_time_from_sec(
        1)), NMDM_INVALID, "not yet valid");
    OK(verify_at(h.trust, *state, leaf, NOW - DAY));
    OK(verify_at(h.trust, *state, leaf, NOW + DAY - apr_time_from_sec(1)));
    REFUSED(verify_at(h.trust, *state, leaf, NOW + DAY + apr_time_from_sec(
        1)), NMDM_INVALID, "expired");
}

#define HOUR apr_time_from_sec(3600)

/* The verdict with an hour of grace, and what it says of the end. */
static nmdm_err_t *verify_late(nmdm_trust_t *trust, apr_pool_t *p,
                               const identity_t *one, apr_time_t now,
                               apr_time_t end)
{
    apr_time_t ends = -1;

    NMDM_TRY(nmdm_crypto_verify_late(&ends, trust, p, cert_of(p, one),
                                     now, HOUR));
    assert_true((now > ends ? ends : 0) == end);
    return NULL;
}

static void an_expired_leaf_has_its_grace(void **state)
{
    house_t h = house(*state);
    const identity_t *leaf = IDENTITY(*state, .issuer = h.ca,
                                      .from = NOW - DAY, .until = NOW);
    int again;

    /* The second time by the verdict that is remembered. */
    for (again = 0; again < 2; again++) {
        OK(verify_late(h.trust, *state, leaf, NOW - HOUR, 0));
        OK(verify_late(h.trust, *state, leaf, NOW + HOUR / 2, NOW));
        OK(verify_late(h.trust, *state, leaf, NOW + HOUR, NOW));
        REFUSED(verify_late(h.trust, *state, leaf, NOW + HOUR
                            + apr_time_from_sec(1), 0), NMDM_INVALID,
                "expired");
        REFUSED(verify_late(h.trust, *state, leaf, NOW - DAY - HOUR, 0),
                NMDM_INVALID, "not yet valid");
        /* It is of no use to whoever gives none. */
        REFUSED(verify_at(h.trust, *state, leaf, NOW + HOUR / 2),
                NMDM_INVALID, "expired");
    }
}

static void grace_is_for_the_leaf_and_for_its_age_alone(void **state)
{
    const identity_t *ca = IDENTITY(*state, .name = "CA", .is_ca = 1);
    const identity_t *old = IDENTITY(*state, .name = "CA", .is_ca = 1,
                                     .until = NOW);
    nmdm_trust_t *trust = trust_in(*state, pem_of(*state, ca->x509), NULL);
    nmdm_trust_t *ended = trust_in(*state, pem_of(*state, old->x509), NULL);

    REFUSED(verify_late(ended, *state, IDENTITY(*state, .issuer = old),
                        NOW + HOUR / 2, 0), NMDM_INVALID, "expired");
    REFUSED(verify_late(ended, *state, IDENTITY(
                *state, .issuer = old, .until = NOW), NOW + HOUR / 2, 0),
            NMDM_INVALID, "expired");
    REFUSED(verify_late(trust, *state, IDENTITY(
                *state, .issuer = ca, .until = NOW, .eku = "serverAuth"),
            NOW + HOUR / 2, 0), NMDM_INVALID, "client");
    REFUSED(verify_late(trust, *state, IDENTITY(*state, .until = NOW),
                        NOW + HOUR / 2, 0), NMDM_INVALID, "");
}

/* M16 */
static void the_root_has_to_be_valid_now(void **state)
{
    const identity_t *ca = IDENTITY(*state, .name = "CA", .is_ca = 1,
                                    .until = NOW - DAY);
    nmdm_trust_t *trust = trust_in(*state, pem_of(*state, ca->x509), NULL);
    const identity_t *leaf = IDENTITY(*state, .issuer = ca);

    REFUSED(verify_at(trust, *state, leaf, NOW), NMDM_INVALID, "expired");
    OK(verify_at(trust, *state, leaf, NOW - 2 * DAY));
}

/* A root, an intermediate of it and a leaf of that. */
typedef struct {
    const identity_t *root, *middle, *leaf;
} dynasty_t;

static dynasty_t dynasty(apr_pool_t *p, apr_time_t middle_until)
{
    dynasty_t made;

    made.root = IDENTITY(p, .name = "Root", .is_ca = 1);
    made.middle = IDENTITY(p, .name = "Middle", .is_ca = 1,
                           .issuer = made.root, .until = middle_until);
    made.leaf = IDENTITY(p, .issuer = made.middle, .eku = "clientAuth");
    return made;
}

/* M14 */
static void an_intermediate_comes_from_its_file(void **state)
{
    dynasty_t d = dynasty(*state, 0);
    nmdm_trust_t *without = trust_in(*state, pem_of(*state, d.root->x509),
                                     NULL);
    nmdm_trust_t *with = trust_in(*state, pem_of(*state, d.root->x509),
                                  pem_of(*state, d.middle->x509));

    REFUSED(verify_at(without, *state, d.leaf, NOW), NMDM_INVALID, "issuer");
    OK(verify_at(with, *state, d.leaf, NOW));
}

static void an_intermediate_has_to_be_valid_now(void **state)
{
    dynasty_t d = dynasty(*state, NOW - DAY);
    nmdm_trust_t *trust = trust_in(*state, pem_of(*state, d.root->x509),
                                   pem_of(*state, d.middle->x509));

    REFUSED(verify_at(trust, *state, d.leaf, NOW), NMDM_INVALID, "expired");
}

static void an_intermediate_is_no_anchor(void **state)
{
    dynasty_t d = dynasty(*state, 0);
    const identity_t *other = IDENTITY(*state, .name = "Other", .is_ca = 1);
    nmdm_trust_t *trust = trust_in(*state, pem_of(*state, other->x509),
                                   pem_of(*state, d.middle->x509));

    REFUSED(verify_at(trust, *state, d.leaf, NOW), NMDM_INVALID, "issuer");
}

static void a_leaf_cannot_issue_certificates(void **state)
{
    house_t h = house(*state);
    const identity_t *leaf = IDENTITY(*state, .name = "leaf",
                                      .issuer = h.ca);
    nmdm_trust_t *trust = trust_in(*state, pem_of(*state, h.ca->x509),
                                   pem_of(*state, leaf->x509));

    OK(verify_at(trust, *state, leaf, NOW));
    REFUSED(verify_at(trust, *state, IDENTITY(*state, .issuer = leaf), NOW),
            NMDM_INVALID, "");
}

/* M15 */
static void any_certificate_of_the_file_is_an_anchor(void **state)
{
    dynasty_t d = dynasty(*state, 0);

    OK(verify_at(trust_in(*state, pem_of(*state, d.middle->x509), NULL),
                 *state, d.leaf, NOW));
    OK(verify_at(trust_in(*state, pem_of(*state, d.leaf->x509), NULL),
                 *state, d.leaf, NOW));
}

static void a_file_may_hold_many_anchors(void **state)
{
    const identity_t *a = IDENTITY(*state, .name = "A", .is_ca = 1);
    const identity_t *b = IDENTITY(*state, .name = "B", .is_ca = 1);
    nmdm_trust_t *trust = trust_in(*state, apr_pstrcat(
        *state, "# a remark\n", pem_of(*state, a->x509), "more\n",
        pem_of(*state, b->x509), "the end\n", NULL), NULL);

    OK(verify_at(trust, *state, IDENTITY(*state, .issuer = a), NOW));
    OK(verify_at(trust, *state, IDENTITY(*state, .issuer = b), NOW));
}

/* A CA that got a new key and kept its name: the certificates say which key
 * signed them. */
static void an_old_and_a_new_key_of_a_ca_are_told_apart(void **state)
{
    house_t a = house(*state), b = house(*state);
    nmdm_trust_t *trust = trust_in(*state, apr_pstrcat(
        *state, pem_of(*state, a.ca->x509), pem_of(*state, b.ca->x509),
        NULL), NULL);

    OK(verify_at(trust, *state, IDENTITY(*state, .issuer = a.ca,
                                         .names_issuers_key = 1), NOW));
    OK(verify_at(trust, *state, IDENTITY(*state, .issuer = b.ca,
                                         .names_issuers_key = 1), NOW));
}

/* M12, M13 */
static void the_extended_key_usage_has_to_allow_clients(void **state)
{
    static const struct {
        const char *eku;
        int good;
    } ROWS[] = {
        { NULL, 1 }, { "clientAuth", 1 }, { "serverAuth,clientAuth", 1 },
        { "anyExtendedKeyUsage", 1 }, { "anyExtendedKeyUsage,codeSigning",
                                        1 },
        { "serverAuth", 0 }, { "codeSigning,emailProtection", 0 },
        { "1.2.3.4", 0 }
    };
    house_t h = house(*state);
    apr_size_t i;

    for (i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
        nmdm_err_t *err = verify_at(h.trust, *state, IDENTITY(
            *state, .issuer = h.ca, .eku = ROWS[i].eku), NOW);

        HOLDS((err == NULL) == ROWS[i].good, "%s",
              ROWS[i].eku ? ROWS[i].eku : "none");
    }
}

static void the_extended_key_usage_of_a_ca_counts_as_well(void **state)
{
    const identity_t *no = IDENTITY(*state, .name = "CA", .is_ca = 1,
                                    .eku = "serverAuth");
    const identity_t *yes = IDENTITY(*state, .name = "CA", .is_ca = 1,
                                     .eku = "clientAuth");

    REFUSED(verify_at(trust_in(*state, pem_of(*state, no->x509), NULL),
                      *state, IDENTITY(*state, .issuer = no), NOW),
            NMDM_INVALID, "client authentication");
    OK(verify_at(trust_in(*state, pem_of(*state, yes->x509), NULL), *state,
                 IDENTITY(*state, .issuer = yes), NOW));
}

static void the_key_usage_of_the_leaf_does_not_matter(void **state)
{
    house_t h = house(*state);

    OK(verify_at(h.trust, *state, IDENTITY(
        *state, .issuer = h.ca, .eku = "clientAuth",
        .key_usage = "critical,keyEncipherment"), NOW));
    OK(verify_at(h.trust, *state, IDENTITY(
        *state, .issuer = h.ca, .key_usage = "keyCertSign"), NOW));
}

static void weak_signatures_on_certificates_are_refused(void **state)
{
    const identity_t *ca = IDENTITY(*state, .name = "CA", .is_ca = 1,
                                    .key = KEY_RSA);
    nmdm_trust_t *trust = trust_in(*state, pem_of(*state, ca->x509), NULL);
    const EVP_MD *const bad[] = { EVP_sha1(), EVP_md5() };
    const EVP_MD *const good[] = { EVP_sha256(), EVP_sha384(), EVP_sha512() };
    apr_size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        REFUSED(verify_at(trust, *state, IDENTITY(
            *state, .issuer = ca, .digest = bad[i]), NOW), NMDM_INVALID,
            "identity certificate refused");
    }
    for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
        OK(verify_at(trust, *state, IDENTITY(
            *state, .issuer = ca, .digest = good[i]), NOW));
    }
}

/* Nobody believes how a root signed itself. */
static void the_signature_of_an_anchor_on_itself_does_not_matter(void **state)
{
    const identity_t *ca = IDENTITY(*state, .name = "CA", .is_ca = 1,
                                    .key = KEY_RSA, .digest = EVP_sha1());

    OK(verify_at(trust_in(*state, pem_of(*state, ca->x509), NULL), *state,
                 IDENTITY(*state, .issuer = ca), NOW));
}

static void weak_keys_are_refused(void **state)
{
    house_t h = house(*state);

    REFUSED(verify_at(h.trust, *state, IDENTITY(
        *state, .issuer = h.ca, .key = KEY_WEAK_RSA), NOW), NMDM_INVALID,
        "identity certificate refused");
}

/* ---- Files of certificates ---- */

static nmdm_err_t *trust_fails(apr_pool_t *p, const char *anchors,
                               const char *intermediates)
{
    nmdm_trust_t *trust;

    return nmdm_crypto_trust(&trust, p, anchors, intermediates);
}

static void a_useless_file_is_refused_by_name(void **state)
{
    house_t h = house(*state);
    const char *pem = pem_of(*state, h.ca->x509);
    const char *good = temp_file(*state, pem);
    const char *const useless[] = {
        temp_file(*state, ""), temp_file(*state, "no PEM at all\n"),
        temp_file(*state, key_pem(*state, h.ca->key)),
        temp_file(*state, apr_pstrmemdup(*state, pem, strlen(pem) / 2)),
        temp_file(*state, "-----BEGIN CERTIFICATE-----\nAAAA\n"
                          "-----END CERTIFICATE-----\n"),
        temp_file(*state, apr_pstrcat(*state, pem,
                                      "-----BEGIN CERTIFICATE-----\n!!\n"
                                      "-----END CERTIFICATE-----\n", NULL)),
        "/no/such/file.pem"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(useless) / sizeof(*useless); i++) {
        int count;

        REFUSED(trust_fails(*state, useless[i], NULL), NMDM_INVALID,
                useless[i]);
        REFUSED(trust_fails(*state, good, useless[i]), NMDM_INVALID,
                useless[i]);
        REFUSED(nmdm_crypto_count_pem(&count, *state, useless[i]),
                NMDM_INVALID, useless[i]);
    }
    OK(trust_fails(*state, good, good));
}

static void certificates_of_a_file_are_counted(void **state)
{
    house_t h = house(*state);
    const char *pem = pem_of(*state, h.ca->x509);
    int count = 0;

    OK(nmdm_crypto_count_pem(&count, *state, temp_file(*state, pem)));
    assert_int_equal(count, 1);
    OK(nmdm_crypto_count_pem(&count, *state, temp_file(*state, apr_pstrcat(
        *state, pem, key_pem(*state, h.ca->key), pem, pem, NULL))));
    assert_int_equal(count, 3);
}

static void an_error_before_is_not_taken_for_one_of_the_file(void **state)
{
    house_t h = house(*state);
    const char *good = temp_file(*state, pem_of(*state, h.ca->x509));
    int count = 0;

    assert_null(d2i_X509(NULL, NULL, 0));
    OK(nmdm_crypto_count_pem(&count, *state, good));
    assert_int_equal(count, 1);
}

/* ---- Verdicts that are remembered ---- */

static void a_verdict_holds_only_while_the_whole_chain_is_valid(void **state)
{
    const identity_t *root = IDENTITY(*state, .name = "Root", .is_ca = 1,
                                      .from = NOW - 5 * DAY);
    const identity_t *middle = IDENTITY(*state, .name = "Middle", .is_ca = 1,
                                        .issuer = root,
                                        .until = NOW + 5 * DAY);
    const identity_t *leaf = IDENTITY(*state, .issuer = middle);
    nmdm_trust_t *trust = trust_in(*state, pem_of(*state, root->x509),
                                   pem_of(*state, middle->x509));

    OK(verify_at(trust, *state, leaf, NOW));
    OK(verify_at(trust, *state, leaf, NOW + 4 * DAY));
    OK(verify_at(trust, *state, leaf, NOW - 4 * DAY));
    /* The leaf itself is valid at both of these. */
    REFUSED(verify_at(trust, *state, leaf, NOW + 6 * DAY), NMDM_INVALID,
            "expired");
    REFUSED(verify_at(trust, *state, leaf, NOW - 6 * DAY), NMDM_INVALID,
            "not yet valid");
    OK(verify_at(trust, *state, leaf, NOW));
}

static void a_refusal_is_not_remembered(void **state)
{
    house_t h = house(*state);
    const identity_t *leaf = IDENTITY(*state, .issuer = h.ca,
                                      .from = NOW + DAY);

    REFUSED(verify_at(h.trust, *state, leaf, NOW), NMDM_INVALID, "");
    OK(verify_at(h.trust, *state, leaf, NOW + 2 * DAY));
}

/* Shows what is in the cache: with this hash a certificate that could not be
 * read passes if, and only if, its verdict is known. */
static int is_remembered(nmdm_trust_t *trust, apr_pool_t *p,
                         const char *sha256)
{
    nmdm_cert_t cert = { sha256, { "garbage", 7 } };

    return !nmdm_crypto_verify(trust, p, &cert, NOW);
}

static nmdm_cert_t renamed(const nmdm_cert_t *cert, apr_pool_t *p, int n)
{
    return (nmdm_cert_t){ apr_psprintf(p, "%064d", n), cert->der };
}

static void remember_many(nmdm_trust_t *trust, const nmdm_cert_t *cert,
                          int from, int n)
{
    apr_pool_t *p;
    int i;

    for (i = from; i < from + n; i++) {
        nmdm_cert_t other;

        apr_pool_create(&p, NULL);
        other = renamed(cert, p, i);
        OK(nmdm_crypto_verify(trust, p, &other, NOW));
        apr_pool_destroy(p);
    }
}

/* 16384 verdicts are a generation. */
static void verdicts_survive_one_generation_and_longer_if_used(void **state)
{
    enum { GENERATION = 16384 };
    /* The leaf as its own anchor is the quickest to verify. */
    const identity_t *leaf = IDENTITY(*state, .name = "leaf",
                                      .key = KEY_RSA);
    nmdm_trust_t *trust = trust_in(*state, pem_of(*state, leaf->x509), NULL);
    const nmdm_cert_t *cert = cert_of(*state, leaf);
    nmdm_cert_t used = renamed(cert, *state, 1000001);
    nmdm_cert_t unused = renamed(cert, *state, 1000002);

    assert_false(is_remembered(trust, *state, used.sha256));
    OK(nmdm_crypto_verify(trust, *state, &used, NOW));
    OK(nmdm_crypto_verify(trust, *state, &unused, NOW));
    assert_true(is_remembered(trust, *state, used.sha256));

    remember_many(trust, cert, 0, GENERATION);
    assert_true(is_remembered(trust, *state, used.sha256));
    /* The same again: they move from the old generation to the young one,
     * which costs no verification. */
    remember_many(trust, cert, 0, GENERATION);
    assert_true(is_remembered(trust, *state, used.sha256));
    assert_false(is_remembered(trust, *state, unused.sha256));
}

enum { THREADS = 4, ROUNDS = 300 };

typedef struct {
    nmdm_trust_t *trust;
    const nmdm_cert_t *cert;
    int number, failed;
} verifier_t;

static void *APR_THREAD_FUNC verify_many(apr_thread_t *thread, void *data)
{
    verifier_t *v = data;
    apr_pool_t *p;
    int i;

    (void)thread;
    for (i = 0; i < ROUNDS; i++) {
        nmdm_cert_t cert;

        apr_pool_create(&p, NULL);
        cert = renamed(v->cert, p, i % 2 ? i : v->number * ROUNDS + i);
        v->failed += nmdm_crypto_verify(v->trust, p, &cert, NOW) != NULL;
        apr_pool_destroy(p);
    }
    return NULL;
}

static void threads_share_trust(void **state)
{
    house_t h = house(*state);
    const nmdm_cert_t *cert = cert_of(*state, IDENTITY(*state,
                                                       .issuer = h.ca));
    apr_thread_t *threads[THREADS];
    verifier_t verifiers[THREADS];
    apr_status_t rv;
    int i;

    for (i = 0; i < THREADS; i++) {
        verifiers[i] = (verifier_t){ h.trust, cert, i, 0 };
        assert_int_equal(apr_thread_create(&threads[i], NULL, verify_many,
                                           &verifiers[i], *state), 0);
    }
    for (i = 0; i < THREADS; i++) {
        apr_thread_join(&rv, threads[i]);
        assert_int_equal(verifiers[i].failed, 0);
    }
}

/* ---- A TLS connection (1.7 C) ---- */

static void is_cert_of(apr_pool_t *p, const nmdm_cert_t *cert,
                       const identity_t *identity)
{
    const nmdm_cert_t *expected = cert_of(p, identity);

    assert_int_equal(cert->der.len, expected->der.len);
    assert_memory_equal(cert->der.data, expected->der.data, cert->der.len);
    assert_string_equal(cert->sha256, expected->sha256);
}

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

    OK(nmdm_crypto_tls_peer(&peer, *state, tls.server, NULL));
    assert_non_null(peer);
    is_cert_of(*state, &peer->cert, one);
    OK(nmdm_crypto_tls_peer(&again, *state, tls.server, peer));
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

    OK(nmdm_crypto_tls_peer(&peer, *state, first.server, NULL));
    disconnect(&first);
    second = connected(*state, two);
    OK(nmdm_crypto_tls_peer(&other, *state, second.server, peer));
    is_cert_of(*state, &other->cert, two);
    disconnect(&second);
}

static void a_client_without_a_certificate_is_nobody(void **state)
{
    tls_t tls = connected(*state, NULL);
    const nmdm_peer_t *peer = (const nmdm_peer_t *)&tls;

    assert_true(SSL_is_init_finished(tls.server));
    OK(nmdm_crypto_tls_peer(&peer, *state, tls.server, NULL));
    assert_null(peer);
    disconnect(&tls);
}

/* ---- Mdm-Signature (1.7 A) ---- */

static nmdm_err_t *signer_fails(apr_pool_t *p, const char *base64,
                                nmdm_bytes_t body)
{
    nmdm_cert_t *cert = NULL;
    nmdm_err_t *err = nmdm_crypto_signer(&cert, p, base64, body, 0);

    assert_true((err == NULL) == (cert != NULL));
    return err;
}

static const identity_t *rsa_signer(apr_pool_t *p)
{
    return IDENTITY(p, .name = "signer", .key = KEY_RSA);
}

/* M5, M6: what devices send. */
static void a_signature_as_devices_make_it_is_good(void **state)
{
    const identity_t *one = rsa_signer(*state);
    nmdm_cert_t *cert = NULL;
    const char *value = SIGN(*state, BODY, .signer = one,
                             .digest = EVP_sha1(), .how = SIGN_INDEFINITE);

    /* It is of indefinite length: 30 80. */
    assert_memory_equal(value, "MIAG", 4);
    OK(nmdm_crypto_signer(&cert, *state, value, BODY, 0));
    is_cert_of(*state, cert, one);
}

/* M7 */
static void good_digests_keys_and_attributes_in_all_combinations(void **state)
{
    const EVP_MD *const digests[] = {
        EVP_sha1(), EVP_sha256(), EVP_sha384(), EVP_sha512()
    };
    const identity_t *const signers[] = {
        rsa_signer(*state), IDENTITY(*state, .name = "ec")
    };
    static const int HOW[] = {
        SIGN_PLAIN, SIGN_ATTRIBUTES, SIGN_INDEFINITE,
        SIGN_ATTRIBUTES | SIGN_INDEFINITE
    };
    apr_size_t d, s, h;

    for (d = 0; d < 4; d++) {
        for (s = 0; s < 2; s++) {
            for (h = 0; h < 4; h++) {
                nmdm_cert_t *cert = NULL;
                nmdm_err_t *err = nmdm_crypto_signer(
                    &cert, *state, SIGN(*state, BODY, .signer = signers[s],
                                        .digest = digests[d],
                                        .how = HOW[h]), BODY, 0);

                HOLDS(!err, "digest %d, signer %d, form %d", (int)d, (int)s,
                      HOW[h]);
                is_cert_of(*state, cert, signers[s]);
            }
        }
    }
}

static void the_signature_may_be_named_with_its_digest(void **state)
{
    const EVP_MD *const digests[] = {
        EVP_sha1(), EVP_sha256(), EVP_sha384(), EVP_sha512()
    };
    apr_size_t d;

    for (d = 0; d < 4; d++) {
        nmdm_err_t *err = signer_fails(*state, SIGN(
            *state, BODY, .signer = rsa_signer(*state), .digest = digests[d],
            .how = SIGN_SHA_NAME), BODY);

        HOLDS(!err, "digest %d", (int)d);
    }
}

/* M8 */
static void other_digests_are_refused(void **state)
{
    REFUSED(signer_fails(*state, SIGN(
        *state, BODY, .signer = rsa_signer(*state), .digest = EVP_sha224()),
        BODY), NMDM_INVALID, "digest algorithm");
    REFUSED(signer_fails(*state, SIGN(
        *state, BODY, .signer = rsa_signer(*state), .digest = EVP_md5()),
        BODY), NMDM_INVALID, "digest algorithm");
}

static void rsa_pss_is_refused(void **state)
{
    REFUSED(signer_fails(*state, SIGN(
        *state, BODY, .signer = rsa_signer(*state), .how = SIGN_PSS), BODY),
        NMDM_INVALID, "signature algorithm");
    REFUSED(signer_fails(*state, SIGN(
        *state, BODY, .signer = rsa_signer(*state),
        .how = SIGN_PSS | SIGN_ATTRIBUTES), BODY),
        NMDM_INVALID, "signature algorithm");
}

static void there_is_exactly_one_signer(void **state)
{
    REFUSED(signer_fails(*state, SIGN(
        *state, BODY, .signer = rsa_signer(*state),
        .second_signer = IDENTITY(*state, .name = "two")), BODY),
        NMDM_INVALID, "not exactly one signer");
    REFUSED(signer_fails(*state, SIGN(*state, BODY, .signer = NULL), BODY),
            NMDM_INVALID, "not exactly one signer");
    REFUSED(signer_fails(*state, SIGN(
        *state, BODY, .signer = NULL, .extra_cert = rsa_signer(
            *state)->x509), BODY), NMDM_INVALID, "not exactly one signer");
}

static void the_signer_is_named_by_issuer_and_serial_number(void **state)
{
    REFUSED(signer_fails(*state, SIGN(
        *state, BODY, .signer = rsa_signer(*state), .how = SIGN_KEY_ID),
        BODY), NMDM_INVALID, "issuer and serial number");
}

static void the_signers_certificate_is_in_the_message(void **state)
{
    const identity_t *one = rsa_signer(*state);

    REFUSED(signer_fails(*state, SIGN(
        *state, BODY, .signer = one, .how = SIGN_NO_CERT), BODY),
        NMDM_INVALID, "certificate is missing");
    REFUSED(signer_fails(*state, SIGN(
        *state, BODY, .signer = one, .how = SIGN_NO_CERT,
        .extra_cert = IDENTITY(*state, .name = "other")->x509), BODY),
        NMDM_INVALID, "certificate is missing");
}

/* M10 */
static void more_certificates_in_the_message_do_no_harm(void **state)
{
    house_t h = house(*state);
    const identity_t *one = IDENTITY(*state, .issuer = h.ca);
    nmdm_cert_t *cert = NULL;

    OK(nmdm_crypto_signer(&cert, *state, SIGN(
        *state, BODY, .signer = one, .extra_cert = h.ca->x509), BODY, 0));
    is_cert_of(*state, cert, one);
}

/* M4 */
static void another_body_is_refused(void **state)
{
    static const int HOW[] = { SIGN_PLAIN, SIGN_ATTRIBUTES };
    apr_size_t i;

    for (i = 0; i < 2; i++) {
        const char *value = SIGN(*state, BODY, .signer = rsa_signer(*state),
                                 .how = HOW[i]);
        char *other = apr_pmemdup(*state, BODY.data, BODY.len);

        other[BODY.len - 1] ^= 1;
        REFUSED(signer_fails(*state, value, (nmdm_bytes_t){
            other, BODY.len }), NMDM_INVALID, "does not sign this body");
        REFUSED(signer_fails(*state, value, (nmdm_bytes_t){
            BODY.data, BODY.len - 1 }), NMDM_INVALID,
            "does not sign this body");
        REFUSED(signer_fails(*state, value, bytes_of("")), NMDM_INVALID,
                "does not sign this body");
    }
}

static void a_body_with_line_ends_is_taken_as_it_is(void **state)
{
    const identity_t *one = rsa_signer(*state);
    nmdm_bytes_t unix_text = bytes_of("a\nb\n");
    nmdm_bytes_t dos_text = bytes_of("a\r\nb\r\n");

    OK(signer_fails(*state, SIGN(*state, unix_text, .signer = one),
                    unix_text));
    REFUSED(signer_fails(*state, SIGN(*state, unix_text, .signer = one),
                         dos_text), NMDM_INVALID, "does not sign");
}

static void an_empty_body_can_be_signed(void **state)
{
    const identity_t *one = rsa_signer(*state);

    OK(signer_fails(*state, SIGN(*state, bytes_of(""), .signer = one),
                    bytes_of("")));
    REFUSED(signer_fails(*state, SIGN(*state, bytes_of("x"), .signer = one),
                         bytes_of("")), NMDM_INVALID, "does not sign");
}

/* M9 */
static void content_within_the_message_is_not_what_counts(void **state)
{
    const identity_t *one = rsa_signer(*state);
    const char *value = SIGN(*state, BODY, .signer = one, .how = SIGN_EMBED);

    OK(signer_fails(*state, value, BODY));
    REFUSED(signer_fails(*state, value, bytes_of("different")), NMDM_INVALID,
            "does not sign this body");
    REFUSED(signer_fails(*state, value, bytes_of("")), NMDM_INVALID,
            "does not sign this body");
}

static void the_signing_time_lies_within_the_certificates_life(void **state)
{
    const identity_t *one = IDENTITY(*state, .name = "s", .from = NOW - DAY,
                                     .until = NOW + DAY);
    const struct {
        apr_time_t when;
        int good;
    } rows[] = {
        { NOW, 1 }, { NOW - DAY, 1 }, { NOW + DAY, 1 },
        { NOW - DAY - apr_time_from_sec(1), 0 },
        { NOW + DAY + apr_time_from_sec(1), 0 },
        { NOW + 40 * YEAR, 0 }
    };
    apr_size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        nmdm_err_t *err = signer_fails(*state, SIGN(
            *state, BODY, .signer = one, .how = SIGN_ATTRIBUTES,
            .signing_time = rows[i].when), BODY);

        HOLDS((err == NULL) == rows[i].good, "row %d: %s", (int)i,
              err ? err->msg : "good");
    }
}

static void the_signing_time_has_the_same_grace(void **state)
{
    const identity_t *one = IDENTITY(*state, .from = NOW - DAY,
                                     .until = NOW);
    const char *late = SIGN(*state, BODY, .signer = one,
                            .how = SIGN_ATTRIBUTES,
                            .signing_time = NOW + HOUR / 2);
    nmdm_cert_t *cert = NULL;

    REFUSED(signer_fails(*state, late, BODY), NMDM_INVALID, "outside");
    OK(nmdm_crypto_signer(&cert, *state, late, BODY, HOUR / 2));
    REFUSED(nmdm_crypto_signer(&cert, *state, late, BODY,
                               HOUR / 2 - apr_time_from_sec(1)),
            NMDM_INVALID, "outside");
}

/* The chain is somebody else's business: see 1.8. */
static void an_expired_signer_is_not_refused_here(void **state)
{
    const identity_t *one = IDENTITY(*state, .name = "s",
                                     .until = NOW - 100 * DAY,
                                     .eku = "serverAuth");

    OK(signer_fails(*state, SIGN(*state, BODY, .signer = one), BODY));
}

/* M3 */
static void a_value_that_is_not_base64_is_refused(void **state)
{
    const char *good = SIGN(*state, BODY, .signer = rsa_signer(*state));
    char *bad = apr_pstrdup(*state, good);

    OK(signer_fails(*state, good, BODY));
    REFUSED(signer_fails(*state, "", BODY), NMDM_INVALID, "CMS");
    REFUSED(signer_fails(*state, "!", BODY), NMDM_INVALID, "base64");
    REFUSED(signer_fails(*state, "Z2FyYmFnZQ==", BODY), NMDM_INVALID,
            "CMS");
    bad[20] = ' ';
    REFUSED(signer_fails(*state, bad, BODY), NMDM_INVALID, "base64");
    bad[20] = '-';
    REFUSED(signer_fails(*state, bad, BODY), NMDM_INVALID, "base64");
    REFUSED(signer_fails(*state, apr_pstrcat(*state, good, "\n", NULL),
                         BODY), NMDM_INVALID, "base64");
    REFUSED(signer_fails(*state, apr_pstrmemdup(*state, good, strlen(good)
                                                - 1), BODY), NMDM_INVALID,
            "base64");
}

static void a_cut_signature_is_refused(void **state)
{
    const char *good = SIGN(*state, BODY, .signer = IDENTITY(*state, .name =
                                                             "s"));
    nmdm_bytes_t der;
    apr_size_t len;

    assert_true(nmdm_base64_decode(&der, *state, good, strlen(good), 0));
    for (len = 0; len < der.len; len += 7) {
        nmdm_bytes_t cut = { der.data, len };
        nmdm_err_t *err = signer_fails(*state, nmdm_base64_encode(*state,
                                                                  cut),
                                       BODY);

        HOLDS(err && err->kind == NMDM_INVALID, "%d bytes", (int)len);
    }
}

static void other_kinds_of_cms_are_refused(void **state)
{
    /* ContentInfo of type data, "hello". */
    static const char DATA[] =
        "\x30\x14\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x07\x04\x05"
        "hello";
    nmdm_bytes_t data = { DATA, sizeof(DATA) - 1 };
    nmdm_bytes_t cert = der_of(*state, rsa_signer(*state)->x509);

    REFUSED(signer_fails(*state, nmdm_base64_encode(*state, data), BODY),
            NMDM_INVALID, "not signed data");
    REFUSED(signer_fails(*state, nmdm_base64_encode(*state, cert), BODY),
            NMDM_INVALID, "CMS");
}

/* ---- A proxy's header (1.7 B) ---- */

static nmdm_err_t *header_fails(apr_pool_t *p, const char *value)
{
    nmdm_cert_t *cert = NULL;
    nmdm_err_t *err = nmdm_crypto_header(&cert, p, value);

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

    OK(nmdm_crypto_header(&cert, *state, apr_pstrcat(*state, ":", base64,
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
        nmdm_err_t *err = nmdm_crypto_header(&cert, *state, values[i]);

        if (!err) {
            err = nmdm_crypto_verify(h.trust, *state, cert, NOW);
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
    err = nmdm_crypto_header(&cert, *state, apr_pstrcat(
        *state, ":", nmdm_base64_encode(*state, (nmdm_bytes_t){
            longer, der.len + 1 }), ":", NULL));
    if (!err) {
        err = nmdm_crypto_verify(h.trust, *state, cert, NOW);
    }
    if (!err) {
        assert_string_equal(cert->sha256, nmdm_crypto_sha256(*state, der));
    }
}

/* M18 */
static void a_query_escaped_pem_is_a_certificate(void **state)
{
    const identity_t *one = rsa_signer(*state);
    const char *pem = pem_of(*state, one->x509);
    nmdm_cert_t *cert = NULL;

    OK(nmdm_crypto_header(&cert, *state, escaped(*state, pem, 0)));
    is_cert_of(*state, cert, one);
    cert = NULL;
    OK(nmdm_crypto_header(&cert, *state, escaped(*state, pem, 1)));
    is_cert_of(*state, cert, one);
    cert = NULL;
    OK(nmdm_crypto_header(&cert, *state, escaped(*state, apr_pstrcat(
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

    OK(nmdm_crypto_header(&cert, *state, escaped(*state, apr_pstrcat(
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
    return nmdm_crypto_push_cert(out, p, bytes_of(pem));
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
          "private key PEM appears to be encrypted" },
        { apr_pstrcat(*state, cert, encrypted_key_pem(*state, one->key),
                      NULL), "tls: failed to parse private key" },
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
        TEST(a_certificate_of_the_ca_is_good),
        TEST(a_foreign_certificate_is_refused),
        TEST(a_changed_certificate_is_refused),
        TEST(a_damaged_certificate_is_refused),
        TEST(the_leaf_has_to_be_valid_now),
        TEST(an_expired_leaf_has_its_grace),
        TEST(grace_is_for_the_leaf_and_for_its_age_alone),
        TEST(the_root_has_to_be_valid_now),
        TEST(an_intermediate_comes_from_its_file),
        TEST(an_intermediate_has_to_be_valid_now),
        TEST(an_intermediate_is_no_anchor),
        TEST(a_leaf_cannot_issue_certificates),
        TEST(any_certificate_of_the_file_is_an_anchor),
        TEST(a_file_may_hold_many_anchors),
        TEST(an_old_and_a_new_key_of_a_ca_are_told_apart),
        TEST(the_extended_key_usage_has_to_allow_clients),
        TEST(the_extended_key_usage_of_a_ca_counts_as_well),
        TEST(the_key_usage_of_the_leaf_does_not_matter),
        TEST(weak_signatures_on_certificates_are_refused),
        TEST(the_signature_of_an_anchor_on_itself_does_not_matter),
        TEST(weak_keys_are_refused),
        TEST(a_useless_file_is_refused_by_name),
        TEST(certificates_of_a_file_are_counted),
        TEST(an_error_before_is_not_taken_for_one_of_the_file),
        TEST(a_verdict_holds_only_while_the_whole_chain_is_valid),
        TEST(a_refusal_is_not_remembered),
        TEST(verdicts_survive_one_generation_and_longer_if_used),
        TEST(threads_share_trust),
        TEST(the_peer_of_a_connection_is_read_once),
        TEST(another_peer_is_not_taken_for_the_known_one),
        TEST(a_client_without_a_certificate_is_nobody),
        TEST(a_signature_as_devices_make_it_is_good),
        TEST(good_digests_keys_and_attributes_in_all_combinations),
        TEST(the_signature_may_be_named_with_its_digest),
        TEST(other_digests_are_refused),
        TEST(rsa_pss_is_refused),
        TEST(there_is_exactly_one_signer),
        TEST(the_signer_is_named_by_issuer_and_serial_number),
        TEST(the_signers_certificate_is_in_the_message),
        TEST(more_certificates_in_the_message_do_no_harm),
        TEST(another_body_is_refused),
        TEST(a_body_with_line_ends_is_taken_as_it_is),
        TEST(an_empty_body_can_be_signed),
        TEST(content_within_the_message_is_not_what_counts),
        TEST(the_signing_time_lies_within_the_certificates_life),
        TEST(the_signing_time_has_the_same_grace),
        TEST(an_expired_signer_is_not_refused_here),
        TEST(a_value_that_is_not_base64_is_refused),
        TEST(a_cut_signature_is_refused),
        TEST(other_kinds_of_cms_are_refused),
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
