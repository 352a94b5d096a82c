/* SPDX-License-Identifier: Apache-2.0 */
/* schema.h -- is the database's schema there, and how much of ours? */

#ifndef NMDM_SCHEMA_H
#define NMDM_SCHEMA_H

#include "base/context.h"

/* The version that schema/ describes: that of nanomdm_schema. 0 is a database
 * as NanoMDM makes it, without our additive part; an older version is done
 * without as well. */
#define NMDM_SCHEMA_VERSION 7

/* The versions from which on there is what follows. */
#define NMDM_SCHEMA_QUEUE 2             /* of the queue, pushes and events */
#define NMDM_SCHEMA_DECLARATIONS 3      /* the tables nanomdm_dd_... */
#define NMDM_SCHEMA_SCEP 4              /* the tables nanomdm_scep_... */
#define NMDM_SCHEMA_PUSHED 5            /* enrollments.pushed_at */
#define NMDM_SCHEMA_STATES 6            /* indexes of states of enrollments */
#define NMDM_SCHEMA_EVENT_PARTS 7       /* the table nanomdm_event_parts */

typedef enum {
    NMDM_SCHEMA_BY_DIALECT,     /* auto for sqlite3, else check */
    NMDM_SCHEMA_AUTO,
    NMDM_SCHEMA_CHECK
} nmdm_schema_mode_e;

/* Looks at the borrowed connection's database, creates or upgrades its schema
 * if the mode says so, and notes the result in the schema of the context's
 * db_source.
 * NMDM_UNAVAILABLE when tables are missing and stay missing. What fits into
 * the source's check_schema is this, with the mode as its baton. */
nmdm_err_t *nmdm_schema_check(nmdm_ctx_t *ctx, nmdm_schema_mode_e mode);

/* Whether the database has what the queue, pushes and events need, as far as
 * is known. */
int nmdm_schema_is_complete(const nmdm_ctx_t *ctx);
/* Whether it has the tables of declarative management. */
int nmdm_schema_has_declarations(const nmdm_ctx_t *ctx);
/* Whether it has the tables of SCEP. */
int nmdm_schema_has_scep(const nmdm_ctx_t *ctx);
/* Whether it can keep when enrollments were pushed to. */
int nmdm_schema_has_pushed(const nmdm_ctx_t *ctx);
/* Whether indexes find the pending and the disabled. */
int nmdm_schema_has_states(const nmdm_ctx_t *ctx);
/* Whether it has room for the parts of long events. */
int nmdm_schema_has_event_parts(const nmdm_ctx_t *ctx);

/* Within a unit: whether somebody has upgraded the schema since it was looked
 * at, which is an error that has the unit done again with what there is now. */
nmdm_err_t *nmdm_schema_look_again(nmdm_ctx_t *ctx);

/* Whether property lists' columns may lack characters beyond ASCII. */
int nmdm_schema_is_ascii(const nmdm_ctx_t *ctx);

/* A property list as the database can hold it: with character references where
 * its tables do not have all characters. */
const char *nmdm_schema_xml(const nmdm_ctx_t *ctx, const char *text);

#endif /* NMDM_SCHEMA_H */
