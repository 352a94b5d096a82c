/* SPDX-License-Identifier: Apache-2.0 */
/* health.h -- whether this server can serve devices now. */

#ifndef NANOMDM_HEALTH_H
#define NANOMDM_HEALTH_H

#include <httpd.h>

/* Handler nanomdm-health. */
int nanomdm_health_handler(request_rec *r);
/* Answers 200 "ok", or 503 and one word: stopping, database or schema. Asks
 * the database for one row, and for no credentials. */
int nanomdm_health_answer(request_rec *r);

#endif /* NANOMDM_HEALTH_H */
