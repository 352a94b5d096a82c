/* SPDX-License-Identifier: Apache-2.0 */
/* test_db_error.c -- which errors of a database are worth another try. */

#include "support.h"
#include "db/db_error.h"

static nmdm_retry_e of_mysql(int number)
{
    return nmdm_db_error_retry(&nmdm_dialect_mysql, number, "a text");
}

static nmdm_retry_e of_pgsql(const char *text)
{
    return nmdm_db_error_retry(&nmdm_dialect_pgsql, 7, text);
}

/* As a loaded MariaDB since 11.6.2 says to a session that waited for a row. */
static void a_row_that_has_changed_is_tried_again(void **state)
{
    (void)state;
    assert_int_equal(of_mysql(1020), NMDM_RETRY_WAIT);
}

static void what_passes_is_tried_again(void **state)
{
    static const int PASSING[] = { 1047, 1159, 1161, 1205, 1213, 1317, 1792,
                                   1927, 1969, 2006, 2013, 2014, 2026, 3024,
                                   3101, 3572, 4031 };
    apr_size_t i;

    (void)state;
    for (i = 0; i < sizeof(PASSING) / sizeof(*PASSING); i++) {
        assert_int_equal(of_mysql(PASSING[i]), NMDM_RETRY_WAIT);
    }
}

static void what_has_run_out_is_left_to_the_client(void **state)
{
    static const int FULL[] = { 1021, 1037, 1114, 1206, 1226, 1461 };
    apr_size_t i;

    (void)state;
    for (i = 0; i < sizeof(FULL) / sizeof(*FULL); i++) {
        assert_int_equal(of_mysql(FULL[i]), NMDM_RETRY_LATER);
    }
    assert_int_equal(of_pgsql("ERROR:  could not extend file \"base/1/2\":"
                              " No space left on device"), NMDM_RETRY_LATER);
}

/* Syntax, a missing table or right, a row that exists, a check. */
static void what_stays_wrong_is_given_up_soon(void **state)
{
    static const int WRONG[] = { 1054, 1062, 1064, 1142, 1146, 1366, 1419,
                                 3819 };
    apr_size_t i;

    (void)state;
    for (i = 0; i < sizeof(WRONG) / sizeof(*WRONG); i++) {
        assert_int_equal(of_mysql(WRONG[i]), NMDM_RETRY_FEW);
    }
    assert_int_equal(of_pgsql("ERROR:  relation \"devices\" does not"
                              " exist"), NMDM_RETRY_FEW);
}

static void postgresql_is_known_by_its_texts(void **state)
{
    static const char *const PASSING[] = {
        "ERROR:  deadlock detected",
        "ERROR:  canceling statement due to lock timeout",
        "ERROR:  canceling statement due to conflict with recovery",
        "FATAL:  terminating connection due to administrator command",
        "ERROR:  cannot execute INSERT in a read-only transaction",
        "FATAL:  the database system is starting up",
        "FATAL:  query_wait_timeout"
    };
    apr_size_t i;

    (void)state;
    for (i = 0; i < sizeof(PASSING) / sizeof(*PASSING); i++) {
        assert_int_equal(of_pgsql(PASSING[i]), NMDM_RETRY_WAIT);
    }
}

static void sqlite_is_known_by_its_texts(void **state)
{
    const nmdm_dialect_t *sqlite = &nmdm_dialect_sqlite3;

    (void)state;
    assert_int_equal(nmdm_db_error_retry(sqlite, 5, "database is locked"),
                     NMDM_RETRY_WAIT);
    assert_int_equal(nmdm_db_error_retry(sqlite, 17, "database schema has"
                                         " changed"), NMDM_RETRY_WAIT);
    assert_int_equal(nmdm_db_error_retry(sqlite, 13, "database or disk is"
                                         " full"), NMDM_RETRY_LATER);
    assert_int_equal(nmdm_db_error_retry(sqlite, 14, "unable to open database"
                                         " file"), NMDM_RETRY_LATER);
    assert_int_equal(nmdm_db_error_retry(sqlite, 1, "no such table: devices"),
                     NMDM_RETRY_FEW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_that_has_changed_is_tried_again),
        cmocka_unit_test(what_passes_is_tried_again),
        cmocka_unit_test(what_has_run_out_is_left_to_the_client),
        cmocka_unit_test(what_stays_wrong_is_given_up_soon),
        cmocka_unit_test(postgresql_is_known_by_its_texts),
        cmocka_unit_test(sqlite_is_known_by_its_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
