/* SPDX-License-Identifier: Apache-2.0 */
/* json_tree.h -- JSON text of others, read so that nothing of it is lost:
 * numbers stay as they are written (RFC 8259 6 lets a reader round them, and
 * codec/json.h does), members can be put in one order, and what may be refused
 * is the caller's choice. */

#ifndef NMDM_JSON_TREE_H
#define NMDM_JSON_TREE_H

#include "base/error.h"
#include "base/text.h"

typedef enum {
    NMDM_TREE_NULL, NMDM_TREE_FALSE, NMDM_TREE_TRUE, NMDM_TREE_NUMBER,
    NMDM_TREE_STRING, NMDM_TREE_ARRAY, NMDM_TREE_OBJECT
} nmdm_json_tree_type_e;

/* A value, and its place among the members of an object or an array. All that
 * it points to lives as long as the pool it was read into. */
typedef struct nmdm_json_tree_t nmdm_json_tree_t;
struct nmdm_json_tree_t {
    nmdm_json_tree_type_e type;
    const char *key;            /* of a member of an object, else NULL */
    nmdm_bytes_t text;          /* of a string, decoded; of a number, as
                                 * written */
    nmdm_json_tree_t *first, *last;     /* members */
    nmdm_json_tree_t *next;             /* of the same container */
    int count;                  /* of members */
};

typedef enum {
    /* Duplicate keys, escaped NUL and lone surrogates are errors. */
    NMDM_TREE_STRICT,
    /* Of duplicate keys all are there; the others become U+FFFD; what is
     * nested too deeply is null; what are too many values is left out. */
    NMDM_TREE_LENIENT
} nmdm_json_tree_mode_e;

/* Values of a tree, containers among them. Each takes memory, and two bytes of
 * text are enough for one. */
#define NMDM_JSON_TREE_VALUES (1 << 19)

/* Reads text, which must be one value and nothing else. Strictly, nesting
 * deeper than `depth` and more values than a tree may have are refused.
 * NMDM_INVALID says what is wrong and where: the path of keys and indices, such
 * as $.Payload.List[3], and the byte. */
nmdm_err_t *nmdm_json_tree_read(nmdm_json_tree_t **out, apr_pool_t *p,
                                nmdm_bytes_t text, int depth,
                                nmdm_json_tree_mode_e mode);
/* The same, leniently. *left_out is how many values, not counting containers,
 * are not in the tree because it has as many as it may have. */
nmdm_err_t *nmdm_json_tree_read_most(nmdm_json_tree_t **out, int *left_out,
                                     apr_pool_t *p, nmdm_bytes_t text,
                                     int depth);

/* The member of an object that has this key, the last of several; NULL when
 * there is none or when `object` is NULL or something else. */
nmdm_json_tree_t *nmdm_json_tree_get(const nmdm_json_tree_t *object,
                                     const char *key);
/* The text of a member that is a string, or NULL. */
const char *nmdm_json_tree_string(const nmdm_json_tree_t *object,
                                  const char *key);
int nmdm_json_tree_is_true(const nmdm_json_tree_t *object, const char *key);

/* "a string", "an object": how a client would say it. */
const char *nmdm_json_tree_type_name(nmdm_json_tree_type_e type);

#endif /* NMDM_JSON_TREE_H */
