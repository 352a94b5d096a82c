/* SPDX-License-Identifier: Apache-2.0 */
/* traffic_dump_file.h -- NanoMDMDump: the directive and its open file. */

#ifndef NANOMDM_TRAFFIC_DUMP_FILE_H
#define NANOMDM_TRAFFIC_DUMP_FILE_H

#include "config/config.h"
#include "config/kinds.h"

#include <apr_file_io.h>
#include <httpd.h>
#include <http_config.h>

/* One NanoMDMDump. */
typedef struct nanomdm_dump_t {
    const char *path;
    int shows_secrets;
    apr_file_t *file;           /* opened by the parent */
    apr_uint32_t complained;    /* about a write: in this minute since 1970 */
} nanomdm_dump_t;

/* The setter of NanoMDMDump, as httpd calls it (NULL, or what is wrong with
 * the value, in cmd->pool), its value as it would be written, in p, and the
 * hook that opens the files before httpd changes its user. */
const char *nanomdm_set_dump(cmd_parms *cmd, void *conf, const char *path,
                             const char *word);
const char *nanomdm_show_dump(apr_pool_t *p, const nanomdm_conf_t *conf,
                              const nanomdm_row_t *row);
void nanomdm_traffic_dump_file_hooks(void);

#endif /* NANOMDM_TRAFFIC_DUMP_FILE_H */
