/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_schema.h -- the table of declaration types, of Apple's published
 * schema; a generated file has its rows. */

#ifndef NMDM_DECLARATION_SCHEMA_H
#define NMDM_DECLARATION_SCHEMA_H

/* In the order of the names. */
typedef struct {
    const char *name;           /* of the type, without "com.apple." */
    const char *since;          /* the first iOS/macOS/tvOS/visionOS/watchOS,
                                 * "-" for never */
    const char *keys;           /* top-level keys, each ended by a semicolon:
                                 * "!" if it is needed, "?" if one of these is;
                                 * s i r b a o * for its type; its name; "="
                                 * and what is allowed, a,b or least..most.
                                 * NULL when they are not known; a name "*" is
                                 * any key */
    const char *references;     /* Key:types; where keys name declarations,
                                 * types as in declaration_lint.h; or NULL */
} nmdm_declaration_schema_t;

extern const nmdm_declaration_schema_t NMDM_DECLARATION_SCHEMA[];
extern const int NMDM_DECLARATION_SCHEMA_LENGTH;

#endif /* NMDM_DECLARATION_SCHEMA_H */
