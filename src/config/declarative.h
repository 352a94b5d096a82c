/* SPDX-License-Identifier: Apache-2.0 */
/* declarative.h -- NanoMDMDeclarativeManagement and its family. */

#ifndef NANOMDM_DECLARATIVE_H
#define NANOMDM_DECLARATIVE_H

#include "config/kinds.h"

/* Values of dm_mode. */
typedef enum {
    NANOMDM_DECLARATIVE_OFF,
    NANOMDM_DECLARATIVE_BUILTIN,
    NANOMDM_DECLARATIVE_URL
} nanomdm_declarative_e;

/* Two numbers in one setting, so that they are inherited together: those of
 * dm_notify are 0 none, 1 changes, 2 all, and the window; those of dm_keep,
 * reports and errors. */
#define NANOMDM_DECLARATIVE_PAIR(first, second) ((first) << 16 | (second))
#define NANOMDM_DECLARATIVE_NOTIFY NANOMDM_DECLARATIVE_PAIR(2, 2)
#define NANOMDM_DECLARATIVE_KEEP NANOMDM_DECLARATIVE_PAIR(3, 100)

/* What conf->policy has of all this. */
void nanomdm_declarative_derive(nanomdm_conf_t *conf);

/* ---- Setters ---- */

/* As httpd calls them: NULL, or what is wrong with the value, in cmd->pool. */
const char *nanomdm_set_declarative(cmd_parms *cmd, void *conf,
                                    const char *word);
const char *nanomdm_set_declarative_url(cmd_parms *cmd, void *conf,
                                        const char *url);
/* A HIDDEN. */
const char *nanomdm_set_declarative_key(cmd_parms *cmd, void *conf,
                                        const char *secret);
const char *nanomdm_set_declarative_notify(cmd_parms *cmd, void *conf,
                                           const char *which,
                                           const char *window);
const char *nanomdm_set_declarative_keep(cmd_parms *cmd, void *conf,
                                         const char *first,
                                         const char *second);
/* A POINTER to an array of const char *, each time one more. */
const char *nanomdm_add_declarative_set(cmd_parms *cmd, void *conf,
                                        const char *set);
const char *nanomdm_add_api_user(cmd_parms *cmd, void *conf,
                                 const char *name);

/* ---- Showing ---- */

/* As rows of config/kinds.h call them: the value as it would be written, in
 * p. */
const char *nanomdm_show_declarative(apr_pool_t *p, const nanomdm_conf_t *conf,
                                     const nanomdm_row_t *row);
const char *nanomdm_show_declarative_notify(apr_pool_t *p,
                                            const nanomdm_conf_t *conf,
                                            const nanomdm_row_t *row);
const char *nanomdm_show_declarative_keep(apr_pool_t *p,
                                          const nanomdm_conf_t *conf,
                                          const nanomdm_row_t *row);
/* The elements of such an array; without one, initial_text. */
const char *nanomdm_show_list(apr_pool_t *p, const nanomdm_conf_t *conf,
                              const nanomdm_row_t *row);

#endif /* NANOMDM_DECLARATIVE_H */
