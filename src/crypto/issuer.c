/* SPDX-License-Identifier: Apache-2.0 */
/* issuer.c -- the issuer's files, and what it issues. */

#include "crypto/issuer.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "crypto/x509.h"

#include <apr_strings.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <string.h>

/* The bounds of a subject (enrollment.md A37 has the reason: nothing else of a
 * request is taken, and what is taken is shown to people). */
#define MAX_VALUES 16
#define MAX_CHARACTERS 128

/* Clocks of devices may be slow before they enroll. */
#define AN_HOUR apr_time_from_sec(3600)

#define SERIAL_BYTES 16

/* ---- Files ---- */

static apr_status_t free_pair(void *baton)
{
    nmdm_key_pair_t *pair = baton;

    X509_free(pair->x509);
    EVP_PKEY_free(pair->key);
    return APR_SUCCESS;
}

static const char *name_of(apr_pool_t *p, const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text;

    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    text = nmdm_x509_text(p, bio);
    BIO_free(bio);
    return text;
}

/* A key with a passphrase would have it asked for at the terminal. */
static int no_passphrase(char *buf, int size, int is_writing, void *baton)
{
    (void)buf, (void)size, (void)is_writing, (void)baton;
    return -1;
}

static nmdm_err_t *unreadable(apr_pool_t *p, const char *file,
                              const char *what)
{
    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0360)
                    "%s: no %s can be read from it (%s)", file, what,
                    nmdm_x509_failure(p));
}

static nmdm_err_t *read_pair(nmdm_key_pair_t *pair, apr_pool_t *p,
                             const char *cert_file, const char *key_file)
{
    BIO *bio = BIO_new_file(cert_file, "r");

    pair->x509 = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (!pair->x509) {
        return unreadable(p, cert_file, "certificate in PEM");
    }
    bio = BIO_new_file(key_file, "r");
    pair->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
                    : NULL;
    BIO_free(bio);
    if (!pair->key) {
        return unreadable(p, key_file, "private key in PEM without"
                                       " passphrase");
    }
    if (X509_check_private_key(pair->x509, pair->key) != 1) {
        ERR_clear_error();
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0361)
                        "%s: the key is not that of the certificate in %s;"
                        " name the key it was made with", key_file,
                        cert_file);
    }
    return NULL;
}

nmdm_err_t *nmdm_issuer_read(nmdm_key_pair_t **out, apr_pool_t *p,
                             const char *cert_file, const char *key_file)
{
    nmdm_key_pair_t *pair = apr_pcalloc(p, sizeof(*pair));

    *out = pair;
    apr_pool_cleanup_register(p, pair, free_pair, apr_pool_cleanup_null);
    NMDM_TRY(read_pair(pair, p, cert_file, key_file));
    pair->cert = *nmdm_x509_cert(p, pair->x509);
    pair->name = name_of(p, X509_get_subject_name(pair->x509));
    pair->is_rsa = EVP_PKEY_get_base_id(pair->key) == EVP_PKEY_RSA;
    return NULL;
}

/* ---- Flaws ---- */

static int has_usage(const nmdm_key_pair_t *pair, uint32_t wanted)
{
    return !(X509_get_extension_flags(pair->x509) & EXFLAG_KUSAGE)
        || (X509_get_key_usage(pair->x509) & wanted) == wanted;
}

static const char *flaw_of_time(apr_pool_t *p, const nmdm_key_pair_t *pair,
                                apr_time_t now)
{
    apr_time_t end = nmdm_x509_time(X509_get0_notAfter(pair->x509));

    return end > now ? NULL : apr_psprintf(
        p, "the certificate %s has expired; make another with"
        " tools/nmdm-ca.sh DIR NAME", pair->name);
}

static const char *flaw_of_size(apr_pool_t *p, const nmdm_key_pair_t *pair)
{
    int bits = EVP_PKEY_get_bits(pair->key);

    return !pair->is_rsa || bits >= 2048 ? NULL : apr_psprintf(
        p, "its RSA key has %d bits and needs 2048 or more; make another with"
        " tools/nmdm-ca.sh DIR NAME", bits);
}

const char *nmdm_issuer_flaw(apr_pool_t *p, const nmdm_key_pair_t *pair,
                             int has_recipient, apr_time_t now)
{
    const char *flaw = flaw_of_time(p, pair, now);

    if (!flaw) {
        flaw = flaw_of_size(p, pair);
    }
    if (flaw) {
        return flaw;
    }
    if (X509_check_ca(pair->x509) != 1) {
        return "the certificate is no CA's (basicConstraints CA:TRUE is"
               " missing); make one with tools/nmdm-ca.sh DIR NAME";
    }
    if (!pair->is_rsa && EVP_PKEY_get_base_id(pair->key) != EVP_PKEY_EC) {
        return "its key is neither RSA nor EC";
    }
    if (!has_usage(pair, KU_KEY_CERT_SIGN)) {
        return "its keyUsage lacks keyCertSign; make another with"
               " tools/nmdm-ca.sh DIR NAME";
    }
    if (pair->is_rsa && !has_recipient
        && !has_usage(pair, KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT)) {
        return "its keyUsage lacks digitalSignature or keyEncipherment,"
               " without which Apple's devices refuse it for SCEP; make"
               " another with tools/nmdm-ca.sh DIR NAME, or name a"
               " NanoMDMSCEPRecipientCertificateFile";
    }
    return NULL;
}

const char *nmdm_issuer_recipient_flaw(apr_pool_t *p,
                                       const nmdm_key_pair_t *pair,
                                       const nmdm_key_pair_t *issuer,
                                       apr_time_t now)
{
    const char *flaw = flaw_of_time(p, pair, now);

    if (!flaw) {
        flaw = flaw_of_size(p, pair);
    }
    if (flaw) {
        return flaw;
    }
    if (!pair->is_rsa) {
        return "its key is not RSA, to which alone Apple's devices encrypt";
    }
    if (!(X509_get_extension_flags(pair->x509) & EXFLAG_KUSAGE)
        || !has_usage(pair, KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT)) {
        return "its keyUsage must be digitalSignature and keyEncipherment,"
               " else Apple's devices refuse it";
    }
    if (X509_check_issued(issuer->x509, pair->x509) != X509_V_OK
        || X509_verify(pair->x509, X509_get0_pubkey(issuer->x509)) != 1) {
        ERR_clear_error();
        return "it was not issued by the certificate of"
               " NanoMDMIssuerCertificateFile";
    }
    return NULL;
}

/* ---- Subjects ---- */

static int is_taken(int nid)
{
    switch (nid) {
    case NID_countryName:
    case NID_stateOrProvinceName:
    case NID_localityName:
    case NID_organizationName:
    case NID_organizationalUnitName:
    case NID_commonName:
    case NID_serialNumber:
    case NID_pkcs9_emailAddress:
        return 1;
    }
    return 0;
}

static int has_control(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;

    for (; *c; c++) {
        /* C1 controls are C2 80 to C2 9F in UTF-8. */
        if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0)) {
            return 1;
        }
    }
    return 0;
}

/* The type that the attribute has by X.520, where its value allows it. */
static int string_type(int nid, const char *text, int len)
{
    if (nid == NID_countryName || nid == NID_serialNumber) {
        int type = ASN1_PRINTABLE_type((const unsigned char *)text, len);

        return type == V_ASN1_PRINTABLESTRING ? type : V_ASN1_UTF8STRING;
    }
    if (nid == NID_pkcs9_emailAddress
        && ASN1_PRINTABLE_type((const unsigned char *)text, len)
           != V_ASN1_T61STRING) {
        return V_ASN1_IA5STRING;
    }
    return V_ASN1_UTF8STRING;
}

static const char *add_value(X509_NAME *name, int nid, const char *text,
                             apr_size_t len)
{
    X509_NAME_ENTRY *entry;

    if (X509_NAME_entry_count(name) == MAX_VALUES) {
        return "the subject has more than 16 values";
    }
    if (strlen(text) != len || !len || !nmdm_utf8_valid(text, len)
        || has_control(text)) {
        return "a value of the subject is empty or has control characters";
    }
    if (nmdm_utf8_length(text) > MAX_CHARACTERS) {
        return "a value of the subject is longer than 128 characters";
    }
    /* By its type, since the tables of OpenSSL know shorter bounds. */
    entry = X509_NAME_ENTRY_create_by_NID(
        NULL, nid, string_type(nid, text, (int)len),
        (const unsigned char *)text, (int)len);
    X509_NAME_add_entry(name, entry, -1, 0);
    X509_NAME_ENTRY_free(entry);
    return NULL;
}

static const char *take_value(X509_NAME *name, apr_pool_t *p, int nid,
                              const ASN1_STRING *value)
{
    unsigned char *text = NULL;
    int len = ASN1_STRING_to_UTF8(&text, value);
    const char *copy = len < 0 ? "" : apr_pstrmemdup(p, (char *)text,
                                                     (apr_size_t)len);

    OPENSSL_free(text);
    return add_value(name, nid, copy, len < 0 ? 0 : (apr_size_t)len);
}

/* Fills in name; NULL, or what is wrong with the request's. */
static const char *make_subject(X509_NAME *name, apr_pool_t *p,
                                const nmdm_csr_t *csr, const char *common)
{
    const X509_NAME *asked = X509_REQ_get_subject_name(csr->req);
    const char *flaw = NULL;
    int i;

    for (i = 0; i < X509_NAME_entry_count(asked) && !flaw; i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(asked, i);
        int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));

        if (is_taken(nid) && !(common && nid == NID_commonName)) {
            flaw = take_value(name, p, nid, X509_NAME_ENTRY_get_data(entry));
        }
    }
    if (!flaw && common) {
        flaw = add_value(name, NID_commonName, common, strlen(common));
    }
    if (!flaw && !X509_NAME_entry_count(name)) {
        flaw = "the subject is empty";
    }
    return flaw;
}

/* ---- Certificates ---- */

static int set_times(X509 *x509, const nmdm_key_pair_t *issuer, int days,
                     apr_time_t now, nmdm_issued_t *out)
{
    apr_time_t end = nmdm_x509_time(X509_get0_notAfter(issuer->x509));

    out->not_after = now + days * NMDM_TIME_DAY;
    out->is_cut_short = end && end < out->not_after;
    if (out->is_cut_short) {
        out->not_after = end;
    }
    out->not_after -= out->not_after % APR_USEC_PER_SEC;
    return ASN1_TIME_set(X509_getm_notBefore(x509),
                         (time_t)apr_time_sec(now - AN_HOUR))
        && ASN1_TIME_set(X509_getm_notAfter(x509),
                         (time_t)apr_time_sec(out->not_after));
}

static int set_serial(X509 *x509, apr_pool_t *p, nmdm_issued_t *out)
{
    unsigned char bytes[SERIAL_BYTES];
    nmdm_bytes_t all = { (char *)bytes, sizeof(bytes) };
    BIGNUM *number;
    int is_set;

    if (!nmdm_digest_random(bytes, sizeof(bytes))) {
        return 0;
    }
    /* Positive, and of this length. */
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40);
    out->serial = nmdm_hex(p, all);
    number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    is_set = number
        && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509));
    BN_free(number);
    return is_set;
}

/* The key as the request has it, which csr.c has examined: that OpenSSL reads
 * and writes it anew costs a sixth of a signature's CPU. */
static int set_key(X509 *x509, const nmdm_csr_t *csr)
{
    const unsigned char *bytes = NULL;
    const ASN1_OBJECT *object = NULL;
    const void *curve = NULL;
    X509_ALGOR *algorithm = NULL;
    int len = 0, type = V_ASN1_UNDEF;

    X509_PUBKEY_get0_param(NULL, &bytes, &len, &algorithm,
                           X509_REQ_get_X509_PUBKEY(csr->req));
    X509_ALGOR_get0(&object, &type, &curve, algorithm);
    if (!csr->has_rsa_key && type != V_ASN1_OBJECT) {
        return 0;
    }
    return X509_PUBKEY_set0_param(
        X509_get_X509_PUBKEY(x509), OBJ_dup(object),
        csr->has_rsa_key ? V_ASN1_NULL : V_ASN1_OBJECT,
        csr->has_rsa_key ? NULL : OBJ_dup(curve),
        OPENSSL_memdup(bytes, (size_t)len), len);
}

/* The issuer's subject key identifier, or what RFC 5280 would have made it. */
static int set_authority(X509 *x509, const nmdm_key_pair_t *issuer)
{
    AUTHORITY_KEYID *id = AUTHORITY_KEYID_new();
    const ASN1_OCTET_STRING *theirs
        = X509_get0_subject_key_id(issuer->x509);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    int is_set;

    id->keyid = theirs ? ASN1_OCTET_STRING_dup(theirs)
                       : ASN1_OCTET_STRING_new();
    if (!theirs) {
        X509_pubkey_digest(issuer->x509, EVP_sha1(), digest, &len);
        ASN1_OCTET_STRING_set(id->keyid, digest, (int)len);
    }
    is_set = X509_add1_ext_i2d(x509, NID_authority_key_identifier, id, 0,
                               X509V3_ADD_DEFAULT) == 1;
    AUTHORITY_KEYID_free(id);
    return is_set;
}

static int add_extension(X509 *x509, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;
    int is_set;

    X509V3_set_ctx(&ctx, NULL, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    is_set = extension && X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
    return is_set;
}

static int set_extensions(X509 *x509, const nmdm_key_pair_t *issuer,
                          const nmdm_csr_t *csr)
{
    return add_extension(x509, NID_basic_constraints, "critical,CA:FALSE")
        && add_extension(x509, NID_key_usage, csr->has_rsa_key
                         ? "critical,digitalSignature,keyEncipherment"
                         : "critical,digitalSignature")
        && add_extension(x509, NID_ext_key_usage, "clientAuth")
        && add_extension(x509, NID_subject_key_identifier, "hash")
        && set_authority(x509, issuer);
}

static int sign(X509 *x509, const nmdm_key_pair_t *issuer)
{
    int is_large = !issuer->is_rsa && EVP_PKEY_get_bits(issuer->key) > 256;

    return X509_sign(x509, issuer->key, is_large ? EVP_sha384()
                                                 : EVP_sha256()) > 0;
}

nmdm_err_t *nmdm_issuer_issue(nmdm_issued_t *out, const char **flaw,
                              apr_pool_t *p, const nmdm_key_pair_t *issuer,
                              const nmdm_csr_t *csr, const char *name,
                              int days, apr_time_t now)
{
    X509 *x509 = X509_new();

    nmdm_x509_free_with(p, x509);
    *flaw = make_subject(X509_get_subject_name(x509), p, csr, name);
    if (*flaw) {
        return NULL;
    }
    if (!X509_set_version(x509, X509_VERSION_3)
        || !set_serial(x509, p, out)
        || !set_times(x509, issuer, days, now, out)
        || !X509_set_issuer_name(x509,
                                 X509_get_subject_name(issuer->x509))
        || !set_key(x509, csr)
        || !set_extensions(x509, issuer, csr) || !sign(x509, issuer)) {
        return nmdm_err(p, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(0362)
                        "cannot issue a certificate: %s",
                        nmdm_x509_failure(p));
    }
    out->x509 = x509;
    out->cert = *nmdm_x509_cert(p, x509);
    out->pem = nmdm_x509_pem(p, out->cert.der);
    out->subject = name_of(p, X509_get_subject_name(x509));
    return NULL;
}
