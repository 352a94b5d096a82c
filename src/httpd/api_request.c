/* SPDX-License-Identifier: Apache-2.0 */
/* api_request.c -- a request of an operator: may it be made, and which call is
 * it? */

#include "httpd/api.h"
#include "api/answer.h"
#include "httpd/access.h"
#include "httpd/location.h"
#include "httpd/reply.h"

#include <apr_strings.h>
#include <http_protocol.h>
#include <http_log.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

/* With AllowEncodedSlashes NoDecode, httpd leaves %2F in the path, where it
 * looks like a decoded %252F. The request line shows which, as long as the
 * path was made from it. */
static const char *decode_slashes(request_rec *r, const char *name,
                                  const char *rest)
{
    const char *start = apr_pstrcat(r->pool, "/", name, "/", NULL);
    const char *raw = strstr(r->unparsed_uri, start);
    char *kept, *decoded;

    if (!raw || !strchr(rest, '%')) {
        return rest;
    }
    raw += strlen(start);
    raw = apr_pstrmemdup(r->pool, raw, strcspn(raw, "?"));
    kept = apr_pstrdup(r->pool, raw);
    decoded = apr_pstrdup(r->pool, raw);
    if (ap_unescape_url_keep2f(kept, 0) != OK || strcmp(kept, rest)
        || ap_unescape_url_keep2f(decoded, 1) != OK) {
        return rest;
    }
    return decoded;
}

/* The call is the first segment after the own path of the Location, so that
 * rights on the path of a call cannot be walked around; what follows is the
 * call's own. *rest is NULL when nothing follows, not even a slash. */
const char *nanomdm_api_find_call(request_rec *r, const char **rest,
                                  int (*names)(const char *, apr_size_t))
{
    const apr_array_header_t *paths = nanomdm_location_paths(r);
    int i;

    for (i = 0; i < paths->nelts; i++) {
        const char *at = r->uri + APR_ARRAY_IDX(paths, i, apr_size_t);
        apr_size_t len = *at == '/' ? strcspn(at + 1, "/") : 0;

        if (len && names(++at, len)) {
            const char *name = apr_pstrmemdup(r->pool, at, len);

            *rest = at[len] ? decode_slashes(r, name, at + len + 1) : NULL;
            return name;
        }
    }
    return NULL;
}

int nanomdm_api_refuse(request_rec *r, int status, const char *reason)
{
    nmdm_reply_t reply = { NULL, { "", 0 }, NULL };

    nmdm_api_answer_error(&reply, r->pool, reason);
    return nanomdm_reply(r, NULL, &reply, status);
}

/* Why the request is refused, and with which status, or NULL: no
 * authentication vouches for it, also when none is configured; only an error
 * led here; or the page of another site asks. */
static const char *denial(int *status, request_rec *r)
{
    const char *reason;

    *status = nanomdm_access_error_before(r);
    if (*status) {
        return ap_get_status_line(*status) + 4;
    }
    *status = HTTP_FORBIDDEN;
    if (!nanomdm_access_is_vouched_for(r)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, NMDMNO(1201)
                      "-: %s: refused, because no authentication vouched for"
                      " the request; write for this Location: AuthType Basic,"
                      " AuthName nanomdm, AuthBasicProvider nanomdm, Require"
                      " valid-user", r->uri);
        return "no authentication is configured for this URL";
    }
    reason = nanomdm_access_cross_site(r);
    if (reason) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, NMDMNO(1202)
                      "-: %s: %s", r->uri, reason);
    }
    return reason;
}

int nanomdm_api_is_refused(int *answer, request_rec *r)
{
    int status;
    const char *reason = denial(&status, r);

    if (reason) {
        *answer = nanomdm_api_refuse(r, status, reason);
    }
    return reason != NULL;
}
