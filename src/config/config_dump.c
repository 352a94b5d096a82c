/* SPDX-License-Identifier: Apache-2.0 */
/* config_dump.c -- httpd -t -D DUMP_NANOMDM: what is in force where, with
 * what was inherited and what is a default. Secrets are not shown. */

#include "config/config_dump.h"
#include "base/version.h"
#include "config/config.h"
#include "config/directives.h"
#include "config/handlers.h"
#include "config/kinds.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <http_core.h>

#include <string.h>

typedef struct {
    apr_pool_t *pool;
    apr_file_t *out;
} dump_t;

static void line(const dump_t *dump, const char *name, const char *value)
{
    apr_file_printf(dump->out, "    %-38s %s\n", name, value);
}

/* Each directive that may be in this scope; some have several lines. */
static void settings(const dump_t *dump, const nanomdm_conf_t *conf, int scope)
{
    const command_rec *directive;

    for (directive = nanomdm_directives; directive->name; directive++) {
        const nanomdm_row_t *row = directive->cmd_data;
        const char *text = row->show(dump->pool, conf, row);
        char *rest, *one;

        if (!(directive->req_override & scope)) {
            continue;
        }
        text = text && *text ? text : "(not set)";
        one = apr_strtok(apr_pstrdup(dump->pool, text), "\n", &rest);
        for (; one; one = apr_strtok(NULL, "\n", &rest)) {
            line(dump, directive->name, one);
        }
    }
}

/* ---- Sections ---- */

/* A section that has a handler of ours, or says something to it. */
static void dump_section(const dump_t *dump, const server_rec *s,
                         ap_conf_vector_t *section)
{
    const core_dir_config *core = ap_get_core_module_config(section);
    const nanomdm_conf_t *conf = nanomdm_section_conf(dump->pool, s, section);
    const char *handler = nanomdm_section_handler(dump->pool, section);

    if (!core || (!nanomdm_is_our_handler(handler)
                  && !conf->guards_devices)) {
        return;
    }
    apr_file_printf(dump->out, "  Location %s: %s\n", core->d ? core->d : "",
                    nanomdm_is_our_handler(handler) ? handler
                    : "Require nanomdm-enrolled");
    if (nanomdm_is_device_handler(handler)
        || !nanomdm_is_our_handler(handler)) {
        settings(dump, conf, ACCESS_CONF);
    }
}

void nanomdm_dump_config(apr_pool_t *pconf, server_rec *s)
{
    dump_t dump = { pconf, NULL };
    int i;

    if (!ap_exists_config_define("DUMP_NANOMDM")) {
        return;
    }
    apr_file_open_stdout(&dump.out, pconf);
    apr_file_printf(dump.out, "mod_nanomdm " NMDM_VERSION ":\n");
    for (; s; s = s->next) {
        const core_server_config *core
            = ap_get_core_module_config(s->module_config);
        const char *database = nanomdm_server(s)->database;

        if (!nanomdm_server(s)->uses_database) {
            continue;
        }
        apr_file_printf(dump.out, "Server %s:%u (%s)\n",
                        s->server_hostname ? s->server_hostname : "-",
                        s->addrs ? s->addrs->host_port : s->port,
                        s->defn_name ? apr_psprintf(
                            pconf, "%s:%u", s->defn_name,
                            s->defn_line_number) : "main server");
        /* Parameters hold the password. */
        line(&dump, "DBDriver", database ? apr_pstrmemdup(
            pconf, database, strcspn(database, " ")) : "(not set)");
        settings(&dump, nanomdm_server_defaults(s), RSRC_CONF);
        for (i = 0; i < core->sec_url->nelts; i++) {
            dump_section(&dump, s, APR_ARRAY_IDX(
                core->sec_url, i, ap_conf_vector_t *));
        }
    }
}
