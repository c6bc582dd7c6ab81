/* Checks in a child process, where a cmocka assertion cannot be used. */
#ifndef PKGSYNC_TEST_AS_CHILD_H
#define PKGSYNC_TEST_AS_CHILD_H

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORDINARY_ID 65534 /* nobody, nogroup */

/* For a function of a child: say what is wrong and return 1. */
#define CHECK(condition)                                                     \
    do {                                                                     \
        if (!(condition)) {                                                  \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, \
                          #condition);                                       \
            return 1;                                                        \
        }                                                                    \
    } while (0)

/* CHECK() of a result, which shows the error's text. */
#define CHECK_CODE(expected, call, err)                               \
    do {                                                              \
        int code_ = (call);                                           \
        if (code_ != (expected)) {                                    \
            (void)fprintf(stderr, "%s:%d: expected %s, got %s: %s\n", \
                          __FILE__, __LINE__, ps_code_name(expected), \
                          ps_code_name(code_), (err)->text);          \
            return 1;                                                 \
        }                                                             \
    } while (0)

/* Exit status of fn(arg) in a child; -1 if it did not exit by itself. */
static inline int in_child(int (*fn)(void *arg), void *arg)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0)
        _exit(fn(arg));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* In a child: give up root's rights for good.  No effect on others. */
static inline int become_ordinary(void)
{
    if (geteuid() != 0)
        return 0;
    if (setgroups(0, NULL) < 0 ||
        setresgid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID) < 0 ||
        setresuid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID) < 0)
        return -1;
    return 0;
}

#endif
