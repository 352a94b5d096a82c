/* SPDX-License-Identifier: Apache-2.0 */
/* enrollment_profile.h -- the profile that enrolls a device, or renews its
 * identity: what a server fills in, once for all devices, and what is one
 * device's. Keys as in Apple's device-management repository, release iOS 18.1:
 * mdm/profiles/TopLevel, com.apple.mdm, com.apple.security.scep,
 * com.apple.security.root. */

#ifndef NMDM_ENROLLMENT_PROFILE_H
#define NMDM_ENROLLMENT_PROFILE_H

#include "crypto/cms_sign.h"

/* What is configured. Of what a template has, the template's counts; NULL is
 * what only a template can say. Shared between threads. */
typedef struct {
    nmdm_bytes_t template_list;         /* a property list, or empty */
    const char *identifier;             /* of the profile; never changes */
    const char *organization;           /* or NULL */
    const char *server_url;
    const char *checkin_url;            /* NULL: ServerURL serves check-ins */
    const char *scep_url;
    int is_scep_elsewhere;              /* challenges are another server's */
    const char *topic;                  /* NULL: of the push certificate */
    int signs_messages;                 /* SignMessage */
    int has_tokens;                     /* answers GetToken? */
    const apr_array_header_t *anchors;  /* of nmdm_bytes_t: certificates in
                                         * DER; or NULL */
    const nmdm_cms_sign_t *signer;      /* NULL: not signed */
} nmdm_profile_conf_t;

/* What is one device's. */
typedef struct {
    const char *topic;          /* where conf has none */
    const char *challenge;      /* of SCEP; NULL: the template's, or none */
    const char *name;           /* CN of the identity that is asked for */
    const char *mode;           /* EnrollmentMode BYOD or ADDE, with account;
                                 * NULL: the enrollment of a device */
    const char *account;        /* AssignedManagedAppleID */
} nmdm_profile_device_t;

typedef struct {
    nmdm_bytes_t body;          /* XML, or signed data in DER */
    /* "IDENTIFIER SERVERURL TOPIC", none of which may be another in a profile
     * that renews; as nanomdm_scep_certs.profile has it. */
    const char *summary;
} nmdm_profile_t;

/* Makes a profile in p. NMDM_INVALID when template and configuration do not
 * make one together: what is wrong, and the remedy. */
nmdm_err_t *nmdm_enrollment_profile_make(nmdm_profile_t *out, apr_pool_t *p,
                                         const nmdm_profile_conf_t *conf,
                                         const nmdm_profile_device_t *device);

#endif /* NMDM_ENROLLMENT_PROFILE_H */
