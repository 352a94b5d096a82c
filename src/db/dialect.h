/* SPDX-License-Identifier: Apache-2.0 */
/* dialect.h -- SQL as each of three databases wants it.
 *
 * Statements are written once, with words for what databases call differently.
 * CURRENT_TIMESTAMP stands for the time with fractions of a second,
 * EPOCH_SECONDS for that since 1970. INTEGER_OF(%s) is the number that a text
 * parameter writes, and DIGITS(x) the way back. TIME_OF(%s) is the time of so
 * many seconds since 1970, and SECONDS(x) the way back. TEXT_OF_TIME(x) is a
 * time as the database writes it, to be given to TIME_OF_TEXT(%s) again. %IDS
 * stands for a list of NMDM_SQL_IDS marks for text, %MANY for one of
 * NMDM_SQL_MANY, %SEQS for one of marks for numbers. */

#ifndef NMDM_DIALECT_H
#define NMDM_DIALECT_H

#include <apr_pools.h>

typedef enum {
    NMDM_SQLITE3,
    NMDM_PGSQL,
    NMDM_MYSQL,                 /* and MariaDB */
    NMDM_DIALECTS
} nmdm_dialect_e;

/* How many ids a statement with a list takes at once; fewer are padded by
 * repeating one. */
#define NMDM_SQL_IDS 100

/* And a statement for many: large ones cost databases less for each id. */
#define NMDM_SQL_MANY 1000

/* The dialect of an apr_dbd driver, or -1. */
int nmdm_dialect_of(const char *driver);

/* SQL text with `prefix` before every name that is ours: the tables and view
 * of the schema, and whatever begins with nanomdm_ or idx_. Allocated in p,
 * or sql itself where there is no prefix. */
const char *nmdm_dialect_prefixed(apr_pool_t *p, const char *sql,
                                  const char *prefix);

/* The same, and what a dialect has for each of the words above. */
const char *nmdm_dialect_text(apr_pool_t *p, const char *sql,
                              nmdm_dialect_e dialect, const char *prefix);

#endif /* NMDM_DIALECT_H */
