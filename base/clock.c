#include "pkgsync/clock.h"

#include <time.h>

static uint64_t clock_ms(clockid_t id)
{
    struct timespec ts;

    (void)clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t ps_now_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

uint64_t ps_boot_ms(void)
{
    return clock_ms(CLOCK_BOOTTIME);
}

void ps_rfc3339(int64_t unix_s, char out[PS_RFC3339_SIZE])
{
    time_t t = (time_t)unix_s;
    struct tm tm;

    /* strftime() leaves anything behind when the text does not fit. */
    if (!gmtime_r(&t, &tm) ||
        strftime(out, PS_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        out[0] = '\0';
}
