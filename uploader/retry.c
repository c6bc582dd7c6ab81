#include "retry.h"

#include <stddef.h>
#include <string.h>

#include "pkgsync/error.h"
#include "pkgsync/util.h"

#define DELAY_MAX_MS 20000
#define SKEW_MAX_S 900 /* what S3 tolerates */

/* By the error code; these come before the status. */
static const struct {
    const char *s3_code;
    struct ps_verdict verdict;
} by_code[] = {
    { "ExpiredToken", { PS_RETRY_NEW_GRANT, PS_EEXPIRED } },
    { "RequestExpired", { PS_RETRY_NEW_GRANT, PS_EEXPIRED } },
    { "TokenRefreshRequired", { PS_RETRY_NEW_GRANT, PS_EEXPIRED } },
    { "RequestTimeTooSkewed", { PS_RETRY_FAIL, PS_ECLOCK } },
    { "SignatureDoesNotMatch", { PS_RETRY_FAIL, PS_EAUTH } },
    { "InvalidAccessKeyId", { PS_RETRY_FAIL, PS_EAUTH } },
    { "InvalidToken", { PS_RETRY_FAIL, PS_EAUTH } },
    { "BadDigest", { PS_RETRY_ONCE, PS_EINTEGRITY } },
    { "XAmzContentChecksumMismatch", { PS_RETRY_ONCE, PS_EINTEGRITY } },
    { "XAmzContentSHA256Mismatch", { PS_RETRY_ONCE, PS_EINTEGRITY } },
    { "IncompleteBody", { PS_RETRY_AGAIN, PS_EUNREACHABLE } },
    { "RequestTimeout", { PS_RETRY_AGAIN, PS_EUNREACHABLE } },
    { "SlowDown", { PS_RETRY_AGAIN, PS_EUNREACHABLE } },
    { "AuthorizationHeaderMalformed", { PS_RETRY_FAIL, PS_ECONFIG } },
    { "AuthorizationQueryParametersError", { PS_RETRY_FAIL, PS_ECONFIG } },
    { "IllegalLocationConstraintException", { PS_RETRY_FAIL, PS_ECONFIG } },
    { "EntityTooLarge", { PS_RETRY_FAIL, PS_ETOOBIG } },
    { "QuotaExceeded", { PS_RETRY_FAIL, PS_ENOSPACE } },
};

/* By the status, for ranges that are searched in this order. */
static const struct {
    int first;
    int last;
    struct ps_verdict verdict;
} by_status[] = {
    { 200, 299, { PS_RETRY_DONE, PS_OK } },
    { 300, 399, { PS_RETRY_FAIL, PS_ECONFIG } }, /* the host is signed */
    { 401, 401, { PS_RETRY_FAIL, PS_EAUTH } },
    { 403, 403, { PS_RETRY_FAIL, PS_EDENIED } },
    { 404, 404, { PS_RETRY_FAIL, PS_ENOTFOUND } },
    { 405, 405, { PS_RETRY_FAIL, PS_EDENIED } },
    { 408, 408, { PS_RETRY_AGAIN, PS_EUNREACHABLE } },
    { 409, 409, { PS_RETRY_AGAIN, PS_EBUSY } },
    { 413, 413, { PS_RETRY_FAIL, PS_ETOOBIG } },
    { 429, 429, { PS_RETRY_AGAIN, PS_EUNREACHABLE } },
    { 400, 499, { PS_RETRY_FAIL, PS_EINVALID } },
    { 501, 501, { PS_RETRY_FAIL, PS_EUNSUPPORTED } },
    { 505, 505, { PS_RETRY_FAIL, PS_EUNSUPPORTED } },
    { 507, 507, { PS_RETRY_FAIL, PS_ENOSPACE } },
    { 500, 599, { PS_RETRY_AGAIN, PS_EUNREACHABLE } },
};

/*
 * Servers word an expired URL in their own ways, some not at all, and a HEAD
 * has no body: then the clocks tell.
 */
static bool is_expired(const struct ps_attempt *a)
{
    if (a->http_status != 403)
        return false;
    if (strcmp(a->s3_code, "AccessDenied") == 0 &&
        strstr(a->s3_message, "expired"))
        return true;
    return a->grant_was_past &&
           (!a->s3_code[0] || strcmp(a->s3_code, "AccessDenied") == 0);
}

struct ps_verdict ps_retry_decide(const struct ps_attempt *a)
{
    if (!a->has_answer)
        return (struct ps_verdict){
            a->is_permanent ? PS_RETRY_FAIL : PS_RETRY_AGAIN,
            PS_EUNREACHABLE,
        };
    if (a->http_status == 412 && a->method == PS_METHOD_PUT)
        return (struct ps_verdict){ PS_RETRY_EXISTS, PS_EEXISTS };
    if (is_expired(a))
        return (struct ps_verdict){ PS_RETRY_NEW_GRANT, PS_EEXPIRED };
    if (a->http_status == 403 && !a->s3_code[0] && a->clock_off_s < -SKEW_MAX_S)
        return (struct ps_verdict){ PS_RETRY_FAIL, PS_ECLOCK };

    for (size_t i = 0; i < PS_ARRAY_SIZE(by_code); i++) {
        if (a->http_status >= 300 &&
            strcmp(a->s3_code, by_code[i].s3_code) == 0)
            return by_code[i].verdict;
    }
    for (size_t i = 0; i < PS_ARRAY_SIZE(by_status); i++) {
        if (a->http_status >= by_status[i].first &&
            a->http_status <= by_status[i].last)
            return by_status[i].verdict;
    }
    return (struct ps_verdict){ PS_RETRY_FAIL, PS_EIO };
}

uint64_t ps_retry_delay_ms(unsigned failures, uint64_t base_ms, uint64_t random)
{
    uint64_t limit = base_ms;

    for (unsigned i = 0; i < failures && limit < DELAY_MAX_MS; i++)
        limit *= 2;
    limit = PS_MIN(limit, DELAY_MAX_MS);
    return random % (limit + 1);
}
