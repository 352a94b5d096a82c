/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_machine_info.c -- any bytes as what a device says of itself.
 *
 * The first byte of an input chooses:
 *   C   signed data; some of the corpus is signed below the root that is here
 *   P   the property list inside
 *   V   two versions, a NUL between them */

#include "fuzz.h"
#include "crypto/device_cms.h"
#include "enroll/gates.h"

static const char ROOT[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIDJTCCAg2gAwIBAgIUfMXoFTL5m4Fl+HY3BGKTl/yDpq8wDQYJKoZIhvcNAQEL\n"
    "BQAwGjEYMBYGA1UEAwwPRnV6eiBBcHBsZSBSb290MB4XDTI2MTEyNzAxNTMwOFoX\n"
    "DTI3MTEyODAxNTMwOFowGjEYMBYGA1UEAwwPRnV6eiBBcHBsZSBSb290MIIBIjAN\n"
    "BgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsvj2KgRCN/bU4lClaQFqsiyuRt27\n"
    "tM+rusAD+F7/4davv2Marg4Iex8OblSzxOR4h+xZDyCHuH4FJnd350PKpzSy3rXx\n"
    "qzdmrKmwxywdPW0jrsEJnSXIsDsjzjSsDvbEAyKjF3IPrpn0Nlxvev2g1e5ga+Ku\n"
    "jqXjbIxRUPx1iTZ+bl9xbwCpSS4RWoHwoJN0ENDp6XHp3y5UqY+uXYCJC3zL4z9c\n"
    "r5L9y5vPWYz/F6a/h16ibtaPaxblgmsKROg0g5QpGhrlNynQC7jzxdAWqDvAWlcf\n"
    "ojO4Kq61t/3ywzoKMS2d0s4R2Z3N9/denxscXeorch4tv5RU0NLADjslAQIDAQAB\n"
    "o2MwYTAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBRa2MT5OImSHXU1vgpvX6SQ\n"
    "vuA0ijAfBgNVHSMEGDAWgBRa2MT5OImSHXU1vgpvX6SQvuA0ijAOBgNVHQ8BAf8E\n"
    "BAMCAQYwDQYJKoZIhvcNAQELBQADggEBAHnITi9mPvzPbfyx39fDpuVJD8oQzEJ4\n"
    "wJVyXpSS1FR0N5BPl40pMEm+Ar0MvBAGxP/vCEdUXkLWNHepOJhHd8+2qn0SALsq\n"
    "Bm5/ecqFOjayH2wSr1vdRVz4+gK9UEMFXcaUycM126QTFHAUMe9P1tvtkz6/CnJ9\n"
    "SxK9Yol9KEZJTOYoH3Gk3rxHKZZH9g7lX+q+qL1uD/WzgyLO/ADpy1eGpHqu0gSN\n"
    "+YKLCI1tMx/4gHKgTPRCSY+QTIIJgSuoP0Jh+IfAMzmWPtZmc8GdkNRzZyCYvsj7\n"
    "iSKnLIegWVmhAS0QHHsgCzJmKz8EqgXHrTbXwCNo9f8KhmEQ87EcTO8=\n"
    "-----END CERTIFICATE-----\n";

static apr_pool_t *whole;
static nmdm_device_cms_cas_t *cas;
static nmdm_gates_t gates;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const nmdm_minimum_os_t MINIMUM = { .version = "18.10" };
    static const nmdm_platform_sso_t SSO = { .profile_url = "https://a/",
                                             .manifest_url = "https://b/",
                                             .auth_url = "https://c/" };

    (void)argc;
    (void)argv;
    if (apr_initialize() != APR_SUCCESS) {
        return 1;
    }
    apr_pool_create(&whole, NULL);
    PROMISED(!nmdm_device_cms_read_cas(&cas, whole, ROOT));
    gates.platform_sso = &SSO;
    gates.minimum_os = apr_hash_make(whole);
    apr_hash_set(gates.minimum_os, "iPhone", APR_HASH_KEY_STRING, &MINIMUM);
    return 0;
}

static void fuzz_gates(apr_pool_t *p, const nmdm_machine_info_t *info,
                       int as_plist)
{
    nmdm_reply_t reply = { NULL, { NULL, 0 }, NULL };
    const char *code = NULL;

    if (!nmdm_gates_judge(&code, &reply, p, &gates, info, as_plist)) {
        PROMISED(!code == !reply.content_type);
        PROMISED(!code || strstr(reply.body.data, code));
    }
}

static void fuzz_list(apr_pool_t *p, nmdm_bytes_t list)
{
    nmdm_machine_info_t info;

    if (!nmdm_machine_info_read(&info, p, list)) {
        PROMISED(info.serial && info.udid && info.product && info.os_version);
        PROMISED(!strpbrk(info.serial, "\r\n"));
        fuzz_gates(p, &info, 0);
        fuzz_gates(p, &info, 1);
    }
}

static void fuzz_message(apr_pool_t *p, nmdm_bytes_t message)
{
    nmdm_bytes_t content = { NULL, 0 };
    const char *why = NULL;

    if (!nmdm_device_cms_open(&content, &why, p, cas, message)) {
        PROMISED(!why == (content.data != NULL));
        if (!why) {
            fuzz_list(p, content);
        }
    }
}

static void fuzz_versions(nmdm_bytes_t text)
{
    const char *one = text.data, *other = one + strlen(one);

    if (other < text.data + text.len) {
        other++;
    }
    PROMISED(!nmdm_machine_info_is_below(one, "", other)
             || !nmdm_machine_info_is_below(other, "", one));
    PROMISED(!nmdm_machine_info_is_below(one, "", one));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p;

    if (!size) {
        return 0;
    }
    apr_pool_create(&p, NULL);
    switch (data[0]) {
    case 'C':
        fuzz_message(p, body_of(p, data + 1, size - 1));
        break;
    case 'P':
        fuzz_list(p, body_of(p, data + 1, size - 1));
        break;
    case 'V':
        fuzz_versions(body_of(p, data + 1, size - 1));
        break;
    }
    apr_pool_destroy(p);
    return 0;
}
