/* SPDX-License-Identifier: Apache-2.0 */
/* secret_program.c -- a program that writes a secret.
 *
 * httpd's ap_get_exec_line() would wait without end, and take what a program
 * that failed has written. */

#include "config/secret_program.h"
#include "base/time.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>

#include <signal.h>
#include <string.h>

#define MOST 8192
#define LOOK_AGAIN apr_time_from_msec(5)

static apr_status_t start(apr_proc_t *program, cmd_parms *cmd,
                          const char *line)
{
    apr_procattr_t *attr;
    apr_status_t rv;
    char **argv;

    rv = apr_tokenize_to_argv(line, &argv, cmd->temp_pool);
    if (rv == APR_SUCCESS && !argv[0]) {
        rv = APR_ENOENT;
    }
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_create(&attr, cmd->temp_pool);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_io_set(attr, APR_NO_PIPE, APR_FULL_BLOCK,
                                 APR_NO_PIPE);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_cmdtype_set(attr, APR_PROGRAM_ENV);
    }
    if (rv == APR_SUCCESS) {
        /* What cannot be run is found before there is a process. */
        rv = apr_procattr_error_check_set(attr, 1);
    }
    return rv == APR_SUCCESS
        ? apr_proc_create(program, argv[0], (const char *const *)argv, NULL,
                          attr, cmd->temp_pool) : rv;
}

/* To the end of what it writes; what is too long for `buf` is read and
 * forgotten. */
static apr_status_t read_all(apr_proc_t *program, char *buf, apr_size_t *len,
                             apr_time_t deadline)
{
    char rest[512];
    apr_status_t rv = APR_SUCCESS;

    *len = 0;
    while (rv == APR_SUCCESS) {
        apr_interval_time_t left = deadline - nmdm_time_steady();
        apr_size_t room = MOST - *len;
        apr_size_t n = room ? room : sizeof(rest);

        if (left <= 0) {
            return APR_TIMEUP;
        }
        apr_file_pipe_timeout_set(program->out, left);
        rv = apr_file_read(program->out, room ? buf + *len : rest, &n);
        *len += rv == APR_SUCCESS && room ? n : 0;
    }
    return rv;
}

/* One that has written all may still run. */
static int ends_in_time(apr_proc_t *program, int *status, apr_time_t deadline)
{
    apr_exit_why_e why = APR_PROC_EXIT;

    while (apr_proc_wait(program, status, &why, APR_NOWAIT)
           != APR_CHILD_DONE) {
        if (nmdm_time_steady() > deadline) {
            apr_proc_kill(program, SIGKILL);
            apr_proc_wait(program, status, &why, APR_WAIT);
            return 0;
        }
        apr_sleep(LOOK_AGAIN);
    }
    *status = APR_PROC_CHECK_EXIT(why) ? *status : -1;
    return 1;
}

const char *nanomdm_secret_program_ask(cmd_parms *cmd, char **text,
                                       const char *line)
{
    apr_time_t deadline = nmdm_time_steady()
        + apr_time_from_sec(NANOMDM_SECRET_PROGRAM_TIME);
    apr_proc_t program;
    apr_status_t rv;
    apr_size_t len;
    char why[120];
    int status = 0;

    *text = apr_palloc(cmd->pool, MOST + 1);
    rv = start(&program, cmd, line);
    if (rv != APR_SUCCESS) {
        return apr_psprintf(cmd->pool, "the program did not run (%s)",
                            apr_strerror(rv, why, sizeof(why)));
    }
    rv = read_all(&program, *text, &len, deadline);
    if (!ends_in_time(&program, &status, APR_STATUS_IS_TIMEUP(rv) ? 0
                                                                  : deadline)) {
        return apr_psprintf(cmd->pool, "the program did not end within %d"
                            " seconds", NANOMDM_SECRET_PROGRAM_TIME);
    }
    (*text)[len] = '\0';
    (*text)[strcspn(*text, "\r\n")] = '\0';
    return status ? apr_psprintf(cmd->pool, "the program failed (exit status"
                                 " %d)", status)
        : !**text ? "the program wrote nothing" : NULL;
}
