/* SPDX-License-Identifier: Apache-2.0 */
/* test_trust.c -- whether a certificate is good. Letters and numbers in
 * comments are conformance cases of the behaviour specification. */

#include "support.h"
#include "crypto/digest.h"
#include "crypto/trust.h"

#include <apr_strings.h>
#include <apr_thread_proc.h>

#include <string.h>

#define DAY apr_time_from_sec(86400)

/* ---- Trust (1.8) ---- */

static nmdm_err_t *verify_at(nmdm_trust_t *trust, apr_pool_t *p,
                             const identity_t *one, apr_time_t now)
{
    return nmdm_trust_verify(trust, p, cert_of(p, one), now);
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

    OK(nmdm_trust_verify(h.trust, *state, cert, NOW));
    der[cert->der.len - 1] ^= 1;
    cert->der.data = der;
    cert->sha256 = nmdm_digest_sha256(*state, cert->der);
    REFUSED(nmdm_trust_verify(h.trust, *state, cert, NOW), NMDM_INVALID,
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
    cert->sha256 = nmdm_digest_sha256(*state, cert->der);
    REFUSED(nmdm_trust_verify(h.trust, *state, cert, NOW), NMDM_INVALID,
            "damaged");
    memcpy(longer, whole.data, whole.len);
    longer[whole.len] = 0;
    cert->der = (nmdm_bytes_t){ longer, whole.len + 1 };
    cert->sha256 = nmdm_digest_sha256(*state, cert->der);
    REFUSED(nmdm_trust_verify(h.trust, *state, cert, NOW), NMDM_INVALID,
            "damaged");
    cert->der = (nmdm_bytes_t){ "", 0 };
    cert->sha256 = nmdm_digest_sha256(*state, cert->der);
    REFUSED(nmdm_trust_verify(h.trust, *state, cert, NOW), NMDM_INVALID,
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

    NMDM_TRY(nmdm_trust_verify_late(&ends, trust, p, cert_of(p, one),
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

/* The signature of a root on itself proves nothing. */
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

    return nmdm_trust_read(&trust, p, anchors, intermediates);
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
        REFUSED(nmdm_trust_count_pem(&count, *state, useless[i]),
                NMDM_INVALID, useless[i]);
    }
    OK(trust_fails(*state, good, good));
}

static void certificates_of_a_file_are_counted(void **state)
{
    house_t h = house(*state);
    const char *pem = pem_of(*state, h.ca->x509);
    int count = 0;

    OK(nmdm_trust_count_pem(&count, *state, temp_file(*state, pem)));
    assert_int_equal(count, 1);
    OK(nmdm_trust_count_pem(&count, *state, temp_file(*state, apr_pstrcat(
        *state, pem, key_pem(*state, h.ca->key), pem, pem, NULL))));
    assert_int_equal(count, 3);
}

static void an_error_before_is_not_taken_for_one_of_the_file(void **state)
{
    house_t h = house(*state);
    const char *good = temp_file(*state, pem_of(*state, h.ca->x509));
    int count = 0;

    assert_null(d2i_X509(NULL, NULL, 0));
    OK(nmdm_trust_count_pem(&count, *state, good));
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
    nmdm_cert_t cert = { .sha256 = sha256, .der = { "garbage", 7 } };

    return !nmdm_trust_verify(trust, p, &cert, NOW);
}

static nmdm_cert_t renamed(const nmdm_cert_t *cert, apr_pool_t *p, int n)
{
    return (nmdm_cert_t){ .sha256 = apr_psprintf(p, "%064d", n),
                          .der = cert->der };
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
        OK(nmdm_trust_verify(trust, p, &other, NOW));
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
    OK(nmdm_trust_verify(trust, *state, &used, NOW));
    OK(nmdm_trust_verify(trust, *state, &unused, NOW));
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
        v->failed += nmdm_trust_verify(v->trust, p, &cert, NOW) != NULL;
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

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
