/* SPDX-License-Identifier: Apache-2.0 */
/* client_library.c -- the statements of a command round trip, run through the
 * database's own client library: what the module is compared with.
 *
 *   client_library sqlite3|pgsql|mysql PARAMS DEVICES THREADS EACH
 *
 * PARAMS is a path, a libpq string, or HOST,PORT,DATABASE,USER,PASSWORD.
 * DEVICES is a file with "id sha256" on each line, one line for each thread.
 * A thread has a connection, prepares both statements once and then, EACH
 * times, reads the next command and stores a report on it, each durably. The
 * texts are the module's own. Says "ready", waits for a line, works, prints
 * one line of JSON, and goes when its input ends. */

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <apr_general.h>
#include <apr_strings.h>

#include <libpq-fe.h>
#include <mysql.h>
#include <sqlite3.h>

#include "db/statements.h"

#define MOST_PARAMS 7
#define UUID_SIZE 128

typedef struct worker_t worker_t;

/* What differs between databases. next copies the UUID of the command that
 * waits, "" for none. */
typedef struct {
    const char *name;
    void (*open)(worker_t *w);
    void (*next)(worker_t *w, char *uuid);
    void (*store)(worker_t *w, const char *uuid);
} library_t;

struct worker_t {
    pthread_t thread;
    const char *id, *sha256;
    PGconn *pg;
    MYSQL *my;
    MYSQL_STMT *my_next, *my_store;
    sqlite3 *lite;
    sqlite3_stmt *lite_next, *lite_store;
    long done;
    uint32_t *micros;
};

static const library_t *library;
static const char *params;
static int each;
static char result[4096];
static pthread_barrier_t start_line;
/* As the module does: a writer that waits for SQLite's lock would sleep. */
static pthread_mutex_t writer = PTHREAD_MUTEX_INITIALIZER;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "client_library: %s: %s\n", what, why);
    exit(2);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The text with the library's own marks in place of apr_dbd's. */
static char *text_of(nmdm_stmt_e stmt, nmdm_dialect_e dialect)
{
    apr_pool_t *p;
    const char *from;
    char *text, *to;
    int n = 0;

    apr_pool_create(&p, NULL);
    from = nmdm_statement_text(p, stmt, dialect, "");
    text = to = malloc(2 * strlen(from) + 1);
    while (*from) {
        if (!strncmp(from, "%s", 2)) {
            to += dialect == NMDM_PGSQL ? sprintf(to, "$%d", ++n)
                                        : sprintf(to, "?");
            from += 2;
        }
        else {
            from += !strncmp(from, "%%", 2);
            *to++ = *from++;
        }
    }
    *to = '\0';
    apr_pool_destroy(p);
    return text;
}

static void next_params(const worker_t *w, const char **args)
{
    args[0] = w->id;
    args[1] = args[2] = "NotNow";
    args[3] = w->id;
    args[4] = w->sha256;
}

static void store_params(const worker_t *w, const char **args,
                         const char *uuid)
{
    args[0] = "Acknowledged";
    args[1] = result;
    args[2] = w->id;
    args[3] = uuid;
    args[4] = w->id;
    args[5] = w->sha256;
}

/* ---- SQLite ---- */

static void lite_open(worker_t *w)
{
    char *next = text_of(STMT_QUEUE_NEXT, NMDM_SQLITE3);
    char *store = text_of(STMT_RESULT_PUT, NMDM_SQLITE3);

    if (sqlite3_open(params, &w->lite)
        || sqlite3_exec(w->lite, "PRAGMA foreign_keys = ON;"
                                 "PRAGMA synchronous = FULL;"
                                 "PRAGMA busy_timeout = 5000",
                        NULL, NULL, NULL)
        || sqlite3_prepare_v2(w->lite, next, -1, &w->lite_next, NULL)
        || sqlite3_prepare_v2(w->lite, store, -1, &w->lite_store, NULL)) {
        die("sqlite3", sqlite3_errmsg(w->lite));
    }
    free(next);
    free(store);
}

static void lite_bind(sqlite3_stmt *stmt, const char **args, int n)
{
    int i;

    for (i = 0; i < n; i++) {
        sqlite3_bind_text(stmt, i + 1, args[i], -1, SQLITE_STATIC);
    }
}

static void lite_next(worker_t *w, char *uuid)
{
    const char *args[MOST_PARAMS];

    next_params(w, args);
    lite_bind(w->lite_next, args, 5);
    *uuid = '\0';
    if (sqlite3_step(w->lite_next) == SQLITE_ROW
        && sqlite3_column_text(w->lite_next, 1)) {
        snprintf(uuid, UUID_SIZE, "%s",
                 (const char *)sqlite3_column_text(w->lite_next, 1));
        (void)sqlite3_column_text(w->lite_next, 3);
    }
    sqlite3_reset(w->lite_next);
}

static void lite_store(worker_t *w, const char *uuid)
{
    const char *args[MOST_PARAMS];

    store_params(w, args, uuid);
    args[6] = uuid;             /* once more, as storage/queue.c does */
    lite_bind(w->lite_store, args, 7);
    pthread_mutex_lock(&writer);
    if (sqlite3_step(w->lite_store) != SQLITE_DONE) {
        die("sqlite3", sqlite3_errmsg(w->lite));
    }
    if (!sqlite3_changes(w->lite)) {
        die("sqlite3", "the result was not stored");
    }
    sqlite3_reset(w->lite_store);
    pthread_mutex_unlock(&writer);
}

/* ---- PostgreSQL ---- */

static void pg_prepare(worker_t *w, const char *name, nmdm_stmt_e stmt)
{
    char *text = text_of(stmt, NMDM_PGSQL);
    PGresult *got = PQprepare(w->pg, name, text, 0, NULL);

    if (PQresultStatus(got) != PGRES_COMMAND_OK) {
        die("pgsql", PQerrorMessage(w->pg));
    }
    PQclear(got);
    free(text);
}

static void pg_open(worker_t *w)
{
    w->pg = PQconnectdb(params);
    if (PQstatus(w->pg) != CONNECTION_OK) {
        die("pgsql", PQerrorMessage(w->pg));
    }
    pg_prepare(w, "next", STMT_QUEUE_NEXT);
    pg_prepare(w, "store", STMT_RESULT_PUT);
}

static void pg_next(worker_t *w, char *uuid)
{
    const char *args[MOST_PARAMS];
    PGresult *got;

    next_params(w, args);
    got = PQexecPrepared(w->pg, "next", 5, args, NULL, NULL, 0);
    if (PQresultStatus(got) != PGRES_TUPLES_OK) {
        die("pgsql", PQerrorMessage(w->pg));
    }
    snprintf(uuid, UUID_SIZE, "%s",
             PQntuples(got) ? PQgetvalue(got, 0, 1) : "");
    PQclear(got);
}

static void pg_store(worker_t *w, const char *uuid)
{
    const char *args[MOST_PARAMS];
    PGresult *got;

    store_params(w, args, uuid);
    got = PQexecPrepared(w->pg, "store", 6, args, NULL, NULL, 0);
    if (PQresultStatus(got) != PGRES_COMMAND_OK) {
        die("pgsql", PQerrorMessage(w->pg));
    }
    PQclear(got);
}

/* ---- MariaDB ---- */

static MYSQL_STMT *my_prepare(worker_t *w, nmdm_stmt_e stmt)
{
    char *text = text_of(stmt, NMDM_MYSQL);
    MYSQL_STMT *made = mysql_stmt_init(w->my);

    if (mysql_stmt_prepare(made, text, strlen(text))) {
        die("mysql", mysql_stmt_error(made));
    }
    free(text);
    return made;
}

static void my_open(worker_t *w)
{
    char *copy = strdup(params), *save = NULL;
    const char *host = strtok_r(copy, ",", &save);
    const char *port = strtok_r(NULL, ",", &save);
    const char *database = strtok_r(NULL, ",", &save);
    const char *user = strtok_r(NULL, ",", &save);
    const char *password = strtok_r(NULL, ",", &save);

    w->my = mysql_init(NULL);
    if (!mysql_real_connect(w->my, host, user, password, database,
                            (unsigned)atoi(port), NULL, CLIENT_FOUND_ROWS)
        || mysql_query(w->my, "SET SESSION TRANSACTION ISOLATION LEVEL"
                              " READ COMMITTED")) {
        die("mysql", mysql_error(w->my));
    }
    w->my_next = my_prepare(w, STMT_QUEUE_NEXT);
    w->my_store = my_prepare(w, STMT_RESULT_PUT);
    free(copy);
}

static void my_run(MYSQL_STMT *stmt, const char **args, int n)
{
    MYSQL_BIND in[MOST_PARAMS];
    int i;

    memset(in, 0, sizeof(in));
    for (i = 0; i < n; i++) {
        in[i].buffer_type = MYSQL_TYPE_STRING;
        in[i].buffer = (void *)args[i];
        in[i].buffer_length = strlen(args[i]);
    }
    if (mysql_stmt_bind_param(stmt, in) || mysql_stmt_execute(stmt)) {
        die("mysql", mysql_stmt_error(stmt));
    }
}

static void my_next(worker_t *w, char *uuid)
{
    const char *args[MOST_PARAMS];
    char text[4][8192];
    my_bool is_null[4] = { 0 };
    MYSQL_BIND out[4];
    int i;

    next_params(w, args);
    my_run(w->my_next, args, 5);
    memset(out, 0, sizeof(out));
    for (i = 0; i < 4; i++) {
        out[i].buffer_type = MYSQL_TYPE_STRING;
        out[i].buffer = text[i];
        out[i].buffer_length = sizeof(text[i]);
        out[i].is_null = &is_null[i];
    }
    *uuid = '\0';
    if (mysql_stmt_bind_result(w->my_next, out)
        || mysql_stmt_store_result(w->my_next)) {
        die("mysql", mysql_stmt_error(w->my_next));
    }
    if (!mysql_stmt_fetch(w->my_next) && !is_null[1]) {
        snprintf(uuid, UUID_SIZE, "%.127s", text[1]);
    }
    mysql_stmt_free_result(w->my_next);
}

static void my_store(worker_t *w, const char *uuid)
{
    const char *args[MOST_PARAMS];

    store_params(w, args, uuid);
    my_run(w->my_store, args, 6);
}

static const library_t LIBRARIES[] = {
    { "sqlite3", lite_open, lite_next, lite_store },
    { "pgsql", pg_open, pg_next, pg_store },
    { "mysql", my_open, my_next, my_store },
    { NULL, NULL, NULL, NULL }
};

/* ---- The work ---- */

static void *work(void *baton)
{
    worker_t *w = baton;
    char uuid[UUID_SIZE];
    double began;

    library->open(w);
    w->micros = calloc((size_t)each, sizeof(*w->micros));
    pthread_barrier_wait(&start_line);
    pthread_barrier_wait(&start_line);
    library->next(w, uuid);
    while (w->done < each && *uuid) {
        began = now();
        library->store(w, uuid);
        library->next(w, uuid);
        w->micros[w->done++] = (uint32_t)((now() - began) * 1e6);
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void report(const worker_t *workers, int threads, double seconds)
{
    uint32_t *all = calloc((size_t)threads * (size_t)each + 1,
                           sizeof(*all));
    size_t n = 0;
    int i;

    for (i = 0; i < threads; i++) {
        memcpy(all + n, workers[i].micros,
               (size_t)workers[i].done * sizeof(*all));
        n += (size_t)workers[i].done;
    }
    qsort(all, n, sizeof(*all), by_size);
    printf("{\"requests\": %zu, \"seconds\": %.6f, \"p50_us\": %u,"
           " \"p99_us\": %u, \"client_us\": %.1f}\n", n, seconds,
           all[n / 2], all[n * 99 / 100],
           (double)clock() * 1e6 / CLOCKS_PER_SEC / (double)(n ? n : 1));
}

static worker_t *read_workers(const char *path, int threads)
{
    worker_t *workers = calloc((size_t)threads, sizeof(*workers));
    FILE *in = fopen(path, "r");
    int i;

    if (!in) {
        die(path, "cannot be read");
    }
    for (i = 0; i < threads; i++) {
        char id[64], sha256[65];

        if (fscanf(in, "%63s %64s", id, sha256) != 2) {
            die(path, "too few devices");
        }
        workers[i].id = strdup(id);
        workers[i].sha256 = strdup(sha256);
    }
    fclose(in);
    return workers;
}

/* As long as what the load generator's devices send. */
static void make_result(void)
{
    int len = sprintf(result, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                      "<plist version=\"1.0\">\n<dict>\n"), i;

    for (i = 0; i < 24; i++) {
        len += sprintf(result + len, "<key>Query%02d</key>"
                       "<string>An answer</string>\n", i);
    }
    sprintf(result + len, "</dict>\n</plist>\n");
}

int main(int argc, char **argv)
{
    worker_t *workers;
    int threads, i;
    double began;

    if (argc != 6) {
        fprintf(stderr, "usage: client_library sqlite3|pgsql|mysql PARAMS"
                " DEVICES THREADS EACH\n");
        return 2;
    }
    apr_initialize();
    mysql_library_init(0, NULL, NULL);
    for (library = LIBRARIES; library->name; library++) {
        if (!strcmp(library->name, argv[1])) {
            break;
        }
    }
    if (!library->name) {
        die(argv[1], "no such library");
    }
    params = argv[2];
    threads = atoi(argv[4]);
    each = atoi(argv[5]);
    make_result();
    workers = read_workers(argv[3], threads);
    pthread_barrier_init(&start_line, NULL, (unsigned)threads + 1);
    for (i = 0; i < threads; i++) {
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    pthread_barrier_wait(&start_line);
    printf("ready\n");
    fflush(stdout);
    getchar();
    began = now();
    pthread_barrier_wait(&start_line);
    for (i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    report(workers, threads, now() - began);
    fflush(stdout);
    /* Connected until the clocks of the database's processes are read. */
    getchar();
    return 0;
}
