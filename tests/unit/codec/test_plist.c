/* SPDX-License-Identifier: Apache-2.0 */
/* test_plist.c -- which property lists are read, and what of them is kept. */

#include "support.h"
#include "codec/plist.h"
#include "codec/plist_write.h"

#include <apr_strings.h>

#include <stdio.h>
#include <string.h>

/* The sanitizers' header is not installed everywhere. */
size_t __sanitizer_get_current_allocated_bytes(void);

#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define DOCTYPE \
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\"" \
    " \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"

static const char *const WANTED[] = {
    "A", "Data", "Dict", "Command/RequestType", "Deep/er/Key", NULL
};

static nmdm_err_t *read_bytes(nmdm_plist_t **out, apr_pool_t *p,
                              nmdm_bytes_t body)
{
    nmdm_bytes_t document;

    return nmdm_plist_read(out, &document, p, body, WANTED);
}

static nmdm_err_t *read_text(nmdm_plist_t **out, apr_pool_t *p,
                             const char *text)
{
    return read_bytes(out, p, bytes_of(text));
}

/* A dict of this content, as a device would wrap it. */
static nmdm_err_t *read_dict(nmdm_plist_t **out, apr_pool_t *p,
                             const char *content)
{
    return read_text(out, p, apr_pstrcat(p, DECLARATION DOCTYPE
                                         "<plist version=\"1.0\"><dict>",
                                         content, "</dict></plist>\n",
                                         NULL));
}

/* The string A of a text that has to be readable. */
static const char *a_of(apr_pool_t *p, const char *text)
{
    const char *a = NULL;
    nmdm_plist_t *list;

    OK(read_text(&list, p, text));
    OK(nmdm_plist_string(&a, list, "A"));
    return a;
}

static const char *a_of_dict(apr_pool_t *p, const char *content)
{
    const char *a = NULL;
    nmdm_plist_t *list;

    OK(read_dict(&list, p, content));
    OK(nmdm_plist_string(&a, list, "A"));
    return a;
}

static const char *request_type_of(apr_pool_t *p, const char *content)
{
    const char *type = NULL;
    nmdm_plist_t *list;

    OK(read_dict(&list, p, content));
    OK(nmdm_plist_string(&type, list, "Command/RequestType"));
    return type;
}

#define SIMPLE "<dict><key>A</key><string>b</string></dict>"

/* ---- What is accepted ---- */

static void declaration_doctype_and_plist_may_be_missing(void **state)
{
    static const char *const GOOD[] = {
        DECLARATION DOCTYPE "<plist version=\"1.0\">" SIMPLE "</plist>",
        DECLARATION "<plist version=\"1.0\">" SIMPLE "</plist>",
        DOCTYPE "<plist>" SIMPLE "</plist>",
        "<plist>" SIMPLE "</plist>",
        DECLARATION SIMPLE,
        SIMPLE,
        "<?xml version='1.0'?>" SIMPLE,
        "<?xml version='1.0' encoding='utf-8' standalone='no'?>" SIMPLE,
        "\n \t" SIMPLE,
        "<plist version=\"1.0\">\r\n\t" SIMPLE "\n</plist>"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(GOOD) / sizeof(*GOOD); i++) {
        const char *a = a_of(*state, GOOD[i]);

        HOLDS(a && !strcmp(a, "b"), "%s", GOOD[i]);
    }
}

static void an_empty_dict_has_nothing(void **state)
{
    assert_null(a_of(*state, "<plist><dict></dict></plist>"));
    assert_null(a_of(*state, "<plist><dict/></plist>"));
    assert_null(a_of(*state, "<dict/>"));
}

static void comments_and_instructions_are_passed_over(void **state)
{
    assert_string_equal(a_of(*state, "<!-- x --><dict><!-- y --><key>A</key>"
                             "<!-- z --><?pi?><string>b<!-- - -->c</string>"
                             "</dict><!-- end -->"), "bc");
}

static void character_data_keeps_every_character(void **state)
{
    assert_string_equal(a_of_dict(*state, "<key>A</key><string> &lt;b&gt;"
                                  "&amp;&quot;&apos;\n<![CDATA[<x>&]]>"
                                  "&#228;&#x20AC; </string>"),
                        " <b>&\"'\n<x>&\xC3\xA4\xE2\x82\xAC ");
}

static void keys_are_compared_exactly(void **state)
{
    assert_null(a_of_dict(*state, "<key>a</key><string>b</string>"));
    assert_null(a_of_dict(*state, "<key>A </key><string>b</string>"));
    assert_null(a_of_dict(*state, "<key>AA</key><string>b</string>"));
    assert_null(a_of_dict(*state, "<key></key><string>b</string>"));
    assert_string_equal(a_of_dict(*state, "<key>&#65;</key>"
                                  "<string>b</string>"), "b");
}

static void unknown_keys_of_any_type_do_not_matter(void **state)
{
    assert_string_equal(
        a_of_dict(*state,
                  "<key>1</key><integer>0x7</integer>"
                  "<key>2</key><real>nan</real><key>3</key><true/>"
                  "<key>4</key><false></false>"
                  "<key>5</key><date>2026-06-01T00:00:00Z</date>"
                  "<key>6</key><data>!</data>"
                  "<key>7</key><array><string>x</string><array/><dict>"
                  "<key>A</key><string>no</string></dict></array>"
                  "<key>8</key><dict><key>A</key><string>no</string></dict>"
                  "<key>A</key><string>b</string>"), "b");
}

static void the_last_of_equal_keys_wins(void **state)
{
    assert_string_equal(a_of_dict(*state, "<key>A</key><string>b</string>"
                                  "<key>A</key><string>c</string>"), "c");
    assert_null(a_of_dict(*state, "<key>A</key><string>b</string>"
                          "<key>A</key><string></string>"));
    assert_string_equal(a_of_dict(*state, "<key>A</key><integer>1</integer>"
                                  "<key>A</key><string>c</string>"), "c");
}

static void a_later_dict_replaces_an_earlier_one_with_all_it_had(void **state)
{
    static const char *const LATER[] = {
        "<key>Command</key><dict/>",
        "<key>Command</key><dict><key>Other</key><string>x</string></dict>",
        "<key>Command</key><string>x</string>",
        "<key>Command</key><array><dict><key>RequestType</key>"
        "<string>x</string></dict></array>"
    };
    const char *first = "<key>Command</key><dict><key>RequestType</key>"
                        "<string>first</string></dict>";
    apr_size_t i;

    assert_string_equal(request_type_of(*state, first), "first");
    for (i = 0; i < sizeof(LATER) / sizeof(*LATER); i++) {
        HOLDS(!request_type_of(*state, apr_pstrcat(*state, first, LATER[i],
                                                   NULL)),
              "%s", LATER[i]);
    }
    assert_string_equal(request_type_of(*state, apr_pstrcat(*state, LATER[0],
                                                            first, NULL)),
                        "first");
}

static void a_key_with_a_slash_is_no_path(void **state)
{
    assert_null(request_type_of(*state, "<key>Command/RequestType</key>"
                                "<string>x</string>"));
    assert_null(request_type_of(*state, "<key>Command&#47;RequestType</key>"
                                "<string>x</string>"));
    assert_null(request_type_of(*state, "<key>Command</key><dict>"
                                "<key>/RequestType</key>"
                                "<string>x</string></dict>"));
}

static void paths_lead_through_dicts_only(void **state)
{
    const char *key = NULL;
    nmdm_plist_t *list;

    OK(read_dict(&list, *state, "<key>Deep</key><dict><key>x</key><dict/>"
                 "<key>er</key><dict><key>Key</key><string>yes</string>"
                 "</dict></dict><key>er</key><dict><key>Key</key>"
                 "<string>no</string></dict>"));
    OK(nmdm_plist_string(&key, list, "Deep/er/Key"));
    assert_string_equal(key, "yes");

    OK(read_dict(&list, *state, "<key>Deep</key><array><dict><key>er</key>"
                 "<dict><key>Key</key><string>no</string></dict></dict>"
                 "</array>"));
    OK(nmdm_plist_string(&key, list, "Deep/er/Key"));
    assert_null(key);
}

/* ---- What is refused ---- */

static void a_root_other_than_one_dict_is_refused(void **state)
{
    static const char *const BAD[] = {
        "<plist><array/></plist>", "<plist><string>x</string></plist>",
        "<array/>", "<string>x</string>", "<plist/>", "<plist> </plist>",
        "<key>A</key>", "<plist><plist><dict/></plist></plist>",
        "<plist><key>A</key></plist>", "<plist><dict/><dict/></plist>",
        "<plist><dict/><string/></plist>", "<plist>x<dict/></plist>",
        "<plist><dict/>x</plist>"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        nmdm_plist_t *list;
        nmdm_err_t *err = read_text(&list, *state, BAD[i]);

        HOLDS(err && err->kind == NMDM_INVALID, "%s", BAD[i]);
    }
}

static void a_dict_is_a_list_of_keys_and_values(void **state)
{
    static const char *const BAD[] = {
        "<string>b</string>", "<key>A</key>", "<key>A</key><key>B</key>",
        "<key>A</key><string>b</string><string>c</string>",
        "<key>A</key><string>b</string><key>C</key>", "text",
        "<key>A</key>text<string>b</string>",
        "<key>B</key><array>text</array>",
        "<key>B</key><array><key>A</key></array>",
        "<key>B</key><dict><true/></dict>",
        "<key>B</key><dict><key>C</key></dict>",
        "<key>B</key><string><string>c</string></string>",
        "<key>B</key><true><dict/></true>", "<key><string/></key><true/>",
        "<key>B</key><unknown/>", "<key>B</key><String>c</String>",
        "<key>B</key><plist/>"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        nmdm_plist_t *list;
        nmdm_err_t *err = read_dict(&list, *state, BAD[i]);

        HOLDS(err && err->kind == NMDM_INVALID, "%s", BAD[i]);
    }
}

static void what_is_not_well_formed_is_refused(void **state)
{
    static const char *const BAD[] = {
        "", " ", "garbage", "<", "<dict>", "<dict><key>A</key>",
        DECLARATION, DECLARATION DOCTYPE, "<plist>" SIMPLE, "<dict></plist>",
        "<dict a=b/>", "<dict a='1' a='2'/>", "<dict>&#0;</dict>",
        "<dict><key>A</key><string>&</string></dict>",
        "<dict><key>A</key><string>\x01</string></dict>",
        " " DECLARATION SIMPLE, "x" SIMPLE, "{\"A\": 1}"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        nmdm_plist_t *list;
        nmdm_err_t *err = read_text(&list, *state, BAD[i]);

        HOLDS(err && err->kind == NMDM_INVALID, "\"%s\"", BAD[i]);
    }
}

static void every_cut_of_a_message_is_refused(void **state)
{
    nmdm_bytes_t whole = bytes_of(DECLARATION DOCTYPE "<plist>" SIMPLE
                                  "</plist>");
    nmdm_plist_t *list;

    for (; whole.len; whole.len--) {
        nmdm_bytes_t cut = exact_copy(*state, whole);
        nmdm_err_t *err;

        cut.len--;
        err = read_bytes(&list, *state, cut);
        HOLDS(err && err->kind == NMDM_INVALID, "%d bytes", (int)cut.len);
    }
}

static void binary_property_lists_are_refused(void **state)
{
    nmdm_bytes_t binary = exact_copy(*state, (nmdm_bytes_t){
        "bplist00\xd1\x01\x02\x51" "A\x51" "b", 14 });
    nmdm_plist_t *list;

    REFUSED(read_bytes(&list, *state, binary), NMDM_INVALID, "binary");
    REFUSED(read_text(&list, *state, "bplist"), NMDM_INVALID, "binary");
}

static void a_byte_order_mark_is_passed_over(void **state)
{
    nmdm_bytes_t document, body = bytes_of("\xEF\xBB\xBF" SIMPLE);
    nmdm_plist_t *list;

    OK(nmdm_plist_read(&list, &document, *state, body, WANTED));
    assert_string_equal(document.data, SIMPLE);
    assert_int_equal(document.len, strlen(SIMPLE));
}

static nmdm_bytes_t utf16(apr_pool_t *p, const char *text, int big)
{
    apr_size_t i, n = strlen(text);
    char *data = apr_pcalloc(p, 2 * n + 3);
    nmdm_bytes_t bytes = { data, 2 * n + 2 };

    memcpy(data, big ? "\xFE\xFF" : "\xFF\xFE", 2);
    for (i = 0; i < n; i++) {
        data[2 + 2 * i + (big ? 1 : 0)] = text[i];
    }
    return bytes;
}

static void utf16_is_refused(void **state)
{
    static const char *const TEXTS[] = {
        SIMPLE, "<?xml version=\"1.0\"?>" SIMPLE,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>" SIMPLE,
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?>" SIMPLE
    };
    int i, big, marked;

    for (i = 0; i < 16; i++) {
        nmdm_bytes_t text = utf16(*state, TEXTS[i / 4], big = i & 1);
        nmdm_plist_t *list;
        nmdm_err_t *err;

        marked = (i & 2) != 0;
        if (!marked) {
            text.data += 2;
            text.len -= 2;
        }
        err = read_bytes(&list, *state, text);
        HOLDS(err && err->kind == NMDM_INVALID, "%s end first, %s mark: %s",
              big ? "big" : "little", marked ? "with" : "without",
              TEXTS[i / 4]);
    }
}

static void names_of_utf8_and_ascii_are_taken(void **state)
{
    static const char *const NAMES[] = {
        "utf-8", "Utf-8", "UTF8", "utf8", "US-ASCII", "us-ascii"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++) {
        nmdm_plist_t *list;

        HOLDS(!read_text(&list, *state, apr_psprintf(
            *state, "<?xml version=\"1.0\" encoding=\"%s\"?>" SIMPLE,
            NAMES[i])), "%s", NAMES[i]);
    }
}

static void other_encodings_are_refused(void **state)
{
    static const char *const NAMES[] = {
        "ISO-8859-1", "UTF-16", "latin1", "windows-1252", "x", "UTF-7"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++) {
        nmdm_plist_t *list;

        REFUSED(read_text(&list, *state, apr_psprintf(
            *state, "<?xml version=\"1.0\" encoding=\"%s\"?>" SIMPLE,
            NAMES[i])), NMDM_INVALID, "encoding");
    }
}

static void bytes_that_are_not_utf8_are_refused_wherever_they_are(
    void **state)
{
    static const char *const BAD[] = {
        "<dict><key>A</key><string>\xE4</string></dict>",
        "<dict><key>\xE4</key><string>b</string></dict>",
        "<dict><key>B</key><string>\xC0\x80</string></dict>",
        "<dict><key>B</key><string>\xED\xA0\x80</string></dict>",
        "<dict><key>B</key><string>\xF5\x80\x80\x80</string></dict>",
        "<dict x=\"\xFF\"></dict>", "<dict><!-- \xFF --></dict>",
        "<!-- \xE2\x82 --><dict/>", "<?pi \xFF?><dict/>",
        "<dict><key>B</key><string><![CDATA[\xFF]]></string></dict>"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        nmdm_plist_t *list;
        nmdm_err_t *err = read_text(&list, *state, BAD[i]);

        HOLDS(err && err->kind == NMDM_INVALID, "row %d", (int)i);
    }
}

static void a_nul_is_refused_within_the_document(void **state)
{
    static const char BODY[] = "<dict><key>A</key><string>b\0c</string>"
                               "</dict>";
    nmdm_plist_t *list;

    REFUSED(read_bytes(&list, *state,
                       (nmdm_bytes_t){ BODY, sizeof(BODY) - 1 }),
            NMDM_INVALID, "");
}

/* ---- Entities ---- */

static void a_document_type_of_its_own_is_refused(void **state)
{
    static const char *const BAD[] = {
        "<!DOCTYPE plist [<!ENTITY x \"y\">]><dict><key>A</key>"
        "<string>&x;</string></dict>",
        "<!DOCTYPE plist []>" SIMPLE,
        "<!DOCTYPE plist [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"
        "<dict><key>A</key><string>&x;</string></dict>",
        "<!DOCTYPE plist [<!ENTITY % x SYSTEM \"http://x/\"> %x;]>" SIMPLE,
        "<!DOCTYPE plist SYSTEM \"x\" [<!ENTITY x \"y\">]>" SIMPLE
    };
    apr_size_t i;

    for (i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        nmdm_plist_t *list;

        REFUSED(read_text(&list, *state, BAD[i]), NMDM_INVALID,
                "document type");
    }
}

static void an_entity_that_nobody_declared_is_refused(void **state)
{
    nmdm_plist_t *list;

    REFUSED(read_text(&list, *state, "<dict><key>A</key><string>&x;</string>"
                      "</dict>"), NMDM_INVALID, "entity");
    /* Here expat would skip it, because the DTD might declare it. */
    REFUSED(read_text(&list, *state, DOCTYPE "<dict><key>A</key>"
                      "<string>a&x;b</string></dict>"), NMDM_INVALID,
            "entity");
    REFUSED(read_text(&list, *state, DOCTYPE "<dict><key>A&x;</key>"
                      "<string>b</string></dict>"), NMDM_INVALID, "entity");
}

static void a_billion_laughs_cost_nothing(void **state)
{
    const char *text = "<!DOCTYPE plist [<!ENTITY a0 \"ha\">";
    apr_time_t started = apr_time_now();
    nmdm_plist_t *list;
    int i;

    for (i = 1; i < 30; i++) {
        text = apr_psprintf(*state, "%s<!ENTITY a%d \"&a%d;&a%d;&a%d;\">",
                            text, i, i - 1, i - 1, i - 1);
    }
    text = apr_pstrcat(*state, text, "]><dict><key>A</key><string>&a29;"
                       "</string></dict>", NULL);
    REFUSED(read_text(&list, *state, text), NMDM_INVALID, "document type");
    assert_true(apr_time_now() - started < apr_time_from_sec(20));
}

/* ---- Depth ---- */

/* depth elements open at once, plist and the innermost included. */
static const char *nested(apr_pool_t *p, int depth)
{
    const char *open = "", *close = "";
    int i;

    for (i = 3; i < depth; i++) {
        open = apr_pstrcat(p, open, "<array>", NULL);
        close = apr_pstrcat(p, close, "</array>", NULL);
    }
    return apr_pstrcat(p, "<plist><dict><key>A</key><string>b</string>"
                       "<key>B</key>", open, "<true/>", close,
                       "</dict></plist>", NULL);
}

static void nesting_ends_at_64_elements(void **state)
{
    nmdm_plist_t *list;

    assert_int_equal(NMDM_PLIST_DEPTH, 64);
    assert_string_equal(a_of(*state, nested(*state, 64)), "b");
    REFUSED(read_text(&list, *state, nested(*state, 65)), NMDM_INVALID,
            "nested too deeply");
    REFUSED(read_text(&list, *state, nested(*state, 66)), NMDM_INVALID,
            "nested too deeply");
}

static void two_hundred_thousand_arrays_do_no_harm(void **state)
{
    enum { N = 200000 };
    char *text = apr_palloc(*state, N * 7 + 100), *at = text;
    nmdm_plist_t *list;
    int i;

    at += sprintf(at, "<plist><dict><key>B</key>");
    for (i = 0; i < N; i++) {
        memcpy(at, "<array>", 7);
        at += 7;
    }
    *at = '\0';
    REFUSED(read_text(&list, *state, text), NMDM_INVALID,
            "nested too deeply");
}

/* ---- Types of values ---- */

static void a_wanted_key_of_another_type_is_refused_when_asked_for(
    void **state)
{
    static const char *const TYPES[] = {
        "<integer>1</integer>", "<real>1</real>", "<true/>", "<false/>",
        "<date>2026-06-01T00:00:00Z</date>", "<array/>"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(TYPES) / sizeof(*TYPES); i++) {
        const char *content = apr_pstrcat(
            *state, "<key>A</key>", TYPES[i], "<key>Data</key>", TYPES[i],
            "<key>Dict</key>", TYPES[i], NULL);
        nmdm_bytes_t data;
        nmdm_plist_t *list;
        const char *a;
        int present;

        OK(read_dict(&list, *state, content));
        REFUSED(nmdm_plist_string(&a, list, "A"), NMDM_INVALID,
                "not a string");
        REFUSED(nmdm_plist_data(&data, list, "Data"), NMDM_INVALID,
                "not a data");
        REFUSED(nmdm_plist_dict(&present, list, "Dict"), NMDM_INVALID,
                "not a dict");
    }
}

/* M36: where a value is not wanted, too. */
static void integers_have_64_bits(void **state)
{
    static const char *const GOOD[] = {
        "0", "-1", "+1", "010", " 7\n", "18446744073709551615",
        "-9223372036854775808", "0x7f", "0XFFFFFFFFFFFFFFFF", "-0x1"
    };
    static const char *const BAD[] = {
        "", " ", "-", "abc", "1 2", "1.5", "0x", "0xg", "--1", "0x-1",
        "18446744073709551616", "-9223372036854775809",
        "0x10000000000000000", "99999999999999999999999999999999999999"
    };
    nmdm_plist_t *list;
    apr_size_t i;

    for (i = 0; i < sizeof(GOOD) / sizeof(*GOOD); i++) {
        HOLDS(!read_dict(&list, *state, apr_psprintf(
            *state, "<key>B</key><integer>%s</integer>", GOOD[i])), "\"%s\"",
            GOOD[i]);
    }
    for (i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        REFUSED(read_dict(&list, *state, apr_psprintf(
            *state, "<key>B</key><integer>%s</integer>", BAD[i])),
            NMDM_INVALID, "not an integer");
    }
}

static void strings_data_and_dicts_are_not_taken_for_each_other(void **state)
{
    nmdm_bytes_t data;
    nmdm_plist_t *list;
    const char *a;
    int present;

    OK(read_dict(&list, *state, "<key>A</key><data>Zm9v</data>"
                 "<key>Data</key><string>Zm9v</string>"
                 "<key>Dict</key><string>x</string>"));
    REFUSED(nmdm_plist_string(&a, list, "A"), NMDM_INVALID,
            "A is a data, not a string");
    REFUSED(nmdm_plist_data(&data, list, "Data"), NMDM_INVALID,
            "Data is a string, not a data");
    REFUSED(nmdm_plist_dict(&present, list, "Dict"), NMDM_INVALID,
            "Dict is a string, not a dict");
}

static void an_absent_key_is_no_error(void **state)
{
    nmdm_bytes_t data = { "x", 1 };
    const char *a = "x";
    nmdm_plist_t *list;
    int present = 1;

    OK(read_dict(&list, *state, ""));
    OK(nmdm_plist_string(&a, list, "A"));
    assert_null(a);
    OK(nmdm_plist_data(&data, list, "Data"));
    assert_null(data.data);
    assert_int_equal(data.len, 0);
    OK(nmdm_plist_dict(&present, list, "Dict"));
    assert_false(present);
}

static void an_empty_string_counts_as_absent(void **state)
{
    assert_null(a_of_dict(*state, "<key>A</key><string></string>"));
    assert_null(a_of_dict(*state, "<key>A</key><string/>"));
    assert_null(a_of_dict(*state, "<key>A</key><string><!-- --></string>"));
    assert_string_equal(a_of_dict(*state, "<key>A</key><string> </string>"),
                        " ");
}

static nmdm_err_t *data_of(nmdm_bytes_t *data, apr_pool_t *p,
                           const char *text)
{
    nmdm_plist_t *list;

    OK(read_dict(&list, p, apr_pstrcat(p, "<key>Data</key><data>", text,
                                       "</data>", NULL)));
    return nmdm_plist_data(data, list, "Data");
}

static void data_is_base64_with_white_space_of_four_kinds(void **state)
{
    nmdm_bytes_t data;

    OK(data_of(&data, *state, "\n\tZm9v\r\n\tYmF y\n\t"));
    assert_int_equal(data.len, 6);
    assert_memory_equal(data.data, "foobar", 6);
    OK(data_of(&data, *state, "AAEC/w=="));
    assert_int_equal(data.len, 4);
    assert_memory_equal(data.data, "\0\1\2\xff", 4);
    OK(data_of(&data, *state, ""));
    assert_int_equal(data.len, 0);
}

static void data_that_is_not_base64_is_refused_when_asked_for(void **state)
{
    nmdm_bytes_t data;

    REFUSED(data_of(&data, *state, "Zm9"), NMDM_INVALID, "base64");
    REFUSED(data_of(&data, *state, "Zm9vYg"), NMDM_INVALID, "base64");
    REFUSED(data_of(&data, *state, "-_-_"), NMDM_INVALID, "base64");
    REFUSED(data_of(&data, *state, "Zm9v!"), NMDM_INVALID, "base64");
    REFUSED(data_of(&data, *state, "Zm9v\xC2\xA0"), NMDM_INVALID, "base64");
}

static void a_dict_is_present_whatever_is_in_it(void **state)
{
    nmdm_plist_t *list;
    int present = 0;

    OK(read_dict(&list, *state, "<key>Dict</key><dict/>"));
    OK(nmdm_plist_dict(&present, list, "Dict"));
    assert_true(present);
    present = 0;
    OK(read_dict(&list, *state, "<key>Dict</key><dict><key>x</key><array>"
                 "<dict/></array></dict>"));
    OK(nmdm_plist_dict(&present, list, "Dict"));
    assert_true(present);
}

/* ---- What follows the root ---- */

static void text_after_the_root_stays_part_of_the_document(void **state)
{
    static const char *const AFTER[] = {
        "", "\n", "garbage", "</dict>", "<dict/>", "\xC3\xA4", "&x;"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(AFTER) / sizeof(*AFTER); i++) {
        nmdm_bytes_t body = text_of(*state, "%s%s", SIMPLE, AFTER[i]);
        nmdm_bytes_t document;
        nmdm_plist_t *list;

        OK(nmdm_plist_read(&list, &document, *state, body, WANTED));
        HOLDS(document.data == body.data && document.len == body.len, "%s",
              AFTER[i]);
    }
}

static void bytes_after_the_root_that_are_not_text_are_cut_off(void **state)
{
    static const struct {
        const char *after;
        apr_size_t len;
    } ROWS[] = {
        { "\0", 1 }, { "\n\0", 2 }, { "\xFF", 1 }, { "ok\xC3", 3 },
        { "\0\0\0\0", 4 }
    };
    static const char *const ROOTS[] = {
        SIMPLE, "<dict/>", "<plist><dict/></plist>"
    };
    apr_size_t i, k;

    for (i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
        for (k = 0; k < sizeof(ROOTS) / sizeof(*ROOTS); k++) {
            char *data = apr_pcalloc(*state, 100);
            apr_size_t len = strlen(ROOTS[k]);
            nmdm_bytes_t document;
            nmdm_plist_t *list;

            memcpy(data, ROOTS[k], len);
            memcpy(data + len, ROWS[i].after, ROWS[i].len);
            OK(nmdm_plist_read(&list, &document, *state, (nmdm_bytes_t){
                data, len + ROWS[i].len }, WANTED));
            HOLDS(document.len == len && !strcmp(document.data, ROOTS[k]),
                  "row %d of %s", (int)i, ROOTS[k]);
        }
    }
}

/* ---- What devices send ---- */

static nmdm_err_t *read_sent(const char **document, int *replaced,
                             apr_pool_t *p, nmdm_bytes_t body)
{
    nmdm_bytes_t read;
    nmdm_plist_t *list;
    nmdm_err_t *err = nmdm_plist_read_lenient(&list, &read, replaced, p, body,
                                              WANTED, 1);

    *document = err ? NULL : read.data;
    return err;
}

#define FFFD "\xEF\xBF\xBD"

#define SENT(text) text, sizeof(text) - 1

/* As Python's errors="replace" counts them. */
static void characters_that_xml_lacks_are_replaced(void **state)
{
    static const struct {
        const char *sent;
        apr_size_t len;
        const char *stored;
        int replaced;
    } ROWS[] = {
        { SENT("a\0b"), "a" FFFD "b", 1 },
        { SENT("\x01\x08\x0B\x0C\x0E\x1F"), FFFD FFFD FFFD FFFD FFFD FFFD, 6 },
        { SENT("\xFF"), FFFD, 1 },
        { SENT("\xC0\x80"), FFFD FFFD, 2 },
        { SENT("\xED\xA0\xBD\xED\xB8\x80"), FFFD FFFD FFFD FFFD FFFD FFFD, 6 },
        { SENT("\xF0\x9F\x93"), FFFD, 1 },
        { SENT("\xF0\x9F\x93z"), FFFD "z", 1 },
        { SENT("\xE2\x82\xE2\x82\xAC"), FFFD "\xE2\x82\xAC", 1 },
        { SENT("\xF4\x90\x80\x80"), FFFD FFFD FFFD FFFD, 4 },
        { SENT("\xEF\xBF\xBE\xEF\xBF\xBF"), FFFD FFFD, 2 },
        { SENT("&#0;&#x0;&#x1F;&#8;"), FFFD FFFD FFFD FFFD, 4 },
        { SENT("&#xD83D;&#xDE00;"), FFFD FFFD, 2 },
        { SENT("&#xFFFE;&#65535;"), FFFD FFFD, 2 },
        { SENT("&#x110000;&#99999999999999999999;"), FFFD FFFD, 2 },
        { SENT("\x7F\xC2\x80&#x80;&#x10FFFF;\t\n\r\0"),
          "\x7F\xC2\x80&#x80;&#x10FFFF;\t\n\r" FFFD, 1 },
        { SENT("<![CDATA[&#0;\x02]]>\x03"), "<![CDATA[&#0;" FFFD "]]>" FFFD, 2 },
        { SENT("<!-- &#0; \x02 -->&#1;"), "<!-- &#0; " FFFD " -->" FFFD, 2 },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
        static const char BEFORE[] = "<dict><key>X</key><string>";
        static const char AFTER[] = "</string></dict>\n";
        char *data = apr_pcalloc(*state, 200);
        const char *document;
        nmdm_bytes_t body = {
            data, sizeof(BEFORE) + sizeof(AFTER) - 2 + ROWS[i].len };
        int replaced;

        memcpy(data, BEFORE, sizeof(BEFORE) - 1);
        memcpy(data + sizeof(BEFORE) - 1, ROWS[i].sent, ROWS[i].len);
        strcpy(data + sizeof(BEFORE) - 1 + ROWS[i].len, AFTER);
        OK(read_sent(&document, &replaced, *state, body));
        HOLDS(!strcmp(document, apr_pstrcat(*state, BEFORE, ROWS[i].stored,
                                            AFTER, NULL)),
              "row %d: %s", (int)i, document);
        HOLDS(replaced == ROWS[i].replaced, "row %d: %d", (int)i, replaced);
    }
}

static void what_else_is_wrong_is_still_refused(void **state)
{
    static const char *const BAD[] = {
        "<dict><key>A\x01</key></dict>", "<dict>\x01</dict>",
        "<dict><key>A</key><\x01/></dict>", "<dict><key>A\x01",
        "\x01<dict/>", "<dict><key>A</key><string>&x;\x01</string></dict>"
    };
    const char *document;
    apr_size_t i;
    int replaced;

    for (i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        nmdm_err_t *err = read_sent(&document, &replaced, *state,
                                    bytes_of(BAD[i]));

        HOLDS(err && err->kind == NMDM_INVALID, "row %d", (int)i);
    }
}

static void a_good_body_is_not_copied(void **state)
{
    nmdm_bytes_t body = bytes_of(DECLARATION SIMPLE);
    const char *document;
    int replaced = 1;

    OK(read_sent(&document, &replaced, *state, body));
    assert_ptr_equal(document, body.data);
    assert_int_equal(replaced, 0);
}

static void numbers_that_nobody_reads_may_be_odd(void **state)
{
    static const char *const ODD[] = {
        "", " ", "nan", "1.5", "0x", "18446744073709551616",
        "99999999999999999999999999999999999999", "1e21", "\xEF\xBC\x91"
    };
    nmdm_bytes_t read, body;
    nmdm_plist_t *list;
    const char *document;
    apr_size_t i;
    int replaced;

    for (i = 0; i < sizeof(ODD) / sizeof(*ODD); i++) {
        body = text_of(*state, "<dict><key>B</key><integer>%s</integer></dict>",
                       ODD[i]);
        OK(read_sent(&document, &replaced, *state, body));
        REFUSED(nmdm_plist_read_lenient(&list, &read, &replaced, *state, body,
                                        WANTED, 0),
                NMDM_INVALID, "not an integer");
    }
}

static void what_follows_a_message_is_not_stored(void **state)
{
    static const char *const ROWS[][2] = {
        { "", "" }, { "\n \t\r\n", "\n \t\r\n" }, { "\n<!-- x -->", "" },
        { "garbage", "" }, { "<dict/>", "" }, { "\x01", "" }, { "\xFF", "" }
    };
    const char *document;
    apr_size_t i;
    int replaced;

    for (i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
        OK(read_sent(&document, &replaced, *state, text_of(
            *state, "%s%s", SIMPLE, ROWS[i][0])));
        HOLDS(!strcmp(document, apr_pstrcat(*state, SIMPLE, ROWS[i][1],
                                            NULL)), "row %d", (int)i);
    }
}

/* ---- Memory ---- */

/* What malloc gave, pool memory included, while a body of `size` bytes in one
 * string under `key` is read. */
static apr_size_t cost_of(const char *key, apr_size_t size)
{
    apr_pool_t *p;
    apr_size_t before, after;
    nmdm_plist_t *list;
    nmdm_bytes_t body;

    apr_pool_create(&p, NULL);
    body = text_of(p, "<dict><key>%s</key><string>%s</string></dict>", key,
                   repeat(p, 'x', size));
    before = __sanitizer_get_current_allocated_bytes();
    OK(read_bytes(&list, p, body));
    after = __sanitizer_get_current_allocated_bytes();
    apr_pool_destroy(p);
    return after - before;
}

static void a_string_of_16_mib_that_nobody_wants_is_not_kept(void **state)
{
    apr_size_t size = 16 << 20;

    (void)state;
    /* The parser's own buffer is the next power of two. */
    assert_true(cost_of("Unwanted", size) <= 2 * size + (1 << 20));
    /* The measure can tell: one that is wanted is copied. */
    assert_true(cost_of("A", size) >= cost_of("Unwanted", size) + size);
}

static void a_long_string_is_kept_whole(void **state)
{
    const char *text = repeat(*state, 'x', 1 << 20);

    assert_string_equal(a_of_dict(*state, apr_pstrcat(
        *state, "<key>A</key><string>", text, "</string>", NULL)), text);
}

static void many_pieces_of_text_become_one(void **state)
{
    apr_array_header_t *parts = apr_array_make(*state, 4000, sizeof(char *));
    const char *content;
    int i;

    for (i = 0; i < 2000; i++) {
        APR_ARRAY_PUSH(parts, const char *) = "&amp;<!-- -->";
    }
    content = apr_pstrcat(*state, "<key>A</key><string>",
                          apr_array_pstrcat(*state, parts, 0), "</string>",
                          NULL);
    assert_string_equal(a_of_dict(*state, content),
                        repeat(*state, '&', 2000));
}

/* ---- Writing ---- */

static void what_is_written_is_compact_and_ends_with_a_newline(void **state)
{
    nmdm_bytes_t xml = nmdm_plist_write_data(*state, "BootstrapToken",
                                             "AAEC");

    assert_string_equal(xml.data, DECLARATION DOCTYPE
                        "<plist version=\"1.0\"><dict><key>BootstrapToken"
                        "</key><data>AAEC</data></dict></plist>\n");
    assert_int_equal(xml.len, strlen(xml.data));
    xml = nmdm_plist_write_string(*state, "DigestChallenge", "");
    assert_string_equal(xml.data, DECLARATION DOCTYPE
                        "<plist version=\"1.0\"><dict><key>DigestChallenge"
                        "</key><string></string></dict></plist>\n");
    assert_int_equal(xml.len, strlen(xml.data));
}

static void what_is_written_can_be_read(void **state)
{
    nmdm_bytes_t data;
    nmdm_plist_t *list;

    OK(read_bytes(&list, *state, nmdm_plist_write_data(*state, "Data",
                                                       "AAEC")));
    OK(nmdm_plist_data(&data, list, "Data"));
    assert_int_equal(data.len, 3);
    assert_memory_equal(data.data, "\0\1\2", 3);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, support_pool, support_pool_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(declaration_doctype_and_plist_may_be_missing),
        TEST(an_empty_dict_has_nothing),
        TEST(comments_and_instructions_are_passed_over),
        TEST(character_data_keeps_every_character),
        TEST(keys_are_compared_exactly),
        TEST(unknown_keys_of_any_type_do_not_matter),
        TEST(the_last_of_equal_keys_wins),
        TEST(a_later_dict_replaces_an_earlier_one_with_all_it_had),
        TEST(a_key_with_a_slash_is_no_path),
        TEST(paths_lead_through_dicts_only),
        TEST(a_root_other_than_one_dict_is_refused),
        TEST(a_dict_is_a_list_of_keys_and_values),
        TEST(what_is_not_well_formed_is_refused),
        TEST(every_cut_of_a_message_is_refused),
        TEST(binary_property_lists_are_refused),
        TEST(a_byte_order_mark_is_passed_over),
        TEST(names_of_utf8_and_ascii_are_taken),
        TEST(utf16_is_refused),
        TEST(other_encodings_are_refused),
        TEST(bytes_that_are_not_utf8_are_refused_wherever_they_are),
        TEST(a_nul_is_refused_within_the_document),
        TEST(a_document_type_of_its_own_is_refused),
        TEST(an_entity_that_nobody_declared_is_refused),
        TEST(a_billion_laughs_cost_nothing),
        TEST(nesting_ends_at_64_elements),
        TEST(two_hundred_thousand_arrays_do_no_harm),
        TEST(a_wanted_key_of_another_type_is_refused_when_asked_for),
        TEST(integers_have_64_bits),
        TEST(characters_that_xml_lacks_are_replaced),
        TEST(what_else_is_wrong_is_still_refused),
        TEST(a_good_body_is_not_copied),
        TEST(numbers_that_nobody_reads_may_be_odd),
        TEST(what_follows_a_message_is_not_stored),
        TEST(strings_data_and_dicts_are_not_taken_for_each_other),
        TEST(an_absent_key_is_no_error),
        TEST(an_empty_string_counts_as_absent),
        TEST(data_is_base64_with_white_space_of_four_kinds),
        TEST(data_that_is_not_base64_is_refused_when_asked_for),
        TEST(a_dict_is_present_whatever_is_in_it),
        TEST(text_after_the_root_stays_part_of_the_document),
        TEST(bytes_after_the_root_that_are_not_text_are_cut_off),
        TEST(a_string_of_16_mib_that_nobody_wants_is_not_kept),
        TEST(a_long_string_is_kept_whole),
        TEST(many_pieces_of_text_become_one),
        TEST(what_is_written_is_compact_and_ends_with_a_newline),
        TEST(what_is_written_can_be_read),
    };

    return cmocka_run_group_tests(tests, support_start, support_end);
}
