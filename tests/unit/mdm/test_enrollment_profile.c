/* SPDX-License-Identifier: Apache-2.0 */
/* test_enrollment_profile.c -- the profile that enrolls a device: built in,
 * from a template, signed. Covers crypto/cms_sign.c. Letters and numbers are
 * cases of the enrollment specification. */

#include "support.h"
#include "codec/plist_tree.h"
#include "mdm/enrollment_profile.h"

#include <apr_strings.h>

#include <openssl/cms.h>

#include <string.h>

#define TOPIC "com.apple.mgmt.External.1"

static const nmdm_profile_conf_t SITE = {
    .identifier = "com.example.mdm.mdm", .organization = "Example",
    .server_url = "https://mdm.example.com/mdm",
    .scep_url = "https://mdm.example.com/scep", .has_tokens = 1
};
static const nmdm_profile_device_t DEVICE = {
    .topic = TOPIC, .challenge = "once", .name = "SERIAL"
};

static nmdm_plist_node_t *made(apr_pool_t *p, const nmdm_profile_conf_t *conf,
                               const nmdm_profile_device_t *device)
{
    nmdm_profile_t profile = { { NULL, 0 }, NULL };
    nmdm_plist_node_t *root = NULL;

    OK(nmdm_enrollment_profile_make(&profile, p, conf, device));
    OK(nmdm_plist_tree_read(&root, p, profile.body));
    return root;
}

static nmdm_plist_node_t *payload(nmdm_plist_node_t *root, const char *type)
{
    nmdm_plist_node_t *content = nmdm_plist_tree_get(root, "PayloadContent");
    int i;

    for (i = 0; i < nmdm_plist_tree_length(content); i++) {
        nmdm_plist_node_t *item = nmdm_plist_tree_item(content, i);

        if (!strcmp(type, nmdm_plist_tree_string(
                        nmdm_plist_tree_get(item, "PayloadType")))) {
            return item;
        }
    }
    return NULL;
}

static const char *text(nmdm_plist_node_t *dict, const char *key)
{
    return nmdm_plist_tree_string(nmdm_plist_tree_get(dict, key));
}

/* B4 */
static void a_profile_needs_no_template(void **state)
{
    nmdm_plist_node_t *root = made(*state, &SITE, &DEVICE);
    nmdm_plist_node_t *mdm = payload(root, "com.apple.mdm");
    nmdm_plist_node_t *scep = payload(root, "com.apple.security.scep");
    nmdm_plist_node_t *asked = nmdm_plist_tree_get(scep, "PayloadContent");
    nmdm_plist_node_t *subject = nmdm_plist_tree_get(asked, "Subject");
    nmdm_plist_node_t *pair = nmdm_plist_tree_item(
        nmdm_plist_tree_item(subject, 1), 0);
    apr_int64_t number = 0;

    assert_string_equal(text(root, "PayloadScope"), "System");
    assert_null(nmdm_plist_tree_get(root, "PayloadRemovalDisallowed"));
    assert_string_equal(text(mdm, "ServerURL"), SITE.server_url);
    assert_null(text(mdm, "CheckInURL"));
    assert_string_equal(text(mdm, "Topic"), TOPIC);
    assert_string_equal(text(mdm, "IdentityCertificateUUID"),
                        text(scep, "PayloadUUID"));
    assert_int_equal(nmdm_plist_tree_length(nmdm_plist_tree_get(
                         mdm, "ServerCapabilities")), 3);
    assert_true(nmdm_plist_tree_integer(&number, nmdm_plist_tree_get(
                                            mdm, "AccessRights")));
    assert_int_equal(number, 8191);
    assert_string_equal(text(asked, "URL"), SITE.scep_url);
    assert_string_equal(text(asked, "Challenge"), "once");
    assert_string_equal(nmdm_plist_tree_string(nmdm_plist_tree_item(pair, 0)),
                        "CN");
    assert_string_equal(nmdm_plist_tree_string(nmdm_plist_tree_item(pair, 1)),
                        "SERIAL");
}

/* B4: a renewal under another UUID would be a second profile. */
static void the_same_server_makes_the_same_uuids(void **state)
{
    nmdm_profile_device_t other = DEVICE;
    nmdm_profile_conf_t conf = SITE;
    const char *uuid = text(made(*state, &SITE, &DEVICE), "PayloadUUID");

    other.challenge = "another";
    assert_string_equal(text(made(*state, &SITE, &other), "PayloadUUID"),
                        uuid);
    conf.identifier = "com.example.other";
    assert_string_not_equal(text(made(*state, &conf, &DEVICE), "PayloadUUID"),
                            uuid);
}

/* B25 */
static void an_enrollment_of_a_user_has_no_rights(void **state)
{
    nmdm_profile_device_t byod = DEVICE, adde = DEVICE;
    nmdm_plist_node_t *mdm;

    byod.mode = "BYOD";
    adde.mode = "ADDE";
    byod.account = adde.account = "ada@example.com";
    mdm = payload(made(*state, &SITE, &byod), "com.apple.mdm");
    assert_null(nmdm_plist_tree_get(mdm, "AccessRights"));
    assert_string_equal(text(mdm, "EnrollmentMode"), "BYOD");
    assert_string_equal(text(mdm, "AssignedManagedAppleID"), byod.account);
    mdm = payload(made(*state, &SITE, &adde), "com.apple.mdm");
    assert_non_null(nmdm_plist_tree_get(mdm, "AccessRights"));
}

#define LIST(content) \
    "<plist version=\"1.0\"><dict>" content "</dict></plist>"

/* B3 */
static void a_template_keeps_what_it_has_but_the_challenge(void **state)
{
    nmdm_profile_conf_t conf = SITE;
    nmdm_plist_node_t *root, *mdm, *asked;

    conf.template_list = bytes_of(LIST(
        "<key>PayloadIdentifier</key><string>own</string>"
        "<key>PayloadRemovalDisallowed</key><true/>"
        "<key>PayloadContent</key><array>"
        "<dict><key>PayloadType</key><string>com.apple.wifi.managed</string>"
        "</dict>"
        "<dict><key>PayloadType</key><string>com.apple.mdm</string>"
        "<key>AccessRights</key><integer>3</integer>"
        "<key>Topic</key><string>com.apple.mgmt.other</string></dict>"
        "<dict><key>PayloadType</key><string>com.apple.security.scep</string>"
        "<key>PayloadContent</key><dict>"
        "<key>Challenge</key><string>old</string>"
        "<key>Keysize</key><integer>4096</integer></dict></dict>"
        "</array>"));
    root = made(*state, &conf, &DEVICE);
    mdm = payload(root, "com.apple.mdm");
    asked = nmdm_plist_tree_get(payload(root, "com.apple.security.scep"),
                                "PayloadContent");
    assert_string_equal(text(root, "PayloadIdentifier"), "own");
    assert_non_null(nmdm_plist_tree_get(root, "PayloadRemovalDisallowed"));
    assert_string_equal(text(mdm, "Topic"), "com.apple.mgmt.other");
    assert_string_equal(text(mdm, "ServerURL"), SITE.server_url);
    assert_string_equal(text(asked, "Challenge"), "once");
    assert_string_equal(text(asked, "URL"), SITE.scep_url);
    assert_non_null(text(payload(root, "com.apple.wifi.managed"),
                         "PayloadUUID"));
    assert_int_equal(nmdm_plist_tree_length(nmdm_plist_tree_get(
                         root, "PayloadContent")), 3);
}

static void contradictions_are_named(void **state)
{
    static const struct {
        const char *list, *said;
    } ROWS[] = {
        { "<plist><array/></plist>", "" },
        { LIST("<key>PayloadType</key><string>x</string>"), "no profile" },
        { LIST("<key>PayloadContent</key><string>x</string>"), "no profile" },
        { LIST("<key>PayloadContent</key><array><string>x</string></array>"),
          "no PayloadType" },
        { LIST("<key>PayloadIdentifier</key><integer>1</integer>"),
          "have to be strings" },
        { LIST("<key>PayloadContent</key><array>"
               "<dict><key>PayloadType</key><string>com.apple.mdm</string>"
               "</dict><dict><key>PayloadType</key>"
               "<string>com.apple.mdm</string></dict></array>"),
          "leave one" },
        { LIST("<key>PayloadContent</key><array>"
               "<dict><key>PayloadType</key><string>com.apple.mdm</string>"
               "<key>IdentityCertificateUUID</key><string>x</string></dict>"
               "</array>"), "IdentityCertificateUUID" },
        { LIST("<key>PayloadContent</key><array>"
               "<dict><key>PayloadType</key><string>com.apple.mdm</string>"
               "<key>ServerURL</key><string>http://x/</string></dict>"
               "</array>"), "https://" },
        { LIST("<key>PayloadContent</key><array>"
               "<dict><key>PayloadType</key><string>com.apple.mdm</string>"
               "<key>Topic</key><integer>1</integer></dict></array>"),
          "Topic" },
        { LIST("<key>PayloadContent</key><array>"
               "<dict><key>PayloadType</key><string>com.apple.mdm</string>"
               "<key>SignMessage</key><false/></dict></array>"),
          "SignMessage" },
    };
    nmdm_profile_conf_t conf = SITE;
    nmdm_profile_t profile;
    apr_size_t i;

    conf.signs_messages = 1;
    for (i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
        conf.template_list = bytes_of(ROWS[i].list);
        REFUSED(nmdm_enrollment_profile_make(&profile, *state, &conf,
                                             &DEVICE),
                NMDM_INVALID, ROWS[i].said);
    }
}

/* B4: first in the list. */
static void anchors_come_first(void **state)
{
    nmdm_profile_conf_t conf = SITE;
    apr_array_header_t *anchors = apr_array_make(*state, 1,
                                                 sizeof(nmdm_bytes_t));
    nmdm_plist_node_t *first;
    nmdm_bytes_t der = der_of(*state, house(*state).ca->x509);

    APR_ARRAY_PUSH(anchors, nmdm_bytes_t) = der;
    conf.anchors = anchors;
    first = nmdm_plist_tree_item(nmdm_plist_tree_get(
        made(*state, &conf, &DEVICE), "PayloadContent"), 0);
    assert_string_equal(text(first, "PayloadType"),
                        "com.apple.security.root");
    assert_int_equal(nmdm_plist_tree_data(nmdm_plist_tree_get(
                         first, "PayloadContent")).len, der.len);
}

/* B6 */
static void a_signed_profile_verifies_and_has_its_chain(void **state)
{
    nmdm_profile_conf_t conf = SITE;
    house_t at = house(*state);
    const identity_t *one = IDENTITY(*state, .issuer = at.ca);
    nmdm_cms_sign_t *signer;
    nmdm_profile_t profile;
    const unsigned char *der;
    CMS_ContentInfo *cms;
    STACK_OF(X509) *certs;
    BIO *content = BIO_new(BIO_s_mem());

    OK(nmdm_cms_sign_read(&signer, *state, bytes_of(apr_pstrcat(
        *state, pem_of(*state, at.ca->x509), pem_of(*state, one->x509),
        key_pem(*state, one->key), NULL))));
    conf.signer = signer;
    OK(nmdm_enrollment_profile_make(&profile, *state, &conf, &DEVICE));
    der = (const unsigned char *)profile.body.data;
    cms = d2i_CMS_ContentInfo(NULL, &der, (long)profile.body.len);
    assert_non_null(cms);
    assert_int_equal(CMS_verify(cms, NULL, NULL, NULL, content,
                                CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY), 1);
    certs = CMS_get1_certs(cms);
    assert_int_equal(sk_X509_num(certs), 2);
    sk_X509_pop_free(certs, X509_free);
    CMS_ContentInfo_free(cms);
    BIO_free(content);
}

static void a_signer_without_its_key_is_refused(void **state)
{
    const identity_t *one = IDENTITY(*state, .name = "one");
    const identity_t *other = IDENTITY(*state, .name = "other", .is_ca = 1);
    nmdm_cms_sign_t *signer;

    REFUSED(nmdm_cms_sign_read(&signer, *state, bytes_of("")), NMDM_INVALID,
            "no private key");
    REFUSED(nmdm_cms_sign_read(&signer, *state,
                               bytes_of(encrypted_key_pem(*state, one->key))),
            NMDM_INVALID, "without a password");
    REFUSED(nmdm_cms_sign_read(&signer, *state, bytes_of(apr_pstrcat(
                *state, pem_of(*state, one->x509),
                key_pem(*state, other->key), NULL))),
            NMDM_INVALID, "belongs to the private key");
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_profile_needs_no_template),
        TEST(the_same_server_makes_the_same_uuids),
        TEST(an_enrollment_of_a_user_has_no_rights),
        TEST(a_template_keeps_what_it_has_but_the_challenge),
        TEST(contradictions_are_named),
        TEST(anchors_come_first),
        TEST(a_signed_profile_verifies_and_has_its_chain),
        TEST(a_signer_without_its_key_is_refused)
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
