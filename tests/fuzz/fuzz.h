/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.h -- what the fuzz targets and the replay of their corpus share. */

#ifndef FUZZ_H
#define FUZZ_H

#include "base/context.h"

#include <apr_general.h>
#include <apr_strings.h>

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program when a promise of a header is broken. */
#define PROMISED(condition)                                             \
    do {                                                                \
        if (!(condition)) {                                             \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__,    \
                    __LINE__, #condition);                              \
            abort();                                                    \
        }                                                               \
    } while (0)

/* The input as a request body: a NUL follows it, and nothing after that. */
static inline nmdm_bytes_t body_of(apr_pool_t *p, const uint8_t *data,
                                   size_t size)
{
    nmdm_bytes_t body = { apr_pstrmemdup(p, (const char *)data, size),
                          size };

    return body;
}

#endif /* FUZZ_H */
