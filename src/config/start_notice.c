/* SPDX-License-Identifier: Apache-2.0 */
/* start_notice.c -- what is served, said once at each start: the first thing
 * to compare with what was meant. */

#include "config/start_notice.h"
#include "base/version.h"
#include "config/config.h"
#include "config/dbd_params.h"
#include "config/handlers.h"
#include "config/parse.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>

APLOG_USE_MODULE(nanomdm);

/* A line of the log has room for some thousand characters. */
#define MOST_LOCATIONS 30

static const char *level_name(const server_rec *s)
{
    static const char *const NAMES[] = {
        "emerg", "alert", "crit", "error", "warn", "notice", "info", "debug",
        "trace1", "trace2", "trace3", "trace4", "trace5", "trace6", "trace7",
        "trace8"
    };
    int level = ap_get_server_module_loglevel(s, APLOG_MODULE_INDEX);

    return level >= 0 && level < (int)(sizeof(NAMES) / sizeof(*NAMES))
        ? NAMES[level] : "-";
}

/* " /mdm (nanomdm), /v1 (nanomdm-api)" of one server, or "". */
static const char *locations_of(apr_pool_t *p, const server_rec *s)
{
    const core_server_config *core
        = ap_get_core_module_config(s->module_config);
    const char *text = "";
    int i, n = 0;

    for (i = 0; i < core->sec_url->nelts; i++) {
        ap_conf_vector_t *section = APR_ARRAY_IDX(core->sec_url, i,
                                                  ap_conf_vector_t *);
        const core_dir_config *dir = ap_get_core_module_config(section);
        const char *handler = nanomdm_section_handler(p, section);
        int guards = nanomdm_section_conf(p, s, section)->guards_devices;

        if (!dir || (!nanomdm_is_our_handler(handler) && !guards)) {
            continue;
        }
        if (++n > MOST_LOCATIONS) {
            return apr_pstrcat(p, text, " and more", NULL);
        }
        text = apr_pstrcat(p, text, n > 1 ? ", " : " ", dir->d ? dir->d : "",
                           " (", nanomdm_is_our_handler(handler)
                               ? handler : "Require nanomdm-enrolled", ")",
                           NULL);
    }
    return text;
}

static int say(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
               server_rec *s)
{
    (void)pconf;
    (void)plog;
    for (; s && !nanomdm_is_first_reading(); s = s->next) {
        const nanomdm_server_t *server = nanomdm_server(s);
        const char *locations = locations_of(ptemp, s);

        if (!*locations && !server->uses_database) {
            continue;
        }
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, NMDMNO(0057)
                     "mod_nanomdm " NMDM_VERSION " for %s:%u:%s; database: %s"
                     " \"%s\"; LogLevel nanomdm:%s",
                     s->server_hostname ? s->server_hostname : "-",
                     s->addrs ? s->addrs->host_port : s->port,
                     *locations ? locations : " no Location",
                     server->driver ? server->driver : "none",
                     nanomdm_dbd_params_shown(ptemp, server->params),
                     level_name(s));
    }
    return OK;
}

void nanomdm_start_notice_hooks(void)
{
    ap_hook_post_config(say, NULL, NULL, APR_HOOK_LAST);
}
