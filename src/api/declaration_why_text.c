/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_why_text.c -- what declaration-why says. */

#include "api/declaration_why_text.h"
#include "storage/declarations_status.h"

#include <apr_strings.h>

#include <string.h>

const char *nmdm_api_declaration_why_remedy(const char *code)
{
    static const char *const REMEDIES[][2] = {
        { "Error.MissingConfigurations",
          "the activation names a configuration that the device lacks" },
        { "Error.MissingAssets", "put the asset into a set as well" },
        { "Error.ActivationFailed",
          "one of the activation's configurations failed; look at those" },
        { "Error.ConfigurationNotSupported",
          "OS version, channel or kind of enrollment do not support it" },
        { "Error.ConfigurationIsInvalid",
          "correct the payload: see the description" },
        { "Error.ConfigurationCannotBeApplied",
          "the device could not apply it; see the description" },
        { "Error.UnknownPayloadKeys", "remove the keys that it names" },
        { "Error.UnableToParsePredicate",
          "correct the predicate of the activation" },
        { "Error.AssetCannotBeDownloaded",
          "look at the asset's URL and who may fetch it" },
        { "Error.AssetCannotBeVerified",
          "size, type and SHA-256 must be those of the file" },
    };
    apr_size_t i;

    for (i = 0; code && i < sizeof(REMEDIES) / sizeof(*REMEDIES); i++) {
        if (!strcmp(code, REMEDIES[i][0])) {
            return REMEDIES[i][1];
        }
    }
    return "see the description";
}

const char *nmdm_api_declaration_why_predicate(
    apr_pool_t *p, const char *identifier, const char *predicate,
    const apr_array_header_t *values)
{
    const char *at, *text;

    text = apr_psprintf(p, "%s: %s", identifier, predicate);
    for (at = strstr(predicate, "@status("); at; at = strstr(at, "@status(")) {
        apr_size_t len;
        const char *path;
        int i;

        at += strlen("@status(");
        len = strcspn(at, ")");
        path = apr_psprintf(p, NMDM_DECLARATIONS_STATUS_ROOT "%.*s",
                            (int)len, at);
        for (i = 0; i < values->nelts; i++) {
            const nmdm_declarations_value_t *value = &APR_ARRAY_IDX(
                values, i, nmdm_declarations_value_t);

            if (!strcmp(value->path, path)) {
                text = apr_psprintf(p, "%s; %.*s is %.200s", text, (int)len,
                                    at, value->value);
            }
        }
    }
    return text;
}

void nmdm_api_declaration_why_passed(nmdm_json_text_t *text,
                                     const char *verdict)
{
    static const char *const CHECKS[] = {
        "not-enrolled", "disabled", "unknown", "not-assigned", "unsupported",
        "not-activated", "incomplete", "waiting", "fetched", "outdated",
        "predicate-false", "invalid", "failed", "inactive", NULL
    };
    int i, k;

    if (!strcmp(verdict, "still-reported")) {
        verdict = "unknown";
    }
    for (i = 0; CHECKS[i] && strcmp(CHECKS[i], verdict); i++) {
    }
    for (k = 0; k < i; k++) {
        nmdm_json_text_raw(text, ",{");
        nmdm_json_text_pair(text, "check", CHECKS[k]);
        nmdm_json_text_pair_raw(text, "ok", "true");
        nmdm_json_text_pair(text, "detail", "passed");
        nmdm_json_text_raw(text, "}");
    }
}
