/* SPDX-License-Identifier: Apache-2.0 */
/* test_plist_tree.c -- trees: built, read from XML and binary, written. Covers
 * plist_binary.c, plist_tree_xml.c and plist_write.c. */

#include "support.h"
#include "codec/plist_binary.h"
#include "codec/plist_tree.h"
#include "codec/plist_write.h"

#include <apr_strings.h>

#include <math.h>
#include <string.h>

#define HEAD \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" \
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\"" \
    " \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n" \
    "<plist version=\"1.0\">\n"

/* ---- Written ---- */

static void is_written(apr_pool_t *p, nmdm_plist_node_t *root,
                       const char *content)
{
    nmdm_bytes_t xml;

    OK(nmdm_plist_tree_write(&xml, p, root));
    assert_string_equal(xml.data, apr_pstrcat(p, HEAD, content, "</plist>\n",
                                              NULL));
    assert_int_equal(xml.len, strlen(xml.data));
}

static void every_type_is_written_as_apple_does(void **state)
{
    nmdm_plist_node_t *root = nmdm_plist_tree_dict(*state), *list;

    is_written(*state, root, "<dict/>\n");
    nmdm_plist_tree_add_string(root, "s", "a<&>\xC3\xA9\r\n\t\"'");
    nmdm_plist_tree_add_data(root, "d", bytes_of("abc"));
    nmdm_plist_tree_add_integer(root, "i", -5);
    nmdm_plist_tree_add_real(root, "r", 0.1);
    nmdm_plist_tree_add_bool(root, "y", 5);
    nmdm_plist_tree_add_bool(root, "n", 0);
    nmdm_plist_tree_add_date(root, "t", NOW);
    list = nmdm_plist_tree_add_array(root, "<l>");
    nmdm_plist_tree_add_dict(list, NULL);
    nmdm_plist_tree_add_array(list, NULL);
    nmdm_plist_tree_add_string(nmdm_plist_tree_add_dict(list, NULL), "", "");
    nmdm_plist_tree_add_data(list, NULL, (nmdm_bytes_t){ NULL, 0 });
    is_written(*state, root,
        "<dict>\n"
        "\t<key>s</key>\n"
        "\t<string>a&lt;&amp;&gt;\xC3\xA9&#13;\n\t\"'</string>\n"
        "\t<key>d</key>\n\t<data>\n\tYWJj\n\t</data>\n"
        "\t<key>i</key>\n\t<integer>-5</integer>\n"
        "\t<key>r</key>\n\t<real>0.1</real>\n"
        "\t<key>y</key>\n\t<true/>\n\t<key>n</key>\n\t<false/>\n"
        "\t<key>t</key>\n\t<date>2026-06-01T12:00:00Z</date>\n"
        "\t<key>&lt;l&gt;</key>\n\t<array>\n\t\t<dict/>\n\t\t<array/>\n"
        "\t\t<dict>\n\t\t\t<key></key>\n\t\t\t<string></string>\n"
        "\t\t</dict>\n\t\t<data>\n\t\t</data>\n\t</array>\n"
        "</dict>\n");
}

static void integers_of_64_bits_are_exact(void **state)
{
    nmdm_plist_node_t *root = nmdm_plist_tree_dict(*state), *node;
    apr_uint64_t number;
    apr_int64_t integer = 7;

    nmdm_plist_tree_add_integer(root, "least", APR_INT64_MIN);
    nmdm_plist_tree_add_integer(root, "-1", -1);
    nmdm_plist_tree_add_unsigned(root, "most", APR_UINT64_MAX);
    nmdm_plist_tree_add_unsigned(root, "2^63", (apr_uint64_t)1 << 63);
    is_written(*state, root,
        "<dict>\n\t<key>least</key>\n"
        "\t<integer>-9223372036854775808</integer>\n"
        "\t<key>-1</key>\n\t<integer>-1</integer>\n"
        "\t<key>most</key>\n\t<integer>18446744073709551615</integer>\n"
        "\t<key>2^63</key>\n\t<integer>9223372036854775808</integer>\n"
        "</dict>\n");
    node = nmdm_plist_tree_get(root, "most");
    assert_false(nmdm_plist_tree_integer(&integer, node));
    assert_int_equal(integer, 7);
    assert_true(nmdm_plist_tree_unsigned(&number, node));
    assert_true(number == APR_UINT64_MAX);
    node = nmdm_plist_tree_get(root, "least");
    assert_true(nmdm_plist_tree_integer(&integer, node));
    assert_true(integer == APR_INT64_MIN);
    assert_false(nmdm_plist_tree_unsigned(&number, node));
}

static void dates_of_all_years_are_exact(void **state)
{
    static const char *const DATES[] = {
        "0001-01-01T00:00:00Z", "1899-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z", "2026-11-27T10:00:00Z",
        "2038-01-19T03:14:08Z", "2069-01-19T03:14:08Z",
        "4001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", NULL
    };
    int i;

    for (i = 0; DATES[i]; i++) {
        nmdm_plist_node_t *root;
        const char *dict = apr_psprintf(
            *state, "<dict>\n\t<key>a</key>\n\t<date>%s</date>\n</dict>\n",
            DATES[i]);

        OK(nmdm_plist_tree_read(&root, *state, bytes_of(
            apr_pstrcat(*state, "<plist>", dict, "</plist>", NULL))));
        is_written(*state, root, dict);
    }
}

static void data_is_broken_into_lines(void **state)
{
    nmdm_plist_node_t *root = nmdm_plist_tree_dict(*state);
    nmdm_bytes_t data = { repeat(*state, '\0', 60), 60 };

    nmdm_plist_tree_add_data(root, "d", data);
    is_written(*state, root, apr_psprintf(
        *state, "<dict>\n\t<key>d</key>\n\t<data>\n\t%s\n\t%s\n\t</data>\n"
        "</dict>\n", repeat(*state, 'A', 68), repeat(*state, 'A', 12)));
}

static void what_xml_cannot_hold_is_refused(void **state)
{
    static const char *const TEXTS[] = {
        "\x01", "\x1F", "\xEF\xBF\xBE", "\xEF\xBF\xBF", "\xFF",
        "\xED\xA0\x80", NULL
    };
    nmdm_plist_node_t *root, *node;
    nmdm_bytes_t xml;
    int i;

    for (i = 0; TEXTS[i]; i++) {
        root = nmdm_plist_tree_dict(*state);
        nmdm_plist_tree_add_string(root, "key", TEXTS[i]);
        REFUSED(nmdm_plist_tree_write(&xml, *state, root), NMDM_INVALID,
                "\"key\" has a character");
        root = nmdm_plist_tree_dict(*state);
        nmdm_plist_tree_add_string(root, TEXTS[i], "");
        REFUSED(nmdm_plist_tree_write(&xml, *state, root), NMDM_INVALID,
                "has a character");
    }
    root = node = nmdm_plist_tree_dict(*state);
    for (i = 0; i < 61; i++) {
        node = nmdm_plist_tree_add_array(node, i ? NULL : "a");
    }
    OK(nmdm_plist_tree_write(&xml, *state, root));
    OK(nmdm_plist_tree_read(&node, *state, xml));
    root = node = nmdm_plist_tree_dict(*state);
    for (i = 0; i < 62; i++) {
        node = nmdm_plist_tree_add_array(node, i ? NULL : "a");
    }
    REFUSED(nmdm_plist_tree_write(&xml, *state, root), NMDM_INVALID,
            "nested too deeply");
}

/* ---- Changed and looked at ---- */

static void values_are_replaced_copied_and_removed(void **state)
{
    nmdm_plist_node_t *root = nmdm_plist_tree_dict(*state), *copy, *list;
    apr_array_header_t *keys;

    nmdm_plist_tree_add_string(root, "a", "1");
    nmdm_plist_tree_add_string(root, "b", "2");
    nmdm_plist_tree_add_string(root, "a", "3");
    keys = nmdm_plist_tree_keys(*state, root);
    assert_int_equal(keys->nelts, 2);
    assert_string_equal(APR_ARRAY_IDX(keys, 0, const char *), "a");
    assert_string_equal(nmdm_plist_tree_string(nmdm_plist_tree_get(root, "a")),
                        "3");
    copy = nmdm_plist_tree_dict(*state);
    nmdm_plist_tree_add_copy(copy, "c", root);
    nmdm_plist_tree_remove(root, "a");
    nmdm_plist_tree_remove(root, "a");
    assert_null(nmdm_plist_tree_get(root, "a"));
    assert_int_equal(nmdm_plist_tree_length(root), 1);
    list = nmdm_plist_tree_add_array(copy, "l");
    nmdm_plist_tree_add_copy(list, NULL, nmdm_plist_tree_get(copy, "c"));
    assert_int_equal(nmdm_plist_tree_length(list), 1);
    assert_int_equal(
        nmdm_plist_tree_length(nmdm_plist_tree_item(list, 0)), 2);
    assert_null(nmdm_plist_tree_item(list, 1));
    assert_null(nmdm_plist_tree_item(list, -1));
}

static void values_of_another_type_are_none(void **state)
{
    nmdm_plist_node_t *root = nmdm_plist_tree_dict(*state), *node;
    apr_int64_t integer;
    apr_time_t when;
    double real;

    nmdm_plist_tree_add_string(root, "s", "1");
    node = nmdm_plist_tree_get(root, "s");
    assert_int_equal(nmdm_plist_tree_type(node), NMDM_NODE_STRING);
    assert_int_equal(nmdm_plist_tree_type(NULL), NMDM_NODE_NONE);
    assert_null(nmdm_plist_tree_data(node).data);
    assert_null(nmdm_plist_tree_get(node, "s"));
    assert_null(nmdm_plist_tree_item(root, 0));
    assert_null(nmdm_plist_tree_string(root));
    assert_int_equal(nmdm_plist_tree_length(node), 0);
    assert_int_equal(nmdm_plist_tree_keys(*state, node)->nelts, 0);
    assert_false(nmdm_plist_tree_integer(&integer, node));
    assert_false(nmdm_plist_tree_real(&real, node));
    assert_false(nmdm_plist_tree_date(&when, node));
    assert_false(nmdm_plist_tree_is_true(node));
}

/* ---- XML ---- */

static nmdm_err_t *read_value(nmdm_plist_node_t **out, apr_pool_t *p,
                              const char *value)
{
    nmdm_plist_node_t *root;

    NMDM_TRY(nmdm_plist_tree_read(
        &root, p, exact_copy(p, plist(p, "k", value, NULL))));
    *out = nmdm_plist_tree_get(root, "k");
    return NULL;
}

static void values_of_xml_are_exact(void **state)
{
    static const char *const ROWS[][2] = {
        { "<integer>0x1F</integer>", "<integer>31</integer>" },
        { "<integer>-0x10</integer>", "<integer>-16</integer>" },
        { "<integer> +5 </integer>", "<integer>5</integer>" },
        { "<integer>010</integer>", "<integer>10</integer>" },
        { "<integer>18446744073709551615</integer>",
          "<integer>18446744073709551615</integer>" },
        { "<real>1e300</real>", "<real>1e300</real>" },
        { "<real> .5 </real>", "<real>0.5</real>" },
        { "<real>+infinity</real>", "<real>+infinity</real>" },
        { "<real>Infinity</real>", "<real>+infinity</real>" },
        { "<real>nan</real>", "<real>nan</real>" },
        { "<date>2026-11-27 10:00:00 +0000</date>",
          "<date>2026-11-27T10:00:00Z</date>" },
        { "<date>2026-11-27T10:00:00.500+02:00</date>",
          "<date>2026-11-27T08:00:00Z</date>" },
        { "<string>a&#13;\r\nb<![CDATA[<c>]]></string>",
          "<string>a&#13;\nb&lt;c&gt;</string>" },
        { "<dict><key/><true/></dict>",
          "<dict>\n\t\t<key></key>\n\t\t<true/>\n\t</dict>" },
        { "<dict><key>a</key><true/><key>a</key><false/></dict>",
          "<dict>\n\t\t<key>a</key>\n\t\t<false/>\n\t</dict>" },
        { NULL, NULL }
    };
    int i;

    for (i = 0; ROWS[i][0]; i++) {
        nmdm_plist_node_t *root = nmdm_plist_tree_dict(*state), *node;

        OK(read_value(&node, *state, ROWS[i][0]));
        nmdm_plist_tree_add_copy(root, "k", node);
        is_written(*state, root, apr_pstrcat(
            *state, "<dict>\n\t<key>k</key>\n\t", ROWS[i][1],
            "\n</dict>\n", NULL));
    }
}

static void values_that_are_none_are_named(void **state)
{
    static const char *const ROWS[][2] = {
        { "<data>AAA</data>", "\"k\" is not base64" },
        { "<data>A-_A</data>", "\"k\" is not base64" },
        { "<real>1,5</real>", "\"k\" is not a number" },
        { "<real/>", "\"k\" is not a number" },
        { "<date>yesterday</date>", "\"k\" is not a date" },
        { "<date>2026-13-01T00:00:00Z</date>", "\"k\" is not a date" },
        { "<integer>1e+21</integer>", "\"k\" is not an integer" },
        { "<integer>18446744073709551616</integer>", "not an integer" },
        { "<integer>-9223372036854775809</integer>", "not an integer" },
        { "<integer/>", "not an integer" },
        { "<integer>1 2</integer>", "not an integer" },
        { "<real>1 2</real>", "not a number" },
        { "<null/>", "unknown element" },
        { NULL, NULL }
    };
    nmdm_plist_node_t *node;
    int i;

    for (i = 0; ROWS[i][0]; i++) {
        REFUSED(read_value(&node, *state, ROWS[i][0]), NMDM_INVALID,
                ROWS[i][1]);
    }
}

static void xml_of_too_many_values_is_refused(void **state)
{
    char *many = apr_palloc(*state, 7 * 300000 + 100), *at = many;
    nmdm_plist_node_t *node;
    int i;

    at += sprintf(at, "<array>");
    for (i = 0; i < NMDM_PLIST_VALUES; i++) {
        memcpy(at, "<true/>", 7);
        at += 7;
    }
    strcpy(at, "</array>");
    REFUSED(read_value(&node, *state, many), NMDM_INVALID, "too many values");
}

/* ---- Binary ---- */

#define BYTES(text) ((nmdm_bytes_t){ (text), sizeof(text) - 1 })
/* Sizes of offsets and references, numbers of objects, root, table. */
#define TRAILER(count, table) \
    "\0\0\0\0\0\0\1\1\0\0\0\0\0\0\0" count "\0\0\0\0\0\0\0\0" \
    "\0\0\0\0\0\0\0" table

/* { "k": value }, the value being object 2. */
#define LIST(value, table) \
    "bplist00" "\xD1\1\2" "\x51k" value "\x08\x0B\x0D" TRAILER("\3", table)

static void becomes(apr_pool_t *p, nmdm_bytes_t binary, const char *value)
{
    nmdm_bytes_t xml;

    OK(nmdm_plist_tree_binary_to_xml(&xml, p, exact_copy(p, binary)));
    assert_string_equal(xml.data, apr_pstrcat(
        p, HEAD "<dict>\n\t<key>k</key>\n\t", value,
        "\n</dict>\n</plist>\n", NULL));
}

static void binary_values_become_xml(void **state)
{
    apr_pool_t *p = *state;

    becomes(p, BYTES(LIST("\x09", "\x0E")), "<true/>");
    becomes(p, BYTES(LIST("\x10\xFF", "\x0F")), "<integer>255</integer>");
    becomes(p, BYTES(LIST("\x13\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFB", "\x16")),
            "<integer>-5</integer>");
    becomes(p, BYTES(LIST("\x14\0\0\0\0\0\0\0\0"
                          "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "\x1E")),
            "<integer>18446744073709551615</integer>");
    becomes(p, BYTES(LIST("\x22\x3F\xC0\0\0", "\x12")), "<real>1.5</real>");
    becomes(p, BYTES(LIST("\x23\x7F\xF0\0\0\0\0\0\0", "\x16")),
            "<real>+infinity</real>");
    becomes(p, BYTES(LIST("\x33\0\0\0\0\0\0\0\0", "\x16")),
            "<date>2001-01-01T00:00:00Z</date>");
    becomes(p, BYTES(LIST("\x33\xBF\xE0\0\0\0\0\0\0", "\x16")),
            "<date>2000-12-31T23:59:59Z</date>");
    becomes(p, BYTES(LIST("\x33\x7F\xF8\0\0\0\0\0\0", "\x16")),
            "<date>0001-01-01T00:00:00Z</date>");
    becomes(p, BYTES(LIST("\x43" "abc", "\x11")),
            "<data>\n\tYWJj\n\t</data>");
    becomes(p, BYTES(LIST("\x62\xD8\x3D\xDD\x11", "\x12")),
            "<string>\xF0\x9F\x94\x91</string>");
    becomes(p, BYTES(LIST("\x53" "a\1b", "\x11")),
            "<string>a\1b</string>");
    becomes(p, BYTES(LIST("\x52\r\n", "\x10")),
            "<string>&#13;\n</string>");
    becomes(p, BYTES(LIST("\xA2\1\1", "\x10")),
            "<array>\n\t\t<string>k</string>\n\t\t<string>k</string>\n"
            "\t</array>");
}

/* By the lenient reader: a lone surrogate, which is no UTF-8, as well. */
static void what_xml_does_not_have_is_replaced_later(void **state)
{
    static const char *const WANTED[] = { "k", NULL };
    nmdm_bytes_t xml, document;
    nmdm_plist_t *list;
    const char *text;
    int replaced;

    OK(nmdm_plist_tree_binary_to_xml(&xml, *state, exact_copy(
        *state, BYTES(LIST("\x63\xD8\x3D\0a\0\1", "\x14")))));
    REFUSED(nmdm_plist_read(&list, &document, *state, xml, WANTED),
            NMDM_INVALID, "refused");
    OK(nmdm_plist_read_lenient(&list, &document, &replaced, *state, xml,
                               WANTED, 0));
    assert_true(replaced > 0);
    OK(nmdm_plist_string(&text, list, "k"));
    HOLDS(nmdm_plist_write_holds(text, strlen(text))
          && text[strlen(text) - 4] == 'a', "%s", text);
}

static void damaged_binary_lists_are_refused(void **state)
{
    static const struct {
        nmdm_bytes_t list;
        const char *part;
    } ROWS[] = {
        { { "bplist00", 8 }, "too short" },
        { { "bplist", 6 }, "too short" },
        { BYTES("bplist15" "\xD1\1\2" "\x51k" "\x09" "\x08\x0B\x0D"
                TRAILER("\3", "\x0E")), "version" },
        { BYTES(LIST("\x09", "\x0F")), "table" },
        { BYTES(LIST("\x09", "\x08")), "table" },
        { BYTES(LIST("\x09", "\xFF")), "table" },
        { BYTES("bplist00" "\xA1\0" "\x08" TRAILER("\1", "\x0A")),
          "root is not a dict" },
        { BYTES(LIST("\xA1\0", "\x0F")), "contains itself" },
        { BYTES(LIST("\xA1\2", "\x0F")), "contains itself" },
        { BYTES(LIST("\xA1\3", "\x0F")), "leads nowhere" },
        { BYTES(LIST("\x52" "a", "\x0F")), "beyond its end" },
        { BYTES(LIST("\x5F\x13\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "\x17")),
          "beyond its end" },
        { BYTES(LIST("\x6F\x13\x80\0\0\0\0\0\0\0", "\x17")),
          "beyond its end" },
        { BYTES(LIST("\xDF\x13\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "\x17")),
          "beyond its end" },
        { BYTES(LIST("\x5F", "\x0E")), "size is not within" },
        { BYTES(LIST("\x5F\x33", "\x0F")), "size is not an integer" },
        { BYTES(LIST("\x5F\x14", "\x0F")), "size is not an integer" },
        { BYTES(LIST("\x13\0", "\x0F")), "beyond its end" },
        { BYTES(LIST("\x15", "\x0E")), "unknown size" },
        { BYTES(LIST("\x32\0\0\0\0", "\x12")), "unknown size" },
        { BYTES(LIST("\x14\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0", "\x1E")),
          "more than 64 bits" },
        { BYTES(LIST("\0", "\x0E")), "neither true nor false" },
        { BYTES(LIST("\x53" "a\0b", "\x11")), "NUL" },
        { BYTES(LIST("\x62\0a\0\0", "\x12")), "NUL" },
        { BYTES(LIST("\x80\1", "\x0F")), "type" },
        { BYTES(LIST("\xC0", "\x0E")), "type" },
        { BYTES("bplist00" "\xD1\2\2" "\x51k" "\x09" "\x08\x0B\x0D"
                TRAILER("\3", "\x0E")), "key is not a string" }
    };
    nmdm_plist_node_t *root;
    nmdm_bytes_t xml;
    unsigned i;

    for (i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
        nmdm_bytes_t list = exact_copy(*state, ROWS[i].list);

        REFUSED(nmdm_plist_tree_read(&root, *state, list), NMDM_INVALID,
                ROWS[i].part);
        REFUSED(nmdm_plist_tree_binary_to_xml(&xml, *state, list),
                NMDM_INVALID, ROWS[i].part);
    }
}

static void every_prefix_of_a_binary_list_is_refused(void **state)
{
    nmdm_bytes_t whole = BYTES(LIST("\xA2\1\1", "\x10"));
    nmdm_plist_node_t *root;

    for (whole.len--; whole.len >= 6; whole.len--) {
        REFUSED(nmdm_plist_tree_read(&root, *state,
                                     exact_copy(*state, whole)),
                NMDM_INVALID, "binary property list refused");
    }
}

/* ---- Texts that overlap ---- */

enum {
    TEXTS = 200, TEXT_LEN = 0xFEFE, ARRAYS = 2,
    OVERLAPPING = 5 + ARRAYS * TEXTS
};

static char *put_number(char *at, apr_uint64_t number, int bytes)
{
    while (bytes--) {
        *at++ = (char)(number >> (8 * bytes));
    }
    return at;
}

/* Of TEXTS texts, and one object more. */
static char *put_array(char *at, int first_text, int last)
{
    int i;

    at = put_number(at, 0xAF11, 2);
    at = put_number(at, TEXTS + 1, 2);
    for (i = 0; i < TEXTS; i++) {
        at = put_number(at, (apr_uint64_t)(first_text + i), 2);
    }
    return put_number(at, (apr_uint64_t)last, 2);
}

/* { "k": [ 200 texts, [ 200 others, an object of no type ] ] }: each text is
 * of 64 KiB, and nearly all of it is in the next one as well. */
static nmdm_bytes_t overlapping(apr_pool_t *p)
{
    char *list = apr_palloc(p, 100000), *at = list;
    int offsets[OVERLAPPING], n = 0, i;

    memcpy(at, "bplist00", 8);
    at += 8;
    offsets[n++] = (int)(at - list);
    at = put_number(at, 0xD1, 1);
    at = put_number(at, 1, 2);
    at = put_number(at, 2, 2);
    offsets[n++] = (int)(at - list);
    at = put_number(at, 0x516B, 2);
    for (i = 0; i < ARRAYS; i++) {
        offsets[n++] = (int)(at - list);
        at = put_array(at, 5 + i * TEXTS, 3 + i);
    }
    offsets[n++] = (int)(at - list);
    at = put_number(at, 0xC0, 1);
    for (i = 0; i < ARRAYS * TEXTS; i++) {
        offsets[n++] = (int)(at - list);
        at = put_number(at, 0x5F11, 2);
        at = put_number(at, TEXT_LEN, 2);
    }
    memset(at, 'a', TEXT_LEN);
    at += TEXT_LEN;
    i = (int)(at - list);       /* the table */
    for (n = 0; n < 5 + ARRAYS * TEXTS; n++) {
        at = put_number(at, (apr_uint64_t)offsets[n], 4);
    }
    at = put_number(put_number(at, 0, 6), 0x0402, 2);
    at = put_number(at, (apr_uint64_t)n, 8);
    at = put_number(at, 0, 8);
    at = put_number(at, (apr_uint64_t)i, 8);
    return (nmdm_bytes_t){ list, (apr_size_t)(at - list) };
}

/* What is too much is not looked through: with 31 MiB and all depths that
 * would be seconds. */
static void texts_that_overlap_are_refused_before_they_are_read(void **state)
{
    nmdm_plist_node_t *root;

    REFUSED(nmdm_plist_tree_read(&root, *state,
                                 exact_copy(*state, overlapping(*state))),
            NMDM_INVALID, "too much text and data");
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_type_is_written_as_apple_does),
        TEST(integers_of_64_bits_are_exact),
        TEST(dates_of_all_years_are_exact),
        TEST(data_is_broken_into_lines),
        TEST(what_xml_cannot_hold_is_refused),
        TEST(values_are_replaced_copied_and_removed),
        TEST(values_of_another_type_are_none),
        TEST(values_of_xml_are_exact),
        TEST(values_that_are_none_are_named),
        TEST(xml_of_too_many_values_is_refused),
        TEST(binary_values_become_xml),
        TEST(what_xml_does_not_have_is_replaced_later),
        TEST(damaged_binary_lists_are_refused),
        TEST(every_prefix_of_a_binary_list_is_refused),
        TEST(texts_that_overlap_are_refused_before_they_are_read)
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
