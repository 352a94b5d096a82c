/* SPDX-License-Identifier: Apache-2.0 */
/* renewal_check.c -- whether the profiles that are served now can renew the
 * identities that devices have: a device refuses a renewal with another
 * identifier, ServerURL or topic.
 *
 * mod_dbd has no connections before children are there, so this makes one of
 * its own. */

#include "config/renewal_check.h"
#include "config/config.h"
#include "config/enroll.h"
#include "config/parse.h"
#include "db/db.h"
#include "db/dialect.h"
#include "db/schema.h"
#include "storage/renewal_command.h"

#include <apr_file_info.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <http_log.h>

#include <string.h>

typedef struct {
    nmdm_db_source_t db_source;
    nmdm_schema_state_t schema;
    const nanomdm_server_t *server;
} source_t;

static nmdm_err_t *away(nmdm_ctx_t *ctx)
{
    return nmdm_err(ctx->pool, NMDM_UNAVAILABLE, APR_SUCCESS, NMDMNO(0038)
                    "-: no connection to the database while the server"
                    " starts");
}

/* SQLite would make a file that is not there. */
static int is_there(apr_pool_t *p, const nanomdm_server_t *server)
{
    apr_finfo_t info;

    return strcmp(server->driver, "sqlite3")
        || apr_stat(&info, server->params, APR_FINFO_MIN, p) == APR_SUCCESS;
}

static nmdm_err_t *acquire(nmdm_ctx_t *ctx, nmdm_db_t **out)
{
    const source_t *source = ctx->services->db_source->baton;
    const nanomdm_server_t *server = source->server;
    nmdm_db_t *db = apr_pcalloc(ctx->pool, sizeof(*db));

    if (apr_dbd_init(ctx->pool) != APR_SUCCESS
        || apr_dbd_get_driver(ctx->pool, server->driver, &db->driver)
               != APR_SUCCESS
        || apr_dbd_open_ex(db->driver, ctx->pool, server->params,
                           &db->handle, NULL) != APR_SUCCESS) {
        return away(ctx);
    }
    db->pool = ctx->pool;
    db->notes = apr_hash_make(ctx->pool);
    *out = db;
    return NULL;
}

static void release(nmdm_ctx_t *ctx, nmdm_db_t *db)
{
    (void)ctx;
    apr_dbd_close(db->driver, db->handle);
}

/* Nothing is made or upgraded while a configuration is looked at. */
static nmdm_err_t *check_schema(nmdm_ctx_t *ctx)
{
    return nmdm_schema_check(ctx, NMDM_SCHEMA_CHECK);
}

static nmdm_err_t *do_read(nmdm_ctx_t *ctx, void *baton)
{
    return nmdm_cert_renewals_profiles(ctx, baton);
}

/* ---- Judging ---- */

static int is_renewable(nmdm_ctx_t *ctx, const nanomdm_enroll_site_t *site,
                        const char *profile)
{
    int i, suits = 0;

    for (i = 0; site && i < site->profiles->nelts && !suits; i++) {
        nmdm_err_t *err = nmdm_renewal_command_suits(
            ctx, &suits, APR_ARRAY_IDX(site->profiles, i,
                                       const nmdm_profile_conf_t *), profile);

        suits = !err && suits;
    }
    return suits;
}

static void add(nanomdm_findings_t *findings, const nanomdm_tree_site_t *site,
                const char *text)
{
    const apr_array_header_t *uses = site->enroll_uses->nelts
        ? site->enroll_uses : site->scep_uses;

    nanomdm_findings_add(findings, APLOG_WARNING,
                         uses->nelts ? APR_ARRAY_IDX(uses, 0,
                                                     const ap_directive_t *)
                                     : site->any_use, text);
}

static void judge_profiles(nanomdm_findings_t *findings, apr_pool_t *p,
                           nmdm_ctx_t *ctx, const nanomdm_tree_site_t *site,
                           const apr_array_header_t *rows)
{
    const nanomdm_enroll_site_t *enroll = nanomdm_server(site->server)->enroll;
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const nmdm_cert_profile_t *row = &APR_ARRAY_IDX(rows, i,
                                                        nmdm_cert_profile_t);

        if (!is_renewable(ctx, enroll, row->profile)) {
            add(findings, site, apr_psprintf(
                p, NMDMNO(0036) "NanoMDMRenewIdentity cannot renew %"
                APR_INT64_T_FMT " identities whose profile has identifier,"
                " ServerURL and topic \"%s\": the profiles that are served now"
                " have others, which devices refuse; restore"
                " NanoMDMEnrollIdentifier, NanoMDMEnrollServerURL and"
                " NanoMDMEnrollTopic", row->number, row->profile));
        }
    }
}

static void check_profiles(nanomdm_findings_t *findings, apr_pool_t *p,
                           const nanomdm_tree_site_t *site)
{
    const nanomdm_conf_t *conf = nanomdm_server_defaults(site->server);
    source_t source = { .server = nanomdm_server(site->server) };
    nmdm_services_t services = { .db_source = &source.db_source };
    nmdm_ctx_t ctx = { .policy = &conf->policy, .services = &services,
                       .trace_id = "", .now = apr_time_now() };
    apr_array_header_t *rows = apr_array_make(p, 4,
                                              sizeof(nmdm_cert_profile_t));

    if (!source.server->driver || !source.server->params
        || !is_there(p, source.server)
        || apr_pool_create(&ctx.pool, p) != APR_SUCCESS) {
        return;
    }
    source.db_source = (nmdm_db_source_t){
        .acquire = acquire, .release = release, .check_schema = check_schema,
        .baton = &source, .schema = &source.schema,
        .prefix = conf->table_prefix ? conf->table_prefix : "" };
    if (!nmdm_db_unit(&ctx, NMDM_UNIT_READ, do_read, rows)) {
        judge_profiles(findings, p, &ctx, site, rows);
    }
    nmdm_db_release(&ctx);
    apr_pool_destroy(ctx.pool);
}

/* ---- How long certificates last ---- */

static void check_days(nanomdm_findings_t *findings, apr_pool_t *p,
                       const nanomdm_tree_site_t *site, int days)
{
    int i, least = 0;

    for (i = 0; i < site->scep_uses->nelts; i++) {
        const nanomdm_conf_t *conf = nanomdm_tree_section_conf(
            p, p, site->server, APR_ARRAY_IDX(site->scep_uses, i,
                                              const ap_directive_t *));

        if (!least || conf->scep_validity_days < least) {
            least = conf->scep_validity_days;
        }
    }
    if (least && days > least) {
        add(findings, site, apr_psprintf(
            p, NMDMNO(0037) "NanoMDMRenewIdentity %d is above the %d days of"
            " NanoMDMSCEPValidity, so devices renew every day; write:"
            " NanoMDMRenewIdentity %d", days, least, (least + 2) / 3));
    }
}

void nanomdm_renewal_check(nanomdm_findings_t *findings, apr_pool_t *p,
                           const nanomdm_tree_site_t *site)
{
    const nmdm_renewals_conf_t *conf
        = nanomdm_server_defaults(site->server)->policy.renewals;

    if (conf && conf->days && nanomdm_is_first_reading()) {
        check_days(findings, p, site, conf->days);
        check_profiles(findings, p, site);
    }
}
