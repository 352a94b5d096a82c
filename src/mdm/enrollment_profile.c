/* SPDX-License-Identifier: Apache-2.0 */
/* enrollment_profile.c -- the profile that enrolls a device: a template, if
 * there is one, and what it lacks. */

#include "mdm/enrollment_profile.h"
#include "codec/plist_tree.h"
#include "crypto/digest.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

#define CONFIGURATION "Configuration"
#define ROOT_TYPE "com.apple.security.root"
#define SCEP_TYPE "com.apple.security.scep"
#define MDM_TYPE "com.apple.mdm"

/* As many as nanomdm_scep_certs.profile holds. */
#define MOST_SUMMARY 1023

/* What a device may do with a server that has all rights (Apple's
 * com.apple.mdm: AccessRights). */
#define ALL_RIGHTS 8191

/* digitalSignature and keyEncipherment. */
#define KEY_USAGE 5

typedef struct {
    apr_pool_t *pool;
    const nmdm_profile_conf_t *conf;
    const nmdm_profile_device_t *device;
    const char *identifier;             /* that the profile has in the end */
    nmdm_plist_node_t *root, *content;
    nmdm_plist_node_t *scep, *mdm;
} maker_t;

static nmdm_err_t *wrong(apr_pool_t *p, const char *what)
{
    return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(2301) "%s", what);
}

/* ---- Filling what is missing ---- */

static const char *text_of(nmdm_plist_node_t *dict, const char *key)
{
    return nmdm_plist_tree_string(nmdm_plist_tree_get(dict, key));
}

static int has(nmdm_plist_node_t *dict, const char *key)
{
    return nmdm_plist_tree_get(dict, key) != NULL;
}

static void fill_text(nmdm_plist_node_t *dict, const char *key,
                      const char *text)
{
    if (text && !has(dict, key)) {
        nmdm_plist_tree_add_string(dict, key, text);
    }
}

static void fill_integer(nmdm_plist_node_t *dict, const char *key,
                         apr_int64_t value)
{
    if (!has(dict, key)) {
        nmdm_plist_tree_add_integer(dict, key, value);
    }
}

static void fill_bool(nmdm_plist_node_t *dict, const char *key, int value)
{
    if (!has(dict, key)) {
        nmdm_plist_tree_add_bool(dict, key, value);
    }
}

/* The same each time, so that a new profile takes the place of the former one
 * (RFC 9562, version 8: its bits are ours to define). */
static const char *uuid_of(maker_t *maker, const char *what)
{
    const char *seed = apr_pstrcat(maker->pool, maker->identifier, " ", what,
                                   NULL);
    char *hex = apr_pstrdup(maker->pool, nmdm_digest_sha256(
        maker->pool, (nmdm_bytes_t){ seed, strlen(seed) }));
    char *c;

    for (c = hex; *c; c++) {
        *c = *c >= 'a' ? (char)(*c - 'a' + 'A') : *c;
    }
    hex[12] = '8';
    hex[16] = "89AB"[hex[16] & 3];
    return apr_psprintf(maker->pool, "%.8s-%.4s-%.4s-%.4s-%.12s", hex,
                        hex + 8, hex + 12, hex + 16, hex + 20);
}

/* The keys that every payload has; `what` distinguishes it from others of its
 * profile. */
static void fill_common(maker_t *maker, nmdm_plist_node_t *payload,
                        const char *type, const char *what)
{
    fill_text(payload, "PayloadType", type);
    fill_integer(payload, "PayloadVersion", 1);
    fill_text(payload, "PayloadIdentifier",
              apr_pstrcat(maker->pool, maker->identifier, ".", what, NULL));
    fill_text(payload, "PayloadUUID", uuid_of(maker, what));
    fill_text(payload, "PayloadOrganization", maker->conf->organization);
}

/* ---- The payloads that a template has ---- */

/* The n-th of a type, from 0 on, or NULL. */
static nmdm_plist_node_t *payload_of(nmdm_plist_node_t *content,
                                     const char *type, int n)
{
    int i;

    for (i = 0; i < nmdm_plist_tree_length(content); i++) {
        nmdm_plist_node_t *item = nmdm_plist_tree_item(content, i);
        const char *its_type = text_of(item, "PayloadType");

        if (its_type && !strcmp(its_type, type) && !n--) {
            return item;
        }
    }
    return NULL;
}

/* The one that the MDM payload names, else the only one; NULL with *why when
 * that is not clear. */
static nmdm_plist_node_t *scep_payload_of(maker_t *maker, const char **why)
{
    const char *uuid = text_of(maker->mdm, "IdentityCertificateUUID");
    nmdm_plist_node_t *found;
    int n;

    for (n = 0; uuid && (found = payload_of(maker->content, SCEP_TYPE, n));
         n++) {
        const char *its = text_of(found, "PayloadUUID");

        if (its && !strcasecmp(its, uuid)) {
            return found;
        }
    }
    if (uuid) {
        *why = "IdentityCertificateUUID of the template names no payload of"
               " type " SCEP_TYPE "; leave the key out, and it is filled in";
    }
    else if (payload_of(maker->content, SCEP_TYPE, 1)) {
        *why = "the template has several payloads of type " SCEP_TYPE "; name"
               " the PayloadUUID of the right one in IdentityCertificateUUID"
               " of its payload of type " MDM_TYPE;
    }
    return *why ? NULL : payload_of(maker->content, SCEP_TYPE, 0);
}

static nmdm_err_t *find_payloads(maker_t *maker)
{
    const char *why = NULL;

    if (payload_of(maker->content, MDM_TYPE, 1)) {
        return wrong(maker->pool, "the template has several payloads of type "
                                  MDM_TYPE "; leave one");
    }
    maker->mdm = payload_of(maker->content, MDM_TYPE, 0);
    maker->scep = scep_payload_of(maker, &why);
    if (why) {
        return wrong(maker->pool, why);
    }
    if (!maker->scep) {
        maker->scep = nmdm_plist_tree_add_dict(maker->content, NULL);
    }
    if (!maker->mdm) {
        maker->mdm = nmdm_plist_tree_add_dict(maker->content, NULL);
    }
    return NULL;
}

/* ---- The profile ---- */

static void add_anchors(maker_t *maker)
{
    const apr_array_header_t *anchors = maker->conf->anchors;
    int i;

    for (i = 0; anchors && i < anchors->nelts; i++) {
        nmdm_bytes_t der = APR_ARRAY_IDX(anchors, i, nmdm_bytes_t);
        nmdm_plist_node_t *payload = nmdm_plist_tree_add_dict(
            maker->content, NULL);

        fill_common(maker, payload, ROOT_TYPE, apr_psprintf(
            maker->pool, "root.%.8s", nmdm_digest_sha256(maker->pool, der)));
        fill_text(payload, "PayloadDisplayName", "Certificate authority");
        nmdm_plist_tree_add_data(payload, "PayloadContent", der);
    }
}

/* Payloads of the template keep their order, after the anchors: the URL of
 * SCEP has to be trusted within the same profile. */
static nmdm_err_t *copy_template(maker_t *maker, nmdm_plist_node_t *list)
{
    nmdm_plist_node_t *content = nmdm_plist_tree_get(list, "PayloadContent");
    apr_array_header_t *keys = nmdm_plist_tree_keys(maker->pool, list);
    const char *type = text_of(list, "PayloadType");
    int i;

    if ((content && nmdm_plist_tree_type(content) != NMDM_NODE_ARRAY)
        || (has(list, "PayloadType")
            && (!type || strcmp(type, CONFIGURATION)))) {
        return wrong(maker->pool, "the template is no profile: its"
                     " PayloadType is not " CONFIGURATION ", or its"
                     " PayloadContent no array");
    }
    for (i = 0; i < keys->nelts; i++) {
        const char *key = APR_ARRAY_IDX(keys, i, const char *);

        if (strcmp(key, "PayloadContent")) {
            nmdm_plist_tree_add_copy(maker->root, key,
                                     nmdm_plist_tree_get(list, key));
        }
    }
    maker->content = nmdm_plist_tree_add_array(maker->root, "PayloadContent");
    return NULL;
}

static nmdm_err_t *copy_payloads(maker_t *maker, nmdm_plist_node_t *list)
{
    nmdm_plist_node_t *content = nmdm_plist_tree_get(list, "PayloadContent");
    int i;

    for (i = 0; i < nmdm_plist_tree_length(content); i++) {
        nmdm_plist_node_t *item = nmdm_plist_tree_item(content, i);

        if (!text_of(item, "PayloadType")) {
            return wrong(maker->pool, "a payload of the template has no"
                                      " PayloadType");
        }
        nmdm_plist_tree_add_copy(maker->content, NULL, item);
    }
    return NULL;
}

static nmdm_err_t *begin(maker_t *maker)
{
    const nmdm_profile_conf_t *conf = maker->conf;
    nmdm_plist_node_t *list = nmdm_plist_tree_dict(maker->pool);
    const char *identifier;

    if (conf->template_list.len) {
        NMDM_TRY(nmdm_plist_tree_read(&list, maker->pool,
                                      conf->template_list));
    }
    maker->root = nmdm_plist_tree_dict(maker->pool);
    NMDM_TRY(copy_template(maker, list));
    identifier = text_of(maker->root, "PayloadIdentifier");
    maker->identifier = identifier ? identifier : conf->identifier;
    add_anchors(maker);
    NMDM_TRY(copy_payloads(maker, list));
    return find_payloads(maker);
}

static void fill_root(maker_t *maker)
{
    const char *organization = maker->conf->organization;

    fill_text(maker->root, "PayloadType", CONFIGURATION);
    fill_integer(maker->root, "PayloadVersion", 1);
    fill_text(maker->root, "PayloadIdentifier", maker->identifier);
    fill_text(maker->root, "PayloadUUID", uuid_of(maker, CONFIGURATION));
    fill_text(maker->root, "PayloadOrganization", organization);
    fill_text(maker->root, "PayloadDisplayName", organization
              ? apr_pstrcat(maker->pool, organization,
                            " device management", NULL)
              : "Device management");
    fill_text(maker->root, "PayloadScope", "System");
}

/* ---- SCEP ---- */

/* An array of arrays of pairs; anything flatter is refused by the device. */
static void add_subject(nmdm_plist_node_t *content, const char *kind,
                        const char *value)
{
    nmdm_plist_node_t *subject = nmdm_plist_tree_get(content, "Subject");
    nmdm_plist_node_t *pair;

    if (!subject) {
        subject = nmdm_plist_tree_add_array(content, "Subject");
    }
    pair = nmdm_plist_tree_add_array(
        nmdm_plist_tree_add_array(subject, NULL), NULL);
    nmdm_plist_tree_add_string(pair, NULL, kind);
    nmdm_plist_tree_add_string(pair, NULL, value);
}

static nmdm_err_t *fill_scep(maker_t *maker)
{
    nmdm_plist_node_t *content = nmdm_plist_tree_get(maker->scep,
                                                     "PayloadContent");

    fill_common(maker, maker->scep, SCEP_TYPE, "scep");
    fill_text(maker->scep, "PayloadDisplayName", "Identity");
    if (content && nmdm_plist_tree_type(content) != NMDM_NODE_DICT) {
        return wrong(maker->pool, "PayloadContent of the template's payload"
                                  " of type " SCEP_TYPE " is no dict");
    }
    if (!content) {
        content = nmdm_plist_tree_add_dict(maker->scep, "PayloadContent");
    }
    fill_text(content, "URL", maker->conf->scep_url);
    if (!text_of(content, "URL")) {
        return wrong(maker->pool, "there is no URL of SCEP; name one Location"
                     " of this host with SetHandler nanomdm-scep, or write URL"
                     " into the payload of type " SCEP_TYPE " of"
                     " NanoMDMEnrollTemplate");
    }
    if (maker->device->challenge) {
        nmdm_plist_tree_add_string(content, "Challenge",
                                   maker->device->challenge);
    }
    if (!has(content, "Subject")) {
        if (maker->conf->organization) {
            add_subject(content, "O", maker->conf->organization);
        }
        add_subject(content, "CN", maker->device->name);
    }
    fill_integer(content, "Keysize", 2048);
    fill_text(content, "Key Type", "RSA");
    fill_integer(content, "Key Usage", KEY_USAGE);
    fill_bool(content, "KeyIsExtractable", 0);
    return NULL;
}

/* ---- MDM ---- */

static void fill_capabilities(maker_t *maker)
{
    nmdm_plist_node_t *list;

    if (has(maker->mdm, "ServerCapabilities")) {
        return;
    }
    list = nmdm_plist_tree_add_array(maker->mdm, "ServerCapabilities");
    nmdm_plist_tree_add_string(list, NULL,
                               "com.apple.mdm.per-user-connections");
    nmdm_plist_tree_add_string(list, NULL, "com.apple.mdm.bootstraptoken");
    if (maker->conf->has_tokens) {
        nmdm_plist_tree_add_string(list, NULL, "com.apple.mdm.token");
    }
}

/* A BYOD enrollment with AccessRights is cancelled by the device. */
static void fill_rights(maker_t *maker)
{
    const char *mode = maker->device->mode;

    if (mode) {
        nmdm_plist_tree_add_string(maker->mdm, "EnrollmentMode", mode);
        nmdm_plist_tree_add_string(maker->mdm, "AssignedManagedAppleID",
                                   maker->device->account);
    }
    if (mode && !strcmp(mode, "BYOD")) {
        nmdm_plist_tree_remove(maker->mdm, "AccessRights");
    }
    else {
        fill_integer(maker->mdm, "AccessRights", ALL_RIGHTS);
    }
}

static int is_https(const char *url)
{
    return url && !strncasecmp(url, "https://", 8);
}

static nmdm_err_t *check_urls(maker_t *maker)
{
    const char *checkin = text_of(maker->mdm, "CheckInURL");

    if (!has(maker->mdm, "ServerURL")) {
        return wrong(maker->pool, "there is no ServerURL; write"
                     " NanoMDMEnrollServerURL and the https URL of the"
                     " Location with SetHandler nanomdm");
    }
    if (!is_https(text_of(maker->mdm, "ServerURL"))
        || (has(maker->mdm, "CheckInURL") && !is_https(checkin))) {
        return wrong(maker->pool, "ServerURL and CheckInURL have to begin"
                     " with https://, or devices refuse the profile");
    }
    if (maker->conf->signs_messages
        && has(maker->mdm, "SignMessage")
        && !nmdm_plist_tree_is_true(nmdm_plist_tree_get(maker->mdm,
                                                        "SignMessage"))) {
        return wrong(maker->pool, "SignMessage of the template is false, and"
                     " NanoMDMIdentity takes signatures; leave the key out,"
                     " or write: NanoMDMIdentity tls");
    }
    return NULL;
}

static nmdm_err_t *fill_mdm(maker_t *maker)
{
    const nmdm_profile_conf_t *conf = maker->conf;

    fill_common(maker, maker->mdm, MDM_TYPE, "mdm");
    fill_text(maker->mdm, "PayloadDisplayName", "Device management");
    fill_text(maker->mdm, "ServerURL", conf->server_url);
    fill_text(maker->mdm, "CheckInURL", conf->checkin_url);
    fill_text(maker->mdm, "Topic", conf->topic ? conf->topic
                                               : maker->device->topic);
    NMDM_TRY(check_urls(maker));
    fill_bool(maker->mdm, "SignMessage", conf->signs_messages);
    fill_text(maker->mdm, "IdentityCertificateUUID",
              text_of(maker->scep, "PayloadUUID"));
    fill_bool(maker->mdm, "CheckOutWhenRemoved", 1);
    fill_capabilities(maker);
    fill_rights(maker);
    return NULL;
}

/* ---- All of it ---- */

/* A payload of another type is the template's own; what every payload needs is
 * filled in for it, too. */
static void fill_others(maker_t *maker)
{
    int i;

    for (i = 0; i < nmdm_plist_tree_length(maker->content); i++) {
        nmdm_plist_node_t *item = nmdm_plist_tree_item(maker->content, i);

        if (!has(item, "PayloadUUID") || !has(item, "PayloadIdentifier")) {
            const char *type = text_of(item, "PayloadType");

            fill_common(maker, item, type, apr_psprintf(maker->pool, "%s.%d",
                                                        type, i));
        }
    }
}

/* Keys that others here rely on. */
static nmdm_err_t *check_texts(const maker_t *maker)
{
    if (!text_of(maker->root, "PayloadIdentifier")
        || !text_of(maker->scep, "PayloadUUID")
        || !text_of(maker->mdm, "IdentityCertificateUUID")) {
        return wrong(maker->pool, "PayloadIdentifier, PayloadUUID and"
                     " IdentityCertificateUUID of the template have to be"
                     " strings");
    }
    return NULL;
}

static nmdm_err_t *summarize(nmdm_profile_t *out, const maker_t *maker)
{
    const char *topic = text_of(maker->mdm, "Topic");
    const char *server_url = text_of(maker->mdm, "ServerURL");

    if (!topic || strpbrk(topic, " \t\r\n")
        || strpbrk(maker->identifier, " \t\r\n")
        || strpbrk(server_url, " \t\r\n")) {
        return wrong(maker->pool, "Topic, ServerURL and PayloadIdentifier are"
                                  " texts without white space");
    }
    out->summary = apr_pstrcat(maker->pool, maker->identifier, " ",
                               server_url, " ", topic, NULL);
    return nmdm_utf8_length(out->summary) <= MOST_SUMMARY ? NULL
        : wrong(maker->pool, "Topic, ServerURL and PayloadIdentifier have more"
                             " than 1021 characters together");
}

nmdm_err_t *nmdm_enrollment_profile_make(nmdm_profile_t *out, apr_pool_t *p,
                                         const nmdm_profile_conf_t *conf,
                                         const nmdm_profile_device_t *device)
{
    maker_t maker = { .pool = p, .conf = conf, .device = device };
    nmdm_bytes_t xml;

    NMDM_TRY(begin(&maker));
    fill_root(&maker);
    NMDM_TRY(fill_scep(&maker));
    NMDM_TRY(fill_mdm(&maker));
    fill_others(&maker);
    NMDM_TRY(check_texts(&maker));
    NMDM_TRY(summarize(out, &maker));
    NMDM_TRY(nmdm_plist_tree_write(&xml, p, maker.root));
    if (!conf->signer) {
        out->body = xml;
        return NULL;
    }
    return nmdm_cms_sign(&out->body, p, conf->signer, xml);
}
