/* SPDX-License-Identifier: Apache-2.0 */
/* device_answers.c -- NanoMDMToken and NanoMDMReturnToService: files that
 * devices are answered with. */

#include "config/device_answers.h"
#include "codec/plist.h"
#include "config/config.h"
#include "config/parse.h"

#include <string.h>

/* What a GetToken answer may hold; no service needs nearly as much. */
#define MAX_TOKEN 1048576

/* A JSON Web Token (RFC 7519) is text without blanks; editors end a file with a
 * newline, which would go to Apple with it. Other types may be any bytes. */
static apr_size_t newline_behind(const char *type, nmdm_bytes_t token)
{
    static const char JWT[] = "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    apr_size_t text = strspn(token.data, JWT);

    if (strcmp(type, "com.apple.maid") || !text) {
        return 0;
    }
    return (text + 1 == token.len && token.data[text] == '\n')
        || (text + 2 == token.len && !strcmp(token.data + text, "\r\n"))
        ? token.len - text : 0;
}

const char *nanomdm_add_token(cmd_parms *cmd, void *conf_, const char *type,
                              const char *path)
{
    nanomdm_conf_t *conf = conf_;
    const char *problem;
    nmdm_bytes_t token;
    char *text;

    problem = nanomdm_read_file(cmd, &text, &token.len, path, path, MAX_TOKEN);
    if (problem) {
        return problem;
    }
    if (!token.len || token.len == MAX_TOKEN) {
        return nanomdm_wrong(cmd, path,
                             token.len ? "larger than 1 MiB: no token"
                                       : "empty; write the bytes of the token"
                                         " into it");
    }
    token.data = text;
    token.len -= newline_behind(type, token);
    if (!conf->policy.tokens) {
        conf->policy.tokens = apr_hash_make(cmd->pool);
    }
    apr_hash_set(conf->policy.tokens, type, APR_HASH_KEY_STRING,
                 nmdm_base64_encode(cmd->pool, token));
    return NULL;
}

static int is_enrollment_type(const char *word)
{
    return !strcmp(word, NMDM_DEVICE) || !strcmp(word, NMDM_USER)
        || !strcmp(word, NMDM_SHARED_IPAD)
        || !strcmp(word, NMDM_USER_ENROLLMENT_DEVICE)
        || !strcmp(word, NMDM_USER_ENROLLMENT);
}

const char *nanomdm_add_return_to_service(cmd_parms *cmd, void *conf_,
                                          const char *path,
                                          const char *type)
{
    static const char *const KEYS[] = { "ReturnToService", NULL };
    nanomdm_conf_t *conf = conf_;
    nmdm_bytes_t document;
    nmdm_plist_t *plist;
    const char *problem;
    nmdm_err_t *err;
    int is_there = 0;
    char *text;

    if (type && !is_enrollment_type(type)) {
        return nanomdm_wrong(cmd, type,
                             "no type of enrollment; write Device, User,"
                             " \"Shared iPad\", \"User Enrollment (Device)\" or"
                             " \"User Enrollment\"");
    }
    problem = nanomdm_read_file(cmd, &text, &document.len, path, path,
                                MAX_TOKEN);
    if (problem) {
        return problem;
    }
    document.data = text;
    err = nmdm_plist_read(&plist, &document, cmd->temp_pool, document, KEYS);
    if (!err) {
        err = nmdm_plist_dict(&is_there, plist, KEYS[0]);
    }
    if (err || !is_there) {
        return nanomdm_wrong(cmd, path,
                             err ? nmdm_err_text(err)
                                 : "its dict lacks the key ReturnToService,"
                                   " itself a dict");
    }
    if (!conf->policy.return_to_service) {
        conf->policy.return_to_service = apr_hash_make(cmd->pool);
    }
    apr_hash_set(conf->policy.return_to_service, type ? type : "",
                 APR_HASH_KEY_STRING, text);
    return NULL;
}
