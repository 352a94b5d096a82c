/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_lint.c -- what looks wrong with a declaration. */

#include "mdm/declaration_lint.h"
#include "mdm/declaration_types.h"
#include "mdm/status_items.h"

#include <apr_strings.h>

#include <string.h>

int nmdm_declaration_lint_fits(const char *types, const char *type)
{
    while (*types) {
        apr_size_t len = strcspn(types, " ");

        if (len && (types[len - 1] == '.'
                        ? !strncmp(types, type, len)
                        : strlen(type) == len && !strncmp(types, type, len))) {
            return 1;
        }
        types += len;
        types += *types == ' ';
    }
    return 0;
}

/* ---- References ---- */

/* Of keys that the table has not, or that are deeper: by the end of the name;
 * the first that fits. "assettypes" of the keys in account.exchange.yaml,
 * account.mail.yaml, app.managed.yaml and services.background-tasks.yaml of
 * Apple's schema. */
static const struct {
    const char *key, *types;
} REFERENCES[] = {
    { "UserIdentityAssetReference", "com.apple.asset.useridentity" },
    { "CredentialsAssetReference",
      "com.apple.asset.credential.userpassword" },
    { "AnchorCertificateAssetReferences",
      "com.apple.asset.credential.certificate" },
    { "CertificateAssetReference", "com.apple.asset.credential." },
    { "IdentityAssetReference", "com.apple.asset.credential." },
    { "AssetReference", "com.apple.asset." },
    { "AssetReferences", "com.apple.asset." },
    { NULL, NULL }
};

static const char *types_of(const char *key)
{
    apr_size_t len = strlen(key);
    int i;

    for (i = 0; REFERENCES[i].key; i++) {
        apr_size_t tail = strlen(REFERENCES[i].key);

        if (len >= tail && !strcmp(key + len - tail, REFERENCES[i].key)) {
            return REFERENCES[i].types;
        }
    }
    return NULL;
}

typedef struct {
    apr_array_header_t *warnings, *references;
    apr_pool_t *pool;
    const char *type;           /* of the declaration, at its top; or NULL */
    const char *types;          /* of the references below, or NULL */
} walk_t;

static void refer(const walk_t *walk, const char *path,
                  const nmdm_json_tree_t *value)
{
    if (value->type == NMDM_TREE_STRING && walk->types) {
        APR_ARRAY_PUSH(walk->references, nmdm_declaration_lint_reference_t)
            = (nmdm_declaration_lint_reference_t){ value->text.data, path,
                                                   walk->types };
    }
}

/* ---- Strings that look wrong ---- */

static void look_at_string(const walk_t *walk, const char *path,
                           const char *key, const char *value)
{
    static const char *const URLS[] = { "ProfileURL", "DataURL",
                                        "ManifestURL" };
    int i;

    for (i = 0; i < 3; i++) {
        if (!strcmp(key, URLS[i]) && strncasecmp(value, "https://", 8)) {
            nmdm_declaration_lint_add(walk->warnings, "url-insecure", path,
                                      "is not https");
        }
    }
    if (!strcmp(key, "Password") || !strcmp(key, "Authorization")) {
        nmdm_declaration_lint_add(walk->warnings, "secret-like", path,
                                  "looks like a secret; put it at the URL of"
                                  " an asset");
    }
}

static void walk_value(walk_t *walk, const char *path,
                       const nmdm_json_tree_t *value)
{
    const char *types = walk->types, *type = walk->type;
    const nmdm_json_tree_t *one;
    int i = 0;

    walk->type = NULL;
    refer(walk, path, value);
    for (one = value->type >= NMDM_TREE_ARRAY ? value->first : NULL; one;
         one = one->next) {
        const char *at = one->key
            ? apr_pstrcat(walk->pool, path, ".", one->key, NULL)
            : apr_psprintf(walk->pool, "%s[%d]", path, i++);

        if (one->key) {
            walk->types = type ? nmdm_declaration_types_referred(
                walk->pool, type, one->key) : NULL;
            walk->types = walk->types ? walk->types : types_of(one->key);
        }
        if (one->key && one->type == NMDM_TREE_STRING) {
            look_at_string(walk, at, one->key, one->text.data);
        }
        walk_value(walk, at, one);
        walk->types = types;
    }
}

/* ---- Activations ---- */

/* Whether quotes and parentheses are balanced. */
static int is_balanced(const char *predicate)
{
    char quote = '\0';
    int depth = 0;

    for (; *predicate; predicate++) {
        if (quote) {
            predicate += *predicate == '\\' && predicate[1];
            quote = *predicate == quote ? '\0' : quote;
        }
        else if (*predicate == '\'' || *predicate == '"') {
            quote = *predicate;
        }
        else if (*predicate == '(') {
            depth++;
        }
        else if (*predicate == ')' && --depth < 0) {
            return 0;
        }
    }
    return !depth && !quote;
}

static void look_at_predicate(const walk_t *walk, const char *predicate)
{
    static const char PATH[] = "$.Payload.Predicate";
    const char *at = predicate;

    if (!is_balanced(predicate)) {
        nmdm_declaration_lint_add(walk->warnings, "predicate-syntax", PATH,
                                  "quotes or parentheses are not balanced");
    }
    while ((at = strstr(at, "@status("))) {
        const char *name;

        at += strlen("@status(");
        name = apr_pstrmemdup(walk->pool, at, strcspn(at, ")"));
        if (!nmdm_status_items_is_known(name)) {
            nmdm_declaration_lint_add(
                walk->warnings, "predicate-syntax", PATH, apr_psprintf(
                    walk->pool, "%.100s is no status item that is known",
                    name));
        }
    }
}

static void look_at_activation(walk_t *walk, const nmdm_json_tree_t *payload)
{
    const nmdm_json_tree_t *list = nmdm_json_tree_get(
        payload, "StandardConfigurations"), *one;
    const char *predicate = nmdm_json_tree_string(payload, "Predicate");
    int i = 0;

    walk->types = "com.apple.configuration.";
    for (one = list && list->type == NMDM_TREE_ARRAY ? list->first : NULL;
         one; one = one->next) {
        refer(walk, apr_psprintf(walk->pool,
                                 "$.Payload.StandardConfigurations[%d]",
                                 i++), one);
    }
    if (predicate) {
        look_at_predicate(walk, predicate);
    }
}

void nmdm_declaration_lint_judge(apr_array_header_t *warnings,
                                 apr_array_header_t *references,
                                 apr_pool_t *p, const char *type,
                                 const nmdm_json_tree_t *payload)
{
    walk_t walk = { warnings, references, p, type, NULL };

    nmdm_declaration_types_judge(warnings, p, type, payload);
    if (!strcmp(type, "com.apple.activation.simple")) {
        look_at_activation(&walk, payload);
        return;
    }
    walk_value(&walk, "$.Payload", payload);
}
