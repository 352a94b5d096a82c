/* SPDX-License-Identifier: Apache-2.0 */
/* trace.c -- what a request is called in logs and at other servers. */

#include "httpd/trace.h"
#include "crypto/digest.h"

#include <apr_atomic.h>
#include <apr_strings.h>

#include <string.h>

static apr_uint64_t first_trace;
static apr_uint64_t traces;     /* atomic: of this child, so far */

int nanomdm_trace_init(void)
{
    return nmdm_digest_random(&first_trace, sizeof(first_trace));
}

/* NanoMDM's are eight random bytes. A secret they are not, so one random number
 * is drawn for a child and scattered by SplitMix64 (Steele, Lea, Flood 2014),
 * which repeats nothing. Random bytes for each request would be a twentieth of
 * a poll. */
const char *nanomdm_new_trace_id(apr_pool_t *p)
{
    apr_uint64_t z = first_trace
        + apr_atomic_inc64(&traces) * APR_UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * APR_UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * APR_UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return apr_psprintf(p, "%016" APR_UINT64_T_HEX_FMT, z);
}

/* W3C Trace Context, version 00: "00-", 32 and 16 and 2 digits. Anything else
 * is not passed on. */
const char *nanomdm_traceparent(const request_rec *r)
{
    static const char FORM[]
        = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    const char *sent = apr_table_get(r->headers_in, "traceparent");
    apr_size_t i;

    if (!sent || strlen(sent) != sizeof(FORM) - 1) {
        return NULL;
    }
    for (i = 0; FORM[i]; i++) {
        if (FORM[i] == 'x' ? !strchr("0123456789abcdef", sent[i])
                           : sent[i] != FORM[i]) {
            return NULL;
        }
    }
    return sent;
}
