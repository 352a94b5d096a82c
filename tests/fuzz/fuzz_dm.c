/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_dm.c -- any bytes as the endpoint of a declarative management request,
 * a line, and as the id of who asks, the next. */

#include "fuzz.h"
#include "mdm/message.h"
#include "net/exchange.h"
#include "service/declarative.h"

#define BASE "https://dm.example.com/base/"

static const nmdm_declarative_conf_t CONF = { BASE "?key=1", "send", NULL };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return apr_initialize() != APR_SUCCESS;
}

/* No path leaves the base: not by a scheme, a host, or dot segments, however
 * often the server decodes. */
static void check_url(const char *url)
{
    const char *at;

    PROMISED(!strncmp(url, BASE, strlen(BASE)));
    for (at = url; *at; at++) {
        PROMISED(*at > ' ' && *at < 0x7F && *at != '#' && *at != '\\');
    }
    url += strlen(BASE) - 1;
    for (at = strchr(url, '/'); at; at = strchr(at + 1, '/')) {
        apr_size_t len = strcspn(at + 1, "/?");

        PROMISED(len != 2 || strncmp(at + 1, "..", 2)
                 || memchr(url, '?', (apr_size_t)(at - url)));
    }
}

static void check_header(const char *name, const char *value)
{
    PROMISED(*name && *value);
    PROMISED(!strpbrk(value, "\r\n"));
    PROMISED(value[0] != ' ' && value[strlen(value) - 1] != ' ');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const apr_array_header_t *headers;
    const apr_table_entry_t *entries;
    const char *id, *url = NULL;
    nmdm_exchange_t x;
    nmdm_msg_t msg;
    char *endpoint;
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, NULL);
    memset(&x, 0, sizeof(x));
    memset(&msg, 0, sizeof(msg));
    endpoint = apr_pstrmemdup(p, (const char *)data, size);
    id = strchr(endpoint, '\n');
    if (id) {
        endpoint[id++ - endpoint] = '\0';
    }
    msg.type = "DeclarativeManagement";
    msg.who = (nmdm_id_t){ NMDM_DEVICE, id ? id : "id", id ? id : "id", 0 };
    msg.u.declarative.endpoint = endpoint;
    if (!nmdm_declarative_url(&url, p, "https://dm.example.com", endpoint)) {
        PROMISED(!strncmp(url, "https://dm.example.com", 22));
        PROMISED(!url[22] || url[22] == '/' || url[22] == '?');
    }
    if (!nmdm_declarative_request(&x, p, &CONF, &msg, "0123456789abcdef")) {
        check_url(x.url);
        headers = apr_table_elts(x.headers);
        entries = (const apr_table_entry_t *)(const void *)headers->elts;
        for (i = 0; i < headers->nelts; i++) {
            check_header(entries[i].key, entries[i].val);
        }
    }
    apr_pool_destroy(p);
    return 0;
}
