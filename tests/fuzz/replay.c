/* SPDX-License-Identifier: Apache-2.0 */
/* replay.c -- runs a fuzz target over files, without a fuzzer. */

#include "fuzz.h"

#include <apr_file_io.h>

static int replay(apr_pool_t *p, const char *name)
{
    apr_finfo_t info;
    apr_file_t *file;
    apr_size_t len = 0;
    uint8_t *data;

    if (apr_file_open(&file, name, APR_FOPEN_READ, APR_OS_DEFAULT, p)
            != APR_SUCCESS
        || apr_file_info_get(&info, APR_FINFO_SIZE, file) != APR_SUCCESS) {
        fprintf(stderr, "%s: cannot be read\n", name);
        return 0;
    }
    /* Without room to spare, for the sanitizer. */
    data = malloc(info.size ? (size_t)info.size : 1);
    apr_file_read_full(file, data, (apr_size_t)info.size, &len);
    apr_file_close(file);
    /* Before it is tried, so that the output of a crash names it. */
    printf("%s\n", name);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, len);
    free(data);
    return 1;
}

int main(int argc, char **argv)
{
    apr_pool_t *p;
    int i, done = 0;

    if (LLVMFuzzerInitialize(&argc, &argv)) {
        return 1;
    }
    apr_pool_create(&p, NULL);
    for (i = 1; i < argc; i++) {
        done += replay(p, argv[i]);
    }
    apr_pool_destroy(p);
    printf("%s: %d inputs\n", argv[0], done);
    return !done || done != argc - 1;
}
