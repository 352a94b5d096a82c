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
#define LONGEST_NAME 64

/* Sources are files of https://github.com/apple/device-management. Two keys are
 * not in them: other software reports them. */
const nmdm_secret_t NMDM_SECRETS[] = {
    { "ActivationLockBypassCode", FROM,
      "mdm/commands/device.activationlock.bypasscode.yaml, iOS 7.1" },
    { "AppleCareToken", TO,
      "mdm/commands/trigger.enhanced.log.collection.yaml, iOS 27.0" },
    { "AuthToken", FROM | TO,
      "mdm/checkin/userauthenticate.yaml, macOS 10.7" },
    { "BootstrapToken", FROM | TO,
      "mdm/checkin/setbootstraptoken.yaml, macOS 10.15" },
    { "Configuration", FROM | TO,
      "mdm/commands/managed.application.configuration.yaml, iOS 7.0" },
    { "CurrentPassword", TO,
      "mdm/commands/passcode.firmware.set.yaml, macOS 10.13" },
    { "DigestResponse", FROM,
      "mdm/checkin/userauthenticate.yaml, macOS 10.7" },
    { "EncryptedNewRecoveryKey", FROM,
      "mdm/commands/rotate.file.vault.key.yaml, macOS 10.9" },
    { "FDE_PersonalRecoveryKeyCMS", FROM,
      "mdm/commands/information.security.yaml, macOS 10.13" },
    { "FDE_PersonalRecoveryKeyCMS64", FROM, "not in the schema" },
    { "InvitationURL", TO,
      "mdm/commands/application.invitetoprogram.yaml, iOS 7.0" },
    { "MDMProfileData", TO, "mdm/commands/device.erase.yaml, iOS 17.0" },
    { "NewPassword", TO,
      "mdm/commands/passcode.firmware.set.yaml, macOS 10.13" },
    { "PIN", TO, "mdm/commands/device.lock.yaml, macOS 10.8" },
    { "Password", TO, "mdm/commands/rotate.file.vault.key.yaml, macOS 10.9" },
    { "Payload", TO, "mdm/commands/profile.install.yaml, iOS 4.0" },
    { "PrivateKeyExport", TO,
      "mdm/commands/rotate.file.vault.key.yaml, macOS 10.9" },
    { "PrivateKeyExportPassword", TO,
      "mdm/commands/rotate.file.vault.key.yaml, macOS 10.9" },
    { "PushMagic", FROM, "mdm/checkin/tokenupdate.yaml, iOS 4.0" },
    { "PushToken", FROM, "not in the schema" },
    { "RedemptionCode", TO,
      "mdm/commands/application.redemptioncode.yaml, iOS 5.0" },
    { "SecurityToken", FROM, "mdm/checkin/gettoken.yaml, iOS 17.0" },
    { "Token", FROM, "mdm/checkin/tokenupdate.yaml, iOS 4.0" },
    { "TokenData", TO, "mdm/checkin/gettoken.yaml, iOS 17.0" },
    { "UnlockToken", FROM | TO, "mdm/checkin/tokenupdate.yaml, iOS 4.0" },
    { "UnusedRedemptionCode", FROM,
      "mdm/commands/application.managed.list.yaml, iOS 5.0" },
    { "WiFiProfileData", TO, "mdm/commands/device.erase.yaml, iOS 17.0" },
    { "enhanced-logging.applecare-token", STATUS,
      "declarative/status/enhanced-logging.applecare-token.yaml, iOS 27.0" },
    { "mdm.push-magic", STATUS,
      "declarative/status/mdm.push-magic.yaml, iOS 27.0" },
    { "mdm.push-token", STATUS,
      "declarative/status/mdm.push-token.yaml, iOS 27.0" },
    { "passwordHash", TO,
      "mdm/commands/account.configuration.yaml, macOS 10.11" },
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

/* The end of a path or a name, which is longer than any secret's: whole paths
 * of nested long names would take memory by the square of what was sent. */
static const char *end_of(const char *text)
{
    apr_size_t len = strlen(text);

    return len > LONGEST_NAME ? text + len - LONGEST_NAME : text;
}

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
        const char *below = *path
            ? apr_pstrcat(p, end_of(path), ".", end_of(key), NULL) : key;

        if (is_secret(below)) {
            nmdm_json_add_string(value, key, "redacted");
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
