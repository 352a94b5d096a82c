/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_text.c -- SQL text as a database wants it. */

#include "db/dialect.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include <string.h>

int nmdm_dialect_of(const char *driver)
{
    static const char *const NAMES[] = { "sqlite3", "pgsql", "mysql" };
    int i;

    for (i = 0; i < NMDM_DIALECTS; i++) {
        if (!strcmp(driver, NAMES[i])) {
            return i;
        }
    }
    return -1;
}

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

/* What surrounds the argument of each, by dialect. */
static const struct {
    const char *call;
    const char *before[NMDM_DIALECTS], *after[NMDM_DIALECTS];
} CALLS[] = {
    /* To the millisecond, which is what the tables hold: julianday is a day
     * and its fraction. */
    { "SECONDS(",
      { "ROUND((julianday(", "EXTRACT(EPOCH FROM CAST(", "UNIX_TIMESTAMP(" },
      { ") - 2440587.5) * 86400, 3)", " AS TIMESTAMPTZ))", ")" } },
    /* As text, because in buckets the mysql driver may cut a number to the
     * length of the one in the row before. */
    { "DIGITS(", { "(", "(", "CAST(" }, { ")", ")", " AS CHAR)" } },
    { "INTEGER_OF(",
      { "CAST(", "CAST(", "CAST(" },
      { " AS INTEGER)", " AS INTEGER)", " AS SIGNED)" } },
    { "TIME_OF(",
      { "strftime('%%Y-%%m-%%d %%H:%%M:%%f', CAST(",
        "CAST(TO_TIMESTAMP(CAST(", "FROM_UNIXTIME(CAST(" },
      { " AS INTEGER), 'unixepoch')",
        " AS DOUBLE PRECISION)) AS TIMESTAMP)", " AS SIGNED))" } },
    { "TEXT_OF_TIME(",
      { "(", "CAST(", "CAST(" },
      { ")", " AS TEXT)", " AS CHAR(26))" } },
    { "TIME_OF_TEXT(",
      { "(", "CAST(", "CAST(" },
      { ")", " AS TIMESTAMP)", " AS DATETIME(6))" } },
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

/* Calls do not nest. */
static const char *replace_calls(apr_pool_t *p, const char *sql,
                                 nmdm_dialect_e dialect, int which)
{
    apr_array_header_t *parts = apr_array_make(p, 8, sizeof(const char *));
    const char *at, *end, *call = CALLS[which].call;

    while ((at = strstr(sql, call))) {
        /* Not the tail of a longer name. */
        int is_whole = at == sql || !is_word_char(at[-1]);

        end = is_whole ? end_of_call(at + strlen(call)) : at + 1;
        APR_ARRAY_PUSH(parts, const char *)
            = apr_pstrmemdup(p, sql, (apr_size_t)((is_whole ? at : end)
                                                  - sql));
        if (is_whole) {
            APR_ARRAY_PUSH(parts, const char *)
                = CALLS[which].before[dialect];
            APR_ARRAY_PUSH(parts, const char *) = apr_pstrmemdup(
                p, at + strlen(call),
                (apr_size_t)(end - at) - strlen(call));
            APR_ARRAY_PUSH(parts, const char *) = CALLS[which].after[dialect];
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
                              nmdm_dialect_e dialect, const char *prefix)
{
    static const char *const NOW[] = {
        [NMDM_SQLITE3] = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
        [NMDM_PGSQL] = "CURRENT_TIMESTAMP",
        [NMDM_MYSQL] = "CURRENT_TIMESTAMP(6)",
    };
    static const char *const EPOCH[] = {
        [NMDM_SQLITE3] = "CAST(strftime('%%s', 'now') AS INTEGER)",
        [NMDM_PGSQL]
            = "CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) AS BIGINT)",
        [NMDM_MYSQL] = "UNIX_TIMESTAMP()",
    };
    int i;

    sql = nmdm_dialect_prefixed(p, sql, prefix);
    for (i = 0; i < (int)(sizeof(CALLS) / sizeof(*CALLS)); i++) {
        sql = replace_calls(p, sql, dialect, i);
    }
    sql = replace_all(p, sql, "CURRENT_TIMESTAMP", NOW[dialect]);
    sql = replace_all(p, sql, "EPOCH_SECONDS", EPOCH[dialect]);
    /* OCTET_LENGTH came with SQLite 3.43, whose LENGTH counts characters: of
     * text in ASCII that is the same. */
    sql = replace_all(p, sql, "BYTE_LENGTH", dialect == NMDM_SQLITE3
                      ? "LENGTH" : "OCTET_LENGTH");
    sql = replace_all(p, sql, "%SEQS", marks_of(p, "%lld", NMDM_SQL_IDS));
    if (strstr(sql, "%MANY")) {
        sql = replace_all(p, sql, "%MANY", marks_of(p, "%s", NMDM_SQL_MANY));
    }
    return replace_all(p, sql, "%IDS", marks_of(p, "%s", NMDM_SQL_IDS));
}
