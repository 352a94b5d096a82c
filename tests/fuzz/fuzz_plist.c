/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_plist.c -- any bytes as a property list. */

#include "fuzz.h"
#include "codec/plist_json.h"
#include "codec/plist.h"

static const char *const KEYS[] = {
    "MessageType", "UDID", "UserID", "UserShortName", "UserLongName",
    "EnrollmentID", "EnrollmentUserID", "SerialNumber", "Topic", "PushMagic",
    "Token", "UnlockToken", "DigestResponse", "BootstrapToken", "Endpoint",
    "Data", "TokenServiceType", "TokenParameters", "CommandUUID", "Status",
    "Command/RequestType", NULL
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return apr_initialize() != APR_SUCCESS;
}

static void read_values(nmdm_plist_t *plist)
{
    int i;

    for (i = 0; KEYS[i]; i++) {
        const char *text;
        nmdm_bytes_t data;
        int present;

        if (!nmdm_plist_string(&text, plist, KEYS[i]) && text) {
            PROMISED(*text);
            PROMISED(nmdm_utf8_valid(text, strlen(text)));
        }
        if (!nmdm_plist_data(&data, plist, KEYS[i]) && data.data) {
            PROMISED(data.data[data.len] == '\0');
        }
        (void)nmdm_plist_dict(&present, plist, KEYS[i]);
    }
}

static void to_json(apr_pool_t *p, nmdm_bytes_t body)
{
    nmdm_json_t *object = nmdm_json_object(p);
    int most = 1000, left = most;
    nmdm_err_t *err = nmdm_plist_json_convert(object, "result", p, body, &left);
    nmdm_bytes_t json;

    PROMISED(left <= most);
    PROMISED(!err || nmdm_json_is_empty(object));
    if (!err) {
        json = nmdm_json_write(p, object);
        PROMISED(!nmdm_json_read(&object, p, json));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nmdm_bytes_t body, document;
    nmdm_plist_t *plist;
    nmdm_err_t *err;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    body = body_of(p, data, size);
    err = nmdm_plist_read(&plist, &document, p, body, KEYS);
    if (err) {
        PROMISED(nmdm_utf8_valid(err->msg, strlen(err->msg)));
    }
    else {
        /* What goes into the database is text, and no more than was sent. */
        PROMISED(document.len <= body.len);
        PROMISED(strlen(document.data) == document.len);
        PROMISED(nmdm_utf8_valid(document.data, document.len));
        read_values(plist);
    }
    to_json(p, body);
    apr_pool_destroy(p);
    return 0;
}
