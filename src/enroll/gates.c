/* SPDX-License-Identifier: Apache-2.0 */
/* gates.c -- which devices are sent away before they enroll. */

#include "enroll/gates.h"
#include "codec/json_text.h"
#include "codec/plist_tree.h"

#include <apr_strings.h>
#include <apr_uuid.h>

#include <string.h>

#define UNRECOGNIZED "com.apple.unrecognized.device"
#define NO_PAIRING "com.apple.watch.pairing.token.missing"
#define UPDATE_REQUIRED "com.apple.softwareupdate.required"
#define SIGN_ON_REQUIRED "com.apple.psso.required"

#define TYPE_XML "application/xml"

/* ---- A reply, in either form ---- */

static void write_dict(nmdm_json_text_t *text, nmdm_plist_node_t *dict);

static nmdm_err_t *write_value(void *baton, const char *key,
                               nmdm_plist_node_t *value)
{
    nmdm_json_text_t *text = baton;

    if (nmdm_plist_tree_type(value) == NMDM_NODE_DICT) {
        nmdm_json_text_key(text, key);
        write_dict(text, value);
    }
    else {
        nmdm_json_text_pair(text, key, nmdm_plist_tree_string(value));
    }
    return NULL;
}

/* Of dicts and strings. */
static void write_dict(nmdm_json_text_t *text, nmdm_plist_node_t *dict)
{
    nmdm_json_text_raw(text, "{");
    (void)nmdm_plist_tree_each(dict, write_value, text);
    nmdm_json_text_raw(text, "}");
}

static nmdm_err_t *give(nmdm_reply_t *reply, apr_pool_t *p,
                        nmdm_plist_node_t *root, int as_plist)
{
    nmdm_json_text_t *text;

    if (as_plist) {
        reply->content_type = TYPE_XML;
        return nmdm_plist_tree_write(&reply->body, p, root);
    }
    text = nmdm_json_text_create(p);
    write_dict(text, root);
    reply->content_type = NMDM_TYPE_JSON;
    reply->body = nmdm_json_text_bytes(text);
    return NULL;
}

static nmdm_plist_node_t *new_reply(apr_pool_t *p, const char *code,
                                    const nmdm_gate_texts_t *texts)
{
    nmdm_plist_node_t *root = nmdm_plist_tree_dict(p);

    nmdm_plist_tree_add_string(root, "code", code);
    if (texts && texts->description) {
        nmdm_plist_tree_add_string(root, "description", texts->description);
    }
    if (texts && texts->message) {
        nmdm_plist_tree_add_string(root, "message", texts->message);
    }
    return root;
}

/* ---- The gates ---- */

nmdm_err_t *nmdm_gates_unrecognized(nmdm_reply_t *reply, apr_pool_t *p,
                                    const nmdm_gate_texts_t *texts,
                                    int as_plist)
{
    return give(reply, p, new_reply(p, UNRECOGNIZED, texts), as_plist);
}

static const char *new_uuid(apr_pool_t *p)
{
    char *text = apr_palloc(p, APR_UUID_FORMATTED_LENGTH + 1), *c;
    apr_uuid_t uuid;

    apr_uuid_get(&uuid);
    apr_uuid_format(text, &uuid);
    for (c = text; *c; c++) {
        *c = *c >= 'a' && *c <= 'f' ? (char)(*c - 'a' + 'A') : *c;
    }
    return text;
}

static nmdm_plist_node_t *for_pairing(apr_pool_t *p)
{
    nmdm_plist_node_t *root = new_reply(p, NO_PAIRING, NULL);

    nmdm_plist_tree_add_string(nmdm_plist_tree_add_dict(root, "details"),
                               "security-token", new_uuid(p));
    return root;
}

static nmdm_plist_node_t *for_update(apr_pool_t *p,
                                     const nmdm_minimum_os_t *minimum)
{
    nmdm_plist_node_t *root = new_reply(p, UPDATE_REQUIRED, &minimum->texts);
    nmdm_plist_node_t *details = nmdm_plist_tree_add_dict(root, "details");

    nmdm_plist_tree_add_string(details, "OSVersion", minimum->version);
    if (minimum->build) {
        nmdm_plist_tree_add_string(details, "BuildVersion", minimum->build);
    }
    return root;
}

static nmdm_plist_node_t *for_sign_on(apr_pool_t *p,
                                      const nmdm_platform_sso_t *sso)
{
    nmdm_plist_node_t *root = new_reply(p, SIGN_ON_REQUIRED, &sso->texts);
    nmdm_plist_node_t *details = nmdm_plist_tree_add_dict(root, "details");

    nmdm_plist_tree_add_string(details, "ProfileURL", sso->profile_url);
    nmdm_plist_tree_add_string(nmdm_plist_tree_add_dict(details, "Package"),
                               "ManifestURL", sso->manifest_url);
    nmdm_plist_tree_add_string(details, "AuthURL", sso->auth_url);
    return root;
}

/* The minimum that a device is below, if it can update itself; NULL for
 * others. */
static const nmdm_minimum_os_t *unmet_minimum(const nmdm_gates_t *gates,
                                              const nmdm_machine_info_t *info)
{
    const char *family = nmdm_machine_info_family(info->product);
    const nmdm_minimum_os_t *minimum = family && gates->minimum_os
        ? apr_hash_get(gates->minimum_os, family, APR_HASH_KEY_STRING) : NULL;

    return minimum && info->can_update && *info->os_version
        && nmdm_machine_info_is_below(info->os_version, info->os_extra,
                                      minimum->version) ? minimum : NULL;
}

nmdm_err_t *nmdm_gates_judge(const char **code, nmdm_reply_t *reply,
                             apr_pool_t *p, const nmdm_gates_t *gates,
                             const nmdm_machine_info_t *info, int as_plist)
{
    const nmdm_minimum_os_t *minimum;

    *code = NULL;
    if (gates->is_excluded) {
        *code = UNRECOGNIZED;
        return nmdm_gates_unrecognized(reply, p, gates->excluded, as_plist);
    }
    if (!info) {
        return NULL;
    }
    if (!strncmp(info->product, "Watch", 5) && !*info->pairing_token) {
        *code = NO_PAIRING;
        return give(reply, p, for_pairing(p), as_plist);
    }
    minimum = unmet_minimum(gates, info);
    if (minimum) {
        *code = UPDATE_REQUIRED;
        return give(reply, p, for_update(p, minimum), as_plist);
    }
    if (gates->platform_sso && info->can_sign_on) {
        *code = SIGN_ON_REQUIRED;
        return give(reply, p, for_sign_on(p, gates->platform_sso), as_plist);
    }
    return NULL;
}
