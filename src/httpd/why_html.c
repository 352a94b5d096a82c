/* SPDX-License-Identifier: Apache-2.0 */
/* why_html.c -- what keeps a device from its commands: docs/stuck.md as far as
 * the database knows. `nanomdmctl why` asks APNs as well. */

#include "httpd/why_html.h"
#include "base/time.h"
#include "httpd/reply.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

/* A device that is on is heard of more often. */
#define LONG_SILENCE (7 * NMDM_TIME_DAY)

typedef struct {
    const nanomdm_html_t *sheet;
    const nmdm_timeline_t *one;
    const char *items;          /* HTML */
    int number;
} why_t;

static void add(why_t *why, const char *mood, const char *what,
                const char *remedy)
{
    why->number++;
    why->items = apr_psprintf(why->sheet->pool, "%s<li><b class=\"%s\">%s</b>"
                              " %s. %s</li>\n", why->items, mood,
                              *mood == 'b' ? "Error:" : "Warning:", what,
                              remedy);
}

static void judge_state(why_t *why)
{
    const nmdm_enrollment_t *who = why->one->who;

    if (who->begun_at) {
        add(why, "warn", "Enrollment has begun and is not complete: there was"
            " an Authenticate, and no TokenUpdate yet",
            "Commands can be queued once it has arrived. If it does not, see"
            " what the device says, and enroll it again.");
    }
    else if (!who->enabled) {
        add(why, "bad", "It is not enabled: it checked out, or its device"
            " did",
            "Nothing is delivered to it. Enroll it again.");
    }
}

static void judge_identity(why_t *why)
{
    apr_time_t ends = why->one->cert_not_after, now = why->sheet->now;

    if (ends && ends < now) {
        add(why, "bad", "Its identity certificate has expired",
            "Most servers refuse it; NanoMDMIdentityGrace takes it for a"
            " while. Renew identities earlier, or enroll it again.");
    }
    else if (ends && ends < now + NANOMDM_WARN_BEFORE_DAYS * NMDM_TIME_DAY) {
        add(why, "warn", "Its identity certificate ends soon",
            "NanoMDMRenewIdentity, or POST renew, has it renewed.");
    }
}

static void judge_push_cert(why_t *why)
{
    const nmdm_timeline_t *one = why->one;

    if (one->who->begun_at || !one->who->enabled) {
        return;
    }
    if (!one->has_push_cert) {
        add(why, "bad", "No push certificate of its topic is stored",
            "It is not woken up. <code>nanomdmctl pushcert upload</code> that"
            " of this topic; with another topic it has to enroll again.");
    }
    else if (one->push_cert_not_after < why->sheet->now) {
        add(why, "bad", "The push certificate of its topic has expired",
            "It is not woken up. Renew it with the same Apple Account, then"
            " <code>nanomdmctl pushcert upload</code>.");
    }
}

/* What APNs said last. */
static const char *remedy_of(const char *reason)
{
    static const struct {
        const char *reason, *remedy;
    } KNOWN[] = {
        { "Unregistered", "It left, or was erased. It is pushed to again after"
                          " its next TokenUpdate; otherwise enroll it again." },
        { "BadDeviceToken", "The token is not of this topic or of this"
                            " environment. Enroll it again." },
        { "DeviceTokenNotForTopic", "The push certificate is of another topic"
                                    " than it enrolled with. Upload the right"
                                    " one, or enroll it again." },
        { "ExpiredToken", "It is pushed to again after its next"
                          " TokenUpdate." },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(KNOWN) / sizeof(*KNOWN); i++) {
        if (!strcmp(reason, KNOWN[i].reason)) {
            return KNOWN[i].remedy;
        }
    }
    return "<code>nanomdmctl doctor</code> looks at APNs, certificate and"
           " topic.";
}

static void judge_push(why_t *why)
{
    const nmdm_last_push_t *push = &why->one->push;
    const nmdm_enrollment_t *who = why->one->who;
    const char *reason = push->reason ? push->reason : "";

    if (!push->found) {
        return;
    }
    if (atoi(push->status ? push->status : "0") >= 400) {
        add(why, "bad", apr_pstrcat(
                why->sheet->pool, "APNs refused the last push: ",
                nanomdm_html_esc(why->sheet, push->status), " ",
                nanomdm_html_esc(why->sheet, reason), NULL),
            remedy_of(reason));
    }
    else if (push->pushed_at && who->last_seen <= push->pushed_at
             && push->tries && atoi(push->tries) >= 2) {
        add(why, "warn", apr_psprintf(
                why->sheet->pool, "It was pushed to %d times and has not been"
                " heard of since", atoi(push->tries)),
            "It is switched off, without network, or cannot reach APNs (TCP"
            " 5223) or this server. It is pushed to again by itself.");
    }
}

static void judge_queue(why_t *why)
{
    const nmdm_timeline_t *one = why->one;

    if (one->pending.not_now) {
        add(why, "warn", apr_psprintf(
                why->sheet->pool, "%d of its commands %s put off (NotNow)",
                one->pending.not_now, one->pending.not_now == 1 ? "is"
                                                                : "are"),
            "It is locked, or busy. It asks again by itself once it is"
            " unlocked.");
    }
    if (one->pending.pending && one->who->last_seen
        && why->sheet->now - one->who->last_seen > LONG_SILENCE) {
        add(why, "warn", apr_pstrcat(
                why->sheet->pool, "It has not been heard of for ",
                nanomdm_html_duration(why->sheet->pool,
                                      why->sheet->now - one->who->last_seen),
                NULL),
            "It is switched off, or it was erased and does not know this"
            " server any more.");
    }
}

static void judge_declarations(why_t *why)
{
    const apr_array_header_t *states = why->one->declarations;
    int i, invalid = 0;

    for (i = 0; states && i < states->nelts; i++) {
        invalid += !strcmp(APR_ARRAY_IDX(states, i,
                                         nmdm_declarations_state_t).valid,
                           "invalid");
    }
    if (invalid) {
        add(why, "bad", apr_psprintf(
                why->sheet->pool, "It reports %d invalid declaration%s",
                invalid, invalid == 1 ? "" : "s"),
            "<code>nanomdmctl declarations why ID</code> says for each"
            " what the device gave as reason.");
    }
}

void nanomdm_why_html_put(nanomdm_html_t *sheet, const nmdm_timeline_t *one)
{
    why_t why = { sheet, one, "", 0 };
    const char *headline;

    judge_state(&why);
    judge_push_cert(&why);
    judge_push(&why);
    judge_identity(&why);
    judge_queue(&why);
    judge_declarations(&why);
    headline = why.number == 1 ? "1 thing keeps it from its commands"
        : why.number
            ? apr_psprintf(sheet->pool, "%d things keep it from its commands",
                           why.number)
        : one->pending.pending ? "Nothing is known to be wrong"
                               : "All is well";
    nanomdm_html_put(sheet, "<section class=\"verdict wide\" id=\"why\">"
                     "<h2>%s</h2>\n", headline);
    if (why.number) {
        nanomdm_html_put(sheet, "<ul>\n%s</ul>\n", why.items);
    }
    else {
        nanomdm_html_put(sheet, "<p>%s</p>\n", one->pending.pending
                         ? "Its commands are delivered when it asks for them;"
                           " a push has it ask."
                         : "Nothing waits for it.");
    }
    nanomdm_html_put(sheet, "</section>\n");
}
