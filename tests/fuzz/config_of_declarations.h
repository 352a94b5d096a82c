/* SPDX-License-Identifier: Apache-2.0 */
/* config_of_declarations.h -- for the targets of declarative management. */

#ifndef CONFIG_OF_DECLARATIONS_H
#define CONFIG_OF_DECLARATIONS_H

#include "base/context.h"

/* The policy of a world, with declarations served from the database. */
static const nmdm_policy_t *declarative_policy(const nmdm_policy_t *of)
{
    static nmdm_declarations_conf_t conf;
    static nmdm_policy_t policy;

    conf.lints = 1;
    conf.keep_reports = 2;
    conf.keep_errors = 5;
    policy = *of;
    policy.declarations = &conf;
    return &policy;
}

#endif /* CONFIG_OF_DECLARATIONS_H */
