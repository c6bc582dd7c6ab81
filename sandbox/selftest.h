/*
 * `pkgsync-sandbox --self-test`: try every layer for real, each in a process
 * of its own, and print what came of it as a JSON list:
 *
 *   [{"name": "landlock", "state": "present", "required": true,
 *     "detail": "ABI 7", "remedy": ""}, ...]
 */
#ifndef PKGSYNC_SANDBOX_SELFTEST_H
#define PKGSYNC_SANDBOX_SELFTEST_H

/* Returns the program's exit status. */
int ps_selftest_main(void);

#endif
