/* SPDX-License-Identifier: Apache-2.0 */
/* machine_info.h -- what a device says of itself before it is enrolled
 * (Apple's MachineInfo, release iOS 18.1: other/machineinfo). It is a claim:
 * a client that can sign with one device's certificate may claim anything. */

#ifndef NMDM_MACHINE_INFO_H
#define NMDM_MACHINE_INFO_H

#include "base/context.h"

/* Texts are "" where the device does not say. */
typedef struct {
    const char *serial, *udid;
    const char *product;        /* such as iPhone17,1 */
    const char *os_version;     /* from iOS 17 and macOS 14 on */
    const char *os_extra;       /* such as (a) */
    const char *pairing_token;  /* of a watch */
    int can_update;             /* MDM_CAN_REQUEST_SOFTWARE_UPDATE */
    int can_sign_on;            /* MDM_CAN_REQUEST_PSSO_CONFIG */
} nmdm_machine_info_t;

/* Reads it from a property list; NMDM_INVALID when that is none, or a value
 * cannot be stored. */
nmdm_err_t *nmdm_machine_info_read(nmdm_machine_info_t *out, apr_pool_t *p,
                                   nmdm_bytes_t list);

/* iPhone, iPad, Mac, AppleTV, RealityDevice or Watch, by the beginning of a
 * product; NULL for any other. */
const char *nmdm_machine_info_family(const char *product);
/* The family of that name in any case, or NULL. */
const char *nmdm_machine_info_family_named(const char *name);

/* Whether a version is below another, number by number, a supplement such as
 * (a) counting where the numbers are equal. */
int nmdm_machine_info_is_below(const char *version, const char *extra,
                               const char *minimum);
/* Whether text is a version: numbers with dots between them, then perhaps a
 * supplement such as (a). */
int nmdm_machine_info_is_version(const char *text);

#endif /* NMDM_MACHINE_INFO_H */
