/* SPDX-License-Identifier: Apache-2.0 */
/* mod_nanomdm.c -- an Apple MDM server in Apache httpd: the module record and
 * where it hooks in. README.md has a map of the rest. */

#include "config/check.h"
#include "config/config.h"
#include "config/config_dump.h"
#include "config/directives.h"
#include "config/start_notice.h"
#include "config/traffic_dump_file.h"
#include "httpd/access.h"
#include "httpd/api.h"
#include "httpd/auth.h"
#include "httpd/child.h"
#include "httpd/declarations.h"
#include "httpd/device.h"
#include "httpd/enroll.h"
#include "httpd/health.h"
#include "httpd/identity.h"
#include "httpd/log.h"
#include "httpd/migration.h"
#include "httpd/rate_limiter.h"
#include "httpd/request_counters.h"
#include "httpd/scep.h"
#include "httpd/status.h"
#include "httpd/status_guard.h"
#include "httpd/traffic_dump.h"

#include <http_config.h>
#include <mpm_common.h>

static void register_hooks(apr_pool_t *p)
{
    static const char *const AFTER_DBD[] = { "mod_dbd.c", NULL };

    /* start */
    ap_hook_check_config(nanomdm_check_config, NULL, NULL, APR_HOOK_LAST);
    nanomdm_traffic_dump_file_hooks();
    nanomdm_start_notice_hooks();
    ap_hook_test_config(nanomdm_dump_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(nanomdm_child_init, AFTER_DBD, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_stopping(nanomdm_child_stopping, NULL, NULL,
                           APR_HOOK_MIDDLE);

    /* every connection and request */
    nanomdm_identity_hooks();
    nanomdm_auth_hooks(p);
    nanomdm_access_hooks();
    nanomdm_status_guard_hooks();
    nanomdm_counters_hooks();
    nanomdm_traffic_dump_hooks();
    nanomdm_log_hooks();
    nanomdm_rate_limiter_hooks();

    /* content */
    ap_hook_handler(nanomdm_device_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(nanomdm_scep_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(nanomdm_enroll_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(nanomdm_api_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(nanomdm_declarations_handler, NULL, NULL,
                    APR_HOOK_MIDDLE);
    ap_hook_handler(nanomdm_migration_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(nanomdm_status_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(nanomdm_health_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(nanomdm_version_handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(nanomdm) = {
    STANDARD20_MODULE_STUFF,
    nanomdm_create_dir_conf,
    nanomdm_merge_dir_conf,
    nanomdm_create_server_conf,
    NULL,                       /* a server's own is made at start */
    nanomdm_directives,
    register_hooks,
    0
};
