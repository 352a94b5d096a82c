/* SPDX-License-Identifier: Apache-2.0 */
/* config.c -- settings: create, merge, defaults, each a loop over the table of
 * directives. */

#include "config/config.h"
#include "config/declarative.h"
#include "config/directives.h"
#include "config/kinds.h"
#include "config/storage_key.h"
#include "config/webhooks.h"

/* Of a section or server: what setters wrote, and what results from it. */
typedef struct {
    nanomdm_conf_t written;     /* the first, for setters */
    nanomdm_conf_t in_force;
} section_t;

/* ---- What is in force ---- */

/* Never added to. */
static apr_array_header_t *default_sources(void)
{
    static nanomdm_source_t tls = { NANOMDM_FROM_TLS, NULL };
    static apr_array_header_t sources = {
        .elt_size = sizeof(tls), .nelts = 1, .nalloc = 1,
        .elts = (char *)&tls
    };

    return &sources;
}

/* What several directives make together. */
static void derive(apr_pool_t *p, nanomdm_conf_t *conf)
{
    nmdm_policy_t *policy = &conf->policy;

    if (!conf->identity) {
        conf->identity = default_sources();
    }
    policy->retention = conf->retention;
    policy->seal = nanomdm_storage_key_seal(conf->storage_key);
    policy->push = &conf->push;
    policy->webhooks = nanomdm_webhooks(p, conf);
    conf->dm = (nmdm_declarative_conf_t){
        .url = conf->dm_url,
        .send_key = conf->dm_send_key.value,
        .receive_key = conf->dm_receive_key.value
    };
    nanomdm_declarative_derive(conf);
}

static void put_in_force(apr_pool_t *p, section_t *section)
{
    const command_rec *directive;

    section->in_force = section->written;
    for (directive = nanomdm_directives; directive->name; directive++) {
        nanomdm_row_default(directive->cmd_data, &section->in_force);
    }
    derive(p, &section->in_force);
}

void nanomdm_config_read(apr_pool_t *p, server_rec *main_server)
{
    server_rec *s;

    for (s = main_server; s; s = s->next) {
        /* A virtual host without directives of ours has that of the main
         * server by now. */
        ap_set_module_config(s->module_config, &nanomdm_module,
                             nanomdm_create_server_conf(p, s));
        put_in_force(p, ap_get_module_config(s->lookup_defaults,
                                             &nanomdm_module));
    }
}

/* ---- Create, merge ---- */

void *nanomdm_create_dir_conf(apr_pool_t *p, char *dir)
{
    section_t *section = apr_pcalloc(p, sizeof(*section));
    const command_rec *directive;

    (void)dir;
    for (directive = nanomdm_directives; directive->name; directive++) {
        nanomdm_row_clear(directive->cmd_data, &section->written);
    }
    return section;
}

void *nanomdm_merge_dir_conf(apr_pool_t *p, void *base_section,
                             void *add_section)
{
    section_t *section = apr_pcalloc(p, sizeof(*section));
    const nanomdm_conf_t *base = &((section_t *)base_section)->written;
    const nanomdm_conf_t *add = &((section_t *)add_section)->written;
    const command_rec *directive;

    for (directive = nanomdm_directives; directive->name; directive++) {
        nanomdm_row_merge(directive->cmd_data, &section->written, p, base,
                          add);
    }
    section->written.guards_devices = base->guards_devices
                                      || add->guards_devices;
    put_in_force(p, section);
    return section;
}

void *nanomdm_create_server_conf(apr_pool_t *p, server_rec *s)
{
    (void)s;
    return apr_pcalloc(p, sizeof(nanomdm_server_t));
}

/* ---- Access ---- */

const nanomdm_conf_t *nanomdm_conf(const request_rec *r)
{
    section_t *section = ap_get_module_config(r->per_dir_config,
                                              &nanomdm_module);

    return &section->in_force;
}

const nanomdm_conf_t *nanomdm_server_defaults(const server_rec *s)
{
    section_t *section = ap_get_module_config(s->lookup_defaults,
                                              &nanomdm_module);

    return &section->in_force;
}

const nanomdm_conf_t *nanomdm_section_conf(apr_pool_t *p, const server_rec *s,
                                           ap_conf_vector_t *section)
{
    void *base = ap_get_module_config(s->lookup_defaults, &nanomdm_module);
    void *add = ap_get_module_config(section, &nanomdm_module);
    section_t *merged = add ? nanomdm_merge_dir_conf(p, base, add) : base;

    return &merged->in_force;
}

nanomdm_server_t *nanomdm_server(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &nanomdm_module);
}
