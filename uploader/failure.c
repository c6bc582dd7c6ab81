#include "failure.h"

#include <stdlib.h>
#include <string.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/clock.h"
#include "pkgsync/mem.h"

#define CREDENTIAL "X-Amz-Credential="

/* The access key id, which a presigned URL shows to everybody. */
static char *access_key_of(const char *url)
{
    const char *at = strstr(url, CREDENTIAL);

    if (!at)
        return ps_strdup("?");
    at += strlen(CREDENTIAL);
    return ps_strndup(at, strcspn(at, "%&/"));
}

/* "503 SlowDown: reduce your rate" */
static char *answer_text(const struct ps_failed_try *f)
{
    const struct ps_s3_error *s3 = f->s3;

    return ps_format("%d%s%s%s%s", f->exchange->answer.status,
                     s3->code[0] ? " " : "", s3->code,
                     s3->message[0] ? ": " : "", s3->message);
}

static int fail_connection(struct ps_error *err, const struct ps_failed_try *f,
                           const char *url)
{
    const struct ps_exchange *x = f->exchange;
    const char *why =
        x->curl_text[0] ? x->curl_text : curl_easy_strerror(x->curl_code);

    if (x->curl_code == CURLE_OPERATION_TIMEDOUT && !x->curl_text[0])
        why = "no byte moved within the time limit";
    ps_fail(err, f->code, "%s: '%s': %s (%u %s)", f->what, url, why, f->tries,
            f->tries == 1 ? "try" : "tries");
    if (x->curl_code == CURLE_PEER_FAILED_VERIFICATION ||
        x->curl_code == CURLE_SSL_CACERT_BADFILE)
        ps_hint(err, "name the server's certificate authority in "
                     "AWS_CA_BUNDLE");
    return f->code;
}

static int fail_auth(struct ps_error *err, const struct ps_failed_try *f,
                     const char *url, const char *answer)
{
    PS_AUTO_FREE char *key = access_key_of(f->exchange->grant->url);
    char ours[PS_RFC3339_SIZE];
    char theirs[PS_RFC3339_SIZE];

    ps_rfc3339(f->now_s, ours);
    ps_rfc3339(f->now_s + f->skew_s, theirs);
    return ps_fail(err, f->code,
                   "%s: '%s' refused access key id '%s': %s; our clock says "
                   "%s, the server's %s; check the key and its secret",
                   f->what, url, key, answer, ours, theirs);
}

static int fail_clock(struct ps_error *err, const struct ps_failed_try *f,
                      const char *url)
{
    char ours[PS_RFC3339_SIZE];
    char theirs[PS_RFC3339_SIZE];

    ps_rfc3339(f->now_s, ours);
    ps_rfc3339(f->now_s + f->skew_s, theirs);
    return ps_fail(err, f->code,
                   "%s: '%s' refuses requests signed at our time %s, since "
                   "its own is %s; set this machine's clock",
                   f->what, url, ours,
                   f->s3->server_time[0] ? f->s3->server_time : theirs);
}

static int fail_config(struct ps_error *err, const struct ps_failed_try *f,
                       const char *url, const char *answer)
{
    const struct ps_answer *a = &f->exchange->answer;
    const char *region = a->region[0] ? a->region : f->s3->region;

    ps_fail(err, f->code, "%s: '%s' does not serve this bucket: %s", f->what,
            url, answer);
    if (region[0])
        ps_hint(err, "the region to use is '%s'", region);
    if (f->s3->endpoint[0])
        ps_hint(err, "the endpoint to use is '%s'", f->s3->endpoint);
    else if (a->location[0])
        ps_hint(err, "it points to '%s'", a->location);
    if (!region[0] && !f->s3->endpoint[0] && !a->location[0])
        ps_hint(err, "check the region and the endpoint");
    return f->code;
}

static int fail_expired(struct ps_error *err, const struct ps_failed_try *f,
                        const char *url, const char *answer)
{
    char ours[PS_RFC3339_SIZE];
    char theirs[PS_RFC3339_SIZE];

    ps_rfc3339(f->now_s, ours);
    ps_rfc3339(f->now_s + f->skew_s, theirs);
    return ps_fail(err, f->code,
                   "%s: '%s' says that a new grant has expired too: %s; our "
                   "clock says %s, the server's %s; set this machine's clock, "
                   "if they differ, or renew the credentials",
                   f->what, url, answer, ours,
                   f->s3->server_time[0] ? f->s3->server_time : theirs);
}

static int fail_plain(struct ps_error *err, const struct ps_failed_try *f,
                      const char *url, const char *answer)
{
    ps_fail(err, f->code, "%s: '%s' answered %s", f->what, url, answer);
    if (f->tries > 1)
        ps_hint(err, "gave up after %u tries", f->tries);
    if (f->exchange->answer.region[0] && f->code == PS_EINVALID)
        ps_hint(err, "the bucket is in region '%s'",
                f->exchange->answer.region);
    if (f->code == PS_EDENIED && f->exchange->method == PS_METHOD_HEAD)
        ps_hint(err, "it does not say why: check the access key, its secret "
                     "and what it may do with this bucket");
    else if (f->code == PS_EDENIED)
        ps_hint(err, "check what the access key may do with this bucket");
    if (f->code == PS_ENOTFOUND && strcmp(f->s3->code, "NoSuchBucket") == 0)
        ps_hint(err, "make the bucket first, or check its name");
    return f->code;
}

int ps_fail_try(struct ps_error *err, const struct ps_failed_try *f)
{
    PS_AUTO_FREE char *url = ps_url_for_people(f->exchange->grant->url);
    PS_AUTO_FREE char *answer = answer_text(f);

    if (f->exchange->answer.status < 300)
        return fail_connection(err, f, url);
    switch (f->code) {
    case PS_EAUTH:
        return fail_auth(err, f, url, answer);
    case PS_ECLOCK:
        return fail_clock(err, f, url);
    case PS_ECONFIG:
        return fail_config(err, f, url, answer);
    case PS_EEXPIRED:
        return fail_expired(err, f, url, answer);
    default:
        return fail_plain(err, f, url, answer);
    }
}
