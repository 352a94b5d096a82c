/* SPDX-License-Identifier: Apache-2.0 */
/* traffic_dump_file.c -- NanoMDMDump: the directive and its open file. */

#include "config/traffic_dump_file.h"
#include "base/error.h"
#include "config/config.h"
#include "config/parse.h"

#include <apr_strings.h>
#include <http_log.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

#define ALL_DUMPS "nanomdm:dumps"

static apr_array_header_t *all_dumps(apr_pool_t *pconf)
{
    void *found = NULL;

    apr_pool_userdata_get(&found, ALL_DUMPS, pconf);
    if (!found) {
        found = apr_array_make(pconf, 1, sizeof(nanomdm_dump_t *));
        apr_pool_userdata_setn(found, ALL_DUMPS, NULL, pconf);
    }
    return found;
}

static int is_folder(apr_pool_t *p, const char *path)
{
    apr_finfo_t info;

    return apr_stat(&info, path, APR_FINFO_TYPE, p) == APR_SUCCESS
        && info.filetype == APR_DIR;
}

const char *nanomdm_set_dump(cmd_parms *cmd, void *conf, const char *path,
                             const char *word)
{
    nanomdm_dump_t *dump = apr_pcalloc(cmd->pool, sizeof(*dump));
    const char *wrong = NULL;

    dump->path = ap_server_root_relative(cmd->pool, path);
    dump->shows_secrets = word != NULL;
    if (*path == '|') {
        wrong = "programs are not written to, because records would mix in a"
                " pipe; name a file";
    }
    else if (!dump->path || is_folder(cmd->temp_pool, dump->path)) {
        wrong = "a folder; name a file";
    }
    else if (!is_folder(cmd->temp_pool,
                        ap_make_dirstr_parent(cmd->temp_pool, dump->path))) {
        wrong = "its folder does not exist; make it, for root alone";
    }
    else if (word && strcasecmp(word, "secrets")) {
        return nanomdm_wrong(cmd, word, "write nothing behind the path, or"
                                        " secrets to have them in it");
    }
    if (wrong) {
        return nanomdm_wrong(cmd, path, wrong);
    }
    APR_ARRAY_PUSH(all_dumps(cmd->pool), nanomdm_dump_t *) = dump;
    ((nanomdm_conf_t *)conf)->dump = dump;
    return NULL;
}

const char *nanomdm_show_dump(apr_pool_t *p, const nanomdm_conf_t *conf,
                              const nanomdm_row_t *row)
{
    const nanomdm_dump_t *dump = conf->dump;

    (void)row;
    return !dump ? NULL
        : apr_pstrcat(p, dump->path, dump->shows_secrets ? " secrets" : "",
                      NULL);
}

/* By root, like a log; a restart opens it anew. */
static int open_dumps(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                      server_rec *s)
{
    apr_array_header_t *dumps = all_dumps(pconf);
    int i;

    (void)plog;
    (void)ptemp;
    for (i = 0; i < dumps->nelts; i++) {
        nanomdm_dump_t *dump = APR_ARRAY_IDX(dumps, i, nanomdm_dump_t *);
        apr_status_t rv = apr_file_open(
            &dump->file, dump->path, APR_FOPEN_WRITE | APR_FOPEN_APPEND
                                     | APR_FOPEN_CREATE | APR_FOPEN_LARGEFILE,
            APR_FPROT_UREAD | APR_FPROT_UWRITE, pconf);

        if (rv != APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, rv, s,
                         NMDMNO(2001) "NanoMDMDump \"%s\": cannot be opened;"
                         " name a file that the user who starts httpd may"
                         " write", dump->path);
            return DONE;
        }
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, NMDMNO(2002)
                     "NanoMDMDump writes what devices and this server say to"
                     " each other, %s secrets, into %s",
                     dump->shows_secrets ? "with" : "without", dump->path);
    }
    return OK;
}

void nanomdm_traffic_dump_file_hooks(void)
{
    ap_hook_open_logs(open_dumps, NULL, NULL, APR_HOOK_MIDDLE);
}
