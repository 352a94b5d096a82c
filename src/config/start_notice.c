/* SPDX-License-Identifier: Apache-2.0 */
/* start_notice.c -- what is served, said once at each start: the first thing
 * to compare with what was meant. With it, what a fleet costs more than it
 * needs to. */

#include "config/start_notice.h"
#include "base/version.h"
#include "config/config.h"
#include "config/dbd_params.h"
#include "config/handlers.h"
#include "config/parse.h"

#include <ap_mpm.h>
#include <apr_cstr.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>

#include <stdlib.h>

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

static int say_served(apr_pool_t *ptemp, const server_rec *s)
{
    const nanomdm_server_t *server = nanomdm_server(s);
    const char *locations = locations_of(ptemp, s);

    if (!*locations && !server->uses_database) {
        return 0;
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
    return 1;
}

/* ---- Handshakes and kept connections ---- */

/* The last directive of a name in any section, or NULL. */
static const ap_directive_t *last_of(const ap_directive_t *node,
                                     const char *name)
{
    const ap_directive_t *found = NULL, *inner;

    for (; node; node = node->next) {
        inner = last_of(node->first_child, name);
        found = !apr_cstr_casecmp(node->directive, name) ? node
            : inner ? inner : found;
    }
    return found;
}

static int is_written(const char *name, const char *value)
{
    const ap_directive_t *node = last_of(ap_conftree, name);

    return node && !apr_cstr_casecmp(node->args, value);
}

/* A ticket carries the client's certificate, and TLS 1.3 sends two. */
static void say_tickets(const server_rec *s)
{
    if (is_written("SSLEngine", "on")
        && last_of(ap_conftree, "SSLVerifyClient")
        && !is_written("SSLVerifyClient", "none")
        && !is_written("SSLSessionTickets", "off")) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, NMDMNO(0058)
                     "session tickets are on: a handshake with a client"
                     " certificate costs half as much again; write:"
                     " SSLSessionTickets off, and SSLSessionCache"
                     " shmcb:PATH(SIZE)");
    }
}

/* mpm_event keeps so many for each thread beside those that work. */
static void say_kept_connections(const server_rec *s)
{
    const ap_directive_t *factor = last_of(ap_conftree,
                                           "AsyncRequestWorkerFactor");
    int is_async, children, threads;

    if (ap_mpm_query(AP_MPMQ_IS_ASYNC, &is_async) || !is_async
        || ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &children)
        || ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads)) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, NMDMNO(0059)
                 "at most %.0f connections at once are held, those that wait"
                 " for their next request among them; for more raise"
                 " AsyncRequestWorkerFactor or MaxRequestWorkers",
                 children * threads
                     * (1 + (factor ? atof(factor->args) : 2)));
}

static int say(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
               server_rec *main_server)
{
    server_rec *s;
    int served = 0;

    (void)pconf;
    (void)plog;
    if (nanomdm_is_first_reading()) {
        return OK;
    }
    for (s = main_server; s; s = s->next) {
        served |= say_served(ptemp, s);
    }
    if (served) {
        say_tickets(main_server);
        say_kept_connections(main_server);
    }
    return OK;
}

void nanomdm_start_notice_hooks(void)
{
    ap_hook_post_config(say, NULL, NULL, APR_HOOK_LAST);
}
