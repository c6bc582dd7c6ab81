/* Clocks.  Any thread. */
#ifndef PKGSYNC_CLOCK_H
#define PKGSYNC_CLOCK_H

#include <stdint.h>

uint64_t ps_now_ms(void);  /* wall clock, since 1970-01-01 UTC */
uint64_t ps_boot_ms(void); /* CLOCK_BOOTTIME: for time-outs and leases */

/* "2026-01-31T12:00:00Z" (RFC 3339) of a time in seconds since 1970;
 * "" beyond the year 9999. */
#define PS_RFC3339_SIZE 21
void ps_rfc3339(int64_t unix_s, char out[PS_RFC3339_SIZE]);

#endif
