/* SPDX-License-Identifier: Apache-2.0 */
/* renewal_command.h -- the InstallProfile command that has a device renew its
 * identity. What is queued has a placeholder; profile and challenge are made
 * when it is delivered, so that a device that was away for weeks finds a
 * challenge that is good. */

#ifndef NMDM_RENEWAL_COMMAND_H
#define NMDM_RENEWAL_COMMAND_H

#include "mdm/enrollment_profile.h"
#include "mdm/message.h"
#include "storage/cert_renewals.h"

/* What becomes of a certificate that is due. */
typedef enum {
    NMDM_RENEWAL_QUEUED,        /* a command is queued, not yet pushed */
    NMDM_RENEWAL_WAITS,         /* the last one is not answered yet */
    NMDM_RENEWAL_UNFIT,         /* no profile for it can be made here */
    NMDM_RENEWAL_LEFT,          /* the enrollment is disabled */
    NMDM_RENEWAL_TAKEN          /* another server was faster */
} nmdm_renewal_outcome_e;

typedef struct {
    nmdm_renewal_outcome_e what;
    const char *uuid;           /* queued or waiting */
    const char *why;            /* unfit: what is wrong, and the remedy */
    const char *status;         /* of the report on the command before, or
                                 * NULL */
} nmdm_renewal_outcome_t;

/* In a transaction: queues a command unless there is an obstacle, and notes
 * when to look again. The caller pushes; `repeats` is whether that is repeated
 * where it does not help (NanoMDMPushRepeat). */
nmdm_err_t *nmdm_renewal_command_queue(nmdm_ctx_t *ctx,
                                       nmdm_renewal_outcome_t *out,
                                       const nmdm_cert_renewal_t *row,
                                       int repeats);

/* Whether the profiles of a Location renew certificates whose profile is as
 * nmdm_cert_renewal_t has it. */
nmdm_err_t *nmdm_renewal_command_suits(nmdm_ctx_t *ctx, int *suits,
                                       const nmdm_profile_conf_t *conf,
                                       const char *profile);

/* Whether a command is one of those, by its UUID and placeholder. */
int nmdm_renewal_command_is(const nmdm_command_t *command);
/* Whether a UUID is that of one. */
int nmdm_renewal_command_has_uuid(const char *uuid);

/* The usual reason: no harm is done. */
extern const char NMDM_RENEWAL_DONE[];

/* In a transaction: puts profile and a new challenge into the command that is
 * about to be delivered to a device. *why is NULL then; else the command is of
 * no use any more, is cancelled, and *why says for what reason. */
nmdm_err_t *nmdm_renewal_command_fill(nmdm_ctx_t *ctx, const char **why,
                                      nmdm_command_t *command,
                                      const char *device_id);

#endif /* NMDM_RENEWAL_COMMAND_H */
