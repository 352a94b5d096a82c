/* SPDX-License-Identifier: Apache-2.0 */
/* plist_tree.c -- property lists as trees; the only file that knows libplist.
 *
 * libplist keeps the tree and reads binary lists; XML is read and written by
 * plist_tree_xml.c.
 *
 * Its own calls for dates have 32 bits, and those for integers distinguish
 * signed from unsigned only since 2.3. Its binary form has both in every
 * version: it is the way in and out for them. */

#include "codec/plist_tree.h"
#include "codec/plist_binary.h"

#include <apr_strings.h>

#include <plist/plist.h>

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Its name in libplist 2.2, whose header has no PLIST_API either. Later ones
 * drop it. */
#ifndef PLIST_API
#define plist_mem_free(ptr) plist_to_bin_free(ptr)
#endif

/* From 1970 to 2001, from which dates of binary property lists count. */
#define EPOCH 978307200
/* The first second of the year 1 and the last of 9999, from 1970. */
#define FIRST_DATE (-62135596800LL)
#define LAST_DATE 253402300799LL

static plist_t inner(nmdm_plist_node_t *node)
{
    return (plist_t)node;
}

static apr_status_t free_tree(void *root)
{
    plist_free(root);
    return APR_SUCCESS;
}

/* Freed with p from here on. */
static nmdm_plist_node_t *own(apr_pool_t *p, plist_t root)
{
    apr_pool_cleanup_register(p, root, free_tree, apr_pool_cleanup_null);
    return root;
}

/* ---- Binary form of a single value ---- */

/* A marker and up to 16 bytes. */
#define SCALAR_MOST 17

static plist_t scalar_of(const unsigned char *object, apr_size_t len)
{
    unsigned char list[8 + SCALAR_MOST + 1 + 32] = "bplist00";
    unsigned char *end = list + 8 + len;
    plist_t node = NULL;

    memcpy(list + 8, object, len);
    end[0] = 8;                 /* the table: one offset */
    end[1 + 6] = 1;             /* the trailer: size of offsets, references */
    end[1 + 7] = 1;
    end[1 + 15] = 1;            /* one object, number 0, and the table */
    end[1 + 31] = (unsigned char)(8 + len);
    plist_from_bin((const char *)list, (uint32_t)(8 + len + 1 + 32), &node);
    return node;
}

/* The object of a node that has no other below it; 0 when that fails. */
static int object_of(unsigned char *object, nmdm_plist_node_t *node)
{
    uint32_t len = 0;
    char *list = NULL;

    memset(object, 0, SCALAR_MOST);
    plist_to_bin(inner(node), &list, &len);
    if (!list || len < 8 + 2 + 32) {
        return 0;
    }
    len -= 8 + 1 + 32;
    memcpy(object, list + 8, len < SCALAR_MOST ? len : SCALAR_MOST);
    plist_mem_free(list);
    return 1;
}

static void put_big_endian(unsigned char *to, apr_uint64_t value)
{
    int i;

    for (i = 7; i >= 0; i--) {
        to[i] = (unsigned char)value;
        value >>= 8;
    }
}

static apr_uint64_t big_endian(const unsigned char *at)
{
    apr_uint64_t value = 0;
    int i;

    for (i = 0; i < 8; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

static plist_t new_integer(apr_uint64_t bits, int is_negative)
{
    unsigned char object[SCALAR_MOST] = { 0x14 };

    if (bits <= INT64_MAX) {
        return plist_new_uint(bits);
    }
    if (is_negative) {
        object[0] = 0x13;
        put_big_endian(object + 1, bits);
        return scalar_of(object, 9);
    }
    put_big_endian(object + 9, bits);
    return scalar_of(object, SCALAR_MOST);
}

/* seconds: since 2001. */
static plist_t new_date(double seconds)
{
    unsigned char object[SCALAR_MOST] = { 0x33 };
    apr_uint64_t bits;

    memcpy(&bits, &seconds, sizeof(bits));
    put_big_endian(object + 1, bits);
    return scalar_of(object, 9);
}

/* Seconds since 2001. */
static double seconds_of(nmdm_plist_node_t *date)
{
    unsigned char object[SCALAR_MOST];
    double seconds = NAN;
    apr_uint64_t bits;

    if (object_of(object, date) && object[0] == 0x33) {
        bits = big_endian(object + 1);
        memcpy(&seconds, &bits, sizeof(seconds));
    }
    return seconds;
}

/* ---- Build ---- */

/* Takes node over. */
static nmdm_plist_node_t *attach(nmdm_plist_node_t *to, const char *key,
                                 plist_t node)
{
    if (key) {
        plist_dict_set_item(inner(to), key, node);
    }
    else {
        plist_array_append_item(inner(to), node);
    }
    return node;
}

nmdm_plist_node_t *nmdm_plist_tree_dict(apr_pool_t *p)
{
    return own(p, plist_new_dict());
}

nmdm_plist_node_t *nmdm_plist_tree_add_dict(nmdm_plist_node_t *to,
                                            const char *key)
{
    return attach(to, key, plist_new_dict());
}

nmdm_plist_node_t *nmdm_plist_tree_add_array(nmdm_plist_node_t *to,
                                             const char *key)
{
    return attach(to, key, plist_new_array());
}

void nmdm_plist_tree_add_string(nmdm_plist_node_t *to, const char *key,
                                const char *text)
{
    attach(to, key, plist_new_string(text));
}

void nmdm_plist_tree_add_data(nmdm_plist_node_t *to, const char *key,
                              nmdm_bytes_t data)
{
    attach(to, key, plist_new_data(data.len ? data.data : "", data.len));
}

void nmdm_plist_tree_add_integer(nmdm_plist_node_t *to, const char *key,
                                 apr_int64_t value)
{
    attach(to, key, new_integer((apr_uint64_t)value, value < 0));
}

void nmdm_plist_tree_add_unsigned(nmdm_plist_node_t *to, const char *key,
                                  apr_uint64_t value)
{
    attach(to, key, new_integer(value, 0));
}

void nmdm_plist_tree_add_real(nmdm_plist_node_t *to, const char *key,
                              double value)
{
    attach(to, key, plist_new_real(value));
}

void nmdm_plist_tree_add_bool(nmdm_plist_node_t *to, const char *key,
                              int value)
{
    attach(to, key, plist_new_bool(value != 0));
}

void nmdm_plist_tree_add_date(nmdm_plist_node_t *to, const char *key,
                              apr_time_t when)
{
    attach(to, key, new_date((double)when / APR_USEC_PER_SEC - EPOCH));
}

void nmdm_plist_tree_add_copy(nmdm_plist_node_t *to, const char *key,
                              nmdm_plist_node_t *node)
{
    attach(to, key, plist_copy(inner(node)));
}

void nmdm_plist_tree_remove(nmdm_plist_node_t *dict, const char *key)
{
    if (nmdm_plist_tree_get(dict, key)) {
        plist_dict_remove_item(inner(dict), key);
    }
}

/* ---- Look at ---- */

nmdm_plist_node_e nmdm_plist_tree_type(nmdm_plist_node_t *node)
{
    switch (node ? plist_get_node_type(inner(node)) : PLIST_NONE) {
    case PLIST_DICT: return NMDM_NODE_DICT;
    case PLIST_ARRAY: return NMDM_NODE_ARRAY;
    case PLIST_STRING: return NMDM_NODE_STRING;
    case PLIST_DATA: return NMDM_NODE_DATA;
    case PLIST_UINT: return NMDM_NODE_INTEGER;
    case PLIST_REAL: return NMDM_NODE_REAL;
    case PLIST_BOOLEAN: return NMDM_NODE_BOOL;
    case PLIST_DATE: return NMDM_NODE_DATE;
    default: return NMDM_NODE_NONE;
    }
}

static int is(nmdm_plist_node_t *node, nmdm_plist_node_e type)
{
    return nmdm_plist_tree_type(node) == type;
}

nmdm_plist_node_t *nmdm_plist_tree_get(nmdm_plist_node_t *dict,
                                       const char *key)
{
    return is(dict, NMDM_NODE_DICT) ? plist_dict_get_item(inner(dict), key)
                                    : NULL;
}

static nmdm_err_t *each_member(nmdm_plist_node_t *dict,
                               nmdm_plist_tree_each_fn fn, void *baton)
{
    plist_dict_iter iterator = NULL;
    nmdm_err_t *err = NULL;

    plist_dict_new_iter(inner(dict), &iterator);
    while (!err) {
        plist_t value = NULL;
        char *key = NULL;

        plist_dict_next_item(inner(dict), iterator, &key, &value);
        if (!key) {
            break;
        }
        err = fn(baton, key, value);
        free(key);
    }
    free(iterator);
    return err;
}

static nmdm_err_t *each_item(nmdm_plist_node_t *array,
                             nmdm_plist_tree_each_fn fn, void *baton)
{
    plist_array_iter iterator = NULL;
    nmdm_err_t *err = NULL;

    plist_array_new_iter(inner(array), &iterator);
    while (!err) {
        plist_t value = NULL;

        plist_array_next_item(inner(array), iterator, &value);
        if (!value) {
            break;
        }
        err = fn(baton, NULL, value);
    }
    free(iterator);
    return err;
}

nmdm_err_t *nmdm_plist_tree_each(nmdm_plist_node_t *container,
                                 nmdm_plist_tree_each_fn fn, void *baton)
{
    return is(container, NMDM_NODE_DICT) ? each_member(container, fn, baton)
        : is(container, NMDM_NODE_ARRAY) ? each_item(container, fn, baton)
        : NULL;
}

static nmdm_err_t *add_key(void *baton, const char *key,
                           nmdm_plist_node_t *value)
{
    apr_array_header_t *keys = baton;

    (void)value;
    APR_ARRAY_PUSH(keys, const char *) = apr_pstrdup(keys->pool, key);
    return NULL;
}

apr_array_header_t *nmdm_plist_tree_keys(apr_pool_t *p,
                                         nmdm_plist_node_t *dict)
{
    apr_array_header_t *keys = apr_array_make(
        p, nmdm_plist_tree_length(dict) + 1, sizeof(const char *));

    if (is(dict, NMDM_NODE_DICT)) {
        (void)each_member(dict, add_key, keys);
    }
    return keys;
}

int nmdm_plist_tree_length(nmdm_plist_node_t *node)
{
    return is(node, NMDM_NODE_DICT) ? (int)plist_dict_get_size(inner(node))
        : is(node, NMDM_NODE_ARRAY) ? (int)plist_array_get_size(inner(node))
        : 0;
}

nmdm_plist_node_t *nmdm_plist_tree_item(nmdm_plist_node_t *array, int i)
{
    return is(array, NMDM_NODE_ARRAY) && i >= 0
               && i < nmdm_plist_tree_length(array)
        ? plist_array_get_item(inner(array), (uint32_t)i) : NULL;
}

nmdm_bytes_t nmdm_plist_tree_text(nmdm_plist_node_t *node)
{
    nmdm_bytes_t text = { NULL, 0 };
    uint64_t len = 0;

    if (is(node, NMDM_NODE_STRING)) {
        text.data = plist_get_string_ptr(inner(node), &len);
        text.len = (apr_size_t)len;
    }
    return text;
}

const char *nmdm_plist_tree_string(nmdm_plist_node_t *node)
{
    return nmdm_plist_tree_text(node).data;
}

nmdm_bytes_t nmdm_plist_tree_data(nmdm_plist_node_t *node)
{
    nmdm_bytes_t bytes = { NULL, 0 };
    uint64_t len = 0;

    if (is(node, NMDM_NODE_DATA)) {
        bytes.data = plist_get_data_ptr(inner(node), &len);
        bytes.len = (apr_size_t)len;
        if (!bytes.data) {
            bytes.data = "";
        }
    }
    return bytes;
}

/* 0 when node is no integer. */
static int integer_of(apr_uint64_t *bits, int *is_negative,
                      nmdm_plist_node_t *node)
{
    unsigned char object[SCALAR_MOST];
    uint64_t value = 0;

    if (!is(node, NMDM_NODE_INTEGER)) {
        return 0;
    }
    plist_get_uint_val(inner(node), &value);
    *bits = value;
    *is_negative = 0;
    if (value > INT64_MAX) {
        if (!object_of(object, node)) {
            return 0;
        }
        *is_negative = object[0] == 0x13;
    }
    return 1;
}

int nmdm_plist_tree_integer(apr_int64_t *out, nmdm_plist_node_t *node)
{
    apr_uint64_t bits;
    int is_negative;

    if (!integer_of(&bits, &is_negative, node)
        || (bits > INT64_MAX && !is_negative)) {
        return 0;
    }
    *out = (apr_int64_t)bits;
    return 1;
}

int nmdm_plist_tree_unsigned(apr_uint64_t *out, nmdm_plist_node_t *node)
{
    apr_uint64_t bits;
    int is_negative;

    if (!integer_of(&bits, &is_negative, node) || is_negative) {
        return 0;
    }
    *out = bits;
    return 1;
}

int nmdm_plist_tree_real(double *out, nmdm_plist_node_t *node)
{
    if (!is(node, NMDM_NODE_REAL)) {
        return 0;
    }
    plist_get_real_val(inner(node), out);
    return 1;
}

/* Whole seconds since 1970; 0 when that is no year from 1 to 9999. */
static int date_seconds(apr_int64_t *out, double since_2001)
{
    double seconds = floor(since_2001) + EPOCH;

    if (!(seconds >= FIRST_DATE && seconds <= LAST_DATE)) {
        return 0;
    }
    *out = (apr_int64_t)seconds;
    return 1;
}

int nmdm_plist_tree_date(apr_time_t *out, nmdm_plist_node_t *node)
{
    apr_int64_t seconds;
    double since_2001;

    if (!is(node, NMDM_NODE_DATE)) {
        return 0;
    }
    since_2001 = seconds_of(node);
    if (!date_seconds(&seconds, since_2001)) {
        return 0;
    }
    *out = apr_time_from_sec(seconds)
        + (apr_time_t)((since_2001 - floor(since_2001)) * APR_USEC_PER_SEC);
    return 1;
}

int nmdm_plist_tree_is_true(nmdm_plist_node_t *node)
{
    uint8_t value = 0;

    if (is(node, NMDM_NODE_BOOL)) {
        plist_get_bool_val(inner(node), &value);
    }
    return value != 0;
}

/* ---- Read ---- */

nmdm_err_t *nmdm_plist_tree_read_binary(nmdm_plist_node_t **out, apr_pool_t *p,
                                        nmdm_bytes_t body)
{
    plist_t root = NULL;

    NMDM_TRY(nmdm_plist_binary_check(p, body));
    plist_from_bin(body.data, (uint32_t)body.len, &root);
    if (!root) {
        return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(0211)
                        "binary property list refused: libplist cannot read"
                        " it");
    }
    *out = own(p, root);
    return NULL;
}
