/* SPDX-License-Identifier: Apache-2.0 */
/* test_enrollments.c -- who is enrolled. */

#include "support.h"
#include "codec/json.h"
#include "api/enrollments.h"

#include <apr_strings.h>

#include <string.h>

#define IS(actual, expected) assert_string_equal((actual), (expected))

static nmdm_json_t *query(world_t *w, const char *json, const char *limit,
                          const char *cursor)
{
    nmdm_api_paging_query_t page = { limit, NULL, cursor };
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_reply_t reply = { 0 };
    nmdm_json_t *answer;
    int status;

    OK(nmdm_api_enrollments_query(ctx, &reply, &status, bytes_of(json), &page));
    nmdm_db_release(ctx);
    assert_int_equal(status, 200);
    OK(nmdm_json_read(&answer, w->pool, reply.body));
    return answer;
}

static const char *ids_of(world_t *w, const nmdm_json_t *answer)
{
    nmdm_json_t *list = nmdm_json_get(answer, "enrollments");
    const char *ids = "";
    int i;

    for (i = 0; i < nmdm_json_length(list); i++) {
        ids = apr_pstrcat(w->pool, ids, i ? " " : "", nmdm_json_string(
            nmdm_json_item(list, i), "id"), NULL);
    }
    return ids;
}

/* D with users U and V, and E. */
static device_t family(world_t *w)
{
    device_t d = device(w, "D");

    enroll(w, d);
    token_update(w, user_of(d, "U"));
    token_update(w, user_of(d, "V"));
    enroll(w, device(w, "E"));
    tell(w, "UPDATE devices SET serial_number = 'S' || id");
    tell(w, "UPDATE users SET user_short_name = 'n' || SUBSTR(id, 3)");
    return d;
}

static void filters_narrow_each_other(void **state)
{
    static const char *const ROWS[][2] = {
        { "", "D D:U D:V E" }, { "{}", "D D:U D:V E" },
        { "{\"filter\":{\"ids\":[\"E\",\"D\",\"x\"]}}", "D E" },
        { "{\"filter\":{\"serials\":[\"SD\"]}}", "D D:U D:V" },
        { "{\"filter\":{\"user_short_names\":[\"nV\",\"nU\"]}}",
          "D:V D:U" },
        { "{\"filter\":{\"types\":[\"User\"]}}", "D:U D:V" },
        { "{\"filter\":{\"types\":[\"User\"],\"ids\":[\"D:U\",\"D\"]}}",
          "D:U" },
        { "{\"filter\":{\"serials\":[\"SD\",\"SE\"],"
          "\"user_short_names\":[\"nU\"]}}", "D:U" },
        { "{\"filter\":{\"serials\":[\"SE\"],\"ids\":[\"D\"]}}", "" },
        { "{\"filter\":{\"enabled\":true}}", "D D:U D:V E" },
        { "{\"filter\":{\"enabled\":false}}", "" },
        { NULL, NULL }
    };
    world_t *w = *state;
    int i;

    family(w);
    for (i = 0; ROWS[i][0]; i++) {
        const char *ids = ids_of(w, query(w, ROWS[i][0], NULL, NULL));

        HOLDS(!strcmp(ids, ROWS[i][1]), "%s: %s", ROWS[i][0], ids);
    }
}

static void pages_follow_each_other(void **state)
{
    world_t *w = *state;
    const char *cursor = NULL, *ids = "";
    nmdm_json_t *answer;

    family(w);
    do {
        answer = query(w, "{\"filter\":{\"user_short_names\":[\"nV\",\"nU\","
                          "\"none\"]}}", "1", cursor);
        ids = apr_pstrcat(w->pool, ids, " ", ids_of(w, answer), NULL);
        cursor = nmdm_json_string(answer, "next_cursor");
    } while (cursor);
    HOLDS(!strncmp(ids, " D:V D:U", 8), "%s", ids);
}

static void a_unit_that_is_repeated_answers_once(void **state)
{
    world_t *w = *state;

    family(w);
    w->fail_next = 2;
    IS(ids_of(w, query(w, "", NULL, NULL)), "D D:U D:V E");
}

/* The last page of all looks for devices that have not enrolled to the end. */
static void a_page_is_two_statements_and_one_that_looks_on(void **state)
{
    world_t *w = *state;

    family(w);
    forget(w);
    query(w, "", NULL, NULL);
    assert_int_equal(logged(w, "NMDM0103"), 3);
    assert_int_equal(logged(w, "enrollments_walk"), 1);
    assert_int_equal(logged(w, "enrollments_rows"), 1);
}

static void one_enrollment_in_full(void **state)
{
    world_t *w = *state;
    device_t d = family(w);
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_reply_t reply = { 0 };
    nmdm_json_t *answer;
    int status;

    enqueue(w, "D", "C1");
    enqueue(w, "D", "C2");
    next(w, d, "NotNow", "C1");
    tell(w, "INSERT INTO nanomdm_pushes (id, status, reason, tries)"
            " VALUES ('D', 410, 'Unregistered', 2)");
    tell(w, "UPDATE devices SET unlock_token = x'00ff10'");
    OK(nmdm_api_enrollments_get(ctx, &reply, &status, "D"));
    nmdm_db_release(ctx);
    assert_int_equal(status, 200);
    OK(nmdm_json_read(&answer, w->pool, reply.body));
    IS(nmdm_json_string(nmdm_json_get(answer, "device"), "unlock_token"),
       "AP8Q");
    IS(nmdm_json_string(nmdm_json_get(answer, "push"), "reason"),
       "Unregistered");
    assert_int_equal(nmdm_json_integer(nmdm_json_get(answer, "queue"),
                                       "pending"), 2);
    assert_int_equal(nmdm_json_integer(nmdm_json_get(answer, "queue"),
                                       "not_now"), 1);
    IS(nmdm_json_string(nmdm_json_get(answer, "last_report"), "status"),
       "NotNow");
    assert_int_equal(nmdm_json_length(nmdm_json_get(
        nmdm_json_get(answer, "identity"), "associations")), 1);
    IS(ctx->access_log.id, "D");
    IS(ctx->access_log.type, "Device");
}

static void nobody_is_not_found(void **state)
{
    world_t *w = *state;
    nmdm_ctx_t *ctx = request(w, NULL);
    nmdm_reply_t reply = { 0 };
    int status;

    REFUSED(nmdm_api_enrollments_get(ctx, &reply, &status, "D"), NMDM_NOT_FOUND,
            "D is not enrolled");
    assert_int_equal(status, 404);
    REFUSED(nmdm_api_enrollments_get(ctx, &reply, &status, ""), NMDM_INVALID,
            "id");
    REFUSED(nmdm_api_enrollments_get(ctx, &reply, &status, "\xff"),
            NMDM_INVALID, "UTF-8");
    assert_int_equal(status, 400);
    nmdm_db_release(ctx);
}

#define DB_TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_world, support_world_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(filters_narrow_each_other),
        DB_TEST(pages_follow_each_other),
        DB_TEST(a_unit_that_is_repeated_answers_once),
        DB_TEST(a_page_is_two_statements_and_one_that_looks_on),
        DB_TEST(one_enrollment_in_full),
        DB_TEST(nobody_is_not_found),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
