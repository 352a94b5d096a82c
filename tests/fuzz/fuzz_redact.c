/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_redact.c -- any bytes as a payload that secrets are taken out of. */

#include "fuzz.h"
#include "codec/plist.h"
#include "codec/redact.h"

static const char *const SECRETS[] = { "UnlockToken", "PushMagic", "Token",
                                       NULL };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return apr_initialize() != APR_SUCCESS;
}

/* What stands where a secret stood is one of two values. */
static void check_harmless(nmdm_plist_t *plist, const char *key)
{
    const char *text;
    nmdm_bytes_t data;

    if (!nmdm_plist_string(&text, plist, key)) {
        PROMISED(!text || !strcmp(text, "redacted"));
    }
    else {
        PROMISED(!nmdm_plist_data(&data, plist, key));
        PROMISED(data.len == 8 && !memcmp(data.data, "redacted", 8));
    }
}

static void check_gone(nmdm_plist_t *plist, const char *key)
{
    const char *text;

    PROMISED(!nmdm_plist_string(&text, plist, key) && !text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nmdm_bytes_t body, redacted, again, without, document;
    nmdm_plist_t *plist;
    apr_pool_t *p;
    int i, readable;

    apr_pool_create(&p, NULL);
    body = body_of(p, data, size);
    readable = !nmdm_plist_read(&plist, &document, p, body, SECRETS);
    if (readable) {             /* without the byte order mark, as is stored */
        body = document;
    }
    redacted = nmdm_redact_replace(p, body, SECRETS);
    PROMISED(redacted.data[redacted.len] == '\0');
    PROMISED(!redacted.len || nmdm_utf8_valid(redacted.data, redacted.len));
    PROMISED(redacted.len || !readable);
    without = nmdm_redact_remove(p, body, SECRETS);
    PROMISED(without.data[without.len] == '\0');
    PROMISED(!without.len == !redacted.len);
    if (readable) {
        PROMISED(!nmdm_plist_read(&plist, &document, p, redacted, SECRETS));
        for (i = 0; SECRETS[i]; i++) {
            check_harmless(plist, SECRETS[i]);
        }
        PROMISED(!nmdm_plist_read(&plist, &document, p, without, SECRETS));
        for (i = 0; SECRETS[i]; i++) {
            check_gone(plist, SECRETS[i]);
        }
        again = nmdm_redact_replace(p, redacted, SECRETS);
        PROMISED(again.len == redacted.len
                 && !memcmp(again.data, redacted.data, again.len));
    }
    apr_pool_destroy(p);
    return 0;
}
