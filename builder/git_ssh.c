/*
 * Start the person's own ssh program as git would, and read its messages.
 *
 * libssh2 is not used: it reads no ssh configuration and, before 1.11, signs
 * RSA keys in a way that current servers refuse.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "git_private.h"

#define ARGS_MAX 20

enum variant { SSH_OPENSSH, SSH_PLINK, SSH_TORTOISE, SSH_SIMPLE };

struct ssh_program {
    const char *command; /* a shell command (GIT_SSH_COMMAND), or NULL */
    const char *program; /* else: one program */
    enum variant variant;
};

/* 'it'\''s': one word for the shell of the other side. */
static char *quote(struct ps_arena *arena, const char *z)
{
    char *out = ps_arena_alloc(arena, strlen(z) * 4 + 3, 1);
    char *at = out;

    *at++ = '\'';
    for (; *z; z++) {
        if (*z == '\'' || *z == '!') {
            *at++ = '\'';
            *at++ = '\\';
            *at++ = *z;
            *at++ = '\'';
        } else {
            *at++ = *z;
        }
    }
    *at++ = '\'';
    *at = '\0';
    return out;
}

static enum variant variant_named(const char *name, size_t len,
                                  enum variant otherwise)
{
    static const struct {
        const char *name;
        enum variant variant;
    } known[] = {
        { "ssh", SSH_OPENSSH },   { "plink", SSH_PLINK },
        { "putty", SSH_PLINK },   { "tortoiseplink", SSH_TORTOISE },
        { "simple", SSH_SIMPLE },
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(known); i++)
        if (strlen(known[i].name) == len &&
            strncmp(name, known[i].name, len) == 0)
            return known[i].variant;
    return otherwise;
}

/* The base name of the program, which is the first word of a command.  A
 * wrapper is taken for something that understands ssh's options. */
static enum variant variant_of(const struct ps_git_op *op,
                               struct ps_arena *arena,
                               const struct ssh_program *ssh)
{
    const char *named = getenv("GIT_SSH_VARIANT");
    const char *word = ssh->command ? ssh->command : ssh->program;
    size_t len = ssh->command ? strcspn(word, " \t") : strlen(word);

    if (!named)
        named = ps_git_setting(arena, op->config, "ssh.variant");
    if (named && strcmp(named, "auto") != 0)
        return variant_named(named, strlen(named), SSH_OPENSSH);
    for (size_t i = len; i > 0; i--)
        if (word[i - 1] == '/') {
            word += i;
            len -= i;
            break;
        }
    return variant_named(word, len, SSH_OPENSSH);
}

static struct ssh_program find_program(const struct ps_git_op *op,
                                       struct ps_arena *arena)
{
    struct ssh_program ssh = { .command = getenv("GIT_SSH_COMMAND") };

    if (!ssh.command || ssh.command[0] == '\0')
        ssh.command = ps_git_setting(arena, op->config, "core.sshcommand");
    if (!ssh.command) {
        ssh.program = getenv("GIT_SSH");
        if (!ssh.program || ssh.program[0] == '\0')
            ssh.program = "ssh";
    }
    ssh.variant = variant_of(op, arena, &ssh);
    return ssh;
}

static size_t add_options(const struct ps_git_op *op,
                          const struct ps_git_address *a,
                          const struct ssh_program *ssh, const char **argv)
{
    size_t n = 0;

    if (ssh->variant == SSH_OPENSSH && !op->interactive) {
        argv[n++] = "-o";
        argv[n++] = "BatchMode=yes";
    }
    if (ssh->variant == SSH_TORTOISE ||
        (ssh->variant == SSH_PLINK && !op->interactive))
        argv[n++] = "-batch";
    if (a->port && ssh->variant != SSH_SIMPLE) {
        argv[n++] = ssh->variant == SSH_OPENSSH ? "-p" : "-P";
        argv[n++] = a->port;
    }
    /* What follows is never an option, whatever it looks like. */
    if (ssh->variant == SSH_OPENSSH)
        argv[n++] = "--";
    return n;
}

int ps_git_ssh_start(struct ps_git_op *op, const struct ps_git_address *a,
                     struct ps_git_child *child, struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ssh_program ssh = find_program(op, &arena);
    const char *path = a->path;
    const char *argv[ARGS_MAX] = { NULL };
    size_t n = 0;

    if (a->port && ssh.variant == SSH_SIMPLE)
        return ps_fail(err, PS_ECONFIG,
                       "ssh variant 'simple' cannot set port %s; give the "
                       "port in the ssh configuration",
                       a->port);
    /* ssh://host/~user/x means ~user/x, as with git. */
    if (path[0] == '/' && path[1] == '~')
        path++;

    if (ssh.command) {
        argv[n++] = "/bin/sh";
        argv[n++] = "-c";
        argv[n++] = ps_arena_format(&arena, "%s \"$@\"", ssh.command);
        argv[n++] = ssh.command;
    } else {
        argv[n++] = ssh.program;
    }
    n += add_options(op, a, &ssh, argv + n);
    argv[n++] = a->user && a->user[0]
                    ? ps_arena_format(&arena, "%s@%s", a->user, a->host)
                    : a->host;
    argv[n++] =
        ps_arena_format(&arena, "git-upload-pack %s", quote(&arena, path));
    return ps_git_child_start(child, argv, ps_git_environment(&arena, NULL),
                              op->interactive, err);
}

/* The last line that says something. */
static struct ps_str last_line(const char *log)
{
    struct ps_str rest = ps_str_trim(ps_str_from(log));
    struct ps_str head = { 0 };

    if (!ps_str_cut_last(&rest, '\n', &head))
        rest = ps_str_trim(ps_str_from(log));
    return ps_str_trim(rest);
}

/* The line in which `word` was found. */
static struct ps_str line_of(const char *log, const char *at)
{
    const char *start = at;

    while (start > log && start[-1] != '\n')
        start--;
    return ps_str_trim((struct ps_str){ start, strcspn(start, "\r\n") });
}

struct ssh_message {
    const char *text;
    int code;
};

/* The first two are about the host's key. */
static const struct ssh_message messages[] = {
    { "REMOTE HOST IDENTIFICATION HAS CHANGED", PS_EAUTH },
    { "Host key verification failed", PS_EAUTH },
    { "Permission denied", PS_EAUTH },
    { "Too many authentication failures", PS_EAUTH },
    { "no mutual signature", PS_EAUTH },
    { "Could not resolve", PS_EUNREACHABLE },
    { "Connection refused", PS_EUNREACHABLE },
    { "No route to host", PS_EUNREACHABLE },
    { "Network is unreachable", PS_EUNREACHABLE },
    { "timed out", PS_EUNREACHABLE },
    { "dubious ownership", PS_EDENIED },
    { "does not appear to be a git repository", PS_ENOTFOUND },
    { "Repository not found", PS_ENOTFOUND },
    { "could not be found", PS_ENOTFOUND },
    { "not a git repository", PS_ENOTFOUND },
    { "onnection closed", PS_EUNREACHABLE },
    { "onnection reset", PS_EUNREACHABLE },
};

static void explain_message(const struct ps_git_address *a, size_t i,
                            struct ps_str line, struct ps_error *err)
{
    (void)ps_fail(err, messages[i].code, "ssh to '%s': %.*s", a->host,
                  PS_STR_FMT(line));
    if (i < 2)
        (void)ps_hint(err,
                      "connect once with 'ssh %s' and check the key, or add "
                      "it to ~/.ssh/known_hosts",
                      a->host);
    else if (messages[i].code == PS_EAUTH)
        (void)ps_hint(err, "see whether 'ssh -T %s%s%s' logs in",
                      a->user ? a->user : "", a->user ? "@" : "", a->host);
}

void ps_git_ssh_explain(const struct ps_git_address *a, int status,
                        const char *log, struct ps_error *err)
{
    int exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

    for (size_t i = 0; i < PS_ARRAY_SIZE(messages); i++) {
        const char *at = strstr(log, messages[i].text);

        if (at) {
            explain_message(a, i, line_of(log, at), err);
            return;
        }
    }
    if (exit_status == 127)
        (void)ps_fail(err, PS_ECONFIG,
                      "there is no ssh program to run: %.*s; install "
                      "openssh-client or set GIT_SSH_COMMAND",
                      PS_STR_FMT(last_line(log)));
    else
        (void)ps_fail(err, exit_status == 255 ? PS_EUNREACHABLE : PS_EIO,
                      "ssh to '%s' ended with status %d: %.*s", a->host,
                      exit_status, PS_STR_FMT(last_line(log)));
}
