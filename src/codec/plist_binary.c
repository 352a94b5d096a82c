/* SPDX-License-Identifier: Apache-2.0 */
/* plist_binary.c -- whether a binary property list may be read.
 *
 *   "bplist00"  objects  table of offsets  trailer of 32 bytes
 *
 * An object is a marker byte, whose high half is the type and whose low half a
 * size, and what belongs to it. Containers name their objects by numbers in the
 * table, so that one object may occur many times. */

#include "codec/plist_binary.h"
#include "codec/plist.h"

#include <string.h>

#define HEADER 8
#define TRAILER 32
/* Of text and data, beside three times the body. */
#define PAYLOAD (16 * 1024 * 1024)

enum {
    SIMPLE = 0x0, INTEGER = 0x1, REAL = 0x2, DATE = 0x3, DATA = 0x4,
    ASCII = 0x5, UTF16 = 0x6, ARRAY = 0xA, DICT = 0xD
};

/* What is known of an object and all that it contains. */
typedef struct {
    apr_uint64_t payload;       /* bytes of text and data */
    int values;                 /* 0: not measured yet */
    unsigned char height;       /* 1: it contains nothing */
    unsigned char is_open;      /* being measured: a path leads through it */
} object_t;

typedef struct {
    apr_pool_t *pool;
    const unsigned char *data;
    apr_uint64_t offset_size, ref_size, count, top;
    apr_uint64_t table;         /* where it starts; objects end here */
    apr_uint64_t payload_limit;
    apr_uint64_t references;    /* followed so far */
    apr_uint64_t payload;       /* of all that was measured, each once */
    object_t *objects;
} gate_t;

static nmdm_err_t *refuse(gate_t *gate, const char *why)
{
    return nmdm_err(gate->pool, NMDM_INVALID, APR_SUCCESS,
                    NMDMNO(0209) "binary property list refused: %s", why);
}

static apr_uint64_t big_endian(const unsigned char *at, apr_uint64_t bytes)
{
    apr_uint64_t value = 0;

    for (; bytes; bytes--) {
        value = value << 8 | *at++;
    }
    return value;
}

static nmdm_err_t *read_trailer(gate_t *gate, nmdm_bytes_t body)
{
    const unsigned char *trailer;

    if (body.len < HEADER + TRAILER + 2) {
        return refuse(gate, "it is too short");
    }
    if (memcmp(body.data, "bplist00", HEADER)) {
        return refuse(gate, "its version is not 00");
    }
    trailer = gate->data + body.len - TRAILER;
    gate->offset_size = trailer[6];
    gate->ref_size = trailer[7];
    gate->count = big_endian(trailer + 8, 8);
    gate->top = big_endian(trailer + 16, 8);
    gate->table = big_endian(trailer + 24, 8);
    if (gate->offset_size < 1 || gate->offset_size > 8 || gate->ref_size < 1
        || gate->ref_size > 8) {
        return refuse(gate, "sizes in its trailer are not 1 to 8 bytes");
    }
    if (!gate->count || gate->count > NMDM_PLIST_VALUES) {
        return refuse(gate, gate->count ? "it has too many objects"
                                        : "it has no object");
    }
    if (gate->top >= gate->count) {
        return refuse(gate, "it has no such root");
    }
    if (gate->table <= HEADER || gate->table > body.len - TRAILER
        || gate->count * gate->offset_size
               > body.len - TRAILER - gate->table) {
        return refuse(gate, "its table of offsets is not within it");
    }
    return NULL;
}

/* Where an object is; the caller knows that there is such a number. */
static nmdm_err_t *find(gate_t *gate, apr_uint64_t *offset,
                        apr_uint64_t number)
{
    *offset = big_endian(gate->data + gate->table
                         + number * gate->offset_size, gate->offset_size);
    return *offset >= HEADER && *offset < gate->table ? NULL
        : refuse(gate, "an object is not within it");
}

/* The size of an object that starts at *at, which moves past the marker and
 * the integer that may follow it. */
static nmdm_err_t *read_size(gate_t *gate, apr_uint64_t *size,
                             apr_uint64_t *at)
{
    unsigned int marker;
    apr_uint64_t bytes;

    *size = gate->data[(*at)++] & 0xF;
    if (*size < 0xF) {
        return NULL;
    }
    if (*at >= gate->table) {
        return refuse(gate, "a size is not within it");
    }
    marker = gate->data[(*at)++];
    bytes = (apr_uint64_t)1 << (marker & 0xF);
    if (marker >> 4 != INTEGER || (marker & 0xF) > 3
        || bytes > gate->table - *at) {
        return refuse(gate, "a size is not an integer");
    }
    *size = big_endian(gate->data + *at, bytes);
    *at += bytes;
    return NULL;
}

/* Whether count items of so many bytes lie within the objects. */
static nmdm_err_t *has_room(gate_t *gate, apr_uint64_t at,
                            apr_uint64_t count, apr_uint64_t bytes)
{
    return count <= (gate->table - at) / bytes ? NULL
        : refuse(gate, "an object goes beyond its end");
}

static nmdm_err_t *check_number(gate_t *gate, apr_uint64_t at)
{
    unsigned int type = gate->data[at] >> 4, power = gate->data[at] & 0xF;

    if (type == SIMPLE) {
        return power == 8 || power == 9 ? NULL
            : refuse(gate, "a value is neither true nor false");
    }
    if (power > 4 || (type == REAL && power != 2 && power != 3)
        || (type == DATE && power != 3)) {
        return refuse(gate, "a number or date has an unknown size");
    }
    NMDM_TRY(has_room(gate, at + 1, 1, (apr_uint64_t)1 << power));
    return power < 4 || !big_endian(gate->data + at + 1, 8) ? NULL
        : refuse(gate, "an integer has more than 64 bits");
}

/* libplist ends a string there, without saying so. */
static nmdm_err_t *has_no_nul(gate_t *gate, apr_uint64_t at,
                              apr_uint64_t size, int unit)
{
    for (; size; size--, at += unit) {
        if (!gate->data[at] && !gate->data[at + unit - 1]) {
            return refuse(gate, "a string has a NUL");
        }
    }
    return NULL;
}

/* UTF-16 needs up to three bytes of UTF-8 for two. */
static nmdm_err_t *check_text(gate_t *gate, object_t *object,
                              apr_uint64_t at)
{
    unsigned int type = gate->data[at] >> 4;
    apr_uint64_t size;

    NMDM_TRY(read_size(gate, &size, &at));
    NMDM_TRY(has_room(gate, at, size, type == UTF16 ? 2 : 1));
    object->payload = type == UTF16 ? 3 * size : size;
    /* Before it is looked through: texts may overlap, and what contains them
     * is measured last. */
    gate->payload += object->payload;
    if (gate->payload > gate->payload_limit) {
        return refuse(gate, "it expands to too much text and data");
    }
    return type == DATA ? NULL
        : has_no_nul(gate, at, size, type == UTF16 ? 2 : 1);
}

static nmdm_err_t *measure(gate_t *gate, apr_uint64_t number, int depth);

/* Counts an object that was measured as part of a container. */
static nmdm_err_t *include(gate_t *gate, object_t *container,
                           const object_t *object)
{
    container->payload += object->payload;
    container->values += object->values;
    if (object->height >= container->height) {
        container->height = object->height + 1;
    }
    if (container->values > NMDM_PLIST_VALUES) {
        return refuse(gate, "it expands to too many values");
    }
    return container->payload <= gate->payload_limit ? NULL
        : refuse(gate, "it expands to too much text and data");
}

static nmdm_err_t *check_key(gate_t *gate, apr_uint64_t number)
{
    apr_uint64_t offset;
    unsigned int type;

    NMDM_TRY(find(gate, &offset, number));
    type = gate->data[offset] >> 4;
    return type == ASCII || type == UTF16 ? NULL
        : refuse(gate, "a key is not a string");
}

/* All keys, then their values. */
static nmdm_err_t *check_container(gate_t *gate, object_t *object,
                                   apr_uint64_t at, int depth)
{
    int is_dict = gate->data[at] >> 4 == DICT;
    apr_uint64_t size, references, i;

    NMDM_TRY(read_size(gate, &size, &at));
    NMDM_TRY(has_room(gate, at, size, gate->ref_size * (is_dict ? 2 : 1)));
    references = is_dict ? 2 * size : size;
    /* Objects may overlap: each of many could have the same references. */
    gate->references += references;
    if (gate->references > NMDM_PLIST_VALUES) {
        return refuse(gate, "it has too many references");
    }
    for (i = 0; i < references; i++, at += gate->ref_size) {
        apr_uint64_t number = big_endian(gate->data + at, gate->ref_size);

        if (number >= gate->count) {
            return refuse(gate, "a reference leads nowhere");
        }
        if (is_dict && i < size) {
            NMDM_TRY(check_key(gate, number));
        }
        NMDM_TRY(measure(gate, number, depth + 1));
        NMDM_TRY(include(gate, object, &gate->objects[number]));
    }
    return NULL;
}

static nmdm_err_t *check_object(gate_t *gate, object_t *object,
                                apr_uint64_t at, int depth)
{
    switch (gate->data[at] >> 4) {
    case SIMPLE:
    case INTEGER:
    case REAL:
    case DATE:
        return check_number(gate, at);
    case DATA:
    case ASCII:
    case UTF16:
        return check_text(gate, object, at);
    case ARRAY:
    case DICT:
        return check_container(gate, object, at, depth);
    default:
        return refuse(gate, "a value of a type that XML does not have");
    }
}

/* depth: of the object itself; the root has 1. An object that was measured on
 * another path may be too high for this one. */
static nmdm_err_t *measure(gate_t *gate, apr_uint64_t number, int depth)
{
    object_t *object = &gate->objects[number];
    apr_uint64_t offset;

    if (object->is_open) {
        return refuse(gate, "an object contains itself");
    }
    if (depth + (object->values ? object->height - 1 : 0)
        >= NMDM_PLIST_DEPTH) {
        return refuse(gate, "nested too deeply");
    }
    if (object->values) {
        return NULL;
    }
    NMDM_TRY(find(gate, &offset, number));
    object->values = object->height = object->is_open = 1;
    NMDM_TRY(check_object(gate, object, offset, depth));
    object->is_open = 0;
    return NULL;
}

int nmdm_plist_binary_is(nmdm_bytes_t body)
{
    return body.len >= 6 && !memcmp(body.data, "bplist", 6);
}

nmdm_err_t *nmdm_plist_binary_check(apr_pool_t *p, nmdm_bytes_t body)
{
    gate_t gate = { .pool = p,
                    .data = (const unsigned char *)body.data,
                    .payload_limit = PAYLOAD + 3 * (apr_uint64_t)body.len };
    apr_uint64_t root;

    NMDM_TRY(read_trailer(&gate, body));
    gate.objects = apr_pcalloc(p, gate.count * sizeof(*gate.objects));
    NMDM_TRY(find(&gate, &root, gate.top));
    if (gate.data[root] >> 4 != DICT) {
        return refuse(&gate, "the root is not a dict");
    }
    return measure(&gate, gate.top, 1);
}
