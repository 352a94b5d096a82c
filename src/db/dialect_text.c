/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_text.c -- SQL text as a database wants it. */

#include "db/dialect.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include <string.h>

/* ---- Table names ---- */

static int is_word_char(char c)
{
    return apr_isalnum(c) || c == '_';
}

static int is_ours(const char *word, apr_size_t len)
{
    static const char *const TABLES[] = {
        "devices", "users", "enrollments", "commands", "command_results",
        "enrollment_queue", "push_certs", "cert_auth_associations",
        "view_queue", NULL
    };
    int i;

    if ((len > 8 && !strncmp(word, "nanomdm_", 8))
        || (len > 4 && !strncmp(word, "idx_", 4))) {
        return 1;
    }
    for (i = 0; TABLES[i]; i++) {
        if (strlen(TABLES[i]) == len && !strncmp(word, TABLES[i], len)) {
            return 1;
        }
    }
    return 0;
}

const char *nmdm_dialect_prefixed(apr_pool_t *p, const char *sql,
                                  const char *prefix)
{
    apr_array_header_t *parts;

    if (!prefix || !*prefix) {
        return sql;
    }
    parts = apr_array_make(p, 64, sizeof(const char *));
    while (*sql) {
        apr_size_t len = 1;

        if (is_word_char(*sql)) {
            while (is_word_char(sql[len])) {
                len++;
            }
            if (is_ours(sql, len)) {
                APR_ARRAY_PUSH(parts, const char *) = prefix;
            }
        }
        APR_ARRAY_PUSH(parts, const char *) = apr_pstrndup(p, sql, len);
        sql += len;
    }
    return apr_array_pstrcat(p, parts, 0);
}

/* ---- Abbreviations ---- */

static const char *replace_all(apr_pool_t *p, const char *sql,
                               const char *word, const char *text)
{
    apr_array_header_t *parts = apr_array_make(p, 8, sizeof(const char *));
    const char *at;

    while ((at = strstr(sql, word))) {
        APR_ARRAY_PUSH(parts, const char *)
            = apr_pstrmemdup(p, sql, (apr_size_t)(at - sql));
        APR_ARRAY_PUSH(parts, const char *) = text;
        sql = at + strlen(word);
    }
    APR_ARRAY_PUSH(parts, const char *) = sql;
    return apr_array_pstrcat(p, parts, 0);
}

static const char *const CALLS[NMDM_CALLS] = {
    [NMDM_CALL_SECONDS] = "SECONDS(",
    [NMDM_CALL_DIGITS] = "DIGITS(",
    [NMDM_CALL_INTEGER_OF] = "INTEGER_OF(",
    [NMDM_CALL_TIME_OF] = "TIME_OF(",
    [NMDM_CALL_TEXT_OF_TIME] = "TEXT_OF_TIME(",
    [NMDM_CALL_TIME_OF_TEXT] = "TIME_OF_TEXT(",
};

static const char *end_of_call(const char *at)
{
    int depth;

    for (depth = 1; *at; at++) {
        depth += (*at == '(') - (*at == ')');
        if (!depth) {
            break;
        }
    }
    return at;
}

static const char *replace_calls(apr_pool_t *p, const char *sql,
                                 const char *call,
                                 const nmdm_dialect_around_t *around)
{
    apr_array_header_t *parts = apr_array_make(p, 8, sizeof(const char *));
    const char *at, *end;

    while ((at = strstr(sql, call))) {
        /* Not the tail of a longer name. */
        int is_whole = at == sql || !is_word_char(at[-1]);

        end = is_whole ? end_of_call(at + strlen(call)) : at + 1;
        APR_ARRAY_PUSH(parts, const char *)
            = apr_pstrmemdup(p, sql, (apr_size_t)((is_whole ? at : end)
                                                  - sql));
        if (is_whole) {
            APR_ARRAY_PUSH(parts, const char *) = around->before;
            APR_ARRAY_PUSH(parts, const char *) = apr_pstrmemdup(
                p, at + strlen(call),
                (apr_size_t)(end - at) - strlen(call));
            APR_ARRAY_PUSH(parts, const char *) = around->after;
            end++;
        }
        sql = end;
    }
    APR_ARRAY_PUSH(parts, const char *) = sql;
    return apr_array_pstrcat(p, parts, 0);
}

static const char *marks_of(apr_pool_t *p, const char *mark, int n)
{
    apr_array_header_t *marks = apr_array_make(p, n, sizeof(const char *));
    int i;

    for (i = 0; i < n; i++) {
        APR_ARRAY_PUSH(marks, const char *) = mark;
    }
    return apr_array_pstrcat(p, marks, ',');
}

const char *nmdm_dialect_text(apr_pool_t *p, const char *sql,
                              const nmdm_dialect_t *dialect,
                              const char *prefix)
{
    int i;

    sql = nmdm_dialect_prefixed(p, sql, prefix);
    for (i = 0; i < NMDM_CALLS; i++) {
        sql = replace_calls(p, sql, CALLS[i], &dialect->calls[i]);
    }
    sql = replace_all(p, sql, "CURRENT_TIMESTAMP", dialect->now);
    sql = replace_all(p, sql, "EPOCH_SECONDS", dialect->epoch_seconds);
    sql = replace_all(p, sql, "BYTE_LENGTH", dialect->byte_length);
    sql = replace_all(p, sql, "%SEQS", marks_of(p, "%lld", NMDM_SQL_IDS));
    if (strstr(sql, "%MANY")) {
        sql = replace_all(p, sql, "%MANY", marks_of(p, "%s", NMDM_SQL_MANY));
    }
    return replace_all(p, sql, "%IDS", marks_of(p, "%s", NMDM_SQL_IDS));
}

/* ---- Arrays ---- */

static char *quote(char *at, const char *value)
{
    *at++ = '"';
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') {
            *at++ = '\\';
        }
        *at++ = *value;
    }
    *at++ = '"';
    return at;
}

const char *nmdm_dialect_array(apr_pool_t *p, const char *const *values, int n)
{
    apr_size_t len = sizeof("{}");
    char *text, *at;
    int i;

    for (i = 0; i < n; i++) {
        len += 2 * strlen(values[i]) + sizeof("\"\",") - 1;
    }
    text = at = apr_palloc(p, len);
    *at++ = '{';
    for (i = 0; i < n; i++) {
        at = quote(at, values[i]);
        *at++ = ',';
    }
    at[n ? -1 : 0] = '}';
    at[n ? 0 : 1] = '\0';
    return text;
}
