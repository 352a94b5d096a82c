/* SPDX-License-Identifier: Apache-2.0 */
/* traffic_dump.c -- NanoMDMDump: whole exchanges with devices, written
 * into a file, for the administrator.
 *
 * A record begins, ends and is divided by lines with the trace ID, which the
 * client did not know when it sent its part. It is written at once, so that
 * those of all threads and children stay apart. */

#include "httpd/traffic_dump.h"
#include "base/time.h"
#include "codec/plist_repair.h"
#include "codec/redact.h"
#include "codec/secrets.h"
#include "config/config.h"
#include "config/handlers.h"
#include "config/traffic_dump_file.h"
#include "crypto/cert_encodings.h"
#include "httpd/request_state.h"
#include "httpd/trace.h"
#include "webhook/event.h"

#include <apr_atomic.h>
#include <apr_file_io.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <http_log.h>

#include <string.h>

APLOG_USE_MODULE(nanomdm);

/* ---- While a request is served ---- */

static const nanomdm_dump_t *dump_of(request_rec *r)
{
    const nanomdm_dump_t *dump = nanomdm_conf(r)->dump;
    const char *handler = dump ? nanomdm_configured_handler(r) : NULL;

    return nanomdm_is_device_handler(handler)
        || (handler && !strcmp(handler, "nanomdm-migration")) ? dump : NULL;
}

int nanomdm_traffic_dump_is_on(request_rec *r)
{
    return dump_of(r) != NULL;
}

/* Of the request that the client made: error documents are others. */
static nanomdm_request_state_t *exchange(request_rec *r)
{
    while (r->prev) {
        r = r->prev;
    }
    return nanomdm_request_state(r);
}

void nanomdm_traffic_dump_body(request_rec *r, nmdm_bytes_t body)
{
    exchange(r)->body = body;
}

void nanomdm_traffic_dump_reply(request_rec *r, nmdm_bytes_t reply)
{
    exchange(r)->reply = reply;
}

void nanomdm_traffic_dump_cert(request_rec *r, const nmdm_cert_t *cert)
{
    nanomdm_request_state_t *state = exchange(r);

    state->cert_sha256 = cert->sha256;
    state->cert_name = nmdm_cert_encodings_name(cert);
}

/* ---- One record ---- */

typedef struct {
    apr_pool_t *pool;
    request_rec *r;
    const nanomdm_dump_t *dump;
    const char *trace_id;
    apr_array_header_t *parts;  /* struct iovec */
} record_t;

static void put_bytes(record_t *record, nmdm_bytes_t bytes)
{
    APR_ARRAY_PUSH(record->parts, struct iovec)
        = (struct iovec){ (void *)bytes.data, bytes.len };
}

static void put(record_t *record, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void put(record_t *record, const char *fmt, ...)
{
    nmdm_bytes_t bytes;
    va_list args;

    va_start(args, fmt);
    bytes.data = apr_pvsprintf(record->pool, fmt, args);
    va_end(args);
    bytes.len = strlen(bytes.data);
    put_bytes(record, bytes);
}

/* One line, whatever the client put into it. */
static const char *on_one_line(const record_t *record, const char *text)
{
    return text ? ap_escape_logitem(record->pool, text) : "";
}

static void put_header(record_t *record, const char *name)
{
    static const char *const MASKED[] = { "Authorization", "Mdm-Signature" };
    const char *value = apr_table_get(record->r->headers_in, name);
    apr_size_t i;

    if (!value) {
        return;
    }
    for (i = 0; i < sizeof(MASKED) / sizeof(*MASKED); i++) {
        if (!record->dump->shows_secrets && !strcasecmp(name, MASKED[i])) {
            value = "redacted";
        }
    }
    put(record, "%s: %s\n", name, on_one_line(record, value));
}

static void put_head(record_t *record, const nanomdm_request_state_t *exchange)
{
    static const char *const NAMES[] = {
        "Host", "User-Agent", "Content-Type", "Content-Length",
        "Transfer-Encoding", "Authorization", "Mdm-Signature",
        "X-Forwarded-For", "Forwarded", "Via", "traceparent"
    };
    request_rec *r = record->r;
    const apr_array_header_t *sources = nanomdm_conf(r)->identity;
    const char *id = apr_table_get(r->notes, "NANOMDM_ID");
    int i;

    put(record, "==== %s %s %s %s\n%s\n", record->trace_id,
        nmdm_time_rfc3339(record->pool, r->request_time),
        r->useragent_ip, id ? on_one_line(record, id) : "-",
        on_one_line(record, r->the_request));
    for (i = 0; i < (int)(sizeof(NAMES) / sizeof(*NAMES)); i++) {
        put_header(record, NAMES[i]);
    }
    for (i = 0; i < sources->nelts; i++) {
        nanomdm_source_t *source = &APR_ARRAY_IDX(sources, i,
                                                  nanomdm_source_t);

        if (source->from == NANOMDM_FROM_HEADER) {
            put_header(record, source->header);
        }
    }
    put(record, "---- %s identity %s\n", record->trace_id,
        exchange->cert_sha256 ? exchange->cert_sha256 : "-");
}

static void put_masked(record_t *record, nmdm_bytes_t body,
                       nmdm_secret_e said)
{
    const char *const *keys = nmdm_secrets_keys(record->pool, said);
    apr_size_t len;
    nmdm_bytes_t text = nmdm_redact_replace_part(&len, record->pool, body,
                                                 keys);
    int replaced = len < body.len
        ? nmdm_plist_repair(&body, record->pool, body) : 0;

    if (replaced) {             /* as it is stored */
        text = nmdm_redact_replace_part(&len, record->pool, body, keys);
    }
    put_bytes(record, text);
    if (replaced) {
        put(record, "---- %s characters that XML lacks, shown as U+FFFD:"
            " %d\n", record->trace_id, replaced);
    }
    while (len < body.len && apr_isspace(body.data[len])) {
        len++;
    }
    if (len < body.len) {
        put(record, "---- %s %" APR_SIZE_T_FMT " more bytes, not shown\n",
            record->trace_id, body.len - len);
    }
}

static void put_body(record_t *record, const nanomdm_request_state_t *exchange)
{
    nmdm_bytes_t body = exchange->body;

    if (!body.data) {
        put(record, "---- %s body, not read\n", record->trace_id);
        return;
    }
    put(record, "---- %s body of %" APR_SIZE_T_FMT " bytes\n",
        record->trace_id, body.len);
    if (record->dump->shows_secrets) {
        put_bytes(record, body);
        put(record, "\n");
    }
    else if (body.len) {
        put_masked(record, body, NMDM_SECRET_FROM_DEVICE);
    }
}

/* An error's body is a phrase of ours. */
static void put_reply(record_t *record, const nanomdm_request_state_t *exchange)
{
    nmdm_bytes_t reply = exchange->reply;
    request_rec *last = record->r;

    while (last->next) {
        last = last->next;
    }
    put(record, "---- %s reply %s, %s, %" APR_SIZE_T_FMT " bytes\n",
        record->trace_id, ap_get_status_line(last->status),
        last->content_type ? last->content_type : "-", reply.len);
    if (record->dump->shows_secrets || ap_is_HTTP_ERROR(last->status)) {
        put_bytes(record, reply);
        put(record, "\n");
    }
    else if (reply.len) {
        put_masked(record, reply, NMDM_SECRET_TO_DEVICE);
    }
    put(record, "==== %s end\n", record->trace_id);
}

/* ---- Writing ---- */

/* At most once a minute. */
static int may_complain(nanomdm_dump_t *dump)
{
    apr_uint32_t now = (apr_uint32_t)(apr_time_sec(apr_time_now()) / 60);
    apr_uint32_t last = apr_atomic_read32(&dump->complained);

    return now != last
        && apr_atomic_cas32(&dump->complained, now, last) == last;
}

/* One write, so that records of different requests do not interleave. */
static void append(record_t *record, nanomdm_dump_t *dump)
{
    const struct iovec *parts = (const void *)record->parts->elts;
    apr_size_t all = 0, written = 0;
    apr_status_t rv;
    int i;

    for (i = 0; i < record->parts->nelts; i++) {
        all += parts[i].iov_len;
    }
    rv = apr_file_writev(dump->file, parts, (apr_size_t)record->parts->nelts,
                         &written);
    if ((rv != APR_SUCCESS || written < all) && may_complain(dump)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, record->r, NMDMNO(2003)
                      "NanoMDMDump \"%s\": %" APR_SIZE_T_FMT " of %"
                      APR_SIZE_T_FMT " bytes written; the exchange %s is not"
                      " in it, devices are served all the same", dump->path,
                      written, all, record->trace_id);
    }
}

/* At the end of a request, so that whatever refused it is in it as well. */
static int write_record(request_rec *r)
{
    nanomdm_dump_t *dump = nanomdm_conf(r)->dump;
    const nanomdm_request_state_t *exchange;
    record_t record = { .r = r, .dump = dump };

    if (!dump_of(r)) {
        return DECLINED;
    }
    exchange = nanomdm_request_state(r);
    apr_pool_create(&record.pool, r->pool);
    record.parts = apr_array_make(record.pool, 32, sizeof(struct iovec));
    record.trace_id = apr_table_get(r->notes, "NANOMDM_TRACE_ID");
    if (!record.trace_id) {
        record.trace_id = nanomdm_new_trace_id(record.pool);
    }
    put_head(&record, exchange);
    put_body(&record, exchange);
    put_reply(&record, exchange);
    append(&record, dump);
    apr_pool_destroy(record.pool);
    return OK;
}

void nanomdm_traffic_dump_hooks(void)
{
    ap_hook_log_transaction(write_record, NULL, NULL, APR_HOOK_MIDDLE);
}
