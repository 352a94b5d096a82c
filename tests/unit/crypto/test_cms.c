/* SPDX-License-Identifier: Apache-2.0 */
/* test_cms.c -- who signed a message. Letters and numbers in comments are
 * conformance cases of the behaviour specification. */

#include "support.h"
#include "crypto/cms.h"

#include <apr_strings.h>

#include <string.h>

#define HOUR apr_time_from_sec(3600)
#define DAY apr_time_from_sec(86400)
#define YEAR (365 * DAY)

static const nmdm_bytes_t BODY = { "<plist>any\0bytes</plist>", 24 };

/* ---- Mdm-Signature (1.7 A) ---- */

static nmdm_err_t *signer_fails(apr_pool_t *p, const char *base64,
                                nmdm_bytes_t body)
{
    nmdm_cert_t *cert = NULL;
    nmdm_err_t *err = nmdm_cms_signer(&cert, p, base64, body, 0);

    assert_true((err == NULL) == (cert != NULL));
    return err;
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
    OK(nmdm_cms_signer(&cert, *state, value, BODY, 0));
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
                nmdm_err_t *err = nmdm_cms_signer(
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
    const identity_t *ca = IDENTITY(*state, .name = "CA", .is_ca = 1);
    const identity_t *one = IDENTITY(*state, .issuer = ca);
    nmdm_cert_t *cert = NULL;

    OK(nmdm_cms_signer(&cert, *state, SIGN(
        *state, BODY, .signer = one, .extra_cert = ca->x509), BODY, 0));
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
    OK(nmdm_cms_signer(&cert, *state, late, BODY, HOUR / 2));
    REFUSED(nmdm_cms_signer(&cert, *state, late, BODY,
                            HOUR / 2 - apr_time_from_sec(1)),
            NMDM_INVALID, "outside");
}

/* The chain is verified elsewhere: see 1.8. */
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

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
