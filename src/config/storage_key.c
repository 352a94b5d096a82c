/* SPDX-License-Identifier: Apache-2.0 */
/* storage_key.c -- NanoMDMStorageKey: what seals the secrets of the
 * database. */

#include "config/storage_key.h"
#include "config/config.h"
#include "config/parse.h"
#include "crypto/seal.h"

#include <apr_strings.h>

#include <string.h>

struct nanomdm_storage_key_t {
    nmdm_seal_t *seal;
    const char *sources;        /* ": file:PATH env:NAME", or "" */
};

/* A key written in the configuration itself is not repeated. */
static const char *wrong(cmd_parms *cmd, const char *word,
                         const char *remedy)
{
    int is_name = !strncmp(word, "file:", 5) || !strncmp(word, "env:", 4)
        || !strcasecmp(word, "off") || !*word;

    return nanomdm_wrong(cmd, is_name ? word : "(not shown)", remedy);
}

static const char *add_key(cmd_parms *cmd, nanomdm_storage_key_t *key,
                           const char *word)
{
    nanomdm_hidden_t secret;
    const char *problem = nanomdm_set_secret(cmd, &secret, word);
    int is_key;

    if (problem) {
        return problem;
    }
    is_key = nmdm_seal_add(key->seal, secret.value);
    if (secret.value != word) {
        nmdm_seal_wipe((char *)secret.value);
        key->sources = apr_pstrcat(cmd->pool, key->sources,
                                   *key->sources ? " " : ": ", word, NULL);
    }
    return is_key ? NULL
        : wrong(cmd, word, "no key, which is 32 random bytes in hex or"
                           " base64; make one with: openssl rand -hex 32");
}

const char *nanomdm_set_storage_key(cmd_parms *cmd, void *conf_, int argc,
                                    char *const argv[])
{
    nanomdm_conf_t *conf = conf_;
    int is_off = argc && !strcasecmp(argv[0], "off"), i;
    const char *problem;

    if (!argc) {
        return wrong(cmd, "", "write file:PATH of a key, or off");
    }
    if (conf->storage_key) {
        return wrong(cmd, argv[0], "a second line; write all keys into one,"
                                   " the one that seals first");
    }
    conf->storage_key = apr_palloc(cmd->pool, sizeof(*conf->storage_key));
    conf->storage_key->seal = nmdm_seal_create(cmd->pool, is_off);
    conf->storage_key->sources = "";
    for (i = is_off; i < argc; i++) {
        problem = add_key(cmd, conf->storage_key, argv[i]);
        if (problem) {
            return problem;
        }
    }
    return NULL;
}

nmdm_seal_t *nanomdm_storage_key_seal(const nanomdm_storage_key_t *key)
{
    return key ? key->seal : NULL;
}

const char *nanomdm_show_storage_key(apr_pool_t *p, const nanomdm_conf_t *conf,
                                     const nanomdm_row_t *row)
{
    const nanomdm_storage_key_t *key = conf->storage_key;
    int count = key ? nmdm_seal_count(key->seal) : 0;

    (void)row;
    return !key ? NULL
        : apr_psprintf(p, "%s%d key%s, not shown%s",
                       nmdm_seal_is_on(key->seal) ? "" : "off, ", count,
                       count == 1 ? "" : "s", key->sources);
}
