/* SPDX-License-Identifier: Apache-2.0 */
/* handlers.c -- which requests are for handlers of ours. */

#include "config/handlers.h"
#include "config/config.h"

#include <ap_expr.h>
#include <http_core.h>
#include <util_cfgtree.h>

#include <string.h>

int nanomdm_is_our_handler(const char *name)
{
    return name && (!strcmp(name, "nanomdm") || !strncmp(name, "nanomdm-", 8));
}

int nanomdm_is_device_handler(const char *name)
{
    return name && (!strcmp(name, "nanomdm")
                    || !strcmp(name, "nanomdm-checkin")
                    || !strcmp(name, "nanomdm-command"));
}

/* What SetHandler says, which is known long before r->handler is set. */
const char *nanomdm_configured_handler(request_rec *r)
{
    const core_dir_config *core
        = ap_get_core_module_config(r->per_dir_config);
    const char *err = NULL;

    if (!core->expr_handler) {
        return core->handler;
    }
    return ap_expr_str_exec(r, core->expr_handler, &err);
}

/* The directive of a line of a file. */
static const ap_directive_t *directive_at(const ap_directive_t *node,
                                          const char *filename,
                                          unsigned line_number)
{
    for (; node; node = node->next) {
        const ap_directive_t *found = node->first_child
            ? directive_at(node->first_child, filename, line_number) : NULL;

        if (found) {
            return found;
        }
        if ((unsigned)node->line_num == line_number
            && !strcmp(node->filename, filename)) {
            return node;
        }
    }
    return NULL;
}

/* httpd keeps even a plain word as an expression, which wants a request; the
 * tree of directives has the word. */
const char *nanomdm_section_handler(apr_pool_t *p, ap_conf_vector_t *section)
{
    const core_dir_config *core = ap_get_core_module_config(section);
    const ap_expr_info_t *expr = core ? core->expr_handler : NULL;
    const ap_directive_t *node;
    const char *args;

    if (!expr) {
        return core ? core->handler : NULL;
    }
    node = directive_at(ap_conftree, expr->filename, expr->line_number);
    args = node ? node->args : "";
    return ap_getword_conf(p, &args);
}

int nanomdm_is_below_path(request_rec *r)
{
    const apr_array_header_t *paths = nanomdm_server(r->server)->exact_paths;
    int i;

    for (i = 0; paths && i < paths->nelts; i++) {
        if (!strcmp(r->uri, APR_ARRAY_IDX(paths, i, const char *))) {
            return 0;
        }
    }
    return paths != NULL;
}
