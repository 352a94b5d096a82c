/* SPDX-License-Identifier: Apache-2.0 */
/* version.h -- the version of this release. */

#ifndef NMDM_BASE_VERSION_H
#define NMDM_BASE_VERSION_H

#define NMDM_VERSION "0.2.0"

#endif /* NMDM_BASE_VERSION_H */
