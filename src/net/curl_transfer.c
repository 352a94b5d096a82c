/* SPDX-License-Identifier: Apache-2.0 */
/* curl_transfer.c -- HTTP transfers; the only file that knows libcurl.
 *
 * Redirects are not followed, not even for GET: the address is the
 * administrator's word, the request carries ids and a signature meant for that
 * address, and a POST would turn into a GET. Environment variables choose no
 * proxy: httpd's environment is not where an administrator looks for one. */

#include "net/curl_transfer.h"
#include "base/version.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include <curl/curl.h>

#include <string.h>
#include <sys/socket.h>

#define CONNECT_SECONDS 10L

enum { MAX_HEADER_BYTES = 65536, FIRST_ROOM = 4096 };

struct nmdm_curl_transfers_t {
    CURLM *multi;
    long http_version;
    const char *ca_pem;
    apr_size_t max_reply;
};

/* ---- Replies ---- */

static size_t refuse(nmdm_curl_transfer_t *t, const char *why)
{
    t->refusal = why;
    return 0;
}

/* The announced length is room for all at once, if the server announces it
 * and we would take it. */
static void make_room(nmdm_curl_transfer_t *t, apr_size_t more)
{
    apr_size_t room = t->room ? t->room * 2 : FIRST_ROOM;
    curl_off_t announced = -1;
    char *data;

    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
                      &announced);
    if (!t->room && announced >= 0
        && (apr_size_t)announced <= t->all->max_reply) {
        room = (apr_size_t)announced + 1;
    }
    if (room < t->len + more + 1) {
        room = t->len + more + 1;
    }
    data = apr_palloc(t->pool, room);
    if (t->len) {
        memcpy(data, t->data, t->len);
    }
    t->data = data;
    t->room = room;
}

static size_t take_body(char *data, size_t size, size_t n, void *baton)
{
    nmdm_curl_transfer_t *t = baton;
    apr_size_t len = size * n;

    if (len > t->all->max_reply - t->len) {
        return refuse(t, "the reply is longer than allowed");
    }
    if (t->drops_reply) {
        t->len += len;
        return len;
    }
    if (t->len + len + 1 > t->room) {
        make_room(t, len);
    }
    memcpy(t->data + t->len, data, len);
    t->len += len;
    t->data[t->len] = '\0';
    return len;
}

static const char *lower(apr_pool_t *p, const char *text, apr_size_t len)
{
    char *copy = apr_pstrmemdup(p, text, len), *at;

    for (at = copy; *at; at++) {
        *at = (char)apr_tolower(*at);
    }
    return copy;
}

static const char *trim(apr_pool_t *p, const char *text, const char *end)
{
    while (text < end && apr_isspace(*text)) {
        text++;
    }
    while (end > text && apr_isspace(end[-1])) {
        end--;
    }
    return apr_pstrmemdup(p, text, (apr_size_t)(end - text));
}

static size_t take_header(char *line, size_t size, size_t n, void *baton)
{
    nmdm_curl_transfer_t *t = baton;
    apr_size_t len = size * n;
    const char *colon = memchr(line, ':', len);

    t->header_bytes += len;
    if (t->header_bytes > MAX_HEADER_BYTES) {
        return refuse(t, "the reply's headers are longer than allowed");
    }
    if (len > 5 && !memcmp(line, "HTTP/", 5)) {
        /* A 1xx before this one had headers of its own. */
        apr_table_clear(t->x->reply_headers);
    }
    else if (colon) {
        apr_table_addn(t->x->reply_headers,
                       lower(t->pool, line, (apr_size_t)(colon - line)),
                       trim(t->pool, colon + 1, line + len));
    }
    return len;
}

/* ---- Requests ---- */

typedef struct {
    apr_pool_t *pool;
    struct curl_slist *first;
} header_list_t;

static void add_line(header_list_t *list, const char *line)
{
    struct curl_slist *item = apr_palloc(list->pool, sizeof(*item));

    item->data = (char *)line;
    item->next = list->first;
    list->first = item;
}

/* An apr_table_do callback, which ends at a header that would be two. libcurl
 * takes "Name:" for the wish to leave it out, "Name;" for an empty one. */
static int add_header(void *baton, const char *name, const char *value)
{
    header_list_t *list = baton;
    const char *line, *at;

    line = *value ? apr_pstrcat(list->pool, name, ": ", value, NULL)
                  : apr_pstrcat(list->pool, name, ";", NULL);
    for (at = line; *at; at++) {
        if (apr_iscntrl(*at)) {
            return 0;
        }
    }
    add_line(list, line);
    return 1;
}

/* libcurl on its own would call any body a form, and wait for a "100 Continue"
 * that many servers never send. */
static const char *set_headers(nmdm_curl_transfer_t *t)
{
    const apr_table_t *headers = t->x->headers;
    header_list_t list = { t->pool, NULL };

    if (headers && !apr_table_do(add_header, &list, headers, NULL)) {
        return "a header of the request has a control character";
    }
    if (!headers || !apr_table_get(headers, "Content-Type")) {
        add_line(&list, "Content-Type:");
    }
    add_line(&list, "Expect:");
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, list.first);
    return NULL;
}

static size_t give_body(char *to, size_t size, size_t n, void *baton)
{
    nmdm_curl_transfer_t *t = baton;
    apr_size_t len = nmdm_exchange_read(t->x, to, size * n, t->sent);

    t->sent += len;
    return len;
}

/* libcurl begins again where a connection that was kept turns out to be
 * closed. */
static int begin_again(void *baton, curl_off_t offset, int origin)
{
    nmdm_curl_transfer_t *t = baton;

    if (origin != SEEK_SET || offset < 0) {
        return CURL_SEEKFUNC_FAIL;
    }
    t->sent = (apr_size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static void set_body(nmdm_curl_transfer_t *t)
{
    CURL *easy = t->easy;
    const nmdm_exchange_t *x = t->x;

    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)nmdm_exchange_length(x));
    if (x->payload.len) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(easy, CURLOPT_READDATA, t);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, begin_again);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
    }
    else {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                         x->body.len ? x->body.data : "");
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, x->method);
}

/* A reply is unpacked on its way to take_body(), which bounds it. */
static void set_request(nmdm_curl_transfer_t *t)
{
    CURL *easy = t->easy;
    const nmdm_exchange_t *x = t->x;

    curl_easy_setopt(easy, CURLOPT_URL, x->url);
    if (x->reads_reply) {
        curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "identity");
    }
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "mod_nanomdm/" NMDM_VERSION);
    if (x->body.len || strcmp(x->method, "GET")) {
        set_body(t);
    }
}

/* Debian's libcurl trusts a folder of certificates besides its file; a file of
 * the administrator's replaces both. */
static void set_tls(CURL *easy, const nmdm_exchange_t *x, const char *ca_pem)
{
    struct curl_blob blob = { .flags = CURL_BLOB_NOCOPY };

    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (ca_pem) {
        blob.data = (void *)ca_pem;
        blob.len = strlen(ca_pem);
        curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
        curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (x->cert_pem && x->key_pem) {
        blob.data = (void *)x->cert_pem;
        blob.len = strlen(x->cert_pem);
        curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &blob);
        blob.data = (void *)x->key_pem;
        blob.len = strlen(x->key_pem);
        curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &blob);
    }
}

/* Not to be inherited by the programs that httpd starts. */
static curl_socket_t open_socket(void *baton, curlsocktype purpose,
                                 struct curl_sockaddr *address)
{
    (void)baton;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC,
                  address->protocol);
}

static void set_ways(CURL *easy, long http_version)
{
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, http_version);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                     (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Else giving up on a name would wait until the resolver does so. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
}

static void set_replies(nmdm_curl_transfer_t *t)
{
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, (char *)t);
}

/* ---- One transfer ---- */

const char *nmdm_curl_transfer_begin(nmdm_curl_transfers_t *all,
                                     nmdm_curl_transfer_t *t)
{
    const char *failure;

    t->all = all;
    t->x->reply_headers = apr_table_make(t->pool, 10);
    t->easy = curl_easy_init();
    if (!t->easy) {
        return "no memory for a request";
    }
    set_request(t);
    set_tls(t->easy, t->x, all->ca_pem);
    set_ways(t->easy, all->http_version);
    set_replies(t);
    failure = set_headers(t);
    if (!failure && curl_multi_add_handle(all->multi, t->easy) != CURLM_OK) {
        failure = "libcurl does not take the request";
    }
    if (failure) {
        curl_easy_cleanup(t->easy);
        t->easy = NULL;
    }
    return failure;
}

static void end(nmdm_curl_transfer_t *t)
{
    curl_multi_remove_handle(t->all->multi, t->easy);
    curl_easy_cleanup(t->easy);
    t->easy = NULL;
}

const char *nmdm_curl_transfer_break_off(nmdm_curl_transfer_t *t)
{
    curl_off_t connected = 0;

    curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    end(t);
    return connected ? "no complete answer in time" : "no connection in time";
}

/* ---- All of them ---- */

/* Older libcurls reset each HTTP/2 stream that has ended, until the server
 * takes that for an attack: of 10 000 events to Node 20, which answers 200,
 * 7.88.1 lost four, and none by HTTP/1.1, in less time. 8.14.1 does not. */
static long best_http_version(void)
{
    return curl_version_info(CURLVERSION_NOW)->version_num >= 0x080E01
        ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
}

nmdm_curl_transfers_t *nmdm_curl_transfers_open(apr_pool_t *p,
                                                const char *ca_pem,
                                                apr_size_t max_reply)
{
    nmdm_curl_transfers_t *all = apr_palloc(p, sizeof(*all));

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return NULL;
    }
    all->ca_pem = apr_pstrdup(p, ca_pem);
    all->max_reply = max_reply;
    all->http_version = best_http_version();
    all->multi = curl_multi_init();
    if (!all->multi) {
        curl_global_cleanup();
        return NULL;
    }
    curl_multi_setopt(all->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                      (long)NMDM_CURL_TRANSFERS_PER_HOST);
    return all;
}

void nmdm_curl_transfers_close(nmdm_curl_transfers_t *all)
{
    curl_multi_cleanup(all->multi);
    curl_global_cleanup();
}

void nmdm_curl_transfers_work(nmdm_curl_transfers_t *all)
{
    int running;

    curl_multi_perform(all->multi, &running);
}

static const char *failure_of(const nmdm_curl_transfer_t *t, CURLcode code)
{
    if (code == CURLE_OK) {
        return NULL;
    }
    if (t->refusal) {
        return t->refusal;
    }
    return *t->error ? apr_pstrdup(t->pool, t->error)
                     : curl_easy_strerror(code);
}

nmdm_curl_transfer_t *nmdm_curl_transfers_ended(nmdm_curl_transfers_t *all,
                                                const char **failure)
{
    nmdm_curl_transfer_t *t;
    CURLMsg *msg;
    long status = 0;
    char *private;
    int left;

    do {
        msg = curl_multi_info_read(all->multi, &left);
        if (!msg) {
            return NULL;
        }
    } while (msg->msg != CURLMSG_DONE);
    curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
    curl_easy_getinfo(msg->easy_handle, CURLINFO_RESPONSE_CODE, &status);
    t = (nmdm_curl_transfer_t *)(void *)private;
    *failure = failure_of(t, msg->data.result);
    t->x->status = (int)status;
    t->x->reply.data = t->data ? t->data : "";
    t->x->reply.len = t->data ? t->len : 0;
    end(t);
    return t;
}

void nmdm_curl_transfers_wait(nmdm_curl_transfers_t *all, int ms)
{
    curl_multi_poll(all->multi, NULL, 0, ms, NULL);
}

void nmdm_curl_transfers_wake(nmdm_curl_transfers_t *all)
{
    curl_multi_wakeup(all->multi);
}
