/* SPDX-License-Identifier: Apache-2.0 */
/* gates.h -- which devices are sent away before they enroll, and with what
 * Apple's Setup Assistant makes of it (Apple's device-management
 * repository, release iOS 26: other/errorcode...). src/enroll knows tables
 * and no httpd. */

#ifndef NMDM_GATES_H
#define NMDM_GATES_H

#include "mdm/machine_info.h"

/* What the device may show beside the reason; each may be NULL. */
typedef struct {
    const char *description, *message;
} nmdm_gate_texts_t;

/* NanoMDMEnrollMinimumOS */
typedef struct {
    const char *version, *build;        /* build: NULL where it is not named */
    nmdm_gate_texts_t texts;
} nmdm_minimum_os_t;

/* NanoMDMEnrollPlatformSSO */
typedef struct nmdm_platform_sso_t {
    const char *profile_url, *manifest_url, *auth_url;
    nmdm_gate_texts_t texts;
} nmdm_platform_sso_t;

typedef struct {
    int is_excluded;                    /* NanoMDMEnrollIf says no */
    const nmdm_gate_texts_t *excluded;  /* its texts, or NULL */
    apr_hash_t *minimum_os;             /* family -> nmdm_minimum_os_t *, or
                                         * NULL */
    const nmdm_platform_sso_t *platform_sso;    /* or NULL */
} nmdm_gates_t;

/* The code of the gate that a device does not pass, and its reply in JSON, or
 * as a property list; NULL when it passes all. info is NULL where the device
 * has said nothing. */
nmdm_err_t *nmdm_gates_judge(const char **code, nmdm_reply_t *reply,
                             apr_pool_t *p, const nmdm_gates_t *gates,
                             const nmdm_machine_info_t *info, int as_plist);

/* The reply for a device that is not known, with texts or NULL. */
nmdm_err_t *nmdm_gates_unrecognized(nmdm_reply_t *reply, apr_pool_t *p,
                                    const nmdm_gate_texts_t *texts,
                                    int as_plist);

#endif /* NMDM_GATES_H */
