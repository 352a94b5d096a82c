/* SPDX-License-Identifier: Apache-2.0 */
/* directives.c -- the table of directives and the setters of the simple ones.
 *
 * What one directive can get wrong by itself is said by its setter, with its
 * line; what several get wrong together is said in config/check.c. */

#include "config/directives.h"
#include "config/config.h"
#include "config/declarative.h"
#include "config/device_answers.h"
#include "config/enroll.h"
#include "config/kinds.h"
#include "config/identity_sources.h"
#include "config/parse.h"
#include "config/rate_limit.h"
#include "config/renewal.h"
#include "config/retention.h"
#include "config/scep.h"
#include "config/storage_key.h"
#include "config/traffic_dump_file.h"
#include "config/webhooks.h"
#include "db/schema.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

/* The longest prefix that leaves room for our own longest name within the 63
 * bytes of a PostgreSQL identifier. */
#define MAX_PREFIX 32

#define ESCROW_URL "https://deviceservices-external.apple.com" \
                   "/deviceservicesworkers/escrowKeyUnlock"

/* ---- Setters ---- */

static const char *set_ca(cmd_parms *cmd, void *conf, const char *path)
{
    return nanomdm_set_certificates(cmd, &((nanomdm_conf_t *)conf)->ca_file,
                                    path, "could not append root CA(s)");
}

static const char *set_intermediate(cmd_parms *cmd, void *conf,
                                    const char *path)
{
    return nanomdm_set_certificates(
        cmd, &((nanomdm_conf_t *)conf)->intermediate_file, path,
        "could not append intermediate CA(s)");
}

static const char *set_table_prefix(cmd_parms *cmd, void *conf,
                                    const char *prefix)
{
    if (strlen(prefix) > MAX_PREFIX
        || prefix[strspn(prefix, "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")]
        || apr_isdigit(*prefix)) {
        return nanomdm_wrong(cmd, prefix, "use up to 32 letters, digits and"
                                          " underscores, not a digit first");
    }
    ((nanomdm_conf_t *)conf)->table_prefix = prefix;
    return NULL;
}

static const char *set_push_url(cmd_parms *cmd, void *conf, const char *url)
{
    return nanomdm_set_origin(cmd, &((nanomdm_conf_t *)conf)->push.url, url,
                              "https", 0);
}

static const char *set_push_proxy(cmd_parms *cmd, void *conf,
                                  const char *url)
{
    return nanomdm_set_origin(cmd, &((nanomdm_conf_t *)conf)->push_proxy, url,
                              "http", 1);
}

static const char *set_push_ca(cmd_parms *cmd, void *conf, const char *path)
{
    return nanomdm_read_certificates(cmd, &((nanomdm_conf_t *)conf)->push_ca,
                                     path, "no CA for the push server");
}

static const char *set_upstream_ca(cmd_parms *cmd, void *conf,
                                   const char *path)
{
    return nanomdm_read_certificates(
        cmd, &((nanomdm_conf_t *)conf)->upstream_ca, path,
        "no CA for webhook and DM servers");
}

/* ---- The table ---- */

static const nanomdm_word_t
    ASSOCIATIONS[] = { { "all", 0 }, { "latest", 1 }, { NULL, 0 } },
    USER_AUTHENTICATE[] = {
        { "decline", 0 }, { "empty-challenge", 1 }, { NULL, 0 } },
    REENROLL[] = { { "reset", 0 }, { "keep", 1 }, { NULL, 0 } },
    LAST_SEEN[] = { { "buffered", 0 }, { "immediate", 1 }, { NULL, 0 } },
    SCHEMA[] = { { "auto", NMDM_SCHEMA_AUTO },
                 { "check", NMDM_SCHEMA_CHECK }, { NULL, 0 } },
    SETS[] = { { "keep", 0 }, { "clear", 1 }, { NULL, 0 } },
    LINT[] = { { "off", 0 }, { "warn", 1 }, { "refuse", 2 }, { NULL, 0 } },
    DELIVERY[] = { { "durable", 1 }, { "besteffort", 0 }, { NULL, 0 } };

/* cmd_data: the member and its kind, then further members of nanomdm_row_t,
 * .show at least. */
#define ROW(of, its_kind, ...) \
    (void *)&(const nanomdm_row_t){ \
        .member = APR_OFFSETOF(nanomdm_conf_t, of), .kind = its_kind, \
        __VA_ARGS__ }

/* Directives of the plain kinds, with their default. */
#define FLAG(name, scope, of, by_default, help) \
    AP_INIT_FLAG(name, nanomdm_set_flag, \
                 ROW(of, NANOMDM_INT, .show = nanomdm_show_flag, \
                     .initial = by_default), scope, help)
#define WORD(name, scope, of, known, by_default, help) \
    AP_INIT_TAKE1(name, nanomdm_set_word, \
                  ROW(of, NANOMDM_INT, .show = nanomdm_show_word, \
                      .words = known, .initial = by_default), scope, help)
#define SECONDS(name, scope, of, its_kind, from, to, by_default, help) \
    AP_INIT_TAKE1(name, nanomdm_set_seconds, \
                  ROW(of, its_kind, .show = nanomdm_show_number, \
                      .least = from, .most = to, .initial = by_default), \
                  scope, help)
#define URL(name, scope, of, by_default, help) \
    AP_INIT_TAKE1(name, nanomdm_set_any_url, \
                  ROW(of, NANOMDM_TEXT, .show = nanomdm_show_url, \
                      .initial_text = by_default), scope, help)
#define SECRET(name, scope, of, help) \
    AP_INIT_TAKE1(name, nanomdm_set_any_secret, \
                  ROW(of, NANOMDM_HIDDEN, .show = nanomdm_show_hidden), \
                  scope, help)

/* S: server config and virtual host; L: Location and Directory as well, but
 * never .htaccess. */
#define S RSRC_CONF
#define L (RSRC_CONF | ACCESS_CONF)

const command_rec nanomdm_directives[] = {
    AP_INIT_TAKE1("NanoMDMCACertificateFile", set_ca,
                  ROW(ca_file, NANOMDM_TEXT, .show = nanomdm_show_text), S,
                  "PEM file of trust anchors for device identities"),
    AP_INIT_TAKE1("NanoMDMIntermediateCertificateFile", set_intermediate,
                  ROW(intermediate_file, NANOMDM_TEXT,
                      .show = nanomdm_show_text), S,
                  "PEM file of certificates for path building"),
    AP_INIT_ITERATE("NanoMDMIdentity", nanomdm_add_identity,
                    ROW(identity, NANOMDM_POINTER,
                        .show = nanomdm_show_identity), L,
                    "tls, signature, header:NAME: the first found wins"),
    AP_INIT_ITERATE("NanoMDMTrustedProxy", nanomdm_add_trusted_proxy,
                    ROW(trusted_proxies, NANOMDM_POINTER,
                        .show = nanomdm_show_trusted_proxies), L,
                    "networks whose header:NAME is believed"),
    SECONDS("NanoMDMIdentityGrace", L, identity_grace, NANOMDM_SECONDS,
            0, 31536000, 0,
            "seconds for which an expired identity still serves"),
    FLAG("NanoMDMRetroactive", L, policy.retroactive, 0,
         "On to associate certificates of known enrollments late"),
    WORD("NanoMDMAssociation", L, policy.latest_only, ASSOCIATIONS, 0,
         "latest to serve a device with its last certificate only, or all"),
    WORD("NanoMDMUserAuthenticate", L, policy.empty_challenge,
         USER_AUTHENTICATE, 0, "decline (410) or empty-challenge"),
    WORD("NanoMDMReenroll", L, policy.keeps_renewed, REENROLL, 0,
         "keep to leave queue and tokens when a profile is renewed, or reset"),
    SECRET("NanoMDMAPIKey", S, api_key,
           "password of user nanomdm: file:PATH, env:NAME,"
           " exec:PROGRAM or text"),
    AP_INIT_ITERATE("NanoMDMAPIUser", nanomdm_add_api_user,
                    ROW(api_users, NANOMDM_POINTER,
                        .show = nanomdm_show_list,
                        .initial_text = "nanomdm"), S,
                    "names that have that password, instead of nanomdm"),
    FLAG("NanoMDMDeleteCommands", S, policy.delete_commands, 0,
         "On to remove a command once it is answered"),
    WORD("NanoMDMLastSeen", S, policy.sees_at_once, LAST_SEEN, 0,
         "buffered to write last_seen_at once a second, immediate to write it"
         " with each message"),
    AP_INIT_TAKE_ARGV("NanoMDMRetention", nanomdm_add_retention,
                      ROW(retention, NANOMDM_POINTER,
                          .show = nanomdm_show_retention), S,
                      "days after which what is finished is removed, then"
                      " keep=N types=NAME,... dry-run"),
    AP_INIT_TAKE_ARGV("NanoMDMStorageKey", nanomdm_set_storage_key,
                      ROW(storage_key, NANOMDM_POINTER,
                          .show = nanomdm_show_storage_key), S,
                      "keys that seal secrets in the database, the first"
                      " seals: file:PATH, env:NAME, exec:PROGRAM or text; off"
                      " before them unseals"),
    AP_INIT_TAKE1("NanoMDMSchema", nanomdm_set_word,
                  ROW(schema_mode, NANOMDM_INT, .show = nanomdm_show_word,
                      .words = SCHEMA, .initial = NMDM_SCHEMA_BY_DIALECT,
                      .initial_text = "(by the database)"), S,
                  "auto to create and upgrade tables, check to compare"),
    AP_INIT_TAKE1("NanoMDMTablePrefix", set_table_prefix,
                  ROW(table_prefix, NANOMDM_TEXT, .show = nanomdm_show_text),
                  S, "what table names begin with, such as nano_"),
    FLAG("NanoMDMGaleraSync", S, waits_on_galera, 1,
         "Off not to wait for what other nodes have committed"),
    FLAG("NanoMDMCombine", S, combines, 1,
         "Off for a statement of its own for each poll"),
    AP_INIT_TAKE1("NanoMDMMaxBody", nanomdm_set_bytes,
                  ROW(max_body, NANOMDM_NUMBER, .show = nanomdm_show_number,
                      .least = 1, .most = APR_INT32_MAX,
                      .initial = 33554432), L,
                  "largest request body in bytes"),
    AP_INIT_TAKE12("NanoMDMRateLimit", nanomdm_set_rate_limit,
                   ROW(rate_limit, NANOMDM_POINTER,
                       .show = nanomdm_show_rate_limit), L,
                   "requests that a device may send, such as 10/s, and how"
                   " many at once; or Off"),
    AP_INIT_TAKE2("NanoMDMToken", nanomdm_add_token,
                  ROW(policy.tokens, NANOMDM_TABLE,
                      .show = nanomdm_show_names), L,
                  "a TokenServiceType and the file that answers it"),
    AP_INIT_TAKE12("NanoMDMRenewIdentity", nanomdm_set_renew_identity,
                   ROW(policy.renewals, NANOMDM_POINTER,
                       .show = nanomdm_show_renew_identity), S,
                   "days before their end that identities are renewed, and how"
                   " many a time, such as 1/s; or Off"),
    AP_INIT_TAKE1("NanoMDMRenewIdentifier", nanomdm_set_renew_identifier,
                  ROW(policy.renew_identifier, NANOMDM_TEXT,
                      .show = nanomdm_show_text), S,
                  "PayloadIdentifier of enrollment profiles that were not"
                  " served here"),
    AP_INIT_TAKE12("NanoMDMReturnToService", nanomdm_add_return_to_service,
                   ROW(policy.return_to_service, NANOMDM_TABLE,
                       .show = nanomdm_show_names), L,
                   "the property list that answers ReturnToService, and for"
                   " which type of enrollment"),
    AP_INIT_TAKE1("NanoMDMPushURL", set_push_url,
                  ROW(push.url, NANOMDM_TEXT, .show = nanomdm_show_url,
                      .initial_text = "https://api.push.apple.com"), S,
                  "https URL of APNs"),
    AP_INIT_TAKE1("NanoMDMPushCACertificateFile", set_push_ca,
                  ROW(push_ca, NANOMDM_HIDDEN, .show = nanomdm_show_hidden),
                  S, "PEM file to verify the APNs server"),
    SECONDS("NanoMDMPushExpiration", S, push.expiration, NANOMDM_NUMBER,
            0, 31536000, 604800,
            "seconds after which APNs drops a push, 0 for its own"),
    AP_INIT_TAKE1("NanoMDMPushProxy", set_push_proxy,
                  ROW(push_proxy, NANOMDM_TEXT, .show = nanomdm_show_url), S,
                  "http proxy on the way to APNs"),
    SECONDS("NanoMDMPushTimeout", S, push.timeout, NANOMDM_SECONDS,
            1, 3600, 30,
            "seconds for the pushes of one call, retries included"),
    SECONDS("NanoMDMPushWait", S, push.wait, NANOMDM_SECONDS,
            1, 3600, 10,
            "seconds that a call of the API waits for APNs"),
    FLAG("NanoMDMPushRepeat", S, push.repeats, 1,
         "Off to push once, even if the device stays silent"),
    AP_INIT_TAKE1("NanoMDMWebhookURL", nanomdm_set_webhook_url,
                  ROW(webhook_url, NANOMDM_HIDDEN,
                      .show = nanomdm_show_hidden), L,
                  "URL that gets an event for every message"),
    SECRET("NanoMDMWebhookKey", L, webhook_key,
           "signs events: file:PATH, env:NAME or text"),
    AP_INIT_TAKE_ARGV("NanoMDMWebhook", nanomdm_add_webhook,
                      ROW(webhooks, NANOMDM_POINTER,
                          .show = nanomdm_show_webhooks), L,
                      "a further URL, then topics=NAME,... key=SECRET"
                      " redact=on|off"),
    AP_INIT_TAKE_ARGV("NanoMDMWebhookTopics", nanomdm_set_webhook_topics,
                      ROW(webhook_topics, NANOMDM_INT,
                          .show = nanomdm_show_webhook_topics), L,
                      "which events: all, mdm.TYPE, -mdm.TYPE"),
    FLAG("NanoMDMWebhookRedact", L, webhook_redacts, 0,
         "On to take secrets out of raw_payload"),
    WORD("NanoMDMWebhookDelivery", L, policy.durable, DELIVERY, 0,
         "durable or besteffort"),
    AP_INIT_TAKE1("NanoMDMDeclarativeManagement", nanomdm_set_declarative,
                  ROW(dm_mode, NANOMDM_INT,
                      .show = nanomdm_show_declarative,
                      .initial = NANOMDM_DECLARATIVE_OFF), L,
                  "Off, builtin, or the URL of a server that does it"),
    AP_INIT_TAKE1("NanoMDMDeclarativeManagementURL",
                  nanomdm_set_declarative_url,
                  ROW(dm_url, NANOMDM_TEXT, .show = nanomdm_show_url), L,
                  "base URL of the declarative management server"),
    AP_INIT_TAKE1("NanoMDMDeclarativeManagementSendKey",
                  nanomdm_set_declarative_key,
                  ROW(dm_send_key, NANOMDM_HIDDEN,
                      .show = nanomdm_show_hidden), L,
                  "signs requests to it"),
    AP_INIT_TAKE1("NanoMDMDeclarativeManagementReceiveKey",
                  nanomdm_set_declarative_key,
                  ROW(dm_receive_key, NANOMDM_HIDDEN,
                      .show = nanomdm_show_hidden), L,
                  "must have signed its answers"),
    AP_INIT_TAKE12("NanoMDMDeclarativeManagementNotify",
                   nanomdm_set_declarative_notify,
                   ROW(dm_notify, NANOMDM_INT,
                       .show = nanomdm_show_declarative_notify,
                       .initial = NANOMDM_DECLARATIVE_NOTIFY), S,
                   "when devices are made to ask: all, changes or none; then"
                   " window=SECONDS"),
    AP_INIT_ITERATE("NanoMDMDeclarativeManagementSets",
                    nanomdm_add_declarative_set,
                    ROW(dm_sets, NANOMDM_POINTER,
                        .show = nanomdm_show_list), L,
                    "sets of an enrollment that has none"),
    WORD("NanoMDMDeclarativeManagementReenroll", L, declarations.clears_sets,
         SETS, 0, "keep or clear the sets of a device that enrolls anew"),
    FLAG("NanoMDMDeclarativeManagementShard", L, declarations.has_shard, 0,
         "On to serve the shard declaration"),
    AP_INIT_TAKE12("NanoMDMDeclarativeManagementKeep",
                   nanomdm_set_declarative_keep,
                   ROW(dm_keep, NANOMDM_INT,
                       .show = nanomdm_show_declarative_keep,
                       .initial = NANOMDM_DECLARATIVE_KEEP), S,
                   "reports=N errors=N: the newest that are kept of each"
                   " enrollment"),
    WORD("NanoMDMDeclarativeManagementLint", L, dm_lint, LINT, 1,
         "warn of, refuse or take (off) doubtful declarations"),
    URL("NanoMDMEscrowURL", S, policy.escrow_url, ESCROW_URL,
        "URL of Apple's escrow key unlock"),
    AP_INIT_TAKE1("NanoMDMUpstreamCACertificateFile", set_upstream_ca,
                  ROW(upstream_ca, NANOMDM_HIDDEN,
                      .show = nanomdm_show_hidden), S,
                  "PEM file to verify webhook and DM servers"),
    SECONDS("NanoMDMUpstreamTimeout", S, policy.upstream_timeout,
            NANOMDM_SECONDS, 1, 3600, 30,
            "seconds for a webhook or DM request"),
    AP_INIT_TAKE12("NanoMDMDump", nanomdm_set_dump,
                   ROW(dump, NANOMDM_POINTER, .show = nanomdm_show_dump), L,
                   "a file for whole exchanges with devices, and whether"
                   " secrets are to be in it"),
    AP_INIT_TAKE12("NanoMDMIssuerCertificateFile", nanomdm_set_issuer_files,
                   ROW(issuer_files, NANOMDM_POINTER,
                       .show = nanomdm_show_paths), S,
                   "PEM file of the CA that issues identities, and that of the"
                   " former one"),
    AP_INIT_TAKE12("NanoMDMIssuerKeyFile", nanomdm_set_issuer_keys,
                   ROW(issuer_keys, NANOMDM_POINTER,
                       .show = nanomdm_show_paths), S,
                   "PEM files of their keys, mode 600"),
    AP_INIT_TAKE1("NanoMDMSCEPRecipientCertificateFile",
                  nanomdm_set_recipient_file,
                  ROW(recipient_file, NANOMDM_TEXT,
                      .show = nanomdm_show_text), S,
                  "RSA certificate that requests are encrypted to, for an EC"
                  " issuer"),
    AP_INIT_TAKE1("NanoMDMSCEPRecipientKeyFile", nanomdm_set_recipient_key,
                  ROW(recipient_key, NANOMDM_TEXT, .show = nanomdm_show_text),
                  S, "its key, mode 600"),
    AP_INIT_TAKE_ARGV("NanoMDMSCEPChallenge", nanomdm_set_scep_challenge,
                      ROW(scep_challenge, NANOMDM_POINTER,
                          .show = nanomdm_show_scep_challenge), L,
                      "once [SECONDS], static SECRET, external URL"
                      " [key=SECRET] or none"),
    AP_INIT_TAKE_ARGV("NanoMDMSCEPCipher", nanomdm_set_scep_cipher,
                      ROW(scep_takes_des, NANOMDM_INT,
                          .show = nanomdm_show_scep_cipher, .initial = 0), L,
                      "aes 3des, and des for old clients"),
    AP_INIT_TAKE1("NanoMDMSCEPRenewal", nanomdm_set_scep_renewal,
                  ROW(scep_renewal_days, NANOMDM_INT,
                      .show = nanomdm_show_scep_renewal, .initial = 0), L,
                  "days before its end in which a certificate renews without"
                  " a challenge, or Off"),
    AP_INIT_TAKE1("NanoMDMSCEPValidity", nanomdm_set_scep_validity,
                  ROW(scep_validity_days, NANOMDM_INT,
                      .show = nanomdm_show_number, .initial = 365), L,
                  "days for which issued certificates are valid"),
    AP_INIT_TAKE1("NanoMDMEnrollTemplate", nanomdm_set_enroll_template,
                  ROW(enroll_template, NANOMDM_POINTER,
                      .show = nanomdm_show_enroll_file), L,
                  "property list that enrollment profiles are made of"),
    AP_INIT_TAKE1("NanoMDMEnrollIdentifier", nanomdm_set_enroll_identifier,
                  ROW(enroll_identifier, NANOMDM_TEXT,
                      .show = nanomdm_show_text), L,
                  "PayloadIdentifier of the profile, which must never change"),
    AP_INIT_TAKE1("NanoMDMEnrollOrganization",
                  nanomdm_set_enroll_organization,
                  ROW(enroll_organization, NANOMDM_TEXT,
                      .show = nanomdm_show_text), L,
                  "name of the organization in profiles and identities"),
    AP_INIT_TAKE1("NanoMDMEnrollServerURL", nanomdm_set_enroll_url,
                  ROW(enroll_server_url, NANOMDM_TEXT,
                      .show = nanomdm_show_text), L,
                  "https URL at which devices check in"),
    AP_INIT_TAKE1("NanoMDMEnrollTopic", nanomdm_set_enroll_topic,
                  ROW(enroll_topic, NANOMDM_TEXT, .show = nanomdm_show_text),
                  L, "topic of the push certificate of these devices"),
    AP_INIT_TAKE1("NanoMDMEnrollAnchors", nanomdm_set_enroll_anchors,
                  ROW(enroll_anchors, NANOMDM_POINTER,
                      .show = nanomdm_show_enroll_file), L,
                  "PEM file of CAs that the profile lets devices trust"),
    AP_INIT_TAKE1("NanoMDMEnrollSigner", nanomdm_set_enroll_signer,
                  ROW(enroll_signer, NANOMDM_POINTER,
                      .show = nanomdm_show_enroll_file), L,
                  "PEM file with certificate, chain and key that sign"
                  " profiles"),
    AP_INIT_TAKE_ARGV("NanoMDMEnrollRequire", nanomdm_set_enroll_require,
                      ROW(enroll_require, NANOMDM_INT,
                          .show = nanomdm_show_enroll_require,
                          .initial = NANOMDM_ENROLL_REQUIRE), L,
                      "user, link or machineinfo: any of them lets a device"
                      " have a profile"),
    FLAG("NanoMDMEnrollOpen", L, enroll_open, 0,
         "On to give a profile to any visitor"),
    AP_INIT_TAKE1("NanoMDMEnrollDeviceCA", nanomdm_set_enroll_device_ca,
                  ROW(enroll_device_ca, NANOMDM_HIDDEN,
                      .show = nanomdm_show_hidden), S,
                  "PEM file of Apple's CAs of devices"),
    AP_INIT_TAKE_ARGV("NanoMDMEnrollMinimumOS", nanomdm_add_enroll_minimum,
                      ROW(enroll_minimum, NANOMDM_TABLE,
                          .show = nanomdm_show_enroll_minimum), L,
                      "a family and the version, perhaps a build, that it has"
                      " to have"),
    AP_INIT_TAKE_ARGV("NanoMDMEnrollIf", nanomdm_set_enroll_if,
                      ROW(enroll_if, NANOMDM_POINTER,
                          .show = nanomdm_show_enroll_if), L,
                      "an expression that has to be true"),
    AP_INIT_TAKE_ARGV("NanoMDMEnrollPlatformSSO", nanomdm_set_enroll_sso,
                      ROW(enroll_sso, NANOMDM_POINTER,
                          .show = nanomdm_show_enroll_sso), L,
                      "URLs of the profile, the manifest and the sign-in that"
                      " are needed before the enrollment"),
    AP_INIT_TAKE1("NanoMDMEnrollLimit", nanomdm_set_amount,
                  ROW(enroll_limit, NANOMDM_NUMBER,
                      .show = nanomdm_show_number, .least = 1,
                      .most = NMDM_ENROLL_TOKENS_MOST, .initial = 20), L,
                  "profiles of one user, link or address that may be open"),
    { .name = NULL }
};
