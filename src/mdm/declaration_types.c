/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_types.c -- the types of declarations that are known. */

#include "mdm/declaration_types.h"
#include "mdm/declaration_schema.h"
#include "mdm/declaration_warning.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

#define PREFIX "com.apple."

static int compare(const void *name, const void *row)
{
    return strcmp(name, ((const nmdm_declaration_schema_t *)row)->name);
}

static const nmdm_declaration_schema_t *find(const char *type)
{
    return strncmp(type, PREFIX, strlen(PREFIX)) ? NULL
        : bsearch(type + strlen(PREFIX), NMDM_DECLARATION_SCHEMA,
                  (apr_size_t)NMDM_DECLARATION_SCHEMA_LENGTH,
                  sizeof(*NMDM_DECLARATION_SCHEMA), compare);
}

const char *nmdm_declaration_types_since(apr_pool_t *p, const char *type)
{
    static const char *const SYSTEMS[] = { "iOS", "macOS", "tvOS",
                                           "visionOS", "watchOS" };
    const nmdm_declaration_schema_t *known = find(type);
    const char *text = NULL, *at = known ? known->since : "";
    int i;

    for (i = 0; *at; i++) {
        apr_size_t len = strcspn(at, "/");

        if (*at != '-') {
            text = apr_psprintf(p, "%s%s%s %.*s", text ? text : "",
                                text ? ", " : "", SYSTEMS[i], (int)len, at);
        }
        at += len + (at[len] == '/');
    }
    return text;
}

/* ---- Keys ---- */

/* One key of the table. */
typedef struct {
    char presence;              /* '!', '?' or '\0' */
    char letter;
    const char *name;
    apr_size_t name_len;
    const char *allowed;        /* up to allowed_len, or NULL */
    apr_size_t allowed_len;
} rule_t;

/* The next of a row's keys; *at is moved behind it. */
static int next_rule(rule_t *rule, const char **at)
{
    const char *end = *at ? strchr(*at, ';') : NULL, *equals;

    if (!end) {
        return 0;
    }
    rule->presence = **at == '!' || **at == '?' ? *(*at)++ : '\0';
    rule->letter = *(*at)++;
    rule->name = *at;
    equals = memchr(*at, '=', (apr_size_t)(end - *at));
    rule->name_len = (apr_size_t)((equals ? equals : end) - *at);
    rule->allowed = equals ? equals + 1 : NULL;
    rule->allowed_len = equals ? (apr_size_t)(end - equals - 1) : 0;
    *at = end + 1;
    return 1;
}

/* Blanks do not count: Apple's schema has a key "External Path". */
static int is_name(const rule_t *rule, const char *key)
{
    apr_size_t i = 0;

    for (; *key; key++) {
        if (*key == ' ') {
            continue;
        }
        i += i < rule->name_len && rule->name[i] == ' ';
        if (i >= rule->name_len || rule->name[i++] != *key) {
            return 0;
        }
    }
    return i == rule->name_len;
}

static const nmdm_json_tree_t *value_of(const rule_t *rule,
                                        const nmdm_json_tree_t *payload)
{
    const nmdm_json_tree_t *one = payload->first;

    while (one && !is_name(rule, one->key)) {
        one = one->next;
    }
    return one;
}

static int is_of(char letter, const nmdm_json_tree_t *value)
{
    switch (letter) {
    case 's': return value->type == NMDM_TREE_STRING;
    case 'a': return value->type == NMDM_TREE_ARRAY;
    case 'o': return value->type == NMDM_TREE_OBJECT;
    case 'r': return value->type == NMDM_TREE_NUMBER;
    case 'i': return value->type == NMDM_TREE_NUMBER
        && !strpbrk(value->text.data, ".eE");
    case 'b': return value->type == NMDM_TREE_TRUE
        || value->type == NMDM_TREE_FALSE;
    default: return 1;
    }
}

static const char *name_of_letter(char letter)
{
    return letter == 's' ? "a string" : letter == 'a' ? "an array"
        : letter == 'o' ? "an object" : letter == 'r' ? "a number"
        : letter == 'i' ? "a whole number" : "true or false";
}

/* a,b,c for a string; least..most for a number. */
static int is_allowed(const char *allowed, const nmdm_json_tree_t *value)
{
    const char *dots = strstr(allowed, ".."), *text = value->text.data;
    apr_size_t len;

    if (value->type == NMDM_TREE_NUMBER && dots) {
        double number = strtod(text, NULL);

        return (dots == allowed || number >= strtod(allowed, NULL))
            && (!dots[2] || number <= strtod(dots + 2, NULL));
    }
    for (;; allowed += len + 1) {
        len = strcspn(allowed, ",");
        if (strlen(text) == len && !strncmp(allowed, text, len)) {
            return 1;
        }
        if (!allowed[len]) {
            return 0;
        }
    }
}

static void judge_value(apr_array_header_t *warnings, apr_pool_t *p,
                        const rule_t *rule, const nmdm_json_tree_t *value)
{
    const char *path = apr_pstrcat(p, "$.Payload.", value->key, NULL);
    const char *allowed = rule->allowed
        ? apr_pstrmemdup(p, rule->allowed, rule->allowed_len) : NULL;

    if (!is_of(rule->letter, value)) {
        nmdm_declaration_lint_add(
            warnings, "value-type", path, apr_psprintf(
                p, "is %s, not %s", nmdm_json_tree_type_name(value->type),
                name_of_letter(rule->letter)));
    }
    else if (allowed && value->type < NMDM_TREE_ARRAY
             && !is_allowed(allowed, value)) {
        nmdm_declaration_lint_add(
            warnings, "value-range", path, apr_psprintf(
                p, "is %.100s; allowed is %s", value->text.data, allowed));
    }
}

static void judge_rules(apr_array_header_t *warnings, apr_pool_t *p,
                        const char *at, const nmdm_json_tree_t *payload)
{
    const char *either = NULL;  /* the first of those of which one is enough */
    int has_either = 0;
    rule_t rule;

    while (next_rule(&rule, &at)) {
        const nmdm_json_tree_t *value = value_of(&rule, payload);
        const char *path = apr_psprintf(p, "$.Payload.%.*s",
                                        (int)rule.name_len, rule.name);

        if (value) {
            judge_value(warnings, p, &rule, value);
        }
        else if (rule.presence == '!') {
            nmdm_declaration_lint_add(warnings, "key-missing", path,
                                      "the type needs this key");
        }
        has_either |= rule.presence == '?' && value;
        either = rule.presence == '?' ? path : either;
    }
    if (either && !has_either) {
        nmdm_declaration_lint_add(warnings, "key-missing", either,
                                  "the type needs this key, or another in"
                                  " its place");
    }
}

static int has_key(const char *at, const char *key)
{
    rule_t rule;

    while (next_rule(&rule, &at)) {
        if (is_name(&rule, key) || (rule.name_len == 1
                                    && *rule.name == '*')) {
            return 1;
        }
    }
    return 0;
}

static void judge_names(apr_array_header_t *warnings, apr_pool_t *p,
                        const char *keys, const nmdm_json_tree_t *payload)
{
    const nmdm_json_tree_t *one;

    for (one = payload->first; one; one = one->next) {
        if (!has_key(keys, one->key)) {
            nmdm_declaration_lint_add(
                warnings, "key-unknown",
                apr_pstrcat(p, "$.Payload.", one->key, NULL),
                "is no key of this type, by the table of this server");
        }
    }
}

void nmdm_declaration_types_judge(apr_array_header_t *warnings, apr_pool_t *p,
                                  const char *type,
                                  const nmdm_json_tree_t *payload)
{
    const nmdm_declaration_schema_t *known = find(type);

    if (!known) {
        nmdm_declaration_lint_add(warnings, "type-unknown", "$.Type",
                                  "is not in the table of this server; a"
                                  " newer OS may know it");
    }
    else if (known->keys) {
        judge_rules(warnings, p, known->keys, payload);
        judge_names(warnings, p, known->keys, payload);
    }
}

int nmdm_declaration_types_has_key(const char *type, const char *key)
{
    const nmdm_declaration_schema_t *known = find(type);

    return known && has_key(known->keys, key);
}

/* Key:types;Key:types; */
const char *nmdm_declaration_types_referred(apr_pool_t *p, const char *type,
                                            const char *key)
{
    const nmdm_declaration_schema_t *known = find(type);
    const char *at = known ? known->references : NULL;
    apr_size_t len = strlen(key), end;

    for (; at && *at; at += end + (at[end] == ';')) {
        end = strcspn(at, ";");
        if (!strncmp(at, key, len) && at[len] == ':') {
            return apr_pstrmemdup(p, at + len + 1, end - len - 1);
        }
    }
    return NULL;
}
