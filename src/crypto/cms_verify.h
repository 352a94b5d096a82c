/* SPDX-License-Identifier: Apache-2.0 */
/* cms_verify.h -- whether one signer signed one content (RFC 5652 5.4). For the
 * files that know OpenSSL. */

#ifndef NMDM_CMS_VERIFY_H
#define NMDM_CMS_VERIFY_H

#include "base/context.h"

#include <openssl/cms.h>

/* Whether `info`, of `cms`, is a signature over content with the key of signer;
 * a NULL content is that of cms, which then has to have one. No certificate is
 * verified.
 *
 * One digest of the content is computed and one signature verified, whatever
 * the message says: CMS_verify() computes all that its digestAlgorithms name,
 * and thousands of names fit into what a client may send. */
int nmdm_cms_verify_signer(CMS_ContentInfo *cms, CMS_SignerInfo *info,
                           X509 *signer, const nmdm_bytes_t *content);

/* The enclosed content, which lives as long as cms; data is NULL where there is
 * none. */
nmdm_bytes_t nmdm_cms_verify_content(CMS_ContentInfo *cms);

#endif /* NMDM_CMS_VERIFY_H */
