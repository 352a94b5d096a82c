/* SPDX-License-Identifier: Apache-2.0 */
/* circuit_breaker.h -- stops asking a peer that does not answer, in this
 * child: a circuit breaker for each topic. */

#ifndef NMDM_CIRCUIT_BREAKER_H
#define NMDM_CIRCUIT_BREAKER_H

#include "base/context.h"

/* Lives as long as p; any number of threads may use it. */
nmdm_err_t *nmdm_circuit_breaker_create(nmdm_circuit_breaker_t **out,
                                        apr_pool_t *p);

/* Whether name is not to be asked now. When the pause is over, one caller is
 * let through to try. Names are never forgotten, so they must be few; now
 * is of the steady clock. */
int nmdm_circuit_breaker_is_open(nmdm_circuit_breaker_t *breaker,
                                 const char *name, apr_time_t now);

/* What became of asking: a single answer closes the circuit; failures with
 * none in between open it, for longer each time. */
void nmdm_circuit_breaker_note(nmdm_circuit_breaker_t *breaker,
                               const char *name, int has_answered,
                               apr_time_t now);

#endif /* NMDM_CIRCUIT_BREAKER_H */
