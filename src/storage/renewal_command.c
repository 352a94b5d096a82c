/* SPDX-License-Identifier: Apache-2.0 */
/* renewal_command.c -- the command that has a device renew its identity. */

#include "storage/renewal_command.h"
#include "base/once_daily.h"
#include "base/time.h"
#include "codec/plist_tree.h"
#include "crypto/digest.h"
#include "db/db.h"
#include "storage/enroll_tokens.h"
#include "storage/push_state.h"
#include "storage/queue.h"

#include <apr_strings.h>

#include <string.h>

#define UUID_PREFIX "renewal-"
#define PLACEHOLDER \
    "The profile is put here when this command is delivered."
/* The same in base64, as far as lines do not cut it. */
#define PLACEHOLDER_DATA "VGhlIHByb2ZpbGUgaXMgcHV0IGhlcmUgd2hl"
/* How long a challenge is good that is made when the command is delivered. */
#define CHALLENGE_LIFE apr_time_from_sec(3600)
/* What cannot be done is looked at again an hour later: as what was asked for
 * so long ago. */
#define HOUR_LEFT apr_time_from_sec(23 * 3600)

/* ---- The text ---- */

static nmdm_err_t *write_command(const char **text, nmdm_ctx_t *ctx,
                                 const char *uuid, nmdm_bytes_t payload)
{
    nmdm_plist_node_t *root = nmdm_plist_tree_dict(ctx->pool);
    nmdm_plist_node_t *command = nmdm_plist_tree_add_dict(root, "Command");
    nmdm_bytes_t xml;

    nmdm_plist_tree_add_string(command, "RequestType", "InstallProfile");
    nmdm_plist_tree_add_data(command, "Payload", payload);
    nmdm_plist_tree_add_string(root, "CommandUUID", uuid);
    NMDM_TRY(nmdm_plist_tree_write(&xml, ctx->pool, root));
    *text = apr_pstrmemdup(ctx->pool, xml.data, xml.len);
    return NULL;
}

static const char *new_uuid(nmdm_ctx_t *ctx)
{
    unsigned char bytes[16];

    return !nmdm_digest_random(bytes, sizeof(bytes)) ? NULL
        : apr_pstrcat(ctx->pool, UUID_PREFIX, nmdm_hex(
            ctx->pool, (nmdm_bytes_t){ (char *)bytes, sizeof(bytes) }), NULL);
}

int nmdm_renewal_command_has_uuid(const char *uuid)
{
    return !strncmp(uuid, UUID_PREFIX, strlen(UUID_PREFIX));
}

int nmdm_renewal_command_is(const nmdm_command_t *command)
{
    return nmdm_renewal_command_has_uuid(command->uuid)
        && !strcmp(command->request_type, "InstallProfile")
        && strstr(command->text, PLACEHOLDER_DATA) != NULL;
}

/* ---- The profile ---- */

static int is_blank(const char *text)
{
    return !text || !*text;
}

static const char *name_of(const nmdm_cert_renewal_t *row)
{
    return !is_blank(row->binding.serial_number) ? row->binding.serial_number
        : !is_blank(row->binding.udid) ? row->binding.udid
        : row->enrollment_id;
}

/* Of a profile that was not served here only the topic is known. */
static int suits(const nmdm_cert_renewal_t *row, const char *topic,
                 const nmdm_profile_t *profile)
{
    const char *last = strrchr(profile->summary, ' ');

    return row->profile ? !strcmp(row->profile, profile->summary)
                        : last && !strcmp(last + 1, topic);
}

/* With an identifier that is not the configuration's own, or NULL. */
static nmdm_err_t *try_one(nmdm_ctx_t *ctx, nmdm_profile_t *out, int *suits_it,
                           const nmdm_cert_renewal_t *row,
                           const nmdm_profile_conf_t *conf,
                           const char *identifier, const char *topic,
                           const char *challenge)
{
    nmdm_profile_device_t device = { .topic = topic, .name = name_of(row),
                                     .challenge = "-" };
    nmdm_profile_conf_t plain = *conf;
    nmdm_err_t *err;

    plain.signer = NULL;
    if (identifier) {
        plain.identifier = identifier;
    }
    if (conf->is_scep_elsewhere) {
        device.challenge = NULL;
    }
    *suits_it = 0;
    err = nmdm_enrollment_profile_make(out, ctx->pool, &plain, &device);
    if (err) {
        return err->kind == NMDM_INVALID ? NULL : err;
    }
    *suits_it = suits(row, topic, out);
    if (!*suits_it || !challenge) {
        return NULL;
    }
    plain.signer = conf->signer;
    if (!conf->is_scep_elsewhere) {
        device.challenge = challenge;
    }
    return nmdm_enrollment_profile_make(out, ctx->pool, &plain, &device);
}

static nmdm_err_t *try_both(nmdm_ctx_t *ctx, nmdm_profile_t *out, int *suits_it,
                            const nmdm_cert_renewal_t *row,
                            const nmdm_profile_conf_t *conf,
                            const char *topic, const char *challenge)
{
    const char *named = ctx->policy->renew_identifier;

    *suits_it = 0;
    if (row->profile) {
        NMDM_TRY(try_one(ctx, out, suits_it, row, conf, NULL, topic,
                         challenge));
    }
    return *suits_it || !named ? NULL
        : try_one(ctx, out, suits_it, row, conf, named, topic, challenge);
}

nmdm_err_t *nmdm_renewal_command_suits(nmdm_ctx_t *ctx, int *suits_it,
                                       const nmdm_profile_conf_t *conf,
                                       const char *profile)
{
    nmdm_cert_renewal_t row = { .profile = profile, .enrollment_id = "-" };
    const char *last = strrchr(profile, ' ');
    nmdm_profile_t out;

    return try_both(ctx, &out, suits_it, &row, conf, last ? last + 1 : "",
                    NULL);
}

/* The profile of the Location whose profiles are as the device's: topic,
 * ServerURL and identifier must not change. Without a challenge it is only
 * found out whether there is one. */
static nmdm_err_t *make_profile(nmdm_ctx_t *ctx, nmdm_profile_t *out,
                                const char **why,
                                const nmdm_cert_renewal_t *row,
                                const char *topic, const char *challenge)
{
    const apr_array_header_t *confs = ctx->services->profiles;
    const char *named = ctx->policy->renew_identifier;
    int i, is_it = 0;

    *why = NULL;
    for (i = 0; confs && i < confs->nelts; i++) {
        const nmdm_profile_conf_t *conf = APR_ARRAY_IDX(
            confs, i, const nmdm_profile_conf_t *);

        NMDM_TRY(try_both(ctx, out, &is_it, row, conf, topic, challenge));
        if (is_it) {
            return NULL;
        }
    }
    *why = !confs || !confs->nelts
        ? "no Location of this server has SetHandler nanomdm-enroll"
        : row->profile
        ? apr_psprintf(ctx->pool, "its profile has identifier, ServerURL and"
                       " topic \"%s\", and the profiles that are served now"
                       " have others; devices refuse a renewal that changes"
                       " them, so restore NanoMDMEnrollIdentifier,"
                       " NanoMDMEnrollServerURL and NanoMDMEnrollTopic",
                       row->profile)
        : !named
        ? "its profile was not served here; name the identifier of that"
          " profile with NanoMDMRenewIdentifier"
        : apr_psprintf(ctx->pool, "its topic is \"%s\", and the profiles that"
                       " are served have another", topic);
    return NULL;
}

/* ---- Queueing ---- */

static nmdm_err_t *put(nmdm_ctx_t *ctx, nmdm_renewal_outcome_t *out,
                       const nmdm_cert_renewal_t *row, int repeats)
{
    static const nmdm_enqueue_options_t USUAL = { 0, 0 };
    apr_array_header_t *ids = apr_array_make(ctx->pool, 1,
                                             sizeof(const char *));
    nmdm_command_t command = { .uuid = out->uuid,
                               .request_type = "InstallProfile" };

    APR_ARRAY_PUSH(ids, const char *) = row->enrollment_id;
    NMDM_TRY(write_command(&command.text, ctx, out->uuid,
                           (nmdm_bytes_t){ PLACEHOLDER,
                                           strlen(PLACEHOLDER) }));
    NMDM_TRY(nmdm_queue_put_command(ctx, &command));
    NMDM_TRY(nmdm_queue_put(ctx, out->uuid, ids, &USUAL));
    return repeats
        ? nmdm_push_state_expect(ctx, ids,
                                 ctx->now + NMDM_PUSH_STATE_FIRST_CHECK)
        : NULL;
}

static nmdm_err_t *claim(nmdm_ctx_t *ctx, nmdm_renewal_outcome_t *out,
                         const nmdm_cert_renewal_t *row, int repeats)
{
    int is_mine;

    out->what = NMDM_RENEWAL_QUEUED;
    out->uuid = new_uuid(ctx);
    if (!out->uuid) {
        return nmdm_err(ctx->pool, NMDM_INTERNAL, APR_SUCCESS, NMDMNO(0514)
                        "%s: no random numbers for a command's UUID",
                        row->enrollment_id);
    }
    NMDM_TRY(nmdm_cert_renewals_ask(ctx, &is_mine, row, out->uuid, 1,
                                    ctx->now, NULL));
    if (!is_mine) {
        out->what = NMDM_RENEWAL_TAKEN;
        return NULL;
    }
    return put(ctx, out, row, repeats);
}

/* The device has the command, or will: it is not asked twice. One that does
 * not answer before its certificate expires is asked at growing intervals. */
static nmdm_err_t *wait_for_answer(nmdm_ctx_t *ctx,
                                   nmdm_renewal_outcome_t *out,
                                   const nmdm_cert_renewal_t *row)
{
    int is_mine;

    out->what = NMDM_RENEWAL_WAITS;
    out->uuid = row->uuid;
    return nmdm_cert_renewals_ask(ctx, &is_mine, row, NULL,
                                  row->not_after < ctx->now, ctx->now,
                                  out->status ? "the device has put the"
                                                " command off (NotNow)"
                                              : "the device has not answered"
                                                " the command yet");
}

nmdm_err_t *nmdm_renewal_command_queue(nmdm_ctx_t *ctx,
                                       nmdm_renewal_outcome_t *out,
                                       const nmdm_cert_renewal_t *row,
                                       int repeats)
{
    nmdm_renewal_standing_t standing;
    nmdm_profile_t profile;
    int is_mine;

    *out = (nmdm_renewal_outcome_t){ NMDM_RENEWAL_LEFT, NULL, NULL, NULL };
    NMDM_TRY(nmdm_cert_renewals_standing(ctx, &standing, row));
    if (!standing.is_enabled) {
        return nmdm_cert_renewals_leave(ctx, row->enrollment_id);
    }
    out->status = standing.status;
    if (standing.is_waiting) {
        return wait_for_answer(ctx, out, row);
    }
    NMDM_TRY(make_profile(ctx, &profile, &out->why, row, standing.topic,
                          NULL));
    if (out->why) {
        out->what = NMDM_RENEWAL_UNFIT;
        return nmdm_cert_renewals_ask(ctx, &is_mine, row, NULL, 0,
                                      ctx->now - HOUR_LEFT, out->why);
    }
    return claim(ctx, out, row, repeats);
}

/* ---- Delivery ---- */

const char NMDM_RENEWAL_DONE[] = "the device uses another certificate by now";

/* The last two challenges stay good: an answer may have been lost, or be under
 * way. */
static nmdm_err_t *keep_two(nmdm_ctx_t *ctx, const nmdm_cert_renewal_t *row,
                            const char *challenge)
{
    nmdm_bytes_t bytes = { challenge, strlen(challenge) };
    const char *hash = nmdm_digest_sha256(ctx->pool, bytes);
    const char *older = row->hashes ? strchr(row->hashes, ' ') : NULL;

    if (older) {
        NMDM_TRY(nmdm_db_exec(ctx, NULL, STMT_CHALLENGE_WITHDRAW,
                              NMDM_ARGS(older + 1)));
    }
    return nmdm_cert_renewals_sent(
        ctx, row, !row->hashes ? hash
            : apr_psprintf(ctx->pool, "%s %.64s", hash, row->hashes));
}

static nmdm_err_t *make_challenge(nmdm_ctx_t *ctx, const char **challenge,
                                  const nmdm_cert_renewal_t *row)
{
    nmdm_binding_t binding = row->binding;

    binding.enrollment_id = row->enrollment_id;
    NMDM_TRY(nmdm_challenge_make(ctx, challenge, NMDM_PURPOSE_RENEWAL,
                                 &binding, ctx->now + CHALLENGE_LIFE));
    return keep_two(ctx, row, *challenge);
}

static nmdm_err_t *cancel(nmdm_ctx_t *ctx, const char *id, const char *uuid)
{
    return nmdm_db_exec(ctx, NULL, STMT_CANCEL_ONE, NMDM_ARGS(id, uuid));
}

nmdm_err_t *nmdm_renewal_command_fill(nmdm_ctx_t *ctx, const char **why,
                                      nmdm_command_t *command,
                                      const char *device_id)
{
    nmdm_renewal_standing_t standing;
    nmdm_cert_renewal_t row;
    nmdm_profile_t profile;
    const char *challenge;

    NMDM_TRY(nmdm_cert_renewals_get(ctx, &row, device_id));
    if (!row.found || !row.uuid || strcmp(row.uuid, command->uuid)) {
        *why = NMDM_RENEWAL_DONE;
        return cancel(ctx, device_id, command->uuid);
    }
    NMDM_TRY(nmdm_cert_renewals_standing(ctx, &standing, &row));
    NMDM_TRY(make_challenge(ctx, &challenge, &row));
    NMDM_TRY(make_profile(ctx, &profile, why, &row, standing.topic,
                          challenge));
    if (*why) {
        NMDM_TRY(nmdm_cert_renewals_failed(ctx, device_id, command->uuid,
                                           *why));
        return cancel(ctx, device_id, command->uuid);
    }
    NMDM_TRY(nmdm_enroll_tokens_put_profile(ctx, challenge, profile.summary,
                                            ctx->now + CHALLENGE_LIFE));
    return write_command(&command->text, ctx, command->uuid, profile.body);
}
