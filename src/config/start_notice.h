/* SPDX-License-Identifier: Apache-2.0 */
/* start_notice.h -- what is served, said once at each start. */

#ifndef NANOMDM_START_NOTICE_H
#define NANOMDM_START_NOTICE_H

/* Hooks in a line of the log for each server that has a handler of ours: the
 * version, the Locations, the database and the log level; and once, whether TLS
 * sessions have tickets, and how many connections httpd holds. */
void nanomdm_start_notice_hooks(void);

#endif /* NANOMDM_START_NOTICE_H */
