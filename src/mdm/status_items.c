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

static int redact_at(nmdm_json_tree_t *object, const char *name)
{
    nmdm_json_tree_t *one;
    int any = 0;

    for (one = object->type == NMDM_TREE_OBJECT ? object->first : NULL; one;
         one = one->next) {
        apr_size_t len = strlen(one->key);

        if (!strcmp(one->key, name)) {
            one->type = NMDM_TREE_STRING;
            one->text = (nmdm_bytes_t){ "redacted", 8 };
            any = 1;
        }
        else if (!strncmp(one->key, name, len) && name[len] == '.') {
            any |= redact_at(one, name + len + 1);
        }
    }
    return any;
}

int nmdm_status_items_redact(nmdm_json_tree_t *report)
{
    nmdm_json_tree_t *one;
    int any = 0, i;

    for (one = report->type == NMDM_TREE_OBJECT ? report->first : NULL; one;
         one = one->next) {
        for (i = 0; SECRETS[i] && !strcmp(one->key, "StatusItems"); i++) {
            any |= redact_at(one, SECRETS[i]);
        }
    }
    return any;
}

nmdm_bytes_t nmdm_status_items_redact_text(apr_pool_t *p, nmdm_bytes_t text)
{
    nmdm_json_tree_t *report;
    const char *canonical;

    if (nmdm_json_tree_read(&report, p, text, NMDM_STATUS_ITEMS_DEPTH,
                            NMDM_TREE_LENIENT)) {
        return (nmdm_bytes_t){ "", 0 };
    }
    if (!nmdm_status_items_redact(report)) {
        return text;
    }
    canonical = nmdm_json_tree_canonical(p, report);
    return (nmdm_bytes_t){ canonical, strlen(canonical) };
}
