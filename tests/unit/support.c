/* SPDX-License-Identifier: Apache-2.0 */
/* support.c -- what the unit tests share: verdicts, pools, bytes, files. */

#include "support.h"

#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* ---- Verdicts ---- */

void support_ok(nmdm_err_t *err, const char *what, const char *file, int line)
{
    if (err) {
        print_error("%s: %s\n", what, err->msg);
        _fail(file, line);
    }
}

void support_refused(nmdm_err_t *err, nmdm_kind_e kind, const char *part,
                     const char *what, const char *file, int line)
{
    if (!err) {
        print_error("%s: not refused\n", what);
        _fail(file, line);
        return;
    }
    if (err->kind != kind || !strstr(err->msg, part)) {
        print_error("%s: kind %d, expected %d: \"%s\", expected \"%s\"\n",
                    what, err->kind, kind, err->msg, part);
        _fail(file, line);
    }
}

void support_holds(int condition, const char *what, const char *file,
                   int line, const char *fmt, ...)
{
    va_list args;

    if (condition) {
        return;
    }
    print_error("%s does not hold for ", what);
    va_start(args, fmt);
    vprint_error(fmt, args);
    va_end(args);
    print_error("\n");
    _fail(file, line);
}

/* ---- Pools and bytes ---- */

int support_start(void **state)
{
    (void)state;
    return apr_initialize() != APR_SUCCESS;
}

int support_end(void **state)
{
    (void)state;
    apr_terminate();
    return 0;
}

int support_pool(void **state)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    *state = p;
    return 0;
}

int support_pool_done(void **state)
{
    apr_pool_destroy(*state);
    return 0;
}

nmdm_bytes_t bytes_of(const char *text)
{
    nmdm_bytes_t bytes = { text, strlen(text) };

    return bytes;
}

nmdm_bytes_t text_of(apr_pool_t *p, const char *fmt, ...)
{
    nmdm_bytes_t bytes;
    va_list args;

    va_start(args, fmt);
    bytes = bytes_of(apr_pvsprintf(p, fmt, args));
    va_end(args);
    return bytes;
}

static apr_status_t free_memory(void *memory)
{
    free(memory);
    return APR_SUCCESS;
}

nmdm_bytes_t exact_copy(apr_pool_t *p, nmdm_bytes_t bytes)
{
    char *copy = malloc(bytes.len ? bytes.len : 1);
    nmdm_bytes_t result = { copy, bytes.len };

    memcpy(copy, bytes.data, bytes.len);
    apr_pool_cleanup_register(p, copy, free_memory, apr_pool_cleanup_null);
    return result;
}

const char *repeat(apr_pool_t *p, char c, apr_size_t n)
{
    char *text = apr_palloc(p, n + 1);

    memset(text, c, n);
    text[n] = '\0';
    return text;
}

int has_text(nmdm_bytes_t bytes, const char *text)
{
    return memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
}

nmdm_bytes_t test_file(apr_pool_t *p, const char *name)
{
    const char *path = apr_pstrcat(p, "tests/", name, NULL);
    nmdm_bytes_t bytes = { 0 };
    apr_finfo_t info;
    apr_file_t *file;
    char *data;

    HOLDS(apr_file_open(&file, path, APR_FOPEN_READ, APR_OS_DEFAULT, p)
          == APR_SUCCESS, "%s", path);
    apr_file_info_get(&info, APR_FINFO_SIZE, file);
    data = apr_palloc(p, (apr_size_t)info.size + 1);
    HOLDS(apr_file_read_full(file, data, (apr_size_t)info.size, &bytes.len)
          == APR_SUCCESS, "%s", path);
    apr_file_close(file);
    data[bytes.len] = '\0';
    bytes.data = data;
    return bytes;
}

const char *temp_file(apr_pool_t *p, const char *text)
{
    char *name = apr_pstrdup(p, "nmdm-test-XXXXXX");
    const char *folder = NULL;
    apr_size_t len = strlen(text);
    apr_file_t *file;

    apr_temp_dir_get(&folder, p);
    name = apr_pstrcat(p, folder, "/nmdm-test-XXXXXX", NULL);
    /* Deleted when the file is closed, at the end of p. */
    assert_int_equal(apr_file_mktemp(&file, name, 0, p), APR_SUCCESS);
    assert_int_equal(apr_file_write_full(file, text, len, NULL), APR_SUCCESS);
    assert_int_equal(apr_file_flush(file), APR_SUCCESS);
    return name;
}

/* ---- Property lists ---- */

nmdm_bytes_t plist(apr_pool_t *p, ...)
{
    const char *xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                      "<plist version=\"1.0\"><dict>";
    const char *key, *value;
    va_list args;

    va_start(args, p);
    while ((key = va_arg(args, const char *))) {
        value = va_arg(args, const char *);
        xml = apr_pstrcat(p, xml, "<key>", key, "</key>",
                          *value == '<' ? "" : "<string>", value,
                          *value == '<' ? "" : "</string>", NULL);
    }
    va_end(args);
    return bytes_of(apr_pstrcat(p, xml, "</dict></plist>\n", NULL));
}
