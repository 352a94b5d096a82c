/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_plist_tree.c -- any bytes as a property list, XML or binary, that is
 * made into a tree. */

#include "fuzz.h"
#include "codec/plist.h"
#include "codec/plist_binary.h"
#include "codec/plist_tree.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return apr_initialize() != APR_SUCCESS;
}

/* What is written can be read, and is then written as the same bytes. */
static void check_round_trip(apr_pool_t *p, nmdm_bytes_t xml)
{
    nmdm_plist_node_t *root;
    nmdm_bytes_t again;

    PROMISED(xml.data[xml.len] == '\0');
    PROMISED(strlen(xml.data) == xml.len);
    PROMISED(!nmdm_plist_tree_read(&root, p, xml));
    PROMISED(!nmdm_plist_tree_write(&again, p, root));
    PROMISED(again.len == xml.len && !memcmp(again.data, xml.data, xml.len));
}

/* Of equal keys a binary list keeps all, XML the last. */
static void check_binary(apr_pool_t *p, nmdm_bytes_t body)
{
    nmdm_plist_t *plist;
    nmdm_bytes_t xml, document;
    static const char *const KEYS[] = { "UDID", NULL };
    int replaced;

    if (!nmdm_plist_tree_binary_to_xml(&xml, p, body)) {
        nmdm_plist_node_t *root;

        PROMISED(!nmdm_plist_read_lenient(&plist, &document, &replaced, p,
                                          xml, KEYS, 0));
        PROMISED(!nmdm_plist_tree_read(&root, p, document));
        PROMISED(!nmdm_plist_tree_write(&xml, p, root));
        check_round_trip(p, xml);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nmdm_plist_node_t *root;
    nmdm_bytes_t body, xml;
    nmdm_err_t *err;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    body = body_of(p, data, size);
    err = nmdm_plist_tree_read(&root, p, body);
    if (err) {
        PROMISED(nmdm_utf8_valid(err->msg, strlen(err->msg)));
    }
    else {
        PROMISED(nmdm_plist_tree_type(root) == NMDM_NODE_DICT);
        if (!nmdm_plist_binary_is(body)) {
            PROMISED(!nmdm_plist_tree_write(&xml, p, root));
            check_round_trip(p, xml);
        }
    }
    if (nmdm_plist_binary_is(body)) {
        check_binary(p, body);
    }
    apr_pool_destroy(p);
    return 0;
}
