/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_types.c -- the types of declarations that are known. */

#include "mdm/declaration_types.h"
#include "mdm/declaration_warning.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

#define PREFIX "com.apple."

/* In the order of the names, which go without "com.apple.". since: the first
 * iOS/macOS/tvOS/visionOS/watchOS. needed: keys with the letter of their type;
 * of those with a bar between them one is enough. */
static const struct type_t {
    const char *name, *since, *needed;
} TYPES[] = {
    { "activation.simple", "15/13/16/1.1/10", "a:StandardConfigurations" },
    { "asset.credential.acme", "17/14/17/1.1/10", "o:Reference" },
    { "asset.credential.certificate", "17/14/17/1.1/10", "o:Reference" },
    { "asset.credential.identity", "17/14/17/1.1/10", "o:Reference" },
    { "asset.credential.scep", "17/14/17/1.1/10", "o:Reference" },
    { "asset.credential.userpassword", "15/13/16/1.1/10", "o:Reference" },
    { "asset.data", "17/14/17/1.1/10", "o:Reference" },
    { "asset.useridentity", "15/13/16/1.1/10", NULL },
    { "configuration.accessibility.settings", "27/27/-/27/-", NULL },
    { "configuration.account.caldav", "15/13/-/1.1/-", "s:HostName" },
    { "configuration.account.carddav", "15/13/-/1.1/-", "s:HostName" },
    { "configuration.account.exchange", "15/13/-/1.1/-", NULL },
    { "configuration.account.google", "15/13/-/1.1/-", NULL },
    { "configuration.account.ldap", "15/13/-/1.1/-", "s:HostName" },
    { "configuration.account.mail", "15/13/-/1.1/-", "o:IncomingServer" },
    { "configuration.account.subscribed-calendar", "15/14/-/1.1/-",
      "s:CalendarURL" },
    { "configuration.app.managed", "17.2/26/-/2.4/-", NULL },
    { "configuration.app.settings", "27/27/27/27/-", NULL },
    { "configuration.audio-accessory.settings", "26/-/-/-/-", NULL },
    { "configuration.content-cache.settings", "-/27/-/-/-", NULL },
    { "configuration.diskmanagement.settings", "-/15/-/-/-", NULL },
    { "configuration.extensible-sso", "27/27/-/27/-", NULL },
    { "configuration.external-intelligence.settings", "26.4/26.4/-/26.4/-",
      NULL },
    { "configuration.intelligence.settings", "26.4/26.4/-/26.4/-", NULL },
    { "configuration.keyboard.settings", "26.4/26.4/-/-/-", NULL },
    { "configuration.legacy", "15/13/16/1.1/10",
      "s:ProfileURL|ProfileAssetReference" },
    { "configuration.legacy.interactive", "15/13/16/1.1/-",
      "s:ProfileURL|ProfileAssetReference s:VisibleName" },
    { "configuration.management.status-subscriptions", "15/13/16/1.1/10",
      "a:StatusItems" },
    { "configuration.management.test", "15/13/16/1.1/10", "s:Echo" },
    { "configuration.math.settings", "18/15/-/-/-", NULL },
    { "configuration.migration-assistant.settings", "-/26.4/-/-/-", NULL },
    { "configuration.network.dns-proxy", "27/27/-/27/-", NULL },
    { "configuration.network.dns-settings", "27/27/-/27/-", NULL },
    { "configuration.network.relay", "27/27/-/27/-", NULL },
    { "configuration.network.vpn.always-on", "27/-/-/27/-", NULL },
    { "configuration.network.vpn.ikev2", "27/27/27/27/-", NULL },
    { "configuration.network.vpn.ipsec", "27/27/-/27/-", NULL },
    { "configuration.network.vpn.vpn-plugin", "27/27/27/27/-", NULL },
    { "configuration.package", "-/26/-/-/-", NULL },
    { "configuration.passcode.settings", "15/13/-/2/10", NULL },
    { "configuration.safari.bookmarks", "26/26/-/26/-", NULL },
    { "configuration.safari.extensions.settings", "18/15/-/-/-", NULL },
    { "configuration.safari.settings", "26/26/-/26/-", NULL },
    { "configuration.screensharing.connection", "-/14/-/-/-", NULL },
    { "configuration.screensharing.connection.group", "-/14/-/-/-", NULL },
    { "configuration.screensharing.host.settings", "-/14/-/-/-", NULL },
    { "configuration.security.certificate", "17/14/17/1.1/10",
      "s:CredentialAssetReference" },
    { "configuration.security.identity", "17/14/17/1.1/10",
      "s:CredentialAssetReference" },
    { "configuration.security.passkey.attestation", "17/14/-/-/-", NULL },
    { "configuration.services.background-tasks", "-/15/-/-/-", NULL },
    { "configuration.services.configuration-files", "-/14/-/-/-",
      "s:ServiceType s:DataAssetReference" },
    { "configuration.siri.settings", "26.4/26.4/27/26.4/26.4", NULL },
    { "configuration.softwareupdate.enforcement.specific", "17/14/-/-/-",
      "s:TargetOSVersion s:TargetLocalDateTime" },
    { "configuration.softwareupdate.settings", "18/15/-/-/-", NULL },
    { "configuration.watch.enrollment", "17/-/-/-/-", NULL },
    { "configuration.webcontent-filter.plugin", "27/27/-/27/-", NULL },
    { "management.organization-info", "15/13/16/1.1/10", "s:Name" },
    { "management.properties", "16/13/16/1.1/10", NULL },
    { "management.server-capabilities", "15/13/16/1.1/10", NULL },
};

static int compare(const void *name, const void *row)
{
    return strcmp(name, ((const struct type_t *)row)->name);
}

static const struct type_t *find(const char *type)
{
    return strncmp(type, PREFIX, strlen(PREFIX)) ? NULL
        : bsearch(type + strlen(PREFIX), TYPES,
                  sizeof(TYPES) / sizeof(*TYPES), sizeof(*TYPES), compare);
}

const char *nmdm_declaration_types_since(apr_pool_t *p, const char *type)
{
    static const char *const SYSTEMS[] = { "iOS", "macOS", "tvOS",
                                           "visionOS", "watchOS" };
    const struct type_t *known = find(type);
    const char *text = NULL, *at = known ? known->since : "";
    int i;

    for (i = 0; *at; i++) {
        apr_size_t len = strcspn(at, "/");

        if (*at != '-') {
            text = apr_psprintf(p, "%s%s%s %.*s", text ? text : "",
                                text ? ", " : "", SYSTEMS[i], (int)len, at);
        }
        at += len + (at[len] == '/');
    }
    return text;
}

static nmdm_json_tree_type_e type_of(char letter)
{
    return letter == 'a' ? NMDM_TREE_ARRAY
        : letter == 'o' ? NMDM_TREE_OBJECT : NMDM_TREE_STRING;
}

/* One word of `needed`: a letter, a colon, and keys of which one is enough. */
static void judge_key(apr_array_header_t *warnings, apr_pool_t *p,
                      const char *word, const nmdm_json_tree_t *payload)
{
    char *keys = apr_pstrdup(p, word + 2), *last, *key;

    for (key = apr_strtok(keys, "|", &last); key;
         key = apr_strtok(NULL, "|", &last)) {
        const nmdm_json_tree_t *value = nmdm_json_tree_get(payload, key);

        if (value && value->type != type_of(*word)) {
            nmdm_declaration_lint_add(
                warnings, "value-type",
                apr_pstrcat(p, "$.Payload.", key, NULL),
                apr_psprintf(p, "is %s, not %s",
                             nmdm_json_tree_type_name(value->type),
                             nmdm_json_tree_type_name(type_of(*word))));
        }
        if (value) {
            return;
        }
    }
    nmdm_declaration_lint_add(
        warnings, "key-missing",
        apr_pstrcat(p, "$.Payload.", apr_pstrmemdup(
            p, word + 2, strcspn(word + 2, "|")), NULL),
        "the type needs this key");
}

void nmdm_declaration_types_judge(apr_array_header_t *warnings, apr_pool_t *p,
                                  const char *type,
                                  const nmdm_json_tree_t *payload)
{
    const struct type_t *known = find(type);
    char *words, *last, *word;

    if (!known) {
        nmdm_declaration_lint_add(warnings, "type-unknown", "$.Type",
                                  "is not in the table of this server; a"
                                  " newer OS may know it");
        return;
    }
    words = apr_pstrdup(p, known->needed ? known->needed : "");
    for (word = apr_strtok(words, " ", &last); word;
         word = apr_strtok(NULL, " ", &last)) {
        judge_key(warnings, p, word, payload);
    }
}
