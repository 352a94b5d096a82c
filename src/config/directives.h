/* SPDX-License-Identifier: Apache-2.0 */
/* directives.h -- the table of directives. */

#ifndef NANOMDM_DIRECTIVES_H
#define NANOMDM_DIRECTIVES_H

#include <httpd.h>
#include <http_config.h>

extern const command_rec nanomdm_directives[];

#endif /* NANOMDM_DIRECTIVES_H */
