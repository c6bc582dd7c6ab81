/*
 * What to do after one try: a pure table, no clock and no I/O.
 */
#ifndef PKGSYNC_UPLOADER_RETRY_H
#define PKGSYNC_UPLOADER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

enum ps_method { PS_METHOD_PUT, PS_METHOD_GET, PS_METHOD_HEAD };

enum ps_retry_action {
    PS_RETRY_DONE,      /* success */
    PS_RETRY_EXISTS,    /* put-once: it is there already */
    PS_RETRY_AGAIN,     /* wait, then try over a fresh connection */
    PS_RETRY_ONCE,      /* as AGAIN, but only one time */
    PS_RETRY_NEW_GRANT, /* at once, with a new grant; only one time */
    PS_RETRY_FAIL,
};

/* How a try ended. */
struct ps_attempt {
    enum ps_method method;
    bool has_answer;     /* false: the connection failed or stalled */
    bool is_permanent;   /* the connection failed in a way that stays */
    int http_status;     /* with has_answer */
    const char *s3_code; /* "" when the answer had none; never NULL */
    const char *s3_message;
    bool grant_was_past; /* expired by the server's clock when it came */
    int64_t clock_off_s; /* the server's clock minus the one signed with */
};

struct ps_verdict {
    enum ps_retry_action action;
    int code; /* PS_E*: what it is when it is not, or no longer, retried */
};

struct ps_verdict ps_retry_decide(const struct ps_attempt *attempt);

/*
 * Full jitter: random within [0, min(20 s, base_ms * 2^failures)];
 * failures: how many tries have failed, 1 or more; random: any number.
 */
uint64_t ps_retry_delay_ms(unsigned failures, uint64_t base_ms,
                           uint64_t random);

#endif
