/* SPDX-License-Identifier: Apache-2.0 */
/* json_text.c -- writes JSON text. */

#include "codec/json_text.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

nmdm_json_text_t *nmdm_json_text_create(apr_pool_t *p)
{
    nmdm_json_text_t *text = apr_pcalloc(p, sizeof(*text));

    text->pool = p;
    text->room = 256;
    text->data = apr_pcalloc(p, text->room);
    return text;
}

static void append(nmdm_json_text_t *text, const char *data, apr_size_t len)
{
    if (text->len + len + 1 > text->room) {
        char *bigger;

        text->room = (text->len + len + 1) * 2;
        bigger = apr_palloc(text->pool, text->room);
        memcpy(bigger, text->data, text->len);
        text->data = bigger;
    }
    memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void nmdm_json_text_raw(nmdm_json_text_t *text, const char *raw)
{
    append(text, raw, strlen(raw));
}

static void append_escaped(nmdm_json_text_t *text, unsigned char c)
{
    static const char NAMES[] = "\b\f\n\r\t", SHORT[] = "bfnrt";
    const char *found = c ? strchr(NAMES, c) : NULL;
    char escaped[7];

    if (c == '"' || c == '\\' || found) {
        apr_snprintf(escaped, sizeof(escaped), "\\%c",
                     found ? SHORT[found - NAMES] : c);
    }
    else {
        apr_snprintf(escaped, sizeof(escaped), "\\u%04x", c);
    }
    nmdm_json_text_raw(text, escaped);
}

void nmdm_json_text_string(nmdm_json_text_t *text, const char *string)
{
    const char *from;

    if (!string) {
        nmdm_json_text_raw(text, "null");
        return;
    }
    append(text, "\"", 1);
    for (from = string; *from;) {
        const char *at = from;

        while ((unsigned char)*at >= 0x20 && *at != '"' && *at != '\\') {
            at++;
        }
        append(text, from, (apr_size_t)(at - from));
        if (*at) {
            append_escaped(text, (unsigned char)*at++);
        }
        from = at;
    }
    append(text, "\"", 1);
}

void nmdm_json_text_comma(nmdm_json_text_t *text)
{
    if (text->len && !strchr("[{", text->data[text->len - 1])) {
        append(text, ",", 1);
    }
}

void nmdm_json_text_key(nmdm_json_text_t *text, const char *key)
{
    nmdm_json_text_comma(text);
    nmdm_json_text_string(text, key);
    append(text, ":", 1);
}

void nmdm_json_text_pair(nmdm_json_text_t *text, const char *key,
                         const char *string)
{
    nmdm_json_text_key(text, key);
    nmdm_json_text_string(text, string);
}

void nmdm_json_text_pair_raw(nmdm_json_text_t *text, const char *key,
                             const char *raw)
{
    nmdm_json_text_key(text, key);
    nmdm_json_text_raw(text, raw);
}

static int compare_members(const void *a, const void *b)
{
    return strcmp((*(const nmdm_json_tree_t *const *)a)->key,
                  (*(const nmdm_json_tree_t *const *)b)->key);
}

static void append_object(nmdm_json_text_t *text,
                          const nmdm_json_tree_t *object)
{
    const nmdm_json_tree_t **sorted, *one;
    int i = 0;

    sorted = apr_palloc(text->pool, (apr_size_t)(object->count + 1)
                                    * sizeof(*sorted));
    for (one = object->first; one; one = one->next) {
        sorted[i++] = one;
    }
    qsort(sorted, (size_t)i, sizeof(*sorted), compare_members);
    append(text, "{", 1);
    for (i = 0; i < object->count; i++) {
        nmdm_json_text_key(text, sorted[i]->key);
        nmdm_json_text_tree(text, sorted[i]);
    }
    append(text, "}", 1);
}

static void append_array(nmdm_json_text_t *text,
                         const nmdm_json_tree_t *array)
{
    const nmdm_json_tree_t *one;

    append(text, "[", 1);
    for (one = array->first; one; one = one->next) {
        if (one != array->first) {
            append(text, ",", 1);
        }
        nmdm_json_text_tree(text, one);
    }
    append(text, "]", 1);
}

void nmdm_json_text_tree(nmdm_json_text_t *text,
                         const nmdm_json_tree_t *value)
{
    switch (value->type) {
    case NMDM_TREE_OBJECT:
        append_object(text, value);
        break;
    case NMDM_TREE_ARRAY:
        append_array(text, value);
        break;
    case NMDM_TREE_STRING:
        nmdm_json_text_string(text, value->text.data);
        break;
    case NMDM_TREE_NUMBER:
        append(text, value->text.data, value->text.len);
        break;
    default:
        nmdm_json_text_raw(text, value->type == NMDM_TREE_TRUE ? "true"
                           : value->type == NMDM_TREE_FALSE ? "false"
                                                            : "null");
    }
}

nmdm_bytes_t nmdm_json_text_bytes(const nmdm_json_text_t *text)
{
    return (nmdm_bytes_t){ text->data, text->len };
}

const char *nmdm_json_tree_canonical(apr_pool_t *p,
                                     const nmdm_json_tree_t *value)
{
    nmdm_json_text_t *text = nmdm_json_text_create(p);

    nmdm_json_text_tree(text, value);
    return text->data;
}
