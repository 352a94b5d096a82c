/* SPDX-License-Identifier: Apache-2.0 */
/* exchange.c -- the body of a request, which may be partly in base64. */

#include "net/exchange.h"

#include <string.h>

apr_size_t nmdm_exchange_length(const nmdm_exchange_t *x)
{
    return x->body.len + nmdm_base64_length(x->payload.len) + x->rest.len;
}

static apr_size_t copy_part(char *to, apr_size_t room, nmdm_bytes_t part,
                            apr_size_t from)
{
    apr_size_t n = part.len - from < room ? part.len - from : room;

    memcpy(to, part.data + from, n);
    return n;
}

apr_size_t nmdm_exchange_read(const nmdm_exchange_t *x, char *to,
                              apr_size_t room, apr_size_t from)
{
    apr_size_t encoded = nmdm_base64_length(x->payload.len);

    if (from < x->body.len) {
        return copy_part(to, room, x->body, from);
    }
    from -= x->body.len;
    if (from < encoded) {
        return nmdm_base64_part(to, room, x->payload, from);
    }
    from -= encoded;
    return from < x->rest.len ? copy_part(to, room, x->rest, from) : 0;
}
