/* SPDX-License-Identifier: Apache-2.0 */
/* httpd/access.h -- who may use the handlers of operators. */

#ifndef NANOMDM_ACCESS_H
#define NANOMDM_ACCESS_H

#include <httpd.h>

/* Keeps names from unverified certificates out of the authentication of our
 * handlers. */
void nanomdm_access_hooks(void);

/* Whether an authentication of httpd vouches for r->user: a password, a token,
 * or a client certificate that mod_ssl's own CAs verify. */
int nanomdm_access_is_vouched_for(request_rec *r);

/* The status of the error for which r is the error document, or a part of
 * that; 0 when r is none. */
int nanomdm_access_error_before(const request_rec *r);

/* What a browser says that shows the page of another site to be asking, as a
 * sentence, or NULL (Fetch Metadata; RFC 6454 section 7). */
const char *nanomdm_access_cross_site(request_rec *r);
/* The same where people may follow a link from another site, and only what its
 * page fetches by itself, such as an image or a frame, is refused. */
const char *nanomdm_access_embedded(request_rec *r);

#endif /* NANOMDM_ACCESS_H */
