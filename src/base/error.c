/* SPDX-License-Identifier: Apache-2.0 */
/* error.c -- errors as values. */

#include "base/error.h"
#include "base/text.h"

#include <apr_strings.h>

#include <string.h>

nmdm_err_t *nmdm_err(apr_pool_t *p, nmdm_kind_e kind, apr_status_t rv,
                     const char *fmt, ...)
{
    nmdm_err_t *err = apr_pcalloc(p, sizeof(*err));
    va_list args;
    char *msg;

    va_start(args, fmt);
    msg = apr_pvsprintf(p, fmt, args);
    va_end(args);
    /* What it cites may be cut off within a character. */
    nmdm_utf8_repair(msg);
    err->kind = kind;
    err->rv = rv;
    err->msg = msg;
    return err;
}

nmdm_err_t *nmdm_err_copy(apr_pool_t *p, const nmdm_err_t *err)
{
    nmdm_err_t *copy = apr_pmemdup(p, err, sizeof(*err));

    copy->msg = apr_pstrdup(p, err->msg);
    return copy;
}

const char *nmdm_err_text(const nmdm_err_t *err)
{
    if (!strncmp(err->msg, "NMDM", 4)) {
        const char *after_tag = strstr(err->msg, ": ");
        const char *text = after_tag ? after_tag + 2 : err->msg;

        /* In place of an id, where there is none. */
        return strncmp(text, "-: ", 3) ? text : text + 3;
    }
    return err->msg;
}
