/* SPDX-License-Identifier: Apache-2.0 */
/* shared_memory.c -- memory that all children share. */

#include "httpd/shared_memory.h"
#include "base/error.h"
#include "base/version.h"
#include "config/config.h"

#include <apr_shm.h>
#include <apr_strings.h>
#include <http_log.h>

APLOG_USE_MODULE(nanomdm);

/* Made by the parent before there are children, and kept where a graceful
 * restart does not reach: children that finish and those that begin count in
 * one place. The name changes with the layout. */
void *nanomdm_shared_memory(apr_pool_t *pconf, server_rec *s,
                            const char *name, apr_size_t size, int *is_new)
{
    apr_pool_t *process = s->process->pool;
    const char *key = apr_psprintf(
        pconf, "nanomdm:%s:" NMDM_VERSION ":%" APR_SIZE_T_FMT, name, size);
    apr_shm_t *memory;
    apr_status_t rv;
    void *found = NULL;

    apr_pool_userdata_get(&found, key, process);
    if (is_new) {
        *is_new = !found;
    }
    if (found) {
        return found;
    }
    rv = apr_shm_create(&memory, size, NULL, process);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s, NMDMNO(1903)
                     "no shared memory for %s; each child counts by itself",
                     name);
        return apr_pcalloc(pconf, size);
    }
    /* The system gives zeros; written here, they would take memory before
     * they are used. */
    found = apr_shm_baseaddr_get(memory);
    apr_pool_userdata_set(found, key, apr_pool_cleanup_null, process);
    return found;
}
