/* SPDX-License-Identifier: Apache-2.0 */
/* handlers.h -- which requests are for handlers of ours. */

#ifndef NANOMDM_HANDLERS_H
#define NANOMDM_HANDLERS_H

#include <httpd.h>
#include <http_config.h>

/* Whether a handler name is one of ours; whether it is one that devices ask.
 * NULL is no name. */
int nanomdm_is_our_handler(const char *name);
int nanomdm_is_device_handler(const char *name);
/* What SetHandler says for a request, or NULL. */
const char *nanomdm_configured_handler(request_rec *r);
/* What SetHandler says in a section, while the configuration is read; NULL for
 * none. A plain word, or the text of an expression, in p. */
const char *nanomdm_section_handler(apr_pool_t *p, ap_conf_vector_t *section);
/* A Location also covers what lies below its path; devices ask for the path
 * itself. */
int nanomdm_is_below_path(request_rec *r);

#endif /* NANOMDM_HANDLERS_H */
