/* SPDX-License-Identifier: Apache-2.0 */
/* declarative_values.h -- the values of a status report: which rows it makes,
 * and which of those that are there give way. Without the database. */

#ifndef NMDM_DECLARATIVE_VALUES_H
#define NMDM_DECLARATIVE_VALUES_H

#include "codec/json_tree.h"
#include "storage/declarations_status.h"

/* Values that one report, and one enrollment, may have: five for each of forty
 * thousand apps; and bytes of those of an enrollment, with their paths. */
#define NMDM_DECLARATIVE_VALUES_MOST 200000
#define NMDM_DECLARATIVE_VALUES_BYTES ((apr_int64_t)64 * 1024 * 1024)

/* What a report makes of the values that are stored. */
typedef struct {
    apr_array_header_t *added, *changed;    /* nmdm_declarations_value_t to be
                                             * written; those added are not
                                             * there yet */
    apr_array_header_t *gone;   /* row_keys of those to be removed */
    int left_out;               /* values that are too many or too long, or
                                 * whose paths are */
} nmdm_declarative_values_t;

/* `stored` is what is there, `now` in seconds since 1970: what was reported
 * within the hour and is the same is not written again. `longest` is how many
 * bytes a value may have. What *out points to lives as long as p, `items` and
 * `stored`. */
void nmdm_declarative_values_merge(nmdm_declarative_values_t *out,
                                   apr_pool_t *p,
                                   const nmdm_json_tree_t *items,
                                   const apr_array_header_t *stored,
                                   int is_full_report, apr_int64_t now,
                                   apr_size_t longest);

#define NMDM_DECLARATIVE_VALUES_FRESH 3600

#endif /* NMDM_DECLARATIVE_VALUES_H */
