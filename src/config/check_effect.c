/* SPDX-License-Identifier: Apache-2.0 */
/* check_effect.c -- directives that change nothing where they were written:
 * another one is missing, or the section serves no devices. */

#include "config/check_effect.h"
#include "config/check_tree.h"

#include <apr_cstr.h>
#include <apr_strings.h>
#include <http_log.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

typedef struct {
    apr_pool_t *pool;
    nanomdm_findings_t *findings;
    const ap_directive_t *tree;
} scan_t;

/* A directive with a word that begins so; any word if there is none. */
typedef struct {
    const char *name, *word;
} need_t;

static const need_t OF_WEBHOOKS[] = {
    { "NanoMDMWebhookURL", NULL }, { "NanoMDMWebhook", NULL }, { NULL, NULL }
};
static const need_t OF_URL[] = {
    { "NanoMDMWebhookURL", NULL }, { NULL, NULL }
};
static const need_t OF_PROXY[] = {
    { "NanoMDMIdentity", "header:" }, { NULL, NULL }
};
static const need_t OF_FORWARDING[] = {
    { "NanoMDMDeclarativeManagementURL", NULL },
    { "NanoMDMDeclarativeManagement", "http" }, { NULL, NULL }
};
static const need_t OF_BUILTIN[] = {
    { "NanoMDMDeclarativeManagement", "builtin" }, { NULL, NULL }
};
static const need_t OF_KEY[] = { { "NanoMDMAPIKey", NULL }, { NULL, NULL } };
static const need_t OF_CA[] = {
    { "NanoMDMCACertificateFile", NULL }, { NULL, NULL }
};
static const need_t OF_SCEP[] = {
    { "SetHandler", "nanomdm-scep" }, { NULL, NULL }
};
static const need_t OF_ENROLL[] = {
    { "SetHandler", "nanomdm-enroll" }, { NULL, NULL }
};
static const need_t OF_HANDLER[] = {
    { "SetHandler", "nanomdm" }, { "Require", "nanomdm-enrolled" },
    { NULL, NULL }
};

#define WEBHOOK_LINE "NanoMDMWebhookURL https://HOST/PATH"
#define BUILTIN_LINE "NanoMDMDeclarativeManagement builtin"
#define SCEP_LINE "SetHandler nanomdm-scep in a Location"
#define ENROLL_LINE "SetHandler nanomdm-enroll in a Location"

static const struct rule_t {
    const char *name;
    const need_t *needs;        /* one of them will do */
    const char *line;
} RULES[] = {
    { "NanoMDMWebhookDelivery", OF_WEBHOOKS, WEBHOOK_LINE },
    { "NanoMDMWebhookTopics", OF_WEBHOOKS, WEBHOOK_LINE },
    { "NanoMDMWebhookRedact", OF_WEBHOOKS, WEBHOOK_LINE },
    { "NanoMDMWebhookKey", OF_URL, WEBHOOK_LINE
      " (a NanoMDMWebhook has its own, key=SECRET)" },
    { "NanoMDMTrustedProxy", OF_PROXY, "NanoMDMIdentity header:NAME" },
    { "NanoMDMDeclarativeManagementSendKey", OF_FORWARDING,
      "NanoMDMDeclarativeManagement https://HOST/PATH/" },
    { "NanoMDMDeclarativeManagementReceiveKey", OF_FORWARDING,
      "NanoMDMDeclarativeManagement https://HOST/PATH/" },
    { "NanoMDMDeclarativeManagementNotify", OF_BUILTIN, BUILTIN_LINE },
    { "NanoMDMDeclarativeManagementSets", OF_BUILTIN, BUILTIN_LINE },
    { "NanoMDMDeclarativeManagementReenroll", OF_BUILTIN, BUILTIN_LINE },
    { "NanoMDMDeclarativeManagementShard", OF_BUILTIN, BUILTIN_LINE },
    { "NanoMDMDeclarativeManagementKeep", OF_BUILTIN, BUILTIN_LINE },
    { "NanoMDMDeclarativeManagementLint", OF_BUILTIN, BUILTIN_LINE },
    { "NanoMDMAPIUser", OF_KEY, "NanoMDMAPIKey file:PATH" },
    { "NanoMDMIntermediateCertificateFile", OF_CA,
      "NanoMDMCACertificateFile PATH" },
    { "NanoMDMCACertificateFile", OF_HANDLER,
      "SetHandler nanomdm in <Location \"/mdm\">" },
    { "NanoMDMSCEPChallenge", OF_SCEP, SCEP_LINE },
    { "NanoMDMSCEPCipher", OF_SCEP, SCEP_LINE },
    { "NanoMDMSCEPRenewal", OF_SCEP, SCEP_LINE },
    { "NanoMDMEnrollRequire", OF_ENROLL, ENROLL_LINE },
    { "NanoMDMEnrollOpen", OF_ENROLL, ENROLL_LINE },
    { "NanoMDMEnrollLimit", OF_ENROLL, ENROLL_LINE },
    { "NanoMDMEnrollMinimumOS", OF_ENROLL, ENROLL_LINE },
    { "NanoMDMEnrollIf", OF_ENROLL, ENROLL_LINE },
    { "NanoMDMEnrollPlatformSSO", OF_ENROLL, ENROLL_LINE },
};

/* What is read while a device is served, and by nothing else. */
static const char *const OF_DEVICES[] = {
    "NanoMDMWebhookURL", "NanoMDMWebhookKey", "NanoMDMWebhook",
    "NanoMDMWebhookTopics", "NanoMDMWebhookRedact", "NanoMDMIdentity",
    "NanoMDMTrustedProxy", "NanoMDMIdentityGrace", "NanoMDMRetroactive",
    "NanoMDMAssociation", "NanoMDMUserAuthenticate", "NanoMDMReenroll",
    "NanoMDMToken", "NanoMDMReturnToService",
};

static int is(const ap_directive_t *node, const char *name)
{
    return !apr_cstr_casecmp(node->directive, name);
}

/* ---- Another one is missing ---- */

static int has_word(apr_pool_t *p, const char *args, const char *start)
{
    const char *word;

    while (*(word = ap_getword_conf(p, &args))) {
        if (!apr_cstr_casecmpn(word, start, strlen(start))) {
            return 1;
        }
    }
    return 0;
}

/* Among these directives and what is in them; in virtual hosts if so said. */
static int has(apr_pool_t *p, const ap_directive_t *node, const need_t *need,
               int looks_into_hosts)
{
    for (; node; node = node->next) {
        if (is(node, need->name)
            && (!need->word || has_word(p, node->args, need->word))) {
            return 1;
        }
        if (node->first_child
            && (looks_into_hosts || !is(node, "<VirtualHost"))
            && has(p, node->first_child, need, looks_into_hosts)) {
            return 1;
        }
    }
    return 0;
}

/* What is written outside of virtual hosts serves all of them. */
static int is_met(const scan_t *scan, const struct rule_t *rule,
                  const ap_directive_t *host)
{
    const need_t *need;

    for (need = rule->needs; need->name; need++) {
        if (has(scan->pool, scan->tree, need, !host)
            || (host && has(scan->pool, host->first_child, need, 1))) {
            return 1;
        }
    }
    return 0;
}

static void check_needs(scan_t *scan, const ap_directive_t *node,
                        const ap_directive_t *host)
{
    apr_size_t i;

    for (i = 0; i < sizeof(RULES) / sizeof(*RULES); i++) {
        if (is(node, RULES[i].name) && !is_met(scan, &RULES[i], host)) {
            nanomdm_findings_add(
                scan->findings, APLOG_WARNING, node, apr_psprintf(
                    scan->pool, NMDMNO(0047) "%s has no effect by itself;"
                    " write also: %s", RULES[i].name, RULES[i].line));
        }
    }
}

/* ---- In a section of others ---- */

/* The handler of a section that serves operators only, or NULL. */
static const char *operators_handler(apr_pool_t *p,
                                     const ap_directive_t *section)
{
    static const char *const NAMES[] = {
        "nanomdm-api", "nanomdm-status", "nanomdm-version", "nanomdm-health"
    };
    const need_t enrolled = { "Require", "nanomdm-enrolled" };
    const ap_directive_t *node;
    apr_size_t i;

    if (has(p, section->first_child, &enrolled, 0)) {
        return NULL;
    }
    for (node = section->first_child; node; node = node->next) {
        for (i = 0; is(node, "SetHandler")
             && i < sizeof(NAMES) / sizeof(*NAMES); i++) {
            if (!strcmp(nanomdm_tree_first_word(p, node), NAMES[i])) {
                return NAMES[i];
            }
        }
    }
    return NULL;
}

static void check_section(scan_t *scan, const ap_directive_t *node)
{
    const char *path = nanomdm_tree_location(scan->pool, node->parent);
    const char *handler = path
        ? operators_handler(scan->pool, node->parent) : NULL;
    apr_size_t i;

    for (i = 0; handler && i < sizeof(OF_DEVICES) / sizeof(*OF_DEVICES);
         i++) {
        if (is(node, OF_DEVICES[i])) {
            nanomdm_findings_add(
                scan->findings, APLOG_WARNING, node, apr_psprintf(
                    scan->pool, NMDMNO(0048) "%s has no effect in <Location"
                    " \"%s\"> with %s, where no device sends requests; write"
                    " it in the virtual host, or in the Location of SetHandler"
                    " nanomdm",
                    OF_DEVICES[i], path, handler));
        }
    }
}

/* ---- All of it ---- */

static void walk(scan_t *scan, const ap_directive_t *node,
                 const ap_directive_t *host)
{
    for (; node; node = node->next) {
        check_needs(scan, node, host);
        check_section(scan, node);
        if (node->first_child) {
            walk(scan, node->first_child,
                 is(node, "<VirtualHost") ? node : host);
        }
    }
}

void nanomdm_check_effects(nanomdm_findings_t *findings,
                           const ap_directive_t *tree)
{
    scan_t scan = { findings->pool, findings, tree };

    walk(&scan, tree, NULL);
}
