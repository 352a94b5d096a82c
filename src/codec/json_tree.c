/* SPDX-License-Identifier: Apache-2.0 */
/* json_tree.c -- reads JSON text (RFC 8259) without losing anything of it. */

#include "codec/json_tree.h"
#include "codec/json_string.h"

#include <apr_hash.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include <string.h>

/* What a path in an error message may be long. */
#define LONGEST_PATH 400
/* Of a key in such a path. */
#define LONGEST_KEY 80

/* Where the reader is, outermost first: what its error messages say. */
typedef struct place_t place_t;
struct place_t {
    const place_t *outer;
    const char *key;            /* or NULL */
    int index;
};

typedef struct {
    apr_pool_t *pool;
    apr_pool_t *values;         /* of what is kept; while something is passed
                                 * over, of that */
    const char *start, *at, *end;
    nmdm_json_tree_mode_e mode;
    int depth, room;            /* that are left */
    int left_out;               /* for want of room */
    nmdm_json_tree_t nothing;   /* stands for each of these */
    apr_pool_t *passed;         /* of what is passed over */
    apr_array_header_t *open;   /* the bracket that closes each container of
                                 * that, innermost last */
    const place_t *place;       /* of the value being read */
    nmdm_err_t *err;            /* the first */
} reader_t;

/* ---- Errors ---- */

static const char *path_of(const reader_t *rd)
{
    const char *path = "";
    const place_t *at;

    for (at = rd->place; at && strlen(path) < LONGEST_PATH; at = at->outer) {
        path = at->key
            ? apr_psprintf(rd->pool, ".%.*s%s", LONGEST_KEY, at->key, path)
            : apr_psprintf(rd->pool, "[%d]%s", at->index, path);
    }
    return apr_pstrcat(rd->pool, at ? "$..." : "$", path, NULL);
}

/* Returns NULL, so that a reading function can return it. */
static nmdm_json_tree_t *fail(reader_t *rd, const char *what)
{
    if (!rd->err) {
        rd->err = nmdm_err(rd->pool, NMDM_INVALID, APR_SUCCESS,
                           NMDMNO(2501) "not usable JSON at %s, byte %"
                           APR_SIZE_T_FMT ": %s", path_of(rd),
                           (apr_size_t)(rd->at - rd->start), what);
    }
    return NULL;
}

static void skip_blanks(reader_t *rd)
{
    while (rd->at < rd->end && strchr(" \t\n\r", *rd->at) && *rd->at) {
        rd->at++;
    }
}

static int next_is(const reader_t *rd, char c)
{
    return rd->at < rd->end && *rd->at == c;
}

/* rd->at is at the opening quote; the result ends with NUL. */
static int read_string(reader_t *rd, nmdm_bytes_t *out)
{
    const char *flaw = nmdm_json_string_read(out, rd->values, &rd->at, rd->end,
                                             rd->mode == NMDM_TREE_STRICT);

    if (flaw) {
        fail(rd, flaw);
    }
    return !flaw;
}

/* ---- Values ---- */

static nmdm_json_tree_t *make(reader_t *rd, nmdm_json_tree_type_e type)
{
    nmdm_json_tree_t *value = apr_pcalloc(rd->values, sizeof(*value));

    value->type = type;
    value->text.data = "";
    return value;
}

static const char *digits(const reader_t *rd, const char *at)
{
    while (at < rd->end && apr_isdigit(*at)) {
        at++;
    }
    return at;
}

/* The end of the number at rd->at, or NULL. */
static const char *end_of_number(const reader_t *rd)
{
    const char *at = rd->at + (*rd->at == '-'), *from = at;

    at = digits(rd, at);
    if (at == from || (*from == '0' && at > from + 1)) {
        return NULL;
    }
    if (at < rd->end && *at == '.') {
        from = at + 1;
        at = digits(rd, from);
        if (at == from) {
            return NULL;
        }
    }
    if (at < rd->end && (*at == 'e' || *at == 'E')) {
        from = at + 1;
        from += from < rd->end && (*from == '+' || *from == '-');
        at = digits(rd, from);
        if (at == from) {
            return NULL;
        }
    }
    return at;
}

static nmdm_json_tree_t *read_number(reader_t *rd)
{
    const char *end = end_of_number(rd);
    nmdm_json_tree_t *value;

    if (!end) {
        return fail(rd, "not a number");
    }
    value = make(rd, NMDM_TREE_NUMBER);
    value->text.len = (apr_size_t)(end - rd->at);
    value->text.data = apr_pstrmemdup(rd->values, rd->at, value->text.len);
    rd->at = end;
    return value;
}

static nmdm_json_tree_t *read_word(reader_t *rd)
{
    static const struct {
        const char *word;
        nmdm_json_tree_type_e type;
    } WORDS[] = {
        { "null", NMDM_TREE_NULL }, { "true", NMDM_TREE_TRUE },
        { "false", NMDM_TREE_FALSE }
    };
    int i;

    for (i = 0; i < 3; i++) {
        apr_size_t len = strlen(WORDS[i].word);

        if ((apr_size_t)(rd->end - rd->at) >= len
            && !memcmp(rd->at, WORDS[i].word, len)) {
            rd->at += len;
            return make(rd, WORDS[i].type);
        }
    }
    return fail(rd, rd->at == rd->end ? "the text ends where a value should"
                                        " be"
                                      : "not a value");
}

static void add(nmdm_json_tree_t *container, nmdm_json_tree_t *value)
{
    *(container->last ? &container->last->next : &container->first) = value;
    container->last = value;
    container->count++;
}

static nmdm_json_tree_t *read_value(reader_t *rd);

/* A key and its colon. */
static int read_key(reader_t *rd, nmdm_bytes_t *key)
{
    if (!next_is(rd, '"')) {
        fail(rd, "a key in quotes is missing");
        return 0;
    }
    if (!read_string(rd, key)) {
        return 0;
    }
    skip_blanks(rd);
    if (!next_is(rd, ':')) {
        fail(rd, "a colon is missing");
        return 0;
    }
    rd->at++;
    return 1;
}

/* A member of an object: key, colon and value. */
static nmdm_json_tree_t *read_member(reader_t *rd, apr_hash_t *known)
{
    place_t place = { rd->place, NULL, 0 };
    nmdm_json_tree_t *value;
    nmdm_bytes_t key;

    if (!read_key(rd, &key)) {
        return NULL;
    }
    place.key = key.data;
    rd->place = &place;
    if (known) {
        if (apr_hash_get(known, key.data, (apr_ssize_t)key.len)) {
            return fail(rd, "the key is there twice");
        }
        apr_hash_set(known, key.data, (apr_ssize_t)key.len, key.data);
    }
    value = read_value(rd);
    if (value) {
        value->key = key.data;
    }
    rd->place = place.outer;
    return value;
}

static nmdm_json_tree_t *read_element(reader_t *rd, int index)
{
    place_t place = { rd->place, NULL, index };
    nmdm_json_tree_t *value;

    rd->place = &place;
    value = read_value(rd);
    rd->place = place.outer;
    return value;
}

/* ---- What is nested too deeply, or too much ---- */

static nmdm_json_tree_t *read_scalar(reader_t *rd);

static char closing(const reader_t *rd)
{
    return APR_ARRAY_IDX(rd->open, rd->open->nelts - 1, char);
}

/* Up to the first value that is no container, or to an empty container. */
static int pass_value(reader_t *rd)
{
    nmdm_bytes_t key;

    for (;;) {
        skip_blanks(rd);
        if (!next_is(rd, '{') && !next_is(rd, '[')) {
            rd->left_out += !rd->room;
            return read_scalar(rd) != NULL;
        }
        APR_ARRAY_PUSH(rd->open, char) = *rd->at++ == '{' ? '}' : ']';
        skip_blanks(rd);
        if (next_is(rd, closing(rd))) {
            return 1;
        }
        if (closing(rd) == '}' && !read_key(rd, &key)) {
            return 0;
        }
    }
}

/* What follows a value: all that ends here, or the way to the next one. */
static int pass_ends(reader_t *rd)
{
    nmdm_bytes_t key;

    while (rd->open->nelts) {
        skip_blanks(rd);
        if (next_is(rd, ',')) {
            rd->at++;
            skip_blanks(rd);
            return closing(rd) == ']' || read_key(rd, &key);
        }
        if (!next_is(rd, closing(rd))) {
            fail(rd, "a comma or the closing bracket is missing");
            return 0;
        }
        rd->at++;
        rd->open->nelts--;
    }
    return 1;
}

/* Checked like all else, without recursion, and nothing of it is kept. */
static int pass_over(reader_t *rd)
{
    int is_good;

    if (!rd->open) {
        rd->open = apr_array_make(rd->pool, 64, sizeof(char));
        apr_pool_create(&rd->passed, rd->pool);
    }
    rd->values = rd->passed;
    do {
        apr_pool_clear(rd->passed);
        is_good = pass_value(rd) && pass_ends(rd);
    } while (is_good && rd->open->nelts);
    rd->values = rd->pool;
    return is_good;
}

static nmdm_json_tree_t *read_container(reader_t *rd)
{
    int is_object = *rd->at == '{';
    char close = is_object ? '}' : ']';
    nmdm_json_tree_t *all, *one;
    apr_hash_t *known;
    int n = 0;

    if (!rd->depth && rd->mode == NMDM_TREE_STRICT) {
        return fail(rd, "nested too deeply");
    }
    if (!rd->depth) {
        return pass_over(rd) ? make(rd, NMDM_TREE_NULL) : NULL;
    }
    rd->depth--;
    rd->at++;
    all = make(rd, is_object ? NMDM_TREE_OBJECT : NMDM_TREE_ARRAY);
    known = is_object && rd->mode == NMDM_TREE_STRICT
        ? apr_hash_make(rd->pool) : NULL;
    skip_blanks(rd);
    while (!next_is(rd, close)) {
        if (n) {
            if (!next_is(rd, ',')) {
                return fail(rd, "a comma or the closing bracket is missing");
            }
            rd->at++;
            skip_blanks(rd);
        }
        one = is_object ? read_member(rd, known) : read_element(rd, n);
        if (!one) {
            return NULL;
        }
        if (one != &rd->nothing) {
            add(all, one);
        }
        n++;
        skip_blanks(rd);
    }
    rd->at++;
    rd->depth++;
    return all;
}

/* What is neither an object nor an array. */
static nmdm_json_tree_t *read_scalar(reader_t *rd)
{
    nmdm_json_tree_t *value;

    if (next_is(rd, '"')) {
        value = make(rd, NMDM_TREE_STRING);
        return read_string(rd, &value->text) ? value : NULL;
    }
    return rd->at < rd->end && (*rd->at == '-' || apr_isdigit(*rd->at))
        ? read_number(rd) : read_word(rd);
}

static nmdm_json_tree_t *read_value(reader_t *rd)
{
    skip_blanks(rd);
    if (!rd->room && rd->mode == NMDM_TREE_STRICT) {
        return fail(rd, "too many values");
    }
    if (!rd->room) {
        return pass_over(rd) ? &rd->nothing : NULL;
    }
    rd->room--;
    return next_is(rd, '{') || next_is(rd, '[') ? read_container(rd)
                                                : read_scalar(rd);
}

static nmdm_err_t *read_all(nmdm_json_tree_t **out, int *left_out,
                            apr_pool_t *p, nmdm_bytes_t text, int depth,
                            nmdm_json_tree_mode_e mode)
{
    reader_t rd = { .pool = p, .values = p, .start = text.data,
                    .at = text.data, .end = text.data + text.len,
                    .mode = mode, .depth = depth,
                    .room = NMDM_JSON_TREE_VALUES };

    *out = NULL;
    if (!nmdm_utf8_valid(text.data, text.len)) {
        fail(&rd, "the text is not UTF-8");
        return rd.err;
    }
    *out = read_value(&rd);
    skip_blanks(&rd);
    if (*out && rd.at != rd.end) {
        fail(&rd, "something follows the value");
    }
    *left_out = rd.left_out;
    return rd.err;
}

nmdm_err_t *nmdm_json_tree_read(nmdm_json_tree_t **out, apr_pool_t *p,
                                nmdm_bytes_t text, int depth,
                                nmdm_json_tree_mode_e mode)
{
    int left_out;

    return read_all(out, &left_out, p, text, depth, mode);
}

nmdm_err_t *nmdm_json_tree_read_most(nmdm_json_tree_t **out, int *left_out,
                                     apr_pool_t *p, nmdm_bytes_t text,
                                     int depth)
{
    return read_all(out, left_out, p, text, depth, NMDM_TREE_LENIENT);
}
