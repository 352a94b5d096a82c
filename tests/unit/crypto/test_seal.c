/* SPDX-License-Identifier: Apache-2.0 */
/* test_seal.c -- secrets sealed with NanoMDMStorageKey: the sealed text, what
 * is stored, and how the whole database gets there. */

#include "support.h"
#include "crypto/push_cert_pem.h"
#include "crypto/seal.h"
#include "jobs/rekey.h"
#include "storage/enrollments.h"
#include "storage/push_state.h"

#include <apr_strings.h>

#include <string.h>

#define IS(actual, expected) assert_string_equal((actual), (expected))

#define ONE \
    "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"
#define ONE_BASE64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
/* Of these 32 bytes, by sha256sum. */
#define ONE_ID "630dcd2966c43366"
#define TWO \
    "f00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

#define COLUMN NMDM_SEAL_BOOTSTRAP_TOKEN

static nmdm_bytes_t text(const char *data)
{
    return (nmdm_bytes_t){ data, strlen(data) };
}

static nmdm_seal_t *keys(apr_pool_t *p, int is_off, const char *first,
                         const char *second)
{
    nmdm_seal_t *made = nmdm_seal_create(p, is_off);

    assert_true(nmdm_seal_add(made, first));
    assert_true(!second || nmdm_seal_add(made, second));
    return made;
}

static nmdm_bytes_t sealed(apr_pool_t *p, const nmdm_seal_t *with,
                           const char *row, nmdm_bytes_t secret)
{
    nmdm_bytes_t stored;

    OK(nmdm_seal_close(&stored, p, with, COLUMN, row, secret));
    return stored;
}

static nmdm_err_t *open_as(apr_pool_t *p, const nmdm_seal_t *with,
                           const char *column, const char *row,
                           nmdm_bytes_t stored)
{
    nmdm_bytes_t secret;

    return nmdm_seal_open(&secret, p, with, column, row, stored);
}

static void is_refused(nmdm_err_t *err, const char *why)
{
    assert_non_null(err);
    assert_int_equal(err->kind, NMDM_INTERNAL);
    assert_non_null(strstr(err->msg, why));
    assert_null(strstr(err->msg, "secret text"));
}

/* ---- Keys ---- */

static void a_key_is_32_bytes(void **state)
{
    static const char *const GOOD[] = { ONE, ONE_BASE64, TWO };
    static const char *const BAD[] = {
        "", "secret", "0001", ONE "0", ONE "00",
        "0g0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "00:102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8h",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
        "AAEC=wQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "AAEC!wQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        " AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    };
    nmdm_seal_t *some = nmdm_seal_create(*state, 0);
    apr_size_t i;

    for (i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        assert_false(nmdm_seal_add(some, BAD[i]));
    }
    assert_false(nmdm_seal_is_on(some));
    assert_int_equal(nmdm_seal_count(some), 0);
    for (i = 0; i < sizeof(GOOD) / sizeof(*GOOD); i++) {
        assert_true(nmdm_seal_add(some, GOOD[i]));
    }
    assert_int_equal(nmdm_seal_count(some), 3);
    IS(nmdm_seal_id(some), ONE_ID);
    IS(nmdm_seal_id(keys(*state, 0, ONE_BASE64, NULL)), ONE_ID);
    IS(nmdm_seal_id(keys(*state, 1, ONE, NULL)), "off");
    IS(nmdm_seal_id(NULL), "off");
}

static void a_fingerprint_tells_keys_and_their_order(void **state)
{
    const char *one = nmdm_seal_fingerprint(*state,
                                            keys(*state, 0, ONE, NULL));

    assert_int_equal(strlen(one), 16);
    IS(nmdm_seal_fingerprint(*state, keys(*state, 0, ONE_BASE64, NULL)), one);
    assert_string_not_equal(one, nmdm_seal_fingerprint(
                                *state, keys(*state, 1, ONE, NULL)));
    assert_string_not_equal(
        nmdm_seal_fingerprint(*state, keys(*state, 0, ONE, TWO)),
        nmdm_seal_fingerprint(*state, keys(*state, 0, TWO, ONE)));
    assert_string_not_equal(
        nmdm_seal_fingerprint(*state, keys(*state, 1, ONE, NULL)),
        nmdm_seal_fingerprint(*state, NULL));
}

/* ---- Sealed text ---- */

static void what_is_sealed_can_be_opened_in_its_place(void **state)
{
    static const char ANY[] = "secret text \0\1\xff";
    const nmdm_seal_t *one = keys(*state, 0, ONE, NULL);
    apr_size_t len;

    for (len = 1; len < sizeof(ANY); len++) {
        nmdm_bytes_t in = { ANY, len }, out;
        nmdm_bytes_t stored = sealed(*state, one, "row", in);

        assert_int_equal(stored.len, nmdm_seal_length(len));
        assert_int_equal(strncmp(stored.data, "-----NANOMDM SEALED 1 "
                                 ONE_ID " ", NMDM_SEAL_HEAD), 0);
        assert_null(strstr(stored.data, "secret"));
        assert_true(nmdm_seal_is_settled(one, stored));
        OK(nmdm_seal_open(&out, *state, one, COLUMN, "row", stored));
        assert_int_equal(out.len, len);
        assert_memory_equal(out.data, ANY, len);
        assert_int_equal(out.data[len], 0);
    }
}

/* Made by Python's cryptography of these 12, 11 and 16 bytes, so that the form
 * and what is authenticated are as crypto/seal.h says. */
static void the_form_is_the_one_that_others_know(void **state)
{
    static const char STORED[] = "-----NANOMDM SEALED 1 " ONE_ID
        " ZGVmZ2hpamtsbW5vO369FByddupbGis7whBJEOmTGSL5T16TxQ0o-----";
    nmdm_bytes_t out;

    OK(nmdm_seal_open(&out, *state, keys(*state, 0, ONE, NULL), COLUMN, "row",
                      text(STORED)));
    IS(out.data, "secret text");
}

static void each_sealing_has_its_own_nonce(void **state)
{
    const nmdm_seal_t *one = keys(*state, 0, ONE, NULL);

    assert_string_not_equal(sealed(*state, one, "row", text("x")).data,
                            sealed(*state, one, "row", text("x")).data);
}

static void without_a_key_all_stays_as_it_is(void **state)
{
    const nmdm_seal_t *off = keys(*state, 1, ONE, NULL);
    nmdm_bytes_t out, in = text("secret text");

    OK(nmdm_seal_close(&out, *state, NULL, COLUMN, "row", in));
    assert_ptr_equal(out.data, in.data);
    OK(nmdm_seal_close(&out, *state, off, COLUMN, "row", in));
    assert_ptr_equal(out.data, in.data);
    OK(nmdm_seal_open(&out, *state, NULL, COLUMN, "row", in));
    assert_ptr_equal(out.data, in.data);
    OK(nmdm_seal_open(&out, *state, keys(*state, 0, ONE, NULL), COLUMN, "row",
                      in));
    assert_ptr_equal(out.data, in.data);
    assert_true(nmdm_seal_is_settled(NULL, in));
    assert_true(nmdm_seal_is_settled(off, in));
    assert_false(nmdm_seal_is_settled(keys(*state, 0, ONE, NULL), in));
}

static void a_clear_value_must_not_look_sealed(void **state)
{
    nmdm_bytes_t out, in = text("-----NANOMDM SEALED 1 is what I say");
    nmdm_err_t *err = nmdm_seal_close(&out, *state, NULL, COLUMN, "row", in);

    assert_non_null(err);
    assert_int_equal(err->kind, NMDM_INVALID);
    in = sealed(*state, keys(*state, 0, ONE, NULL), "row", in);
    OK(nmdm_seal_open(&out, *state, keys(*state, 0, ONE, NULL), COLUMN,
                      "row", in));
    IS(out.data, "-----NANOMDM SEALED 1 is what I say");
}

static void every_key_opens_and_the_first_seals(void **state)
{
    const nmdm_seal_t *both = keys(*state, 0, TWO, ONE);
    nmdm_bytes_t old = sealed(*state, keys(*state, 0, ONE, NULL), "row",
                              text("secret text"));

    OK(open_as(*state, both, COLUMN, "row", old));
    OK(open_as(*state, keys(*state, 1, TWO, ONE), COLUMN, "row", old));
    assert_false(nmdm_seal_is_settled(both, old));
    assert_true(nmdm_seal_is_settled(both, sealed(*state, both, "row",
                                                  text("x"))));
    is_refused(open_as(*state, keys(*state, 0, TWO, NULL), COLUMN, "row",
                       old), "key " ONE_ID ", which NanoMDMStorageKey");
    is_refused(open_as(*state, NULL, COLUMN, "row", old),
               "key " ONE_ID ", which NanoMDMStorageKey");
}

static void sealed_text_is_good_in_its_place_alone(void **state)
{
    const nmdm_seal_t *one = keys(*state, 0, ONE, NULL);
    nmdm_bytes_t stored = sealed(*state, one, "row", text("secret text"));

    is_refused(open_as(*state, one, COLUMN, "other", stored), "another row");
    is_refused(open_as(*state, one, COLUMN, "ro", stored), "another row");
    is_refused(open_as(*state, one, NMDM_SEAL_PUSH_KEY, "row", stored),
               "another row");
}

/* On the heap, so that a sanitizer sees what is read past the end. */
static void a_changed_byte_is_found_out(void **state)
{
    const nmdm_seal_t *one = keys(*state, 0, ONE, NULL);
    nmdm_bytes_t stored = sealed(*state, one, "row", text("secret text"));
    apr_size_t i;
    int bit;

    for (i = sizeof("-----NANOMDM SEALED 1 ") - 1; i < stored.len; i++) {
        for (bit = 0; bit < 8; bit++) {
            char *copy = apr_pstrmemdup(*state, stored.data, stored.len);

            copy[i] = (char)(copy[i] ^ 1 << bit);
            assert_non_null(open_as(*state, one, COLUMN, "row",
                                    (nmdm_bytes_t){ copy, stored.len }));
        }
    }
}

static void what_is_cut_off_is_found_out(void **state)
{
    const nmdm_seal_t *one = keys(*state, 0, ONE, NULL);
    nmdm_bytes_t stored = sealed(*state, one, "row", text("secret text"));
    apr_size_t len;

    for (len = sizeof("-----NANOMDM SEALED 1 ") - 1; len < stored.len;
         len++) {
        is_refused(open_as(*state, one, COLUMN, "row", (nmdm_bytes_t){
                       apr_pstrmemdup(*state, stored.data, len), len }),
                   "cut off or changed");
    }
    stored = text(apr_pstrcat(*state, stored.data, "\n", NULL));
    is_refused(open_as(*state, one, COLUMN, "row", stored), "cut off");
}

/* ---- What is stored ---- */

#define UNLOCK "dW5sb2Nr"      /* unlock */
#define HEX_OF_MARK "2D2D2D2D2D4E414E4F4D444D205345414C4544"

static const char *bootstrap(world_t *w)
{
    return ask(w, "SELECT COALESCE(bootstrap_token_b64, '-') FROM devices"
                  " WHERE id = 'D'");
}

static const char *unlock(world_t *w)
{
    return ask(w, "SELECT COALESCE(HEX(unlock_token), '-') FROM devices"
                  " WHERE id = 'D'");
}

static const char *push_key(world_t *w)
{
    return ask(w, "SELECT key_pem FROM push_certs WHERE topic = 'T'");
}

static int is_sealed(const char *value)
{
    return !strncmp(value, "-----NANOMDM SEALED 1 ", 22);
}

static nmdm_err_t *put_cert(nmdm_ctx_t *ctx, void *baton)
{
    nmdm_push_cert_t cert = {
        .topic = "T", .cert_pem = "-----BEGIN CERTIFICATE-----\n",
        .key_pem = "-----BEGIN PRIVATE KEY-----\n",
    };

    (void)baton;
    return nmdm_push_state_put_cert(ctx, &cert);
}

/* A device with both tokens, and a push certificate. */
static void fill(world_t *w)
{
    device_t d = device(w, "D");
    nmdm_ctx_t *ctx;

    enroll(w, d);
    OK(checkin(w, NULL, d, "TokenUpdate", "Topic", "com.apple.mgmt.x",
               "PushMagic", "magic", "Token", "<data>q83v</data>",
               "UnlockToken", "<data>" UNLOCK "</data>", NULL));
    OK(checkin(w, NULL, d, "SetBootstrapToken", "BootstrapToken",
               "<data>AAEC</data>", NULL));
    ctx = request(w, NULL);
    OK(nmdm_db_unit(ctx, NMDM_UNIT_WRITE, put_cert, NULL));
    nmdm_db_release(ctx);
}

static nmdm_err_t *read_bootstrap(nmdm_ctx_t *ctx, void *baton)
{
    static const nmdm_id_t D = { "Device", "D", "D", 0 };

    return nmdm_enrollments_get_bootstrap_token(ctx, baton, &D);
}

static nmdm_err_t *bootstrap_token(world_t *w, const char **token)
{
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_err_t *err = nmdm_db_unit(ctx, NMDM_UNIT_READ, read_bootstrap,
                                   token);

    nmdm_db_release(ctx);
    return err;
}

static void is_all_sealed(world_t *w)
{
    assert_true(is_sealed(bootstrap(w)));
    assert_true(is_sealed(push_key(w)));
    assert_int_equal(strncmp(unlock(w), HEX_OF_MARK, strlen(HEX_OF_MARK)), 0);
    assert_null(strstr(ask(w, "SELECT token_update FROM devices"), UNLOCK));
    assert_null(strstr(ask(w, "SELECT token_update FROM devices"),
                       "UnlockToken"));
}

static void is_all_clear(world_t *w)
{
    IS(bootstrap(w), "AAEC");
    IS(unlock(w), "756E6C6F636B");
    IS(push_key(w), "-----BEGIN PRIVATE KEY-----\n");
}

static void a_device_gets_back_what_is_sealed(void **state)
{
    const char *token;
    world_t *w = *state;

    w->policy.seal = keys(w->pool, 0, ONE, NULL);
    fill(w);
    is_all_sealed(w);
    IS(ask(w, "SELECT token_update LIKE '%%<key>PushMagic</key>%%'"
              " FROM devices"), "1");
    OK(bootstrap_token(w, &token));
    IS(token, "AAEC");
}

static void a_missing_key_is_no_missing_token(void **state)
{
    world_t *w = *state;
    const char *token = NULL;

    w->policy.seal = keys(w->pool, 0, ONE, NULL);
    fill(w);
    w->policy.seal = keys(w->pool, 0, TWO, NULL);
    is_refused(bootstrap_token(w, &token), "NMDM0352: D: devices.boot");
    w->policy.seal = NULL;
    is_refused(bootstrap_token(w, &token), "NMDM0352: D: devices.boot");
    assert_null(token);
    is_all_sealed(w);
}

static void without_the_directive_nothing_is_changed(void **state)
{
    world_t *w = *state;

    fill(w);
    is_all_clear(w);
    assert_non_null(strstr(ask(w, "SELECT token_update FROM devices"),
                           UNLOCK));
}

/* ---- The chore ---- */

/* A child's look at the chore; another child has another sealer. */
static void stride(world_t *w, nmdm_rekey_t *sealer)
{
    nmdm_ctx_t *ctx = request(w, NULL);

    OK(nmdm_rekey_run(ctx, sealer));
    nmdm_db_release(ctx);
}

static void due(world_t *w)
{
    tell(w, "UPDATE nanomdm_chores SET next_at = 0");
}

static void what_was_in_the_clear_is_sealed(void **state)
{
    world_t *w = *state;
    nmdm_rekey_t *child = nmdm_rekey_create(w->pool);

    fill(w);
    w->policy.seal = keys(w->pool, 0, ONE, NULL);
    stride(w, child);
    is_all_sealed(w);
    assert_true(logged(w, "NMDM0950: -: 4 stored secrets were sealed"));
    assert_false(logged(w, "NMDM0951"));
    due(w);
    stride(w, nmdm_rekey_create(w->pool));
    assert_true(logged(w, "NMDM0951: -: 3 stored secrets are sealed with"
                          " the key " ONE_ID));
    forget(w);
    stride(w, child);
    assert_false(logged(w, "NMDM095"));
}

static void another_key_is_due_at_once(void **state)
{
    world_t *w = *state;
    nmdm_rekey_t *child = nmdm_rekey_create(w->pool);
    const char *token;

    w->policy.seal = keys(w->pool, 0, ONE, NULL);
    fill(w);
    stride(w, child);
    forget(w);
    w->policy.seal = keys(w->pool, 0, TWO, ONE);
    stride(w, nmdm_rekey_create(w->pool));
    assert_true(logged(w, "NMDM0950: -: 3 stored secrets were sealed"));
    is_all_sealed(w);
    w->policy.seal = keys(w->pool, 0, TWO, NULL);
    OK(bootstrap_token(w, &token));
    IS(token, "AAEC");
    stride(w, nmdm_rekey_create(w->pool));
    assert_true(logged(w, "NMDM0951: -: 3 stored"));
}

static void the_way_back_leaves_all_in_the_clear(void **state)
{
    world_t *w = *state;

    w->policy.seal = keys(w->pool, 0, ONE, NULL);
    fill(w);
    w->policy.seal = keys(w->pool, 1, ONE, NULL);
    stride(w, nmdm_rekey_create(w->pool));
    is_all_clear(w);
    due(w);
    stride(w, nmdm_rekey_create(w->pool));
    assert_true(logged(w, "NMDM0956: -: 3 stored secrets are in the"
                          " clear"));
}

/* Its device sends as unlock token what begins as sealed text does. */
static void one_device_keeps_nobody_from_the_way_back(void **state)
{
    world_t *w = *state;
    device_t d = device(w, "A");

    w->policy.seal = keys(w->pool, 0, ONE, NULL);
    enroll(w, d);
    OK(checkin(w, NULL, d, "TokenUpdate", "Topic", "com.apple.mgmt.x",
               "PushMagic", "magic", "Token", "<data>q83v</data>",
               "UnlockToken", "<data>LS0tLS1OQU5PTURNIFNFQUxFRCAxIA==</data>",
               NULL));
    fill(w);
    w->policy.seal = keys(w->pool, 1, ONE, NULL);
    stride(w, nmdm_rekey_create(w->pool));
    is_all_clear(w);
    assert_true(logged(w, "NMDM0952: A: a value for devices.unlock"));
    assert_true(logged(w, "NMDM0953: -: 1 stored secrets"));
    due(w);
    forget(w);
    stride(w, nmdm_rekey_create(w->pool));
    assert_true(logged(w, "NMDM0953: -: 1 stored secrets"));
    assert_false(logged(w, "NMDM0956"));
}

static void what_cannot_be_opened_stays_and_is_told(void **state)
{
    world_t *w = *state;
    const char *before;

    w->policy.seal = keys(w->pool, 0, ONE, NULL);
    fill(w);
    before = bootstrap(w);
    w->policy.seal = keys(w->pool, 0, TWO, NULL);
    tell(w, "UPDATE push_certs SET key_pem = '-----BEGIN PRIVATE KEY-----'");
    stride(w, nmdm_rekey_create(w->pool));
    IS(bootstrap(w), before);
    assert_true(is_sealed(push_key(w)));
    assert_int_equal(logged(w, "NMDM0952: D: devices.unlock_token is sealed"
                               " with the key " ONE_ID), 1);
    assert_true(logged(w, "NMDM0953: -: 2 stored secrets cannot be"));
    assert_false(logged(w, "NMDM0951"));
}

/* More than a page of them, beside one that is moved. */
static void all_pages_are_gone_through(void **state)
{
    world_t *w = *state;
    nmdm_rekey_t *child = nmdm_rekey_create(w->pool);
    int i;

    fill(w);
    for (i = 0; i < 250; i++) {
        tell(w, "INSERT INTO devices (id, authenticate, bootstrap_token_b64)"
                " VALUES ('X%d', '<x/>', 'AAAA')", i);
    }
    w->policy.seal = keys(w->pool, 0, ONE, NULL);
    do {
        stride(w, child);
    } while (!logged(w, "NMDM0950"));
    assert_true(logged(w, "NMDM0950: -: 254 stored secrets were sealed"));
    IS(ask(w, "SELECT COUNT(*) FROM devices WHERE bootstrap_token_b64"
              " LIKE '-----NANOMDM SEALED 1 %%'"), "251");
    tell(w, "UPDATE devices SET bootstrap_token_b64 = (SELECT"
            " bootstrap_token_b64 FROM devices WHERE id = 'X7')"
            " WHERE id = 'D'");
    assert_non_null(bootstrap_token(w, &(const char *){ NULL }));
}

/* The child that has the chore keeps it until its lease is over. */
static void one_child_at_a_time_seals(void **state)
{
    world_t *w = *state;

    fill(w);
    w->policy.seal = keys(w->pool, 0, ONE, NULL);
    tell(w, "INSERT INTO nanomdm_chores (name, next_at, position)"
            " VALUES ('seal', strftime('%%s', 'now') + 100, '%s other')",
         nmdm_seal_fingerprint(w->pool, w->policy.seal));
    stride(w, nmdm_rekey_create(w->pool));
    is_all_clear(w);
    due(w);
    stride(w, nmdm_rekey_create(w->pool));
    is_all_sealed(w);
}

static void without_our_tables_it_says_so(void **state)
{
    world_t *w = *state;

    fill(w);
    w->policy.seal = keys(w->pool, 0, ONE, NULL);
    w->schema.version = 0;
    stride(w, nmdm_rekey_create(w->pool));
    assert_true(logged(w, "NMDM0954"));
    is_all_clear(w);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)
#define DB_TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_world, support_world_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_is_32_bytes),
        TEST(a_fingerprint_tells_keys_and_their_order),
        TEST(what_is_sealed_can_be_opened_in_its_place),
        TEST(the_form_is_the_one_that_others_know),
        TEST(each_sealing_has_its_own_nonce),
        TEST(without_a_key_all_stays_as_it_is),
        TEST(a_clear_value_must_not_look_sealed),
        TEST(every_key_opens_and_the_first_seals),
        TEST(sealed_text_is_good_in_its_place_alone),
        TEST(a_changed_byte_is_found_out),
        TEST(what_is_cut_off_is_found_out),
        DB_TEST(a_device_gets_back_what_is_sealed),
        DB_TEST(a_missing_key_is_no_missing_token),
        DB_TEST(without_the_directive_nothing_is_changed),
        DB_TEST(what_was_in_the_clear_is_sealed),
        DB_TEST(another_key_is_due_at_once),
        DB_TEST(the_way_back_leaves_all_in_the_clear),
        DB_TEST(one_device_keeps_nobody_from_the_way_back),
        DB_TEST(what_cannot_be_opened_stays_and_is_told),
        DB_TEST(all_pages_are_gone_through),
        DB_TEST(one_child_at_a_time_seals),
        DB_TEST(without_our_tables_it_says_so),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
