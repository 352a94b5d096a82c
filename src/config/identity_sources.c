/* SPDX-License-Identifier: Apache-2.0 */
/* identity_sources.c -- how a device's certificate may arrive: NanoMDMIdentity
 * and NanoMDMTrustedProxy. */

#include "config/identity_sources.h"
#include "config/config.h"
#include "config/kinds.h"
#include "config/parse.h"

#include <apr_lib.h>
#include <apr_network_io.h>
#include <apr_strings.h>

#include <string.h>

static int is_token(const char *name)
{
    return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789!#$%&'*+-.^_`|~")];
}

const char *nanomdm_add_identity(cmd_parms *cmd, void *conf_,
                                 const char *word)
{
    nanomdm_conf_t *conf = conf_;
    nanomdm_source_t source = { NANOMDM_FROM_TLS, NULL };

    if (!strcasecmp(word, "signature")) {
        source.from = NANOMDM_FROM_SIGNATURE;
    }
    else if (!strncasecmp(word, "header:", 7) && is_token(word + 7)) {
        source.from = NANOMDM_FROM_HEADER;
        source.header = apr_pstrdup(cmd->pool, word + 7);
    }
    else if (strcasecmp(word, "tls")) {
        return nanomdm_wrong(cmd, word,
                             "not a source of identities; write tls,"
                             " signature or header:NAME");
    }
    if (!conf->identity) {
        conf->identity = apr_array_make(cmd->pool, 3,
                                        sizeof(nanomdm_source_t));
    }
    APR_ARRAY_PUSH(conf->identity, nanomdm_source_t) = source;
    return NULL;
}

const char *nanomdm_show_identity(apr_pool_t *p, const nanomdm_conf_t *conf,
                                  const nanomdm_row_t *row)
{
    const char *text = "";
    int i;

    (void)row;
    for (i = 0; i < conf->identity->nelts; i++) {
        const nanomdm_source_t *source = &APR_ARRAY_IDX(conf->identity, i,
                                                        nanomdm_source_t);

        text = apr_pstrcat(p, text, *text ? " " : "",
                           source->from == NANOMDM_FROM_TLS ? "tls"
                           : source->from == NANOMDM_FROM_SIGNATURE
                               ? "signature" : "header:",
                           source->header ? source->header : "", NULL);
    }
    return text;
}

const char *nanomdm_add_trusted_proxy(cmd_parms *cmd, void *conf_,
                                      const char *word)
{
    nanomdm_conf_t *conf = conf_;
    char *address = apr_pstrdup(cmd->temp_pool, word);
    char *mask = strchr(address, '/');
    nanomdm_network_t network = { NULL, word };

    if (mask) {
        *mask++ = '\0';
    }
    if (apr_ipsubnet_create(&network.subnet, address, mask, cmd->pool)
            != APR_SUCCESS) {
        return nanomdm_wrong(cmd, word, "not a network; write an address or"
                                        " ADDRESS/BITS, such as 192.0.2.0/24");
    }
    if (!conf->trusted_proxies) {
        conf->trusted_proxies = apr_array_make(cmd->pool, 2,
                                               sizeof(nanomdm_network_t));
    }
    APR_ARRAY_PUSH(conf->trusted_proxies, nanomdm_network_t) = network;
    return NULL;
}

const char *nanomdm_show_trusted_proxies(apr_pool_t *p,
                                         const nanomdm_conf_t *conf,
                                         const nanomdm_row_t *row)
{
    const char *text = NULL;
    int i;

    (void)row;
    for (i = 0; conf->trusted_proxies && i < conf->trusted_proxies->nelts;
         i++) {
        text = apr_pstrcat(p, text ? text : "", text ? " " : "",
                           APR_ARRAY_IDX(conf->trusted_proxies, i,
                                         nanomdm_network_t).text, NULL);
    }
    return text;
}
