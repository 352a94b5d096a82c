/* SPDX-License-Identifier: Apache-2.0 */
/* kinds.c -- what a directive is: one row, which drives creating, merging and
 * showing its setting, and the setters of the plain kinds. */

#include "config/kinds.h"
#include "config/parse.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

/* A member of conf, of a type that fits the row's kind. */
#define MEMBER(type, row, conf) \
    ((type *)(void *)((char *)(conf) + (row)->member))
#define VALUE(type, row, conf) \
    (*(type const *)(const void *)((const char *)(conf) + (row)->member))

/* ---- Settings, by their row ---- */

void nanomdm_row_clear(const nanomdm_row_t *row, nanomdm_conf_t *conf)
{
    switch (row->kind) {
    case NANOMDM_INT:
        *MEMBER(int, row, conf) = NANOMDM_UNSET;
        break;
    case NANOMDM_NUMBER:
    case NANOMDM_SECONDS:
        *MEMBER(apr_int64_t, row, conf) = NANOMDM_UNSET;
        break;
    case NANOMDM_HIDDEN:
        *MEMBER(nanomdm_hidden_t, row, conf)
            = (nanomdm_hidden_t){ NULL, NULL };
        break;
    case NANOMDM_TEXT:
    case NANOMDM_POINTER:
    case NANOMDM_TABLE:
        *MEMBER(void *, row, conf) = NULL;
        break;
    }
}

/* The entries of two tables, either of which may be missing. */
static apr_hash_t *both(apr_pool_t *p, apr_hash_t *add, apr_hash_t *base)
{
    return !base ? add : !add ? base : apr_hash_overlay(p, add, base);
}

void nanomdm_row_merge(const nanomdm_row_t *row, nanomdm_conf_t *conf,
                       apr_pool_t *p, const nanomdm_conf_t *base,
                       const nanomdm_conf_t *add)
{
    const nanomdm_conf_t *from = add;

    switch (row->kind) {
    case NANOMDM_INT:
        from = VALUE(int, row, add) == NANOMDM_UNSET ? base : add;
        *MEMBER(int, row, conf) = VALUE(int, row, from);
        break;
    case NANOMDM_NUMBER:
    case NANOMDM_SECONDS:
        from = VALUE(apr_int64_t, row, add) == NANOMDM_UNSET ? base : add;
        *MEMBER(apr_int64_t, row, conf) = VALUE(apr_int64_t, row, from);
        break;
    case NANOMDM_HIDDEN:
        from = VALUE(nanomdm_hidden_t, row, add).value ? add : base;
        *MEMBER(nanomdm_hidden_t, row, conf)
            = VALUE(nanomdm_hidden_t, row, from);
        break;
    case NANOMDM_TEXT:
    case NANOMDM_POINTER:
        from = VALUE(void *, row, add) ? add : base;
        *MEMBER(void *, row, conf) = VALUE(void *, row, from);
        break;
    case NANOMDM_TABLE:
        *MEMBER(apr_hash_t *, row, conf) = both(
            p, VALUE(apr_hash_t *, row, add), VALUE(apr_hash_t *, row, base));
        break;
    }
}

void nanomdm_row_default(const nanomdm_row_t *row, nanomdm_conf_t *conf)
{
    if (row->kind == NANOMDM_INT
        && VALUE(int, row, conf) == NANOMDM_UNSET) {
        *MEMBER(int, row, conf) = (int)row->initial;
    }
    else if (row->kind == NANOMDM_NUMBER
             && VALUE(apr_int64_t, row, conf) == NANOMDM_UNSET) {
        *MEMBER(apr_int64_t, row, conf) = row->initial;
    }
    else if (row->kind == NANOMDM_SECONDS
             && VALUE(apr_int64_t, row, conf) == NANOMDM_UNSET) {
        *MEMBER(apr_int64_t, row, conf) = apr_time_from_sec(row->initial);
    }
    else if (row->kind == NANOMDM_TEXT && !VALUE(char *, row, conf)) {
        *MEMBER(const char *, row, conf) = row->initial_text;
    }
}

/* ---- Setters ---- */

const char *nanomdm_set_flag(cmd_parms *cmd, void *conf, int on)
{
    const nanomdm_row_t *row = cmd->info;

    *MEMBER(int, row, conf) = on != 0;
    return NULL;
}

/* "write A or B", "write A, B or C". */
static const char *choices(apr_pool_t *p, const nanomdm_word_t *words)
{
    const char *text = apr_pstrcat(p, "write ", words->word, NULL);

    while ((++words)->word) {
        text = apr_pstrcat(p, text, words[1].word ? ", " : " or ",
                           words->word, NULL);
    }
    return text;
}

const char *nanomdm_set_word(cmd_parms *cmd, void *conf, const char *word)
{
    const nanomdm_row_t *row = cmd->info;
    const nanomdm_word_t *known;

    for (known = row->words; known->word; known++) {
        if (!strcasecmp(word, known->word)) {
            *MEMBER(int, row, conf) = known->value;
            return NULL;
        }
    }
    return nanomdm_wrong(cmd, word, choices(cmd->pool, row->words));
}

/* Whether a word is a number within the bounds of a row. */
static int read_number(apr_int64_t *out, const char *word,
                       const nanomdm_row_t *row)
{
    apr_off_t number;
    char *end;

    if (apr_strtoff(&number, word, &end, 10) != APR_SUCCESS || *end
        || !apr_isdigit(*word) || number < row->least
        || number > row->most) {
        return 0;
    }
    *out = number;
    return 1;
}

const char *nanomdm_set_seconds(cmd_parms *cmd, void *conf, const char *word)
{
    const nanomdm_row_t *row = cmd->info;
    apr_int64_t seconds;

    if (!read_number(&seconds, word, row)) {
        return nanomdm_wrong(cmd, word, apr_psprintf(
            cmd->pool, "not a time; write a number of seconds from %"
            APR_INT64_T_FMT " to %" APR_INT64_T_FMT, row->least, row->most));
    }
    *MEMBER(apr_int64_t, row, conf) = row->kind == NANOMDM_SECONDS
        ? apr_time_from_sec(seconds) : seconds;
    return NULL;
}

const char *nanomdm_set_amount(cmd_parms *cmd, void *conf, const char *word)
{
    const nanomdm_row_t *row = cmd->info;

    return read_number(MEMBER(apr_int64_t, row, conf), word, row) ? NULL
        : nanomdm_wrong(cmd, word, apr_psprintf(
              cmd->pool, "write a number from %" APR_INT64_T_FMT " to %"
              APR_INT64_T_FMT, row->least, row->most));
}

const char *nanomdm_set_bytes(cmd_parms *cmd, void *conf, const char *word)
{
    const nanomdm_row_t *row = cmd->info;

    return read_number(MEMBER(apr_int64_t, row, conf), word, row) ? NULL
        : nanomdm_wrong(cmd, word, apr_psprintf(
              cmd->pool, "not a size; write a number of bytes from %"
              APR_INT64_T_FMT " to %" APR_INT64_T_FMT, row->least,
              row->most));
}

const char *nanomdm_set_any_url(cmd_parms *cmd, void *conf, const char *url)
{
    const nanomdm_row_t *row = cmd->info;

    return nanomdm_set_url(cmd, MEMBER(const char *, row, conf), url);
}

const char *nanomdm_set_any_secret(cmd_parms *cmd, void *conf,
                                   const char *value)
{
    const nanomdm_row_t *row = cmd->info;

    nanomdm_hidden_t *slot = MEMBER(nanomdm_hidden_t, row, conf);
    const char *problem = nanomdm_set_secret(cmd, slot, value);

    if (!problem && slot == &((nanomdm_conf_t *)conf)->api_key) {
        nanomdm_warn_of_short_key(cmd, slot->value);
    }
    return problem;
}

/* ---- Showing ---- */

const char *nanomdm_show_flag(apr_pool_t *p, const nanomdm_conf_t *conf,
                              const nanomdm_row_t *row)
{
    (void)p;
    return VALUE(int, row, conf) ? "On" : "Off";
}

const char *nanomdm_show_word(apr_pool_t *p, const nanomdm_conf_t *conf,
                              const nanomdm_row_t *row)
{
    const nanomdm_word_t *known = row->words;

    (void)p;
    while (known->word && known->value != VALUE(int, row, conf)) {
        known++;
    }
    return known->word ? known->word : row->initial_text;
}

const char *nanomdm_show_number(apr_pool_t *p, const nanomdm_conf_t *conf,
                                const nanomdm_row_t *row)
{
    apr_int64_t number = VALUE(apr_int64_t, row, conf);

    return apr_psprintf(p, "%" APR_INT64_T_FMT, row->kind == NANOMDM_SECONDS
                        ? apr_time_sec(number) : number);
}

const char *nanomdm_show_text(apr_pool_t *p, const nanomdm_conf_t *conf,
                              const nanomdm_row_t *row)
{
    (void)p;
    return VALUE(char *, row, conf);
}

const char *nanomdm_show_url(apr_pool_t *p, const nanomdm_conf_t *conf,
                             const nanomdm_row_t *row)
{
    const char *url = VALUE(char *, row, conf);
    const char *host = url ? strstr(url, "://") : NULL;
    const char *at;

    if (!host) {
        return url;
    }
    host += 3;
    at = memchr(host, '@', strcspn(host, "/?#"));
    return apr_pstrcat(p, apr_pstrmemdup(p, url, (apr_size_t)(host - url)),
                       apr_pstrmemdup(p, at ? at + 1 : host,
                                      strcspn(at ? at + 1 : host, "?#")),
                       NULL);
}

const char *nanomdm_show_hidden(apr_pool_t *p, const nanomdm_conf_t *conf,
                                const nanomdm_row_t *row)
{
    (void)p;
    return VALUE(nanomdm_hidden_t, row, conf).shown;
}

const char *nanomdm_show_names(apr_pool_t *p, const nanomdm_conf_t *conf,
                               const nanomdm_row_t *row)
{
    apr_hash_t *table = VALUE(apr_hash_t *, row, conf);
    const char *text = NULL;
    apr_hash_index_t *hi;

    for (hi = table ? apr_hash_first(p, table) : NULL; hi;
         hi = apr_hash_next(hi)) {
        const char *name = apr_hash_this_key(hi);

        text = apr_pstrcat(p, text ? text : "", text ? "\n" : "",
                           *name ? name : "(any)", " " NANOMDM_NOT_SHOWN, NULL);
    }
    return text;
}
