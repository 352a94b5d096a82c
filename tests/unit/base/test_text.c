/* SPDX-License-Identifier: Apache-2.0 */
/* test_text.c -- base64, hex, UTF-8, errors, log. */

#include "support.h"

#include <apr_strings.h>

#include <string.h>

/* ---- base64 ---- */

static int decodes(apr_pool_t *p, const char *text, int spaces,
                   const char *expected)
{
    nmdm_bytes_t in = exact_copy(p, bytes_of(text)), out;

    return nmdm_base64_decode(&out, p, in.data, in.len, spaces)
        && out.len == strlen(expected)
        && !memcmp(out.data, expected, out.len);
}

static int is_refused(apr_pool_t *p, const char *text, int spaces)
{
    nmdm_bytes_t in = exact_copy(p, bytes_of(text)), out;

    return !nmdm_base64_decode(&out, p, in.data, in.len, spaces);
}

static void base64_knows_the_vectors_of_rfc_4648(void **state)
{
    static const char *const VECTORS[][2] = {
        { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" }
    };
    apr_size_t i;

    for (i = 0; i < sizeof(VECTORS) / sizeof(*VECTORS); i++) {
        const char *plain = VECTORS[i][0], *encoded = VECTORS[i][1];

        HOLDS(decodes(*state, encoded, 0, plain), "%s", encoded);
        assert_string_equal(nmdm_base64_encode(*state, bytes_of(plain)),
                            encoded);
    }
}

static void base64_without_its_padding_is_refused(void **state)
{
    assert_true(is_refused(*state, "Zg", 0));
    assert_true(is_refused(*state, "Zg=", 0));
    assert_true(is_refused(*state, "Zm8", 0));
    assert_true(is_refused(*state, "Zm9vYg", 1));
    assert_true(is_refused(*state, "Z", 0));
}

static void base64_padding_belongs_to_the_end_only(void **state)
{
    assert_true(is_refused(*state, "Zg==Zg==", 0));
    assert_true(is_refused(*state, "Z=g=", 0));
    assert_true(is_refused(*state, "====", 0));
    assert_true(is_refused(*state, "Z===", 0));
    assert_true(is_refused(*state, "=", 0));
    assert_true(is_refused(*state, "Zm9v====", 0));
}

static void base64_for_urls_is_refused(void **state)
{
    assert_true(decodes(*state, "+/+/", 0, "\xfb\xff\xbf"));
    assert_true(is_refused(*state, "-_-_", 0));
    assert_true(is_refused(*state, "+_+_", 1));
}

static void base64_takes_white_space_only_where_it_is_asked_to(void **state)
{
    assert_true(decodes(*state, " Z\tm9\r\nv Yg= =\n", 1, "foob"));
    assert_true(is_refused(*state, "Zm9v\n", 0));
    assert_true(is_refused(*state, " Zm9v", 0));
    assert_true(is_refused(*state, "Zm 9v", 0));
    assert_true(is_refused(*state, "Zm\v9v", 1));
    assert_true(decodes(*state, " \n\t", 1, ""));
}

static void base64_refuses_any_other_byte(void **state)
{
    int c;

    for (c = 1; c < 256; c++) {
        char text[] = { 'Z', (char)c, '9', 'v', '\0' };
        int good = strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"
                          "yz0123456789+/", c) != NULL;

        HOLDS(is_refused(*state, text, 0) == !good, "byte %d", c);
    }
}

static void base64_refuses_a_nul_within_the_text(void **state)
{
    nmdm_bytes_t out;

    assert_false(nmdm_base64_decode(&out, *state, "Zm\0v", 4, 1));
}

static void base64_result_ends_with_a_nul(void **state)
{
    nmdm_bytes_t out;

    assert_true(nmdm_base64_decode(&out, *state, "Zm9v", 4, 0));
    assert_int_equal(out.data[out.len], '\0');
    assert_true(nmdm_base64_decode(&out, *state, "", 0, 0));
    assert_int_equal(out.len, 0);
    assert_int_equal(out.data[0], '\0');
}

static void base64_brings_back_bytes_of_any_length(void **state)
{
    char all[300];
    apr_size_t len, i;

    for (i = 0; i < sizeof(all); i++) {
        all[i] = (char)(i * 7);
    }
    for (len = 0; len <= sizeof(all); len++) {
        nmdm_bytes_t in = exact_copy(*state, (nmdm_bytes_t){ all, len });
        const char *text = nmdm_base64_encode(*state, in);
        nmdm_bytes_t out;

        HOLDS(strlen(text) == (len + 2) / 3 * 4, "length %d", (int)len);
        HOLDS(nmdm_base64_decode(&out, *state, text, strlen(text), 0),
              "length %d", (int)len);
        HOLDS(out.len == len && !memcmp(out.data, all, len), "length %d",
              (int)len);
    }
}

/* ---- Hex ---- */

/* A text that is sent as it is made. */
static void base64_comes_in_parts_of_any_size(void **state)
{
    apr_size_t sizes[] = { 0, 1, 2, 3, 767, 768, 769, 2000 }, room, i, n;
    char plain[2000], text[2700];

    for (i = 0; i < sizeof(plain); i++) {
        plain[i] = (char)(i * 37);
    }
    for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        nmdm_bytes_t bytes = { plain, sizes[i] };
        const char *whole = nmdm_base64_encode(*state, bytes);

        assert_int_equal(nmdm_base64_length(bytes.len), strlen(whole));
        for (room = 1; room < 1100; room += room < 9 ? 1 : 361) {
            apr_size_t from = 0;

            while ((n = nmdm_base64_part(text + from, room, bytes, from))) {
                assert_true(n <= room);
                from += n;
            }
            assert_int_equal(from, strlen(whole));
            assert_memory_equal(text, whole, from);
        }
    }
}

static void hex_is_lower_case_and_keeps_zeros(void **state)
{
    nmdm_bytes_t in = { "\x00\x0f\xAB\xff", 4 };

    assert_string_equal(nmdm_hex(*state, in), "000fabff");
}

static void hex_of_nothing_is_empty(void **state)
{
    nmdm_bytes_t in = { NULL, 0 };

    assert_string_equal(nmdm_hex(*state, in), "");
}

/* ---- UTF-8 ---- */

static void utf8_length_counts_characters_not_bytes(void **state)
{
    (void)state;
    assert_int_equal(nmdm_utf8_length(""), 0);
    assert_int_equal(nmdm_utf8_length("abc"), 3);
    assert_int_equal(nmdm_utf8_length("\xC3\xA4"), 1);
    assert_int_equal(nmdm_utf8_length("\xE2\x82\xAC\xE2\x82\xAC"), 2);
    assert_int_equal(nmdm_utf8_length("a\xF0\x9F\x98\x80z"), 3);
}

static int is_utf8(apr_pool_t *p, const char *text, apr_size_t len)
{
    nmdm_bytes_t exact = exact_copy(p, (nmdm_bytes_t){ text, len });

    return nmdm_utf8_valid(exact.data, exact.len);
}

static void utf8_accepts_the_first_and_last_of_each_length(void **state)
{
    static const char *const GOOD[] = {
        "", "\x01", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80",
        "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80",
        "\xF4\x8F\xBF\xBF", "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(GOOD) / sizeof(*GOOD); i++) {
        HOLDS(is_utf8(*state, GOOD[i], strlen(GOOD[i])), "row %d", (int)i);
    }
    assert_true(is_utf8(*state, "a\0b", 3));
}

static void utf8_refuses_what_rfc_3629_excludes(void **state)
{
    static const char *const BAD[] = {
        "\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF",
        "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF",
        "\xC3\x28", "\xE2\x28\xA1", "\xE2\x82\x28", "\xF0\x28\x8C\xBC",
        "\xF0\x90\x28\xBC", "\xF0\x90\x8C\x28", "a\xE4" "b",
        "\xFC\x80\x80\x80\x80\x80"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        HOLDS(!is_utf8(*state, BAD[i], strlen(BAD[i])), "row %d", (int)i);
    }
}

static void utf8_cut_off_at_the_end_is_refused_without_reading_on(
    void **state)
{
    assert_false(is_utf8(*state, "a\xC3", 2));
    assert_false(is_utf8(*state, "\xE2\x82", 2));
    assert_false(is_utf8(*state, "\xE2", 1));
    assert_false(is_utf8(*state, "\xF0\x9F\x98", 3));
    assert_false(is_utf8(*state, "\xF0", 1));
}

/* ---- Errors ---- */

static void an_error_says_what_it_was_told(void **state)
{
    nmdm_err_t *err = nmdm_err(*state, NMDM_NOT_FOUND, APR_ENOENT,
                               "%s: %d pieces", "id", 3);

    assert_int_equal(err->kind, NMDM_NOT_FOUND);
    assert_int_equal(err->rv, APR_ENOENT);
    assert_int_equal(err->retry, NMDM_RETRY_NO);
    assert_string_equal(err->msg, "id: 3 pieces");
}

static void an_error_is_utf8_whatever_it_cites(void **state)
{
    nmdm_err_t *err = nmdm_err(*state, NMDM_INVALID, APR_SUCCESS,
                               "\xC3\xA4 and \"%.4s\" and %s",
                               "a\xE2\x82\xAC\xE2", "\xFF\xC3");

    assert_string_equal(err->msg, "\xC3\xA4 and \"a\xE2\x82\xAC\" and ??");
    err = nmdm_err(*state, NMDM_INVALID, APR_SUCCESS, "%.3s",
                   "a\xE2\x82\xAC");
    assert_string_equal(err->msg, "a??");
}

static void an_error_of_any_length_is_kept_whole(void **state)
{
    const char *text = repeat(*state, 'x', 20000);

    assert_string_equal(nmdm_err(*state, NMDM_INTERNAL, 0, "%s", text)->msg,
                        text);
}

static const char *text_without_tag(apr_pool_t *p, const char *msg)
{
    return nmdm_err_text(nmdm_err(p, NMDM_INTERNAL, 0, "%s", msg));
}

static void an_operator_sees_no_tag(void **state)
{
    assert_string_equal(text_without_tag(*state, "NMDM0401: id: bad: worse"),
                        "id: bad: worse");
    assert_string_equal(text_without_tag(*state, "no tag: here"),
                        "no tag: here");
    assert_string_equal(text_without_tag(*state, "NMDM and nothing else"),
                        "NMDM and nothing else");
    assert_string_equal(text_without_tag(*state, ""), "");
}

static nmdm_err_t *try_it(nmdm_err_t *err, int *went_on)
{
    NMDM_TRY(err);
    *went_on = 1;
    return NULL;
}

static void an_error_ends_the_function_that_tries(void **state)
{
    nmdm_err_t *err = nmdm_err(*state, NMDM_REFUSED, 0, "no");
    int went_on = 0;

    assert_ptr_equal(try_it(err, &went_on), err);
    assert_int_equal(went_on, 0);
    assert_null(try_it(NULL, &went_on));
    assert_int_equal(went_on, 1);
}

/* ---- Log ---- */

static void count_lines(nmdm_ctx_t *ctx, nmdm_log_e level, const char *line)
{
    int *lines = ctx->log_baton;

    assert_string_equal(line, "7 things");
    lines[level]++;
}

static void debug_lines_are_for_those_who_want_them(void **state)
{
    int lines[NMDM_LOG_DEBUG + 1] = { 0 };
    nmdm_ctx_t ctx = { .pool = *state, .log = count_lines,
                       .log_baton = lines };

    nmdm_log(&ctx, NMDM_LOG_DEBUG, "%d things", 7);
    assert_int_equal(lines[NMDM_LOG_DEBUG], 0);
    nmdm_log(&ctx, NMDM_LOG_INFO, "%d things", 7);
    assert_int_equal(lines[NMDM_LOG_INFO], 1);
    ctx.wants_debug = 1;
    nmdm_log(&ctx, NMDM_LOG_DEBUG, "%d things", 7);
    assert_int_equal(lines[NMDM_LOG_DEBUG], 1);
    ctx.log = NULL;
    nmdm_log(&ctx, NMDM_LOG_ERROR, "nobody listens");
    assert_int_equal(lines[NMDM_LOG_ERROR], 0);
}

/* ---- Names ---- */

/* They are in databases that NanoMDM wrote. */
static void enrollment_types_are_spelled_as_nanomdm_does(void **state)
{
    (void)state;
    assert_string_equal(NMDM_DEVICE, "Device");
    assert_string_equal(NMDM_USER, "User");
    assert_string_equal(NMDM_SHARED_IPAD, "Shared iPad");
    assert_string_equal(NMDM_USER_ENROLLMENT_DEVICE,
                        "User Enrollment (Device)");
    assert_string_equal(NMDM_USER_ENROLLMENT, "User Enrollment");
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(base64_knows_the_vectors_of_rfc_4648),
        TEST(base64_without_its_padding_is_refused),
        TEST(base64_padding_belongs_to_the_end_only),
        TEST(base64_for_urls_is_refused),
        TEST(base64_takes_white_space_only_where_it_is_asked_to),
        TEST(base64_refuses_any_other_byte),
        TEST(base64_refuses_a_nul_within_the_text),
        TEST(base64_result_ends_with_a_nul),
        TEST(base64_brings_back_bytes_of_any_length),
        TEST(base64_comes_in_parts_of_any_size),
        TEST(hex_is_lower_case_and_keeps_zeros),
        TEST(hex_of_nothing_is_empty),
        TEST(utf8_length_counts_characters_not_bytes),
        TEST(utf8_accepts_the_first_and_last_of_each_length),
        TEST(utf8_refuses_what_rfc_3629_excludes),
        TEST(utf8_cut_off_at_the_end_is_refused_without_reading_on),
        TEST(an_error_says_what_it_was_told),
        TEST(an_error_is_utf8_whatever_it_cites),
        TEST(an_error_of_any_length_is_kept_whole),
        TEST(an_operator_sees_no_tag),
        TEST(an_error_ends_the_function_that_tries),
        TEST(debug_lines_are_for_those_who_want_them),
        TEST(enrollment_types_are_spelled_as_nanomdm_does),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
