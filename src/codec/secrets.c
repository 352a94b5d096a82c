/* SPDX-License-Identifier: Apache-2.0 */
/* secrets.c -- the table of secrets, and status reports without them. */

#include "codec/secrets.h"
#include "codec/json.h"

#include <apr_strings.h>

#include <string.h>

#define FROM NMDM_SECRET_FROM_DEVICE
#define TO NMDM_SECRET_TO_DEVICE
#define STATUS NMDM_SECRET_STATUS

/* Beyond this a status report that names a secret is not taken apart. */
#define LONGEST ((apr_size_t)1024 * 1024)

/* Sources are files of https://github.com/apple/device-management. */
const nmdm_secret_t NMDM_SECRETS[] = {
    { "ActivationLockBypassCode", FROM,
      "mdm/commands/activationlockbypasscode, iOS 7" },
    { "AppleCareToken", TO,
      "mdm/commands, TriggerEnhancedLogCollection, iOS 27" },
    { "BootstrapToken", FROM | TO,
      "mdm/checkin/setbootstraptoken, macOS 10.15" },
    { "Configuration", TO, "mdm/commands/application.install, iOS 7" },
    { "CurrentPassword", TO, "mdm/commands/set.recoverylock, macOS 11.5" },
    { "DigestResponse", FROM, "mdm/checkin/userauthenticate, macOS 10.7" },
    { "EncryptedNewRecoveryKey", FROM,
      "mdm/commands/rotatefilevaultkey, macOS 10.9" },
    { "FDE_PersonalRecoveryKeyCMS", FROM,
      "mdm/commands/information.security, macOS 10.13" },
    { "FDE_PersonalRecoveryKeyCMS64", FROM,
      "mdm/commands/information.security, macOS 10.13" },
    { "MDMProfileData", TO, "mdm/checkin/returntoservice, iOS 26" },
    { "NewPassword", TO, "mdm/commands/set.recoverylock, macOS 11.5" },
    { "PIN", TO, "mdm/commands/device.lock, macOS 10.8" },
    { "Password", TO, "mdm/commands/rotatefilevaultkey, macOS 10.9" },
    { "Payload", TO, "mdm/commands/profile.install, iOS 4" },
    { "PrivateKeyExport", TO, "mdm/commands/rotatefilevaultkey, macOS 10.9" },
    { "PrivateKeyExportPassword", TO,
      "mdm/commands/rotatefilevaultkey, macOS 10.9" },
    { "PushMagic", FROM, "mdm/checkin/tokenupdate, iOS 4" },
    { "PushToken", FROM, "mdm/checkin, another name of Token" },
    { "RedemptionCode", TO, "mdm/commands/application.redemptioncode, iOS 7" },
    { "SecurityToken", FROM, "mdm/checkin/gettoken, iOS 17" },
    { "Token", FROM, "mdm/checkin/tokenupdate, iOS 4" },
    { "TokenData", TO, "mdm/checkin/gettoken, iOS 17" },
    { "UnlockToken", FROM | TO, "mdm/checkin/tokenupdate, iOS 4" },
    { "UnusedRedemptionCode", FROM,
      "mdm/commands/application.managed.list, iOS 5" },
    { "WiFiProfileData", TO, "mdm/checkin/returntoservice, iOS 26" },
    { "enhanced-logging.applecare-token", STATUS,
      "declarative/status/enhanced-logging.applecare-token, iOS 27" },
    { "mdm.push-magic", STATUS, "declarative/status/mdm.push-magic, iOS 27" },
    { "mdm.push-token", STATUS, "declarative/status/mdm.push-token, iOS 27" },
    { "passwordHash", TO, "mdm/commands/set.autoadminpassword, macOS 10.11" },
    { NULL, 0, NULL }
};

const char *const *nmdm_secrets_keys(apr_pool_t *p, nmdm_secret_e said)
{
    const char **keys = apr_pcalloc(p, sizeof(NMDM_SECRETS)
                                       / sizeof(*NMDM_SECRETS)
                                       * sizeof(*keys));
    const nmdm_secret_t *secret;
    int n = 0;

    for (secret = NMDM_SECRETS; secret->key; secret++) {
        if (secret->said & (int)said) {
            keys[n++] = secret->key;
        }
    }
    return keys;
}

/* ---- Status reports ---- */

/* Whether a path of names, with dots, ends with an item that is secret. */
static int is_secret(const char *path)
{
    const nmdm_secret_t *secret;
    apr_size_t len = strlen(path), n;

    for (secret = NMDM_SECRETS; secret->key; secret++) {
        n = strlen(secret->key);
        if (secret->said & STATUS && len >= n
            && !strcmp(path + len - n, secret->key)
            && (len == n || path[len - n - 1] == '.')) {
            return 1;
        }
    }
    return 0;
}

static int may_hold_secret(apr_pool_t *p, nmdm_bytes_t json)
{
    const char *text = apr_pstrmemdup(p, json.data, json.len);
    const nmdm_secret_t *secret;

    if (strlen(text) < json.len || strstr(text, "\\u")) {
        return 1;               /* NUL, or a name in other characters */
    }
    for (secret = NMDM_SECRETS; secret->key; secret++) {
        if (secret->said & STATUS
            && strstr(text, strrchr(secret->key, '.') + 1)) {
            return 1;
        }
    }
    return 0;
}

static void mask(apr_pool_t *p, nmdm_json_t *value, const char *path)
{
    apr_array_header_t *keys;
    int i;

    if (nmdm_json_type(value) == NMDM_JSON_ARRAY) {
        for (i = 0; i < nmdm_json_length(value); i++) {
            mask(p, nmdm_json_item(value, i), path);
        }
        return;
    }
    if (nmdm_json_type(value) != NMDM_JSON_OBJECT) {
        return;
    }
    keys = nmdm_json_keys(value);
    for (i = 0; i < keys->nelts; i++) {
        const char *key = APR_ARRAY_IDX(keys, i, const char *);
        const char *below = *path ? apr_pstrcat(p, path, ".", key, NULL)
                                  : key;

        if (is_secret(below)) {
            nmdm_json_set_string(value, key, "redacted");
        }
        else {
            mask(p, nmdm_json_get(value, key), below);
        }
    }
}

nmdm_bytes_t nmdm_secrets_mask_status(apr_pool_t *p, nmdm_bytes_t json)
{
    static const nmdm_bytes_t REDACTED = { "redacted", 8 };
    nmdm_json_t *report;

    if (!may_hold_secret(p, json)) {
        return json;
    }
    if (json.len > LONGEST || nmdm_json_read(&report, p, json)) {
        return REDACTED;
    }
    mask(p, report, "");
    return nmdm_json_write_compact(p, report);
}
