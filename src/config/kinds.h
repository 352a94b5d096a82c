/* SPDX-License-Identifier: Apache-2.0 */
/* kinds.h -- what a directive is: one row, which drives creating, merging and
 * showing its setting, and the setters of the plain kinds. */

#ifndef NANOMDM_KINDS_H
#define NANOMDM_KINDS_H

#include "config/config.h"

#include <httpd.h>
#include <http_config.h>

/* How a member of nanomdm_conf_t is stored, and what "not set" is there. */
typedef enum {
    NANOMDM_INT,                /* int: NANOMDM_UNSET */
    NANOMDM_NUMBER,             /* apr_int64_t: NANOMDM_UNSET */
    NANOMDM_SECONDS,            /* apr_interval_time_t: NANOMDM_UNSET */
    NANOMDM_TEXT,               /* const char *: NULL */
    NANOMDM_HIDDEN,             /* nanomdm_hidden_t: NULL */
    NANOMDM_POINTER,            /* any other pointer: NULL */
    NANOMDM_TABLE               /* apr_hash_t *: NULL; a section adds to what
                                 * it inherits */
} nanomdm_kind_e;

/* One word of those that a directive takes, and what it means; an array ends
 * with NULL. */
typedef struct {
    const char *word;
    int value;
} nanomdm_word_t;

typedef struct nanomdm_row_t nanomdm_row_t;

/* What is in force, for DUMP_NANOMDM: in p, without secrets, lines with "\n"
 * between them; NULL when nothing is. */
typedef const char *(*nanomdm_show_fn)(apr_pool_t *p,
                                       const nanomdm_conf_t *conf,
                                       const nanomdm_row_t *row);

/* What belongs to a directive beside its command_rec, whose cmd_data it is. */
struct nanomdm_row_t {
    apr_size_t member;          /* its offset in nanomdm_conf_t */
    nanomdm_kind_e kind;
    nanomdm_show_fn show;       /* never NULL */
    apr_int64_t initial;        /* the default of an INT, NUMBER (its unit) or
                                 * SECONDS (seconds) */
    const char *initial_text;   /* of a TEXT, or NULL; for words see below */
    apr_int64_t least, most;    /* bounds of a NUMBER or SECONDS */
    const nanomdm_word_t *words;        /* of nanomdm_set_word */
};

/* ---- Settings, by their row ---- */

/* Not set; added over base; the default if not set. */
void nanomdm_row_clear(const nanomdm_row_t *row, nanomdm_conf_t *conf);
void nanomdm_row_merge(const nanomdm_row_t *row, nanomdm_conf_t *conf,
                       apr_pool_t *p, const nanomdm_conf_t *base,
                       const nanomdm_conf_t *add);
void nanomdm_row_default(const nanomdm_row_t *row, nanomdm_conf_t *conf);

/* ---- Setters: cmd->info is the row ---- */

/* NULL, or what is wrong with the value, in cmd->pool. */
const char *nanomdm_set_flag(cmd_parms *cmd, void *conf, int on);
/* In any letter case. */
const char *nanomdm_set_word(cmd_parms *cmd, void *conf, const char *word);
/* A NUMBER or SECONDS of seconds, or a NUMBER of bytes, or of anything else;
 * within the bounds of the row. */
const char *nanomdm_set_seconds(cmd_parms *cmd, void *conf, const char *word);
const char *nanomdm_set_bytes(cmd_parms *cmd, void *conf, const char *word);
const char *nanomdm_set_amount(cmd_parms *cmd, void *conf, const char *word);
/* A TEXT with an http or https URL. */
const char *nanomdm_set_any_url(cmd_parms *cmd, void *conf, const char *url);
/* A HIDDEN: file:PATH, env:NAME or the secret itself. */
const char *nanomdm_set_any_secret(cmd_parms *cmd, void *conf,
                                   const char *value);

/* ---- Showing ---- */

/* The value as it would be written, in p; for one that is not set, the
 * default. */
const char *nanomdm_show_flag(apr_pool_t *p, const nanomdm_conf_t *conf,
                              const nanomdm_row_t *row);
/* The word of the value; initial_text for one that has none. */
const char *nanomdm_show_word(apr_pool_t *p, const nanomdm_conf_t *conf,
                              const nanomdm_row_t *row);
const char *nanomdm_show_number(apr_pool_t *p, const nanomdm_conf_t *conf,
                                const nanomdm_row_t *row);
const char *nanomdm_show_text(apr_pool_t *p, const nanomdm_conf_t *conf,
                              const nanomdm_row_t *row);
/* Without the password and the query that a URL may hold. */
const char *nanomdm_show_url(apr_pool_t *p, const nanomdm_conf_t *conf,
                             const nanomdm_row_t *row);
const char *nanomdm_show_hidden(apr_pool_t *p, const nanomdm_conf_t *conf,
                                const nanomdm_row_t *row);
/* The names of a TABLE, not what belongs to them. */
const char *nanomdm_show_names(apr_pool_t *p, const nanomdm_conf_t *conf,
                               const nanomdm_row_t *row);

#endif /* NANOMDM_KINDS_H */
