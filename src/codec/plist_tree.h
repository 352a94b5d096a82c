/* SPDX-License-Identifier: Apache-2.0 */
/* plist_tree.h -- a property list as a tree that can be built, changed, read
 * and written. For a few values out of a large body see codec/plist.h, which
 * builds no tree. */

#ifndef NMDM_PLIST_TREE_H
#define NMDM_PLIST_TREE_H

#include "base/context.h"

/* A node belongs to its container and a root to the pool that it was made in:
 * all are freed with that pool. Trees are not shared between threads. */
typedef struct nmdm_plist_node_t nmdm_plist_node_t;

typedef enum {
    NMDM_NODE_NONE,             /* a NULL node */
    NMDM_NODE_DICT, NMDM_NODE_ARRAY, NMDM_NODE_STRING, NMDM_NODE_DATA,
    NMDM_NODE_INTEGER, NMDM_NODE_REAL, NMDM_NODE_BOOL, NMDM_NODE_DATE
} nmdm_plist_node_e;

/* ---- Build ---- */

/* An empty dict that is a root, freed with p. */
nmdm_plist_node_t *nmdm_plist_tree_dict(apr_pool_t *p);

/* Each adds to a dict, under key, whose earlier value is replaced, or to the
 * end of an array, whose key is NULL. Keys keep the order in which they are
 * first added. Strings are UTF-8; they and data are copied. */
nmdm_plist_node_t *nmdm_plist_tree_add_dict(nmdm_plist_node_t *to,
                                            const char *key);
nmdm_plist_node_t *nmdm_plist_tree_add_array(nmdm_plist_node_t *to,
                                             const char *key);
void nmdm_plist_tree_add_string(nmdm_plist_node_t *to, const char *key,
                                const char *text);
void nmdm_plist_tree_add_data(nmdm_plist_node_t *to, const char *key,
                              nmdm_bytes_t data);
void nmdm_plist_tree_add_integer(nmdm_plist_node_t *to, const char *key,
                                 apr_int64_t value);
void nmdm_plist_tree_add_unsigned(nmdm_plist_node_t *to, const char *key,
                                  apr_uint64_t value);
void nmdm_plist_tree_add_real(nmdm_plist_node_t *to, const char *key,
                              double value);
void nmdm_plist_tree_add_bool(nmdm_plist_node_t *to, const char *key,
                              int value);
/* To the second in XML; what is below it is kept in the tree. */
void nmdm_plist_tree_add_date(nmdm_plist_node_t *to, const char *key,
                              apr_time_t when);
/* A copy of node, which may be of another tree, and all below it. */
void nmdm_plist_tree_add_copy(nmdm_plist_node_t *to, const char *key,
                              nmdm_plist_node_t *node);

/* Removes and frees the value of key, if there is one. */
void nmdm_plist_tree_remove(nmdm_plist_node_t *dict, const char *key);

/* ---- Look at ---- */

/* The kind of a node that is not NULL. */
nmdm_plist_node_e nmdm_plist_tree_type(nmdm_plist_node_t *node);

/* NULL when dict is no dict, or has no such key. */
nmdm_plist_node_t *nmdm_plist_tree_get(nmdm_plist_node_t *dict,
                                       const char *key);
/* The keys of a dict in their order, as const char *, in p; none of any other
 * node. */
apr_array_header_t *nmdm_plist_tree_keys(apr_pool_t *p,
                                         nmdm_plist_node_t *dict);
/* Calls fn for each value of a dict or an array in its order, key being NULL in
 * an array and else valid during the call, until fn returns an error, which is
 * returned. Nothing may be added or removed meanwhile. */
typedef nmdm_err_t *(*nmdm_plist_tree_each_fn)(void *baton, const char *key,
                                               nmdm_plist_node_t *value);
nmdm_err_t *nmdm_plist_tree_each(nmdm_plist_node_t *container,
                                 nmdm_plist_tree_each_fn fn, void *baton);
/* The number of values in an array or dict; 0 for any other node. */
int nmdm_plist_tree_length(nmdm_plist_node_t *container);
/* NULL when array is no array or has no such item; the first is 0. */
nmdm_plist_node_t *nmdm_plist_tree_item(nmdm_plist_node_t *array, int i);

/* NULL when node is no string. Lives as long as the node. */
const char *nmdm_plist_tree_string(nmdm_plist_node_t *node);
/* The same with its length. */
nmdm_bytes_t nmdm_plist_tree_text(nmdm_plist_node_t *node);
/* data is NULL when node is no data, and has no NUL after its end. Lives as
 * long as the node. */
nmdm_bytes_t nmdm_plist_tree_data(nmdm_plist_node_t *node);
/* Each returns 0, with *out unchanged, when node has another type or, of an
 * integer or a date, its value does not fit *out. */
int nmdm_plist_tree_integer(apr_int64_t *out, nmdm_plist_node_t *node);
int nmdm_plist_tree_unsigned(apr_uint64_t *out, nmdm_plist_node_t *node);
int nmdm_plist_tree_real(double *out, nmdm_plist_node_t *node);
int nmdm_plist_tree_date(apr_time_t *out, nmdm_plist_node_t *node);
/* Whether node is true; any other node counts as no. */
int nmdm_plist_tree_is_true(nmdm_plist_node_t *node);

/* ---- Read and write ---- */

/* Reads a property list whose root is a dict, XML or binary, into a tree of
 * pool p. XML has to pass the bounds of nmdm_plist_walk, a binary list those
 * of nmdm_plist_binary_check, before anything of it is kept; neither may have
 * more than NMDM_PLIST_VALUES keys and values. Data that is no base64, and
 * dates and reals that are none, are NMDM_INVALID as well. Of equal keys of a
 * dict the last counts. */
nmdm_err_t *nmdm_plist_tree_read(nmdm_plist_node_t **out, apr_pool_t *p,
                                 nmdm_bytes_t body);

/* The same of a binary list alone. */
nmdm_err_t *nmdm_plist_tree_read_binary(nmdm_plist_node_t **out, apr_pool_t *p,
                                        nmdm_bytes_t body);

/* The tree as XML in Apple's form, indented by tabs; the same tree always
 * gives the same bytes. NMDM_INVALID when XML cannot hold a string (see
 * nmdm_plist_write_holds), a date is outside the years 1 to 9999, or
 * containers nest deeper than NMDM_PLIST_DEPTH allows. */
nmdm_err_t *nmdm_plist_tree_write(nmdm_bytes_t *out, apr_pool_t *p,
                                  nmdm_plist_node_t *root);

/* A binary property list as XML. Strings pass as they are, even with characters
 * that XML does not have: for a device nmdm_plist_read_lenient replaces them,
 * for an operator nmdm_plist_read refuses them. A date outside the years 1 to
 * 9999 becomes the first second of year 1. The bounds are those of
 * nmdm_plist_tree_read; in addition, XML of more than 64 MiB and four times
 * the body is NMDM_INVALID. */
nmdm_err_t *nmdm_plist_tree_binary_to_xml(nmdm_bytes_t *out, apr_pool_t *p,
                                          nmdm_bytes_t binary);

#endif /* NMDM_PLIST_TREE_H */
