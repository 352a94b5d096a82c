/* SPDX-License-Identifier: Apache-2.0 */
/* command_json.c -- a command that an operator gives in JSON. */

#include "api/command_json.h"
#include "api/names.h"
#include "crypto/digest.h"
#include "codec/plist.h"
#include "codec/plist_tree.h"
#include "codec/plist_write.h"

#include <apr_strings.h>

#include <string.h>

/* ---- Targets ---- */

nmdm_err_t *nmdm_api_command_json_ids(apr_array_header_t **ids, nmdm_ctx_t *ctx,
                                      const nmdm_json_t *json)
{
    nmdm_json_t *udid, *list;

    *ids = apr_array_make(ctx->pool, 4, sizeof(const char *));
    NMDM_TRY(nmdm_json_typed(&udid, json, "udid", NMDM_JSON_STRING));
    NMDM_TRY(nmdm_json_typed(&list, json, "ids", NMDM_JSON_ARRAY));
    if (list) {
        NMDM_TRY(nmdm_json_strings(ids, ctx->pool, json, "ids"));
    }
    if (udid) {
        APR_ARRAY_PUSH(*ids, const char *) = nmdm_json_text(udid);
    }
    return (*ids)->nelts ? NULL
        : nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1743)
                   "neither \"udid\" nor \"ids\" names a target");
}

/* ---- MicroMDM's keys and Apple's ---- */

typedef enum {
    AS_IS,                      /* whatever type it has */
    DATA,                       /* base64; an array of it as well */
    DIGITS,                     /* text with zeros at its begin: no number */
    VERBATIM                    /* what is below keeps its keys */
} form_e;

/* By the request types of MicroMDM's mdm/mdm/command.go; NULL: of any other.
 * They hold at every depth, since its structures nest. */
static const struct {
    const char *request_type, *key, *apple;
    form_e form;
} KEYS[] = {
    { "InstallProfile", "payload", "Payload", DATA },
    { "InstallProvisioningProfile", "provisioning_profile",
      "ProvisioningProfile", DATA },
    { "RemoveProvisioningProfile", "uuid", "UUID", AS_IS },
    { "InstalledApplicationList", "managed_apps_only", "ManagedAppsOnly",
      AS_IS },
    { "InstalledApplicationList", "managed_appd_only", "ManagedAppsOnly",
      AS_IS },                  /* as MicroMDM spells it */
    { "InstalledApplicationList", "items", "Items", AS_IS },
    { "DeviceInformation", "queries", "Queries", AS_IS },
    { "ClearPasscode", "unlock_token", "UnlockToken", DATA },
    { "EraseDevice", "preserve_data_plan", "PreserveDataPlan", AS_IS },
    { "EraseDevice", "disallow_proximity_setup", "DisallowProximitySetup",
      AS_IS },
    { "EraseDevice", "obliteration_behavior", "ObliterationBehavior", AS_IS },
    { "EraseDevice", "return_to_service", "ReturnToService", AS_IS },
    { "EraseDevice", "enabled", "Enabled", AS_IS },
    { "EraseDevice", "wifi_profile_data", "WiFiProfileData", DATA },
    { "EraseDevice", "mdm_profile_data", "MDMProfileData", DATA },
    { "EraseDevice", "bootstrap_token", "BootstrapToken", DATA },
    { "RequestMirroring", "destination_name", "DestinationName", AS_IS },
    { "RequestMirroring", "destination_device_id", "DestinationDeviceID",
      AS_IS },
    { "RequestMirroring", "scan_time", "ScanTime", AS_IS },
    { "Restrictions", "profile_restrictions", "ProfileRestrictions", AS_IS },
    { "DeleteUser", "force_deletion", "ForceDeletion", AS_IS },
    { "DeleteUser", "delete_all_users", "DeleteAllUsers", AS_IS },
    { "RestartDevice", "notify_user", "NotifyUser", AS_IS },
    { "RestartDevice", "rebuild_kernel_cache", "RebuildKernelCache", AS_IS },
    { "RestartDevice", "kext_paths", "KextPaths", AS_IS },
    { "EnableLostMode", "footnote", "Footnote", AS_IS },
    { "InstallEnterpriseApplication", "manifest", "Manifest", VERBATIM },
    { "InstallEnterpriseApplication", "manifest_url_pinning_certs",
      "ManifestURLPinningCerts", DATA },
    { "InstallEnterpriseApplication", "pinning_revocation_check_required",
      "PinningRevocationCheckRequired", AS_IS },
    { "InstallApplication", "options", "Options", AS_IS },
    { "InstallApplication", "purchase_method", "PurchaseMethod", AS_IS },
    { "InstallApplication", "not_managed", "NotManaged", AS_IS },
    { "AccountConfiguration", "skip_primary_setup_account_creation",
      "SkipPrimarySetupAccountCreation", AS_IS },
    { "AccountConfiguration", "set_primary_setup_account_as_regular_user",
      "SetPrimarySetupAccountAsRegularUser", AS_IS },
    { "AccountConfiguration", "dont_auto_populate_primary_account_info",
      "DontAutoPopulatePrimaryAccountInfo", AS_IS },
    { "AccountConfiguration", "lock_primary_account_info",
      "LockPrimaryAccountInfo", AS_IS },
    { "AccountConfiguration", "primary_account_full_name",
      "PrimaryAccountFullName", AS_IS },
    { "AccountConfiguration", "primary_account_user_name",
      "PrimaryAccountUserName", AS_IS },
    { "AccountConfiguration", "auto_setup_admin_accounts",
      "AutoSetupAdminAccounts", AS_IS },
    { "AccountConfiguration", "short_name", "shortName", AS_IS },
    { "AccountConfiguration", "full_name", "fullName", AS_IS },
    { "AccountConfiguration", "password_hash", "passwordHash", DATA },
    { "AccountConfiguration", "hidden", "hidden", AS_IS },
    { "ApplyRedemptionCode", "redemption_code", "RedemptionCode", AS_IS },
    { "InviteToProgram", "program_id", "ProgramID", AS_IS },
    { "InviteToProgram", "invitation_url", "InvitationURL", AS_IS },
    { "InstallMedia", "media_url", "MediaURL", AS_IS },
    { "RemoveMedia", "persistent_id", "PersistentID", AS_IS },
    { "Settings", "settings", "Settings", AS_IS },
    { "Settings", "item", "Item", AS_IS },
    { "Settings", "enabled", "Enabled", AS_IS },
    { "Settings", "device_name", "DeviceName", AS_IS },
    { "Settings", "hostname", "HostName", AS_IS },
    { "Settings", "time_zone", "TimeZone", AS_IS },
    { "Settings", "image", "Image", DATA },
    { "Settings", "where", "Where", AS_IS },
    { "Settings", "mdm_options", "MDMOptions", VERBATIM },
    { "Settings", "passcode_lock_grace_period", "PasscodeLockGracePeriod",
      AS_IS },
    { "Settings", "maximum_resident_users", "MaximumResidentUsers", AS_IS },
    { "ManagedApplicationFeedback", "delete_feedback", "DeleteFeedback",
      AS_IS },
    { "SetAutoAdminPassword", "guid", "GUID", AS_IS },
    { "SetAutoAdminPassword", "password_hash", "passwordHash", DATA },
    { "ScheduleOSUpdate", "updates", "Updates", AS_IS },
    { "ScheduleOSUpdate", "product_key", "ProductKey", AS_IS },
    { "ScheduleOSUpdate", "install_action", "InstallAction", AS_IS },
    { "ScheduleOSUpdate", "max_user_deferrals", "MaxUserDeferrals", AS_IS },
    { "ScheduleOSUpdate", "product_version", "ProductVersion", AS_IS },
    { "ScheduleOSUpdate", "priority", "Priority", AS_IS },
    { "ScheduleOSUpdateScan", "force", "Force", AS_IS },
    { "ActiveNSExtensions", "filter_extensions_points",
      "FilterExtensionPoints", AS_IS },
    { "ActiveNSExtensions", "filter_extension_points",
      "FilterExtensionPoints", AS_IS },
    { "RotateFileVaultKey", "key_type", "KeyType", AS_IS },
    { "RotateFileVaultKey", "filevault_unlock", "FileVaultUnlock", AS_IS },
    { "RotateFileVaultKey", "new_certificate", "NewCertificate", DATA },
    { "RotateFileVaultKey", "reply_encryption_certificate",
      "ReplyEncryptionCertificate", DATA },
    { "RotateFileVaultKey", "private_key_export", "PrivateKeyExport", DATA },
    { "RotateFileVaultKey", "private_key_export_password",
      "PrivateKeyExportPassword", AS_IS },
    { "RefreshCellularPlans", "esim_server_url", "eSIMServerURL", AS_IS },
    { "DeclarativeManagement", "data", "Data", DATA },
    { NULL, "identifier", "Identifier", AS_IS },
    { NULL, "identifiers", "Identifiers", AS_IS },
    { NULL, "pin", "PIN", DIGITS },
    { NULL, "message", "Message", AS_IS },
    { NULL, "phone_number", "PhoneNumber", DIGITS },
    { NULL, "username", "UserName", AS_IS },
    { NULL, "password", "Password", DIGITS },
    { NULL, "current_password", "CurrentPassword", DIGITS },
    { NULL, "new_password", "NewPassword", DIGITS },
    { NULL, "request_requires_network_tether",
      "RequestRequiresNetworkTether", AS_IS },
    { NULL, "allow_oroms", "AllowOroms", AS_IS },
    { NULL, "itunes_store_id", "iTunesStoreID", AS_IS },
    { NULL, "media_type", "MediaType", AS_IS },
    { NULL, "manifest_url", "ManifestURL", AS_IS },
    { NULL, "management_flags", "ManagementFlags", AS_IS },
    { NULL, "change_management_state", "ChangeManagementState", AS_IS },
    { NULL, "configuration", "Configuration", VERBATIM },
    { NULL, "attributes", "Attributes", VERBATIM },
    { NULL, NULL, NULL, AS_IS }
};

/* What is ours to read and not the device's. */
static const char *const ENVELOPE[] = {
    "udid", "ids", "request_type", "command_uuid", "nopush", "priority",
    "expires", NULL
};

/* A misspelt one would become a key of the command, and do nothing. */
static nmdm_err_t *check_envelope(apr_pool_t *p, const char *key)
{
    const char *near = nmdm_api_names_nearest(
        p, "udid ids request_type command_uuid nopush priority expires", key);

    return !near ? NULL
        : nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(1747)
                   "\"%.100s\" is too near to \"%s\" to be a key of the"
                   " command", key, near);
}

static int is_envelope(const char *key)
{
    int i;

    for (i = 0; ENVELOPE[i]; i++) {
        if (!strcmp(key, ENVELOPE[i])) {
            return 1;
        }
    }
    return 0;
}

/* Apple's own names are known as well, so that their data is data. */
static int find_key(const char *request_type, const char *key)
{
    int i;

    for (i = 0; KEYS[i].key; i++) {
        if ((!strcmp(KEYS[i].key, key) || !strcmp(KEYS[i].apple, key))
            && (!KEYS[i].request_type
                || !strcmp(KEYS[i].request_type, request_type))) {
            return i;
        }
    }
    return -1;
}

/* ---- The property list ---- */

typedef struct {
    apr_pool_t *pool;
    const char *request_type;
    int depth;
} builder_t;

static nmdm_err_t *bad(builder_t *b, const char *key, const char *why)
{
    return nmdm_err(b->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1744)
                    "\"%.100s\" %s", key, why);
}

/* XML 1.0 has no place for most control characters, even escaped. */
static nmdm_err_t *check_text(builder_t *b, const char *key, const char *text)
{
    return nmdm_plist_write_holds(text, strlen(text)) ? NULL
        : bad(b, key, "has a character that no property list can hold");
}

/* key: as the JSON has it, for errors; apple: in the property list, NULL in
 * an array. */
static nmdm_err_t *add_value(builder_t *b, nmdm_plist_node_t *to,
                             const char *apple, const char *key,
                             const nmdm_json_t *value, form_e form);

static nmdm_err_t *add_member(builder_t *b, nmdm_plist_node_t *dict,
                              const char *key, const nmdm_json_t *value,
                              form_e form)
{
    int row = form == VERBATIM ? -1 : find_key(b->request_type, key);

    if (nmdm_json_type(value) == NMDM_JSON_NULL) {
        return NULL;
    }
    NMDM_TRY(check_text(b, key, key));
    return add_value(b, dict, row < 0 ? key : KEYS[row].apple, key, value,
                     row < 0 ? form : KEYS[row].form);
}

static nmdm_err_t *add_members(builder_t *b, nmdm_plist_node_t *dict,
                               const nmdm_json_t *object, form_e form)
{
    apr_array_header_t *keys = nmdm_json_keys(object);
    int i;

    for (i = 0; i < keys->nelts; i++) {
        const char *key = APR_ARRAY_IDX(keys, i, const char *);

        NMDM_TRY(add_member(b, dict, key, nmdm_json_get(object, key),
                            form == VERBATIM ? form : AS_IS));
    }
    return NULL;
}

static nmdm_err_t *add_items(builder_t *b, nmdm_plist_node_t *to,
                             const char *key, const nmdm_json_t *array,
                             form_e form)
{
    int n = nmdm_json_length(array), i;

    for (i = 0; i < n; i++) {
        NMDM_TRY(add_value(b, to, NULL, key, nmdm_json_item(array, i),
                           form));
    }
    return NULL;
}

static nmdm_err_t *add_container(builder_t *b, nmdm_plist_node_t *to,
                                 const char *apple, const char *key,
                                 const nmdm_json_t *value, form_e form)
{
    nmdm_err_t *err;

    /* plist, Command's dict and what is around it. */
    if (++b->depth > NMDM_PLIST_DEPTH - 4) {
        return bad(b, key, "is nested too deeply");
    }
    err = nmdm_json_type(value) == NMDM_JSON_ARRAY
        ? add_items(b, nmdm_plist_tree_add_array(to, apple), key, value, form)
        : add_members(b, nmdm_plist_tree_add_dict(to, apple), value, form);
    b->depth--;
    return err;
}

static nmdm_err_t *add_string(builder_t *b, nmdm_plist_node_t *to,
                              const char *apple, const char *key,
                              const nmdm_json_t *value, form_e form)
{
    const char *text = nmdm_json_text(value);
    nmdm_bytes_t bytes;

    if (form != DATA) {
        NMDM_TRY(check_text(b, key, text));
        nmdm_plist_tree_add_string(to, apple, text);
        return NULL;
    }
    if (!nmdm_base64_decode(&bytes, b->pool, text, strlen(text), 1)) {
        return bad(b, key, "is not base64");
    }
    nmdm_plist_tree_add_data(to, apple, bytes);
    return NULL;
}

static nmdm_err_t *add_value(builder_t *b, nmdm_plist_node_t *to,
                             const char *apple, const char *key,
                             const nmdm_json_t *value, form_e form)
{
    nmdm_json_type_e type = nmdm_json_type(value);

    if (form == DATA && type != NMDM_JSON_STRING
        && type != NMDM_JSON_ARRAY) {
        return bad(b, key, "is not a string of base64");
    }
    if (form == DIGITS
        && (type == NMDM_JSON_INTEGER || type == NMDM_JSON_REAL)) {
        return bad(b, key, "is a number, not a string: zeros at its begin"
                   " would be gone");
    }
    switch (type) {
    case NMDM_JSON_OBJECT:
    case NMDM_JSON_ARRAY:
        return add_container(b, to, apple, key, value, form);
    case NMDM_JSON_STRING:
        return add_string(b, to, apple, key, value, form);
    case NMDM_JSON_INTEGER:
        nmdm_plist_tree_add_integer(to, apple, nmdm_json_number(value));
        return NULL;
    case NMDM_JSON_REAL:
        nmdm_plist_tree_add_real(to, apple, nmdm_json_real(value));
        return NULL;
    case NMDM_JSON_TRUE:
    case NMDM_JSON_FALSE:
        nmdm_plist_tree_add_bool(to, apple, type == NMDM_JSON_TRUE);
        return NULL;
    default:
        return bad(b, key, "has a null in an array");
    }
}

static nmdm_err_t *make_uuid(const char **out, nmdm_ctx_t *ctx)
{
    *out = nmdm_digest_uuid(ctx->pool);
    return *out ? NULL
        : nmdm_err(ctx->pool, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(1745)
                   "no randomness for a command's UUID");
}

static nmdm_err_t *add_command(builder_t *b, nmdm_plist_node_t *root,
                               const nmdm_json_t *json)
{
    nmdm_plist_node_t *command = nmdm_plist_tree_add_dict(root, "Command");
    apr_array_header_t *keys = nmdm_json_keys(json);
    int i;

    NMDM_TRY(check_text(b, "request_type", b->request_type));
    nmdm_plist_tree_add_string(command, "RequestType", b->request_type);
    for (i = 0; i < keys->nelts; i++) {
        const char *key = APR_ARRAY_IDX(keys, i, const char *);

        if (!is_envelope(key)) {
            NMDM_TRY(check_envelope(b->pool, key));
            NMDM_TRY(add_member(b, command, key, nmdm_json_get(json, key),
                                AS_IS));
        }
    }
    return NULL;
}

nmdm_err_t *nmdm_api_command_json_plist(nmdm_bytes_t *out, nmdm_ctx_t *ctx,
                                        const nmdm_json_t *json)
{
    builder_t b = { .pool = ctx->pool };
    nmdm_plist_node_t *root = nmdm_plist_tree_dict(ctx->pool);
    nmdm_json_t *request_type, *given;
    const char *uuid = "";

    NMDM_TRY(nmdm_json_typed(&request_type, json, "request_type",
                             NMDM_JSON_STRING));
    NMDM_TRY(nmdm_json_typed(&given, json, "command_uuid",
                             NMDM_JSON_STRING));
    if (!request_type || !*nmdm_json_text(request_type)) {
        return nmdm_err(ctx->pool, NMDM_INVALID, APR_SUCCESS, NMDMNO(1746)
                        "\"request_type\" is missing");
    }
    b.request_type = nmdm_json_text(request_type);
    if (given) {
        uuid = nmdm_json_text(given);
    }
    if (!*uuid) {
        NMDM_TRY(make_uuid(&uuid, ctx));
    }
    NMDM_TRY(add_command(&b, root, json));
    NMDM_TRY(check_text(&b, "command_uuid", uuid));
    nmdm_plist_tree_add_string(root, "CommandUUID", uuid);
    return nmdm_plist_tree_write(out, ctx->pool, root);
}
