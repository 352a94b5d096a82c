/* SPDX-License-Identifier: Apache-2.0 */
/* shared_memory.h -- memory that all children share. */

#ifndef NANOMDM_SHARED_MEMORY_H
#define NANOMDM_SHARED_MEMORY_H

#include <httpd.h>

/* Zeroed when it is new, which *is_new (or NULL) says; children share it, and
 * it stays through graceful restarts. */
void *nanomdm_shared_memory(apr_pool_t *pconf, server_rec *s,
                            const char *name, apr_size_t size, int *is_new);

#endif /* NANOMDM_SHARED_MEMORY_H */
