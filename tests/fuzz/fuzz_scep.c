/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_scep.c -- any bytes as what an SCEP client sends (A10 to A18).
 *
 * The first byte of an input chooses:
 *   M   a pkiMessage; some of the corpus is encrypted to the issuer of
 *       tests/data/scep
 *   E   the envelopedData inside, as if its signature had been verified
 *   R   a CSR
 *   G   the parameter `message` of a GET */

#include "fuzz.h"
#include "crypto/scep_parts.h"
#include "scep/scep.h"

#define FOLDER "tests/data/scep/"

static apr_pool_t *whole;
static nmdm_key_pair_t *issuer;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    if (apr_initialize() != APR_SUCCESS) {
        return 1;
    }
    apr_pool_create(&whole, NULL);
    PROMISED(!nmdm_issuer_read(&issuer, whole, FOLDER "issuer.pem",
                               FOLDER "issuer.key"));
    nmdm_issuer_add_legacy(issuer, whole);
    return 0;
}

static void issue(apr_pool_t *p, const nmdm_csr_t *csr)
{
    nmdm_issued_t issued;
    const char *flaw;

    PROMISED(csr->challenge && csr->subject && strlen(csr->key_sha256) == 64);
    PROMISED(nmdm_csr_pem(p, csr));
    if (!nmdm_issuer_issue(&issued, &flaw, p, issuer, csr, NULL, 365,
                           apr_time_now())
        && !flaw) {
        PROMISED(issued.cert.der.len && strlen(issued.cert.sha256) == 64);
    }
}

static void fuzz_csr(apr_pool_t *p, nmdm_bytes_t der)
{
    const char *why = NULL;
    nmdm_csr_t csr;

    switch (nmdm_csr_read(&csr, &why, p, der)) {
    case NMDM_CSR_GOOD:
        issue(p, &csr);
        break;
    case NMDM_CSR_WEAK_KEY:
        PROMISED(why);
        break;
    case NMDM_CSR_UNREADABLE:
        break;
    }
}

/* The envelope and what is in it; each failure has a reason. */
static int open_envelope(apr_pool_t *p, nmdm_scep_message_t *message)
{
    const nmdm_key_pair_t *pairs[1] = { issuer };
    nmdm_scep_recipients_t to = { pairs, 1, 1 };
    nmdm_csr_t csr;

    nmdm_scep_message_open(message, p, &to);
    if (!message->flaw) {
        PROMISED(message->recipient == issuer);
        nmdm_scep_message_csr(message, &csr, p);
    }
    if (!message->flaw) {
        issue(p, &csr);
    }
    PROMISED(!message->flaw || message->failure < NMDM_SCEP_FAILURES);
    return !message->flaw;
}

static void fuzz_envelope(apr_pool_t *p, nmdm_bytes_t der)
{
    struct nmdm_scep_parts_t parts = { .envelope = der };
    nmdm_scep_message_t message = { .type = NMDM_SCEP_PKCS_REQ,
                                    .transaction = "", .signer_name = "",
                                    .parts = &parts };

    open_envelope(p, &message);
}

static void fuzz_message(apr_pool_t *p, nmdm_bytes_t der)
{
    nmdm_scep_message_t message;
    nmdm_bytes_t reply = { NULL, 0 };
    nmdm_err_t *err = nmdm_scep_message_read(&message, p, der);

    if (err) {
        PROMISED(err->kind == NMDM_INVALID);
        return;
    }
    PROMISED(message.transaction && message.signer_name);
    if (!message.flaw && open_envelope(p, &message)) {
        PROMISED(!nmdm_scep_message_success(&reply, p, &message, issuer,
                                            issuer->x509));
    }
    else {
        PROMISED(!nmdm_scep_message_failure(&reply, p, &message, issuer,
                                            message.failure, "no"));
    }
    PROMISED(reply.len);
}

static void fuzz_parameter(apr_pool_t *p, nmdm_bytes_t text)
{
    nmdm_bytes_t out = { NULL, 0 };

    if (nmdm_scep_decode(&out, p, text.data)) {
        PROMISED(out.len && out.len <= text.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p;

    if (!size) {
        return 0;
    }
    apr_pool_create(&p, NULL);
    switch (data[0]) {
    case 'M':
        fuzz_message(p, body_of(p, data + 1, size - 1));
        break;
    case 'E':
        fuzz_envelope(p, body_of(p, data + 1, size - 1));
        break;
    case 'R':
        fuzz_csr(p, body_of(p, data + 1, size - 1));
        break;
    case 'G':
        fuzz_parameter(p, body_of(p, data + 1, size - 1));
        break;
    }
    apr_pool_destroy(p);
    return 0;
}
