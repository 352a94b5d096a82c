/* SPDX-License-Identifier: Apache-2.0 */
/* enroll.c -- who gets an enrollment profile, and with which challenge.
 *
 * First is read what the profile needs, then it is made, then everything is
 * stored at once: so nothing is signed while a row is locked. */

#include "enroll/enroll.h"
#include "base/text.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "db/db.h"
#include "storage/push_state.h"

#include <apr_strings.h>

#include <string.h>

/* As long as a challenge. */
#define PLACEHOLDER "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

/* Digits of the name of an identity that is bound to no device. */
#define NAME_DIGITS 16

typedef struct {
    const nmdm_enroll_conf_t *conf;
    const nmdm_enroll_request_t *request;
    nmdm_enroll_t *out;
    nmdm_link_t link;
    const char *topic;
    int are_several;            /* topics */
    int is_full;
    apr_time_t expires;         /* of the challenge */
} work_t;

const char *nmdm_enroll_by_name(nmdm_enroll_by_e by)
{
    switch (by) {
    case NMDM_ENROLL_USER:
        return "user";
    case NMDM_ENROLL_LINK:
        return "link";
    case NMDM_ENROLL_MACHINE_INFO:
        return "machineinfo";
    case NMDM_ENROLL_OPEN:
        break;
    }
    return "open";
}

static void end(work_t *in, nmdm_enroll_outcome_e outcome, const char *why)
{
    in->out->outcome = outcome;
    in->out->why = why;
}

/* ---- Whose challenges are counted together ---- */

/* NULL for a link without a user: it counts its own. */
static const char *who(nmdm_ctx_t *ctx, const work_t *in)
{
    const char *user = in->out->binding.user_name;

    if (user && *user) {
        return apr_pstrcat(ctx->pool, "user ", user, NULL);
    }
    return in->request->by == NMDM_ENROLL_LINK ? NULL
        : apr_pstrcat(ctx->pool, "address ", in->request->network, NULL);
}

static void refuse_more(nmdm_ctx_t *ctx, work_t *in)
{
    end(in, NMDM_ENROLL_LIMITED, apr_psprintf(
        ctx->pool, "%d %s open whose challenge is neither used nor expired:"
        " NanoMDMEnrollLimit allows no more", in->conf->most_open,
        nmdm_text_plural(in->conf->most_open, "profile is", "profiles are")));
}

/* ---- Links ---- */

static int is_new(const nmdm_link_t *link)
{
    return !link->opened;
}

static int is_blank(const char *text)
{
    return !text || !*text;
}

/* Judges a link as it is now, and takes over its binding. */
static void judge_link(nmdm_ctx_t *ctx, work_t *in)
{
    const nmdm_link_t *link = &in->link;

    if (!link->found) {
        end(in, NMDM_ENROLL_REFUSED, "there is no such link");
    }
    else if (is_new(link) && link->expires <= ctx->now) {
        end(in, NMDM_ENROLL_REFUSED, apr_psprintf(
            ctx->pool, "the link expired on %s",
            nmdm_time_rfc3339(ctx->pool, link->expires)));
    }
    else if (!is_new(link)
             && (strcmp(link->address, in->request->client)
                 || link->opened + NMDM_ENROLL_AGAIN < ctx->now)) {
        end(in, NMDM_ENROLL_REFUSED, apr_psprintf(
            ctx->pool, "the link was opened by %s on %s", link->address,
            nmdm_time_rfc3339(ctx->pool, link->opened)));
    }
    else if (link->times >= in->conf->most_open) {
        refuse_more(ctx, in);
    }
}

/* What the device says of itself is taken where the link says nothing. */
static void bind_to_link(work_t *in)
{
    nmdm_binding_t *binding = &in->out->binding;
    const nmdm_binding_t *its = &in->link.binding;

    if (!is_blank(its->serial_number) || !is_blank(its->udid)) {
        binding->serial_number = its->serial_number;
        binding->udid = its->udid;
    }
    binding->enrollment_id = its->enrollment_id;
    if (!is_blank(its->user_name)) {
        binding->user_name = its->user_name;
    }
}

/* One link has one challenge, however often it is opened: a client that knows
 * the link's token could have it anyway. */
static const char *challenge_of_link(nmdm_ctx_t *ctx, const char *token)
{
    static const char WHAT[] = "challenge of an enrollment link";
    char *text = apr_pstrdup(ctx->pool, nmdm_digest_hmac(
        ctx->pool, token, (nmdm_bytes_t){ WHAT, sizeof(WHAT) - 1 }));
    char *c;

    for (c = text; *c; c++) {
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c == '=' ? '\0' : *c;
    }
    return text;
}

/* ---- What is read first ---- */

static nmdm_err_t *do_look(nmdm_ctx_t *ctx, void *baton)
{
    work_t *in = baton;

    in->out->binding = in->request->binding;
    end(in, NMDM_ENROLL_GIVEN, NULL);
    in->is_full = 0;
    NMDM_TRY(nmdm_scep_tables_check(ctx));
    if (in->request->by == NMDM_ENROLL_LINK) {
        NMDM_TRY(nmdm_enroll_tokens_get_link(ctx, &in->link,
                                             in->request->token));
        bind_to_link(in);
    }
    if (in->conf->makes_challenges && who(ctx, in) && is_new(&in->link)) {
        NMDM_TRY(nmdm_enroll_tokens_is_full(ctx, &in->is_full, who(ctx, in),
                                            in->conf->most_open));
    }
    return in->conf->profile->topic ? NULL
        : nmdm_push_state_only_topic(ctx, &in->topic, &in->are_several);
}

static nmdm_err_t *look(nmdm_ctx_t *ctx, work_t *in)
{
    NMDM_TRY(nmdm_db_unit(ctx, NMDM_UNIT_READ, do_look, in));
    nmdm_db_release(ctx);
    if (in->request->by == NMDM_ENROLL_LINK) {
        judge_link(ctx, in);
    }
    if (!in->out->why && in->is_full) {
        refuse_more(ctx, in);
    }
    return NULL;
}

/* ---- The profile ---- */

static nmdm_err_t *choose_challenge(nmdm_ctx_t *ctx, work_t *in)
{
    nmdm_enroll_t *out = in->out;

    if (!in->conf->makes_challenges) {
        out->challenge = in->conf->shared_challenge;
        return NULL;
    }
    if (in->request->is_head) {
        out->challenge = PLACEHOLDER;
        return NULL;
    }
    if (in->request->by == NMDM_ENROLL_LINK) {
        out->challenge = challenge_of_link(ctx, in->request->token);
        return NULL;
    }
    return nmdm_challenge_new(ctx, &out->challenge);
}

/* The serial number, the UDID, or digits derived from the challenge that do
 * not reveal it. */
static const char *name_of(nmdm_ctx_t *ctx, const nmdm_enroll_t *out)
{
    const char *seed;

    if (!is_blank(out->binding.serial_number)) {
        return out->binding.serial_number;
    }
    if (!is_blank(out->binding.udid)) {
        return out->binding.udid;
    }
    seed = apr_pstrcat(ctx->pool, "name ", out->challenge ? out->challenge
                                                          : ctx->trace_id,
                       NULL);
    return apr_pstrndup(ctx->pool, nmdm_digest_sha256(
        ctx->pool, (nmdm_bytes_t){ seed, strlen(seed) }), NAME_DIGITS);
}

/* The start-up checks have made the profile with a topic. A template may have
 * it. */
static int lacks_topic(const work_t *in)
{
    return !in->conf->profile->topic && !in->topic;
}

static nmdm_err_t *make_profile(nmdm_ctx_t *ctx, work_t *in)
{
    nmdm_profile_device_t device = { .topic = in->topic };
    nmdm_err_t *err;

    NMDM_TRY(choose_challenge(ctx, in));
    device.challenge = in->out->challenge;
    device.name = name_of(ctx, in->out);
    err = nmdm_enrollment_profile_make(&in->out->profile, ctx->pool,
                                       in->conf->profile, &device);
    if (err && err->kind == NMDM_INVALID && lacks_topic(in)) {
        end(in, NMDM_ENROLL_NO_TOPIC, in->are_several
            ? "several push certificates are stored; name the topic of these"
              " devices with NanoMDMEnrollTopic"
            : "no push certificate is stored; upload it with: curl -T push.pem"
              " -u nanomdm:KEY https://HOST/v1/pushcert");
        return NULL;
    }
    if (err && err->kind == NMDM_INVALID) {
        err->kind = NMDM_INTERNAL;      /* the client is not to blame */
    }
    return err;
}

/* ---- What is stored ---- */

static nmdm_err_t *put_challenge(nmdm_ctx_t *ctx, work_t *in)
{
    const nmdm_enroll_t *out = in->out;

    NMDM_TRY(nmdm_challenge_put(
        ctx, out->challenge, in->request->by == NMDM_ENROLL_LINK
            ? NMDM_PURPOSE_LINK : NMDM_PURPOSE_ENROLL,
        &out->binding, in->expires));
    return nmdm_enroll_tokens_put_profile(ctx, out->challenge,
                                          out->profile.summary, in->expires);
}

static nmdm_err_t *count_challenge(nmdm_ctx_t *ctx, work_t *in)
{
    const char *name = who(ctx, in);

    in->is_full = 0;
    if (name) {
        NMDM_TRY(nmdm_enroll_tokens_count(ctx, &in->is_full, name,
                                          in->conf->most_open,
                                          in->out->challenge, in->expires));
    }
    if (in->is_full) {
        refuse_more(ctx, in);
        return NULL;
    }
    return put_challenge(ctx, in);
}

static nmdm_err_t *note_opening(nmdm_ctx_t *ctx, work_t *in)
{
    if (is_new(&in->link)) {
        /* As its row has it. */
        in->link.opened = apr_time_from_msec(apr_time_as_msec(ctx->now));
        in->link.address = in->request->client;
    }
    in->out->opened = in->link.opened;
    in->link.times++;
    return nmdm_enroll_tokens_set_link(ctx, in->request->token, &in->link);
}

static nmdm_err_t *do_open_link(nmdm_ctx_t *ctx, void *baton)
{
    work_t *in = baton;

    end(in, NMDM_ENROLL_GIVEN, NULL);
    NMDM_TRY(nmdm_enroll_tokens_lock_link(ctx, &in->link,
                                          in->request->token));
    judge_link(ctx, in);
    if (in->out->why) {
        return NULL;
    }
    if (in->conf->makes_challenges && is_new(&in->link)) {
        NMDM_TRY(count_challenge(ctx, in));
    }
    else if (in->conf->makes_challenges) {
        NMDM_TRY(nmdm_challenge_extend(ctx, in->out->challenge, in->expires));
    }
    return in->out->why ? NULL : note_opening(ctx, in);
}

static nmdm_err_t *do_store(nmdm_ctx_t *ctx, void *baton)
{
    work_t *in = baton;

    end(in, NMDM_ENROLL_GIVEN, NULL);
    return count_challenge(ctx, in);
}

static nmdm_err_t *store(nmdm_ctx_t *ctx, work_t *in)
{
    int is_link = in->request->by == NMDM_ENROLL_LINK;

    if (in->request->is_head || (!is_link && !in->conf->makes_challenges)) {
        return NULL;
    }
    return nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION,
                        is_link ? do_open_link : do_store, in);
}

/* ---- All of it ---- */

nmdm_err_t *nmdm_enroll_give(nmdm_ctx_t *ctx, nmdm_enroll_t *out,
                             const nmdm_enroll_conf_t *conf,
                             const nmdm_enroll_request_t *request)
{
    work_t in = { .conf = conf, .request = request, .out = out,
                  .expires = ctx->now + conf->life };

    memset(out, 0, sizeof(*out));
    NMDM_TRY(look(ctx, &in));
    if (out->why) {
        return NULL;
    }
    NMDM_TRY(make_profile(ctx, &in));
    return out->why ? NULL : store(ctx, &in);
}

typedef struct {
    const nmdm_enroll_t *given;
    const nmdm_enroll_request_t *request;
} back_t;

static nmdm_err_t *do_give_back(nmdm_ctx_t *ctx, void *baton)
{
    const back_t *in = baton;
    int is_withdrawn;
    nmdm_link_t link;

    NMDM_TRY(nmdm_enroll_tokens_lock_link(ctx, &link, in->request->token));
    if (!link.found || link.opened != in->given->opened || link.times != 1) {
        return NULL;            /* it has been opened again since */
    }
    NMDM_TRY(nmdm_challenge_withdraw(ctx, &is_withdrawn,
                                     in->given->challenge));
    if (!is_withdrawn) {
        return NULL;
    }
    link.opened = 0;
    link.times = 0;
    link.address = "";
    return nmdm_enroll_tokens_set_link(ctx, in->request->token, &link);
}

nmdm_err_t *nmdm_enroll_give_back(nmdm_ctx_t *ctx, const nmdm_enroll_t *given,
                                  const nmdm_enroll_request_t *request)
{
    back_t in = { given, request };

    return given->challenge
        ? nmdm_db_unit(ctx, NMDM_UNIT_TRANSACTION, do_give_back, &in) : NULL;
}

const char *nmdm_enroll_flaw(apr_pool_t *p, const nmdm_profile_conf_t *conf)
{
    nmdm_profile_device_t device = {
        .topic = "topic", .challenge = PLACEHOLDER, .name = "name" };
    nmdm_profile_t profile;
    nmdm_err_t *err = nmdm_enrollment_profile_make(&profile, p, conf,
                                                   &device);

    return err ? nmdm_err_text(err) : NULL;
}
