/* SPDX-License-Identifier: Apache-2.0 */
/* json_tree_get.c -- what is in a value that has been read. */

#include "codec/json_tree.h"

#include <string.h>

nmdm_json_tree_t *nmdm_json_tree_get(const nmdm_json_tree_t *object,
                                     const char *key)
{
    nmdm_json_tree_t *found = NULL, *one;

    for (one = object && object->type == NMDM_TREE_OBJECT ? object->first
                                                          : NULL;
         one; one = one->next) {
        if (!strcmp(one->key, key)) {
            found = one;
        }
    }
    return found;
}

const char *nmdm_json_tree_string(const nmdm_json_tree_t *object,
                                  const char *key)
{
    const nmdm_json_tree_t *value = nmdm_json_tree_get(object, key);

    return value && value->type == NMDM_TREE_STRING ? value->text.data : NULL;
}

int nmdm_json_tree_is_true(const nmdm_json_tree_t *object, const char *key)
{
    const nmdm_json_tree_t *value = nmdm_json_tree_get(object, key);

    return value && value->type == NMDM_TREE_TRUE;
}

const char *nmdm_json_tree_type_name(nmdm_json_tree_type_e type)
{
    static const char *const NAMES[] = {
        "null", "true or false", "true or false", "a number", "a string",
        "an array", "an object"
    };

    return NAMES[type];
}
