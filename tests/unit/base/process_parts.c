/*
 * The children of the process tests are the test program itself, called with
 * the name of a part to play; so what they do is written here and needs no
 * shell.
 */
#include "process_parts.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "pkgsync/util.h"

#define LONG_S 100

static void put(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) < 0)
        _exit(99);
}

static int number(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

static int part_exit(char **argv)
{
    return number(argv[2]);
}

static int part_cat(char **argv)
{
    char chunk[4096];
    ssize_t got = 0;

    (void)argv;
    while ((got = read(0, chunk, sizeof(chunk))) > 0) {
        if (write(1, chunk, (size_t)got) != got)
            return 1;
    }
    return got < 0;
}

static int part_close_input(char **argv)
{
    (void)argv;
    (void)close(0);
    (void)usleep(200000);
    put(1, "done");
    return 0;
}

static int part_two_streams(char **argv)
{
    (void)argv;
    put(1, "to output\n");
    put(2, "to error\n");
    return 3;
}

static int part_signal(char **argv)
{
    (void)argv;
    (void)raise(SIGKILL);
    return 0;
}

static int part_sleep(char **argv)
{
    (void)argv;
    put(1, "ready");
    (void)sleep(LONG_S);
    return 0;
}

static int part_stubborn(char **argv)
{
    (void)argv;
    (void)signal(SIGTERM, SIG_IGN);
    put(1, "ready");
    (void)sleep(LONG_S);
    return 0;
}

static int part_polite(char **argv)
{
    sigset_t term;
    int sig = 0;

    (void)argv;
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &term, NULL);
    put(1, "ready");
    (void)sigwait(&term, &sig);
    put(1, ", bye");
    return 7;
}

/* Leaves a process of its own group behind, which holds the output open. */
static int part_daemonise(char **argv)
{
    (void)argv;
    if (fork() == 0) {
        (void)setsid();
        put(1, "daemon ");
        (void)sleep(30);
        _exit(0);
    }
    (void)usleep(100000);
    put(1, "parent");
    return 0;
}

/* The same, and it goes on writing. */
static int part_noisy_daemon(char **argv)
{
    (void)argv;
    if (fork() == 0) {
        (void)setsid();
        for (int i = 0; i < 30000; i++) {
            if (write(1, "noise", 5) < 0)
                _exit(0);
            (void)usleep(1000);
        }
        _exit(0);
    }
    (void)usleep(50000);
    return 0;
}

/* Ends and leaves a process in its group. */
static int part_leave_one(char **argv)
{
    (void)argv;
    if (fork() == 0) {
        (void)sleep(LONG_S);
        _exit(0);
    }
    return 0;
}

/* Leaves its own group for the one of its parent. */
static int part_change_group(char **argv)
{
    (void)argv;
    if (setpgid(0, getpgid(getppid())) < 0)
        return 1;
    (void)signal(SIGTERM, SIG_IGN);
    put(1, "ready");
    (void)sleep(LONG_S);
    return 0;
}

static int part_endless(char **argv)
{
    char chunk[4096];

    (void)argv;
    memset(chunk, 'y', sizeof(chunk));
    for (;;) {
        if (write(1, chunk, sizeof(chunk)) < 0)
            return 1;
    }
}

static int part_where(char **argv)
{
    char cwd[4096];

    (void)argv;
    if (!getcwd(cwd, sizeof(cwd)))
        return 1;
    put(1, cwd);
    return 0;
}

static int part_env(char **argv)
{
    (void)argv;
    for (char **e = environ; *e; e++) {
        put(1, *e);
        put(1, "\n");
    }
    return 0;
}

/* Which descriptors are open, in what group, with which signals. */
static int part_state(char **argv)
{
    char line[64];
    sigset_t blocked;

    (void)argv;
    for (int fd = 0; fd < 200; fd++) {
        if (fcntl(fd, F_GETFD) < 0)
            continue;
        (void)snprintf(line, sizeof(line), "%d ", fd);
        put(1, line);
    }
    (void)sigprocmask(SIG_SETMASK, NULL, &blocked);
    put(1, getpgrp() == getpid() ? "own-group " : "same-group ");
    put(1, sigismember(&blocked, SIGPIPE) ? "pipe-blocked " : "");
    put(1, signal(SIGPIPE, SIG_DFL) == SIG_DFL ? "pipe-default" : "");
    return 0;
}

static int part_complain(char **argv)
{
    put(2, "a first line\n");
    for (int i = 0; i < 5000; i++)
        put(2, "x");
    put(2, "\nerror: the cause ");
    (void)usleep(50000); /* so that it arrives in two pieces */
    for (int i = 0; i < number(argv[2]); i++)
        put(2, "y");
    put(2, "is here\n\n");
    return 4;
}

static const struct part {
    const char *name;
    int (*play)(char **argv);
} parts[] = {
    { "exit", part_exit },
    { "cat", part_cat },
    { "close-input", part_close_input },
    { "two-streams", part_two_streams },
    { "signal", part_signal },
    { "sleep", part_sleep },
    { "stubborn", part_stubborn },
    { "polite", part_polite },
    { "daemonise", part_daemonise },
    { "noisy-daemon", part_noisy_daemon },
    { "leave-one", part_leave_one },
    { "change-group", part_change_group },
    { "endless", part_endless },
    { "where", part_where },
    { "env", part_env },
    { "state", part_state },
    { "complain", part_complain },
};

int play_part(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < PS_ARRAY_SIZE(parts); i++) {
        if (strcmp(argv[1], parts[i].name) == 0)
            return parts[i].play(argv);
    }
    return -1;
}
