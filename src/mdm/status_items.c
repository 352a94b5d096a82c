/* SPDX-License-Identifier: Apache-2.0 */
/* status_items.c -- status items of declarative management. */

#include "mdm/status_items.h"
#include "codec/json_text.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* In the order of their bytes. */
static const char *const ITEMS[] = {
    "account.list.caldav",
    "account.list.carddav",
    "account.list.exchange",
    "account.list.google",
    "account.list.ldap",
    "account.list.mail.incoming",
    "account.list.mail.outgoing",
    "account.list.subscribed-calendar",
    "app.managed.list",
    "content-cache.info",
    "content-cache.parents",
    "content-cache.peers",
    "content-cache.status",
    "device.identifier.serial-number",
    "device.identifier.udid",
    "device.model.configuration-code",
    "device.model.family",
    "device.model.identifier",
    "device.model.marketing-name",
    "device.model.number",
    "device.operating-system.build-version",
    "device.operating-system.family",
    "device.operating-system.marketing-name",
    "device.operating-system.supplemental.build-version",
    "device.operating-system.supplemental.extra-version",
    "device.operating-system.version",
    "device.power.battery-health",
    "device.system.health",
    "diskmanagement.filevault.enabled",
    "enhanced-logging.applecare-token",
    "enhanced-logging.status",
    "enhanced-logging.timestamp",
    "management.client-capabilities",
    "management.declarations",
    "mdm.app",
    "mdm.enrollment-type",
    "mdm.is-awaiting-configuration",
    "mdm.is-return-to-service",
    "mdm.is-shared-ipad",
    "mdm.push-magic",
    "mdm.push-token",
    "migration-assistant.report",
    "migration-assistant.state",
    "package.list",
    "passcode.is-compliant",
    "passcode.is-present",
    "screensharing.connection.group.unresolved-connection",
    "security.certificate.list",
    "security.lockdown-mode",
    "services.background-task",
    "softwareupdate.beta-enrollment",
    "softwareupdate.device-id",
    "softwareupdate.failure-reason",
    "softwareupdate.install-reason",
    "softwareupdate.install-state",
    "softwareupdate.pending-version",
    "test.array-value",
    "test.boolean-value",
    "test.dictionary-value",
    "test.error-value",
    "test.integer-value",
    "test.real-value",
    "test.string-value"
};

const char *const NMDM_STATUS_MANIFESTS[NMDM_STATUS_MANIFESTS_N] = {
    "activations", "assets", "configurations", "management"
};

static const char *const SECRETS[] = {
    "enhanced-logging.applecare-token", "mdm.push-magic", "mdm.push-token",
    NULL
};

static int compare(const void *a, const void *b)
{
    return strcmp(a, *(const char *const *)b);
}

int nmdm_status_items_is_known(const char *name)
{
    return bsearch(name, ITEMS, sizeof(ITEMS) / sizeof(*ITEMS),
                   sizeof(*ITEMS), compare) != NULL;
}

const nmdm_json_tree_t *nmdm_status_items_manifest(
    const nmdm_json_tree_t *declarations, int manifest)
{
    const nmdm_json_tree_t *array = nmdm_json_tree_get(
        declarations, NMDM_STATUS_MANIFESTS[manifest]);

    return array && array->type == NMDM_TREE_ARRAY ? array : NULL;
}

int nmdm_status_items_is_secret(const char *name)
{
    int i;

    for (i = 0; SECRETS[i] && strcmp(SECRETS[i], name); i++) {
    }
    return SECRETS[i] != NULL;
}

/* `rest` is what is left of the item's name at this object. Elements of an
 * array have the name of the array. */
static int redact_at(apr_hash_t *secrets, nmdm_json_tree_t *object,
                     const char *name, const char *rest)
{
    apr_pool_t *p = apr_hash_pool_get(secrets);
    nmdm_json_tree_t *one;
    int any = 0;

    for (one = object->type >= NMDM_TREE_ARRAY ? object->first : NULL; one;
         one = one->next) {
        apr_size_t len = one->key ? strlen(one->key) : 0;

        if (!one->key) {
            any |= redact_at(secrets, one, name, rest);
        }
        else if (!strcmp(one->key, rest)) {
            apr_hash_set(secrets, name, APR_HASH_KEY_STRING,
                         one->type == NMDM_TREE_STRING
                             ? one->text.data
                             : nmdm_json_tree_canonical(p, one));
            one->type = NMDM_TREE_STRING;
            one->text = (nmdm_bytes_t){ "redacted", 8 };
            any = 1;
        }
        else if (!strncmp(one->key, rest, len) && rest[len] == '.') {
            any |= redact_at(secrets, one, name, rest + len + 1);
        }
    }
    return any;
}

int nmdm_status_items_redact(apr_hash_t *secrets, nmdm_json_tree_t *report)
{
    nmdm_json_tree_t *one;
    int any = 0, i;

    for (one = report->type == NMDM_TREE_OBJECT ? report->first : NULL; one;
         one = one->next) {
        for (i = 0; SECRETS[i] && !strcmp(one->key, "StatusItems"); i++) {
            any |= redact_at(secrets, one, SECRETS[i], SECRETS[i]);
        }
    }
    return any;
}
