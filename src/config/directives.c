/* SPDX-License-Identifier: Apache-2.0 */
/* directives.c -- the table of directives and the setters of the simple ones.
 *
 * What one directive can get wrong by itself is said by its setter, with its
 * line; what several get wrong together is said in config/check.c. */

#include "config/directives.h"
#include "config/config.h"
#include "config/device_answers.h"
#include "config/parse.h"
#include "config/rate_limit.h"
#include "config/retention.h"
#include "config/storage_key.h"
#include "config/traffic_dump_file.h"
#include "config/webhooks.h"
#include "db/schema.h"

#include <apr_lib.h>
#include <apr_network_io.h>
#include <apr_strings.h>

#include <string.h>

/* The longest prefix that leaves room for our own longest name within the 63
 * bytes of a PostgreSQL identifier. */
#define MAX_PREFIX 32

/* ---- Setters ---- */

/* Members of nanomdm_conf_t, as the rows of the table name them to setters that
 * several directives share: cmd->info. */
#define SLOT(member) APR_OFFSETOF(nanomdm_conf_t, member)
#define MEMBER(name) (void *)SLOT(name)
#define SHARED(row) (void *)&row

static void *slot_at(void *conf, apr_size_t offset)
{
    return (char *)conf + offset;
}

/* One of two words, and what each of them means. */
typedef struct {
    apr_size_t slot;
    struct {
        const char *word;
        int value;
    } words[2];
} choice_t;

static const choice_t
    USER_AUTHENTICATE = { SLOT(empty_challenge), {
        { "decline", 0 }, { "empty-challenge", 1 } } },
    ASSOCIATION = { SLOT(latest_only), { { "all", 0 }, { "latest", 1 } } },
    REENROLL = { SLOT(keeps_renewed), { { "reset", 0 }, { "keep", 1 } } },
    LAST_SEEN = { SLOT(sees_at_once), {
        { "buffered", 0 }, { "immediate", 1 } } },
    SCHEMA = { SLOT(schema_mode), {
        { "auto", NMDM_SCHEMA_AUTO }, { "check", NMDM_SCHEMA_CHECK } } };

static const char *set_choice(cmd_parms *cmd, void *conf, const char *word)
{
    const choice_t *choice = cmd->info;
    int i;

    for (i = 0; i < 2; i++) {
        if (!strcmp(word, choice->words[i].word)) {
            *(int *)slot_at(conf, choice->slot) = choice->words[i].value;
            return NULL;
        }
    }
    return nanomdm_wrong(cmd, word,
                         apr_psprintf(cmd->pool, "write %s or %s",
                                      choice->words[0].word,
                                      choice->words[1].word));
}

/* A number of seconds, and its bounds. */
typedef struct {
    apr_size_t slot;
    apr_int64_t least, most;
} seconds_t;

static const seconds_t
    IDENTITY_GRACE = { SLOT(identity_grace), 0, 31536000 },
    PUSH_EXPIRATION = { SLOT(push_expiration), 0, 31536000 },
    PUSH_TIMEOUT = { SLOT(push_timeout), 1, 3600 },
    UPSTREAM_TIMEOUT = { SLOT(upstream_timeout), 1, 3600 };

static const char *set_seconds(cmd_parms *cmd, void *conf, const char *word)
{
    const seconds_t *bounds = cmd->info;
    apr_off_t seconds;
    char *end;

    if (apr_strtoff(&seconds, word, &end, 10) != APR_SUCCESS || *end
        || !apr_isdigit(*word) || seconds < bounds->least
        || seconds > bounds->most) {
        return nanomdm_wrong(cmd, word, apr_psprintf(
            cmd->pool, "not a time; write a number of seconds from %"
            APR_INT64_T_FMT " to %" APR_INT64_T_FMT, bounds->least,
            bounds->most));
    }
    *(apr_int64_t *)slot_at(conf, bounds->slot) = seconds;
    return NULL;
}

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

static int is_token(const char *name)
{
    return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789!#$%&'*+-.^_`|~")];
}

static const char *add_identity(cmd_parms *cmd, void *conf_, const char *word)
{
    nanomdm_conf_t *conf = conf_;
    nanomdm_source_t source = { NANOMDM_FROM_TLS, NULL };

    if (!strcmp(word, "signature")) {
        source.from = NANOMDM_FROM_SIGNATURE;
    }
    else if (!strncmp(word, "header:", 7) && is_token(word + 7)) {
        source.from = NANOMDM_FROM_HEADER;
        source.header = apr_pstrdup(cmd->pool, word + 7);
    }
    else if (strcmp(word, "tls")) {
        return nanomdm_wrong(cmd, word, "not a source of identities; write tls,"
                                        " signature or header:NAME");
    }
    if (!conf->identity) {
        conf->identity = apr_array_make(cmd->pool, 3,
                                        sizeof(nanomdm_source_t));
    }
    APR_ARRAY_PUSH(conf->identity, nanomdm_source_t) = source;
    return NULL;
}

static const char *add_trusted_proxy(cmd_parms *cmd, void *conf_,
                                     const char *word)
{
    nanomdm_conf_t *conf = conf_;
    char *address = apr_pstrdup(cmd->temp_pool, word);
    char *mask = strchr(address, '/');
    apr_ipsubnet_t *subnet;

    if (mask) {
        *mask++ = '\0';
    }
    if (apr_ipsubnet_create(&subnet, address, mask, cmd->pool)
        != APR_SUCCESS) {
        return nanomdm_wrong(cmd, word, "not a network; write an address or"
                                        " ADDRESS/BITS, such as 192.0.2.0/24");
    }
    if (!conf->trusted_proxies) {
        conf->trusted_proxies = apr_array_make(cmd->pool, 2,
                                               sizeof(apr_ipsubnet_t *));
    }
    APR_ARRAY_PUSH(conf->trusted_proxies, apr_ipsubnet_t *) = subnet;
    return NULL;
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

static const char *set_max_body(cmd_parms *cmd, void *conf, const char *word)
{
    apr_off_t bytes;
    char *end;

    if (apr_strtoff(&bytes, word, &end, 10) != APR_SUCCESS || *end
        || !apr_isdigit(*word) || bytes < 1 || bytes > APR_INT32_MAX) {
        return nanomdm_wrong(cmd, word, "not a size; write a number of bytes"
                                        " from 1 to 2147483647");
    }
    ((nanomdm_conf_t *)conf)->max_body = bytes;
    return NULL;
}

static const char *set_push_url(cmd_parms *cmd, void *conf, const char *url)
{
    return nanomdm_set_origin(cmd, &((nanomdm_conf_t *)conf)->push_url, url,
                              "https");
}

static const char *set_push_proxy(cmd_parms *cmd, void *conf,
                                  const char *url)
{
    return nanomdm_set_origin(cmd, &((nanomdm_conf_t *)conf)->push_proxy, url,
                              "http");
}

static const char *set_push_ca(cmd_parms *cmd, void *conf, const char *path)
{
    return nanomdm_read_certificates(cmd,
                                     &((nanomdm_conf_t *)conf)->push_ca_pem,
                                     path, "no CA for the push server");
}

static const char *set_upstream_ca(cmd_parms *cmd, void *conf,
                                   const char *path)
{
    return nanomdm_read_certificates(
        cmd, &((nanomdm_conf_t *)conf)->upstream_ca_pem, path,
        "no CA for webhook and DM servers");
}

static const char *set_secret(cmd_parms *cmd, void *conf, const char *value)
{
    return nanomdm_set_secret(cmd, slot_at(conf, (apr_size_t)cmd->info),
                              value);
}

static const char *set_url(cmd_parms *cmd, void *conf, const char *url)
{
    return nanomdm_set_url(cmd, slot_at(conf, (apr_size_t)cmd->info), url);
}

/* ---- The table ---- */

/* S: server config and virtual host; L: Location and Directory as well, but
 * never .htaccess. */
#define S RSRC_CONF
#define L (RSRC_CONF | ACCESS_CONF)

const command_rec nanomdm_directives[] = {
    AP_INIT_TAKE1("NanoMDMCACertificateFile", set_ca, NULL, S,
                  "PEM file of trust anchors for device identities"),
    AP_INIT_TAKE1("NanoMDMIntermediateCertificateFile", set_intermediate,
                  NULL, S, "PEM file of certificates for path building"),
    AP_INIT_ITERATE("NanoMDMIdentity", add_identity, NULL, L,
                    "tls, signature, header:NAME: the first found wins"),
    AP_INIT_ITERATE("NanoMDMTrustedProxy", add_trusted_proxy, NULL, L,
                    "networks whose header:NAME is believed"),
    AP_INIT_TAKE1("NanoMDMIdentityGrace", set_seconds, SHARED(IDENTITY_GRACE),
                  L, "seconds for which an expired identity still serves"),
    AP_INIT_FLAG("NanoMDMRetroactive", ap_set_flag_slot, MEMBER(retroactive),
                 L, "On to associate certificates of known enrollments late"),
    AP_INIT_TAKE1("NanoMDMAssociation", set_choice, SHARED(ASSOCIATION), L,
                  "latest to serve a device with its last certificate only, or"
                  " all"),
    AP_INIT_TAKE1("NanoMDMUserAuthenticate", set_choice,
                  SHARED(USER_AUTHENTICATE), L,
                  "decline (410) or empty-challenge"),
    AP_INIT_TAKE1("NanoMDMReenroll", set_choice, SHARED(REENROLL), L,
                  "keep to leave queue and tokens when a profile is renewed,"
                  " or reset"),
    AP_INIT_TAKE1("NanoMDMAPIKey", set_secret, MEMBER(api_key), S,
                  "password of user nanomdm: file:PATH, env:NAME or text"),
    AP_INIT_FLAG("NanoMDMDeleteCommands", ap_set_flag_slot,
                 MEMBER(delete_commands), S,
                 "On to remove a command once it is answered"),
    AP_INIT_TAKE1("NanoMDMLastSeen", set_choice, SHARED(LAST_SEEN), S,
                  "buffered to write last_seen_at once a second, immediate to"
                  " write it with each message"),
    AP_INIT_TAKE_ARGV("NanoMDMRetention", nanomdm_add_retention, NULL, S,
                      "days after which what is finished is removed, then"
                      " keep=N types=NAME,... dry-run"),
    AP_INIT_TAKE_ARGV("NanoMDMStorageKey", nanomdm_set_storage_key, NULL, S,
                      "keys that seal secrets in the database, the first"
                      " seals: file:PATH, env:NAME or text; off before them"
                      " unseals"),
    AP_INIT_TAKE1("NanoMDMSchema", set_choice, SHARED(SCHEMA), S,
                  "auto to create and upgrade tables, check to compare"),
    AP_INIT_TAKE1("NanoMDMTablePrefix", set_table_prefix, NULL, S,
                  "what table names begin with, such as nano_"),
    AP_INIT_TAKE1("NanoMDMMaxBody", set_max_body, NULL, L,
                  "largest request body in bytes"),
    AP_INIT_TAKE12("NanoMDMRateLimit", nanomdm_set_rate_limit, NULL, L,
                   "how often a device may come, such as 10/s, and how many"
                   " requests at once; or Off"),
    AP_INIT_TAKE2("NanoMDMToken", nanomdm_add_token, NULL, L,
                  "a TokenServiceType and the file that answers it"),
    AP_INIT_TAKE12("NanoMDMReturnToService", nanomdm_add_return_to_service,
                   NULL, L, "the property list that answers ReturnToService,"
                   " and for which type of enrollment"),
    AP_INIT_TAKE1("NanoMDMPushURL", set_push_url, NULL, S,
                  "https URL of APNs"),
    AP_INIT_TAKE1("NanoMDMPushCACertificateFile", set_push_ca, NULL, S,
                  "PEM file to verify the APNs server"),
    AP_INIT_TAKE1("NanoMDMPushExpiration", set_seconds,
                  SHARED(PUSH_EXPIRATION), S,
                  "seconds after which APNs drops a push, 0 for its own"),
    AP_INIT_TAKE1("NanoMDMPushProxy", set_push_proxy, NULL, S,
                  "http proxy on the way to APNs"),
    AP_INIT_TAKE1("NanoMDMPushTimeout", set_seconds, SHARED(PUSH_TIMEOUT), S,
                  "seconds for the pushes of one call, retries included"),
    AP_INIT_FLAG("NanoMDMPushRepeat", ap_set_flag_slot,
                 MEMBER(push_repeats), S,
                 "Off to push once, even if the device stays silent"),
    AP_INIT_TAKE1("NanoMDMWebhookURL", nanomdm_set_webhook_url, NULL, L,
                  "URL that is told of every message"),
    AP_INIT_TAKE1("NanoMDMWebhookKey", nanomdm_set_webhook_key, NULL, L,
                  "signs events: file:PATH, env:NAME or text"),
    AP_INIT_TAKE_ARGV("NanoMDMWebhook", nanomdm_add_webhook, NULL, L,
                      "a further URL, then topics=NAME,... key=SECRET"
                      " redact=on|off"),
    AP_INIT_TAKE_ARGV("NanoMDMWebhookTopics", nanomdm_set_webhook_topics,
                      NULL, L, "what is told: all, mdm.TYPE, -mdm.TYPE"),
    AP_INIT_FLAG("NanoMDMWebhookRedact", ap_set_flag_slot,
                 MEMBER(webhook_redacts), L,
                 "On to take secrets out of raw_payload"),
    AP_INIT_TAKE1("NanoMDMWebhookDelivery", nanomdm_set_webhook_delivery,
                  NULL, L, "durable or besteffort"),
    AP_INIT_TAKE1("NanoMDMDeclarativeManagementURL", set_url, MEMBER(dm_url),
                  L, "base URL of the declarative management server"),
    AP_INIT_TAKE1("NanoMDMDeclarativeManagementSendKey", set_secret,
                  MEMBER(dm_send_key), L,
                  "signs requests to it"),
    AP_INIT_TAKE1("NanoMDMDeclarativeManagementReceiveKey", set_secret,
                  MEMBER(dm_receive_key), L,
                  "must have signed its answers"),
    AP_INIT_TAKE1("NanoMDMEscrowURL", set_url, MEMBER(escrow_url), S,
                  "URL of Apple's escrow key unlock"),
    AP_INIT_TAKE1("NanoMDMUpstreamCACertificateFile", set_upstream_ca, NULL,
                  S, "PEM file to verify webhook and DM servers"),
    AP_INIT_TAKE1("NanoMDMUpstreamTimeout", set_seconds,
                  SHARED(UPSTREAM_TIMEOUT), S,
                  "seconds for a webhook or DM request"),
    AP_INIT_TAKE12("NanoMDMDump", nanomdm_set_dump, NULL, L,
                   "a file for whole exchanges with devices, and whether"
                   " secrets are to be in it"),
    { .name = NULL }
};
