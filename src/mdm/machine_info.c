/* SPDX-License-Identifier: Apache-2.0 */
/* machine_info.c -- what a device says of itself before it is enrolled. */

#include "mdm/machine_info.h"
#include "codec/plist_tree.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* No value is nearly as long. */
#define MOST_TEXT 127

/* ---- Reading ---- */

static nmdm_err_t *read_text(const char **out, apr_pool_t *p,
                             nmdm_plist_node_t *dict, const char *key)
{
    nmdm_bytes_t text = nmdm_plist_tree_text(nmdm_plist_tree_get(dict, key));
    apr_size_t i;

    *out = "";
    for (i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f
            || i >= MOST_TEXT) {
            return nmdm_err(p, NMDM_INVALID, APR_SUCCESS, NMDMNO(2310)
                            "MachineInfo: %s is longer than %d characters or"
                            " has control characters", key, MOST_TEXT);
        }
    }
    if (text.data) {
        *out = apr_pstrmemdup(p, text.data, text.len);
    }
    return NULL;
}

static int read_flag(nmdm_plist_node_t *dict, const char *key)
{
    return nmdm_plist_tree_is_true(nmdm_plist_tree_get(dict, key));
}

nmdm_err_t *nmdm_machine_info_read(nmdm_machine_info_t *out, apr_pool_t *p,
                                   nmdm_bytes_t list)
{
    const struct {
        const char *key;
        const char **value;
    } TEXTS[] = {
        { "SERIAL", &out->serial }, { "UDID", &out->udid },
        { "PRODUCT", &out->product }, { "OS_VERSION", &out->os_version },
        { "SUPPLEMENTAL_OS_VERSION_EXTRA", &out->os_extra },
        { "PAIRING_TOKEN", &out->pairing_token },
    };
    nmdm_plist_node_t *dict;
    apr_size_t i;

    NMDM_TRY(nmdm_plist_tree_read(&dict, p, list));
    for (i = 0; i < sizeof(TEXTS) / sizeof(*TEXTS); i++) {
        NMDM_TRY(read_text(TEXTS[i].value, p, dict, TEXTS[i].key));
    }
    out->can_update = read_flag(dict, "MDM_CAN_REQUEST_SOFTWARE_UPDATE");
    out->can_sign_on = read_flag(dict, "MDM_CAN_REQUEST_PSSO_CONFIG");
    return NULL;
}

/* ---- Families ---- */

static const struct {
    const char *prefix, *family;
} FAMILIES[] = {
    { "iPhone", "iPhone" }, { "iPad", "iPad" }, { "Mac", "Mac" },
    { "iMac", "Mac" }, { "VirtualMac", "Mac" }, { "AppleTV", "AppleTV" },
    { "RealityDevice", "RealityDevice" }, { "Watch", "Watch" }
};

#define FAMILIES_N (sizeof(FAMILIES) / sizeof(*FAMILIES))

const char *nmdm_machine_info_family(const char *product)
{
    apr_size_t i;

    for (i = 0; i < FAMILIES_N; i++) {
        if (!strncmp(product, FAMILIES[i].prefix,
                     strlen(FAMILIES[i].prefix))) {
            return FAMILIES[i].family;
        }
    }
    return NULL;
}

const char *nmdm_machine_info_family_named(const char *name)
{
    apr_size_t i;

    for (i = 0; i < FAMILIES_N; i++) {
        if (!strcasecmp(name, FAMILIES[i].family)) {
            return FAMILIES[i].family;
        }
    }
    return NULL;
}

/* ---- Versions ---- */

/* The next number of a version, 0 at its end; leading zeros do not count, and
 * a number of any length has its value. *digits is where it begins, without
 * them. */
static apr_size_t next_number(const char **at, const char **digits)
{
    *digits = *at;
    while (**digits == '0') {
        (*digits)++;
    }
    *at = *digits;
    while (apr_isdigit(**at)) {
        (*at)++;
    }
    return (apr_size_t)(*at - *digits);
}

static void skip_dot(const char **at)
{
    if (**at == '.') {
        (*at)++;
    }
}

/* Below, equal to or above; *left and *right end after the numbers. */
static int compare_numbers(const char **left, const char **right)
{
    while (apr_isdigit(**left) || apr_isdigit(**right)) {
        const char *one, *other;
        apr_size_t n = next_number(left, &one), m = next_number(right, &other);
        int difference = n != m ? (n < m ? -1 : 1) : strncmp(one, other, n);

        if (difference) {
            return difference;
        }
        skip_dot(left);
        skip_dot(right);
    }
    return 0;
}

static const char *supplement(const char *text)
{
    while (*text == ' ') {
        text++;
    }
    return text;
}

int nmdm_machine_info_is_below(const char *version, const char *extra,
                               const char *minimum)
{
    const char *left = version, *right = minimum;
    int difference = compare_numbers(&left, &right);

    if (difference) {
        return difference < 0;
    }
    left = supplement(left);
    return strcasecmp(*left ? left : supplement(extra), supplement(right)) < 0;
}

int nmdm_machine_info_is_version(const char *text)
{
    while (apr_isdigit(*text)) {
        while (apr_isdigit(*text)) {
            text++;
        }
        if (*text != '.') {
            text = supplement(text);
            return !*text || (text[0] == '(' && apr_isalpha(text[1])
                              && text[2] == ')' && !text[3]);
        }
        text++;
    }
    return 0;
}
