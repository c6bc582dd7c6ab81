/* Ask the person's credential helpers, through `git credential`. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "git_private.h"

#define ANSWER_MAX 65536
#define ASK_LIMIT_MS 600000 /* somebody may have to find a token first */

void ps_git_credential_release(struct ps_git_credential *c)
{
    char *const parts[] = { c->user, c->password };

    for (size_t i = 0; i < PS_ARRAY_SIZE(parts); i++) {
        if (parts[i])
            explicit_bzero(parts[i], strlen(parts[i]));
        free(parts[i]);
    }
    *c = (struct ps_git_credential){ 0 };
}

/* Run `git credential <verb>`; its exit status, or -1. */
static int run(struct ps_git_op *op, const char *verb, struct ps_str input,
               struct ps_buf *answer, struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const char *argv[] = { "git", "credential", verb, NULL };
    struct ps_git_child child = PS_GIT_CHILD_INIT;
    struct ps_git_op quiet = *op;
    char chunk[4096];
    ssize_t got = 0;
    int status = 0;
    char **envp = ps_git_environment(
        &arena, op->interactive ? NULL : "GIT_TERMINAL_PROMPT=0");

    quiet.err = PS_ERROR_INIT;
    if (ps_git_child_start(&child, argv, envp, op->interactive, err) < 0)
        return -1;
    if (ps_git_child_write(&child, &quiet, input.data, input.len,
                           ASK_LIMIT_MS) == PS_OK) {
        (void)shutdown(child.in, SHUT_WR);
        do {
            got = ps_git_child_read(&child, &quiet, chunk, sizeof(chunk),
                                    ASK_LIMIT_MS);
            if (got > 0)
                ps_buf_add(answer, chunk, (size_t)got);
        } while (got > 0);
    }
    explicit_bzero(chunk, sizeof(chunk));
    if (quiet.err.code) {
        *err = quiet.err;
        ps_git_child_kill(&child);
        return -1;
    }
    status = ps_git_child_finish(&child);
    ps_buf_release(&child.log);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void describe(struct ps_buf *b, const char *url, const char *user,
                     const char *password)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_git_address a = { 0 };

    if (ps_git_address_parse(&arena, url, &a, &ignored) < 0)
        return;
    ps_buf_addf(b, "protocol=%.*s\nhost=%s%s%s\npath=%s\n",
                (int)strcspn(a.bare, ":"), a.bare, a.host, a.port ? ":" : "",
                a.port ? a.port : "", a.path + 1);
    if (user && !strchr(user, '\n'))
        ps_buf_addf(b, "username=%s\n", user);
    if (password && !strchr(password, '\n'))
        ps_buf_addf(b, "password=%s\n", password);
    ps_buf_addc(b, '\n');
}

static void wipe(struct ps_buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    ps_buf_release(b);
}

int ps_git_credential_fill(struct ps_git_op *op, const char *url,
                           const char *user, struct ps_git_credential *out,
                           struct ps_error *err)
{
    struct ps_buf input = PS_BUF_INIT(ANSWER_MAX);
    struct ps_buf answer = PS_BUF_INIT(ANSWER_MAX);
    struct ps_error why = PS_ERROR_INIT;
    struct ps_str rest = { 0 };
    int status = 0;

    describe(&input, url, user, NULL);
    status = run(op, "fill", ps_buf_str(&input), &answer, &why);
    rest = ps_buf_str(&answer);
    while (status == 0 && rest.len > 0) {
        struct ps_str line = { 0 };
        struct ps_str key = { 0 };

        (void)ps_str_cut(&rest, '\n', &line);
        if (!ps_str_cut(&line, '=', &key))
            continue;
        if (ps_str_is(key, "username") && !out->user)
            out->user = ps_str_dup(line);
        else if (ps_str_is(key, "password") && !out->password)
            out->password = ps_str_dup(line);
    }
    wipe(&answer);
    ps_buf_release(&input);
    if (ps_cancel_is_fired(op->cancel))
        return ps_cancel_check(op->cancel, err);
    if (out->user && out->password)
        return PS_OK;
    ps_git_credential_release(out);
    if (status == -1)
        return ps_fail(err, PS_EAUTH,
                       "'%s' wants a login, and `git credential` did not "
                       "run: %s",
                       op->display, why.text);
    return ps_fail(err, PS_EAUTH,
                   "'%s' wants a login, and `git credential fill` has none; "
                   "log in once with git, or set up a credential helper",
                   op->display);
}

void ps_git_credential_tell(struct ps_git_op *op, const char *url,
                            const struct ps_git_credential *c, const char *verb)
{
    struct ps_buf input = PS_BUF_INIT(ANSWER_MAX);
    struct ps_buf answer = PS_BUF_INIT(ANSWER_MAX);
    struct ps_error ignored = PS_ERROR_INIT;

    describe(&input, url, c->user, c->password);
    (void)run(op, verb, ps_buf_str(&input), &answer, &ignored);
    wipe(&input);
    wipe(&answer);
}
