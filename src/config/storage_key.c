/* SPDX-License-Identifier: Apache-2.0 */
/* storage_key.c -- NanoMDMStorageKey: what seals the secrets of the
 * database. */

#include "config/storage_key.h"
#include "config/config.h"
#include "config/parse.h"
#include "crypto/seal.h"

#include <apr_strings.h>

#include <string.h>

/* A key that stands in the configuration itself is not repeated. */
static const char *wrong(cmd_parms *cmd, const char *word,
                         const char *remedy)
{
    int is_name = !strncmp(word, "file:", 5) || !strncmp(word, "env:", 4)
        || !strcmp(word, "off") || !*word;

    return nanomdm_wrong(cmd, is_name ? word : "(not shown)", remedy);
}

static const char *add_key(cmd_parms *cmd, nmdm_seal_t *keys,
                           const char *word)
{
    const char *secret, *problem = nanomdm_set_secret(cmd, &secret, word);
    int is_key;

    if (problem) {
        return problem;
    }
    is_key = nmdm_seal_add(keys, secret);
    if (secret != word) {
        nmdm_seal_wipe((char *)secret);
    }
    return is_key ? NULL
        : wrong(cmd, word, "no key, which is 32 random bytes in hex or"
                           " base64; make one with: openssl rand -hex 32");
}

const char *nanomdm_set_storage_key(cmd_parms *cmd, void *conf_, int argc,
                                    char *const argv[])
{
    nanomdm_conf_t *conf = conf_;
    int is_off = argc && !strcmp(argv[0], "off"), i;
    const char *problem;

    if (!argc) {
        return wrong(cmd, "", "write file:PATH of a key, or off");
    }
    if (conf->seal) {
        return wrong(cmd, argv[0], "a second line; write all keys into one,"
                                   " the one that seals first");
    }
    conf->seal = nmdm_seal_create(cmd->pool, is_off);
    for (i = is_off; i < argc; i++) {
        problem = add_key(cmd, conf->seal, argv[i]);
        if (problem) {
            return problem;
        }
    }
    return NULL;
}

static int is_same_database(const server_rec *a, const server_rec *b)
{
    const nanomdm_server_t *one = nanomdm_server(a),
                           *other = nanomdm_server(b);
    const char *prefix = nanomdm_server_defaults(a)->table_prefix;
    const char *its_prefix = nanomdm_server_defaults(b)->table_prefix;

    return one->database && other->database
        && !strcmp(one->database, other->database)
        && !strcmp(prefix ? prefix : "", its_prefix ? its_prefix : "");
}

server_rec *nanomdm_storage_key_conflict(apr_pool_t *p, const server_rec *s)
{
    const char *mine = nmdm_seal_fingerprint(
        p, nanomdm_server_defaults(s)->seal);
    server_rec *other;

    for (other = s->next; other; other = other->next) {
        if (is_same_database(s, other)
            && strcmp(mine, nmdm_seal_fingerprint(
                          p, nanomdm_server_defaults(other)->seal))) {
            return other;
        }
    }
    return NULL;
}

const char *nanomdm_storage_key_text(apr_pool_t *p, const nmdm_seal_t *keys)
{
    int count = nmdm_seal_count(keys);

    return !keys ? NULL
        : apr_psprintf(p, "%s%d key%s, not shown",
                       nmdm_seal_is_on(keys) ? "" : "off, ", count,
                       count == 1 ? "" : "s");
}
