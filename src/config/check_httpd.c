/* SPDX-License-Identifier: Apache-2.0 */
/* check_httpd.c -- httpd's own directives that do not fit devices: what closes
 * connections, cuts reports off or asks for a password; and handlers in
 * sections that are no Location. */

#include "config/check_httpd.h"
#include "config/check_tree.h"
#include "config/handlers.h"

#include <apr_cstr.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <http_log.h>

#include <stdlib.h>
#include <string.h>

APLOG_USE_MODULE(nanomdm);

/* Reports on the applications of a Mac have been seen above one MB. */
#define LEAST_BODY 4194304
#define USUAL_BODY "33554432"

/* Seconds that a report may need on a slow network. */
#define LEAST_READING 20
#define LEAST_READING_BY_RATE 10
#define LEAST_TIMEOUT 10

/* A device handler with where it is. */
typedef struct {
    apr_pool_t *pool;
    nanomdm_findings_t *findings;
    const ap_directive_t *tree;
    const ap_directive_t *host;         /* <VirtualHost, or NULL */
    const ap_directive_t *section;      /* or NULL */
} device_t;

static int is(const ap_directive_t *node, const char *name)
{
    return !apr_cstr_casecmp(node->directive, name);
}

/* <IfModule and its like, whose content is where they are. */
static int is_transparent(const ap_directive_t *node)
{
    return !apr_cstr_casecmpn(node->directive, "<If", 3)
        && node->directive[3];
}

static void warn(const device_t *device, const ap_directive_t *at,
                 const char *text)
{
    nanomdm_findings_add(device->findings, APLOG_WARNING, at, text);
}

/* ---- What is in force ---- */

/* The last of a name, outside of sections. */
static const ap_directive_t *last_of(const ap_directive_t *node,
                                     const char *name)
{
    const ap_directive_t *found = NULL, *inner;

    for (; node; node = node->next) {
        if (is(node, name)) {
            found = node;
        }
        else if (is_transparent(node)) {
            inner = last_of(node->first_child, name);
            found = inner ? inner : found;
        }
    }
    return found;
}

/* Likewise in Locations of this path or one above it. */
static const ap_directive_t *last_above(apr_pool_t *p,
                                        const ap_directive_t *node,
                                        const char *name, const char *path)
{
    const ap_directive_t *found = NULL, *inner;
    const char *other;

    for (; node; node = node->next) {
        other = nanomdm_tree_location(p, node);
        inner = NULL;
        if (other && !strncmp(path, other, strlen(other))) {
            inner = last_of(node->first_child, name);
        }
        else if (is_transparent(node)) {
            inner = last_above(p, node->first_child, name, path);
        }
        found = inner ? inner : found;
    }
    return found;
}

static const ap_directive_t *in_force(const device_t *device,
                                      const char *name)
{
    const char *path = device->section
        ? nanomdm_tree_location(device->pool, device->section) : NULL;
    const ap_directive_t *levels[2] = {
        device->host ? device->host->first_child : NULL, device->tree
    };
    const ap_directive_t *found = device->section
        ? last_of(device->section->first_child, name) : NULL;
    int i;

    for (i = 0; !found && path && i < 2; i++) {
        found = last_above(device->pool, levels[i], name, path);
    }
    for (i = 0; !found && i < 2; i++) {
        found = last_of(levels[i], name);
    }
    return found;
}

/* ---- Judging what is in force ---- */

static void check_keep_alive(const device_t *device)
{
    const ap_directive_t *node = in_force(device, "KeepAlive");

    if (node && !apr_cstr_casecmp(node->args, "off")) {
        warn(device, node, NMDMNO(0051) "KeepAlive Off: a device makes a TLS"
             " connection for every command; write: KeepAlive On");
    }
}

static void check_body(const device_t *device, const char *name)
{
    const ap_directive_t *node = in_force(device, name);
    apr_int64_t most = node ? apr_atoi64(node->args) : 0;

    if (most > 0 && most < LEAST_BODY) {
        warn(device, node, apr_psprintf(
            device->pool, NMDMNO(0052) "%s %s is below what devices report,"
            " which can be some MB; they get 413 and send the report again;"
            " write: %s " USUAL_BODY, name, node->args, name));
    }
}

/* body=SECONDS[-SECONDS][,MinRate=BYTES] of mod_reqtimeout. */
static void check_reading(const device_t *device)
{
    const ap_directive_t *node = in_force(device, "RequestReadTimeout");
    const char *args = node ? node->args : "", *word;
    int seconds, least;

    while (*(word = ap_getword_conf(device->pool, &args))) {
        if (apr_cstr_casecmpn(word, "body=", 5)) {
            continue;
        }
        seconds = atoi(word + 5);
        least = strchr(word, ',') ? LEAST_READING_BY_RATE : LEAST_READING;
        if (seconds && seconds < least) {
            warn(device, node, apr_psprintf(
                device->pool, NMDMNO(0053) "RequestReadTimeout %s cuts off"
                " reports of devices on slow networks; write:"
                " RequestReadTimeout header=20-40,MinRate=500"
                " body=30,MinRate=500", word));
        }
    }
}

static void check_timeout(const device_t *device)
{
    const ap_directive_t *node = in_force(device, "Timeout");

    if (node && atoi(node->args) > 0 && atoi(node->args) < LEAST_TIMEOUT) {
        warn(device, node, apr_psprintf(
            device->pool, NMDMNO(0054) "Timeout %s ends connections of devices"
            " on slow networks; write: Timeout 60", node->args));
    }
}

/* What a device never has: httpd refuses, and the device is answered 500. */
static void check_require(const device_t *device)
{
    static const char *const NAMES[] = {
        "valid-user", "user", "group", "file-owner", "ldap-user",
        "ldap-group", "all denied"
    };
    const ap_directive_t *node = in_force(device, "Require");
    apr_size_t i;

    for (i = 0; node && i < sizeof(NAMES) / sizeof(*NAMES); i++) {
        apr_size_t len = strlen(NAMES[i]);

        if (!apr_cstr_casecmpn(node->args, NAMES[i], len)
            && (!node->args[len] || apr_isspace(node->args[len]))) {
            warn(device, node, apr_psprintf(
                device->pool, NMDMNO(0055) "Require %s refuses all devices,"
                " which have a certificate and no password; write in the"
                " Location of the device handler: Require all granted",
                node->args));
        }
    }
}

static void check_device(const device_t *device)
{
    check_keep_alive(device);
    check_body(device, "LimitRequestBody");
    check_body(device, "NanoMDMMaxBody");
    check_reading(device);
    check_timeout(device);
    check_require(device);
}

/* ---- Where handlers are ---- */

static const ap_directive_t *section_of(const ap_directive_t *node)
{
    for (node = node->parent; node && is_transparent(node);
         node = node->parent) {
    }
    return node && !is(node, "<VirtualHost") ? node : NULL;
}

static int is_by_files(const ap_directive_t *section)
{
    return is(section, "<Directory") || is(section, "<DirectoryMatch")
        || is(section, "<Files") || is(section, "<FilesMatch");
}

/* A Location is a part of the URLs; these are all of them, or files. */
static void check_place(const device_t *device, const ap_directive_t *node,
                        const char *handler)
{
    if (is(node, "AddHandler")) {
        nanomdm_findings_add(
            device->findings, APLOG_ERR, node, apr_psprintf(
                device->pool, NMDMNO(0050) "AddHandler %s is for files with an"
                " extension; write: SetHandler %s in <Location \"/PATH\">",
                handler, handler));
    }
    else if (!device->section) {
        warn(device, node, apr_psprintf(
            device->pool, NMDMNO(0049) "SetHandler %s outside of a section"
            " takes every URL of the server; write it in <Location"
            " \"/PATH\">", handler));
    }
    else if (is_by_files(device->section)) {
        warn(device, node, apr_psprintf(
            device->pool, NMDMNO(0056) "SetHandler %s in %s takes every file"
            " in it; write it in <Location \"/PATH\">", handler,
            device->section->directive));
    }
}

static void walk(device_t *device, const ap_directive_t *node)
{
    for (; node; node = node->next) {
        const char *handler = is(node, "SetHandler") || is(node, "AddHandler")
            ? nanomdm_tree_first_word(device->pool, node) : NULL;

        if (nanomdm_is_our_handler(handler)) {
            device->section = section_of(node);
            check_place(device, node, handler);
        }
        if (nanomdm_is_device_handler(handler)) {
            check_device(device);
        }
        if (node->first_child) {
            const ap_directive_t *outer = device->host;

            device->host = is(node, "<VirtualHost") ? node : outer;
            walk(device, node->first_child);
            device->host = outer;
        }
    }
}

void nanomdm_check_httpd(nanomdm_findings_t *findings,
                         const ap_directive_t *tree)
{
    device_t device = { .pool = findings->pool, .findings = findings,
                        .tree = tree };

    walk(&device, tree);
}
