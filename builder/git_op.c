/* One git operation: set-up, waiting, and what a failure means. */
#include <curl/curl.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "git_private.h"
#include "pkgsync/clock.h"

#define DEFAULT_STALL_MS 60000

static pthread_once_t init_once = PTHREAD_ONCE_INIT;
static int init_result;

/* Extensions of the repository format that change nothing of what is read
 * here; libgit2 would refuse the repository for them. */
static void init_libraries(void)
{
    static const char *const extensions[] = { "worktreeconfig", "partialclone",
                                              "preciousobjects" };

    init_result = git_libgit2_init();
    if (init_result > 0 && curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        init_result = -1;
    if (init_result > 0)
        (void)git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, extensions,
                               PS_ARRAY_SIZE(extensions));
}

int ps_git_init(struct ps_error *err)
{
    (void)pthread_once(&init_once, init_libraries);
    if (init_result < 0)
        return ps_fail(err, PS_EINTERNAL, "cannot set up libgit2 and libcurl");
    return PS_OK;
}

bool ps_git_has_terminal(void)
{
    const char *prompt = getenv("GIT_TERMINAL_PROMPT");
    PS_AUTO_FD int fd = -1;

    if (prompt && (strcmp(prompt, "0") == 0 || strcmp(prompt, "false") == 0))
        return false;
    if (!isatty(STDERR_FILENO))
        return false;
    fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    return fd >= 0;
}

void ps_git_op_init(struct ps_git_op *op, const struct ps_git_options *options,
                    const struct ps_cancel *cancel, const char *display)
{
    *op = (struct ps_git_op){ .options = options,
                              .cancel = cancel,
                              .display = display,
                              .err = PS_ERROR_INIT };
    op->stall_ms = options && options->stall_limit_ms ? options->stall_limit_ms
                                                      : DEFAULT_STALL_MS;
    op->interactive = options && ps_git_has_terminal();
}

int ps_git_op_fail(struct ps_git_op *op, int code, const char *fmt, ...)
{
    va_list ap;

    if (op->err.code == PS_OK) {
        va_start(ap, fmt);
        (void)ps_vfail(&op->err, code, 0, NULL, fmt, ap);
        va_end(ap);
    }
    /* libgit2 wants a message of its own, or it reports an older one. */
    git_error_set_str(GIT_ERROR_CALLBACK, "stopped by the caller");
    return GIT_EUSER;
}

int ps_git_op_check(struct ps_git_op *op, struct ps_error *err)
{
    return ps_cancel_check(op->cancel, err);
}

int ps_git_wait(struct ps_git_op *op, struct pollfd *fds, size_t count,
                uint64_t limit_ms)
{
    struct pollfd all[4] = { 0 };
    uint64_t end = ps_boot_ms() + limit_ms;

    for (;;) {
        uint64_t now = ps_boot_ms();
        int timeout = 0;
        int ready = 0;

        if (ps_cancel_is_fired(op->cancel)) {
            struct ps_error err = PS_ERROR_INIT;
            int code = ps_cancel_check(op->cancel, &err);

            (void)ps_git_op_fail(op, code, "%s", err.text);
            return code;
        }
        if (now >= end) {
            (void)ps_git_op_fail(op, PS_ETIMEOUT, "no answer for %llu seconds",
                                 (unsigned long long)(limit_ms / 1000));
            return PS_ETIMEOUT;
        }
        timeout = (int)PS_MIN(end - now, (uint64_t)60000);
        for (size_t i = 0; i < count; i++)
            all[i] = fds[i];
        all[count] = (struct pollfd){ .fd = op->cancel ? op->cancel->fd : -1,
                                      .events = POLLIN };
        ready = poll(all, count + 1, timeout);
        if (ready < 0 && errno != EINTR) {
            (void)ps_git_op_fail(op, PS_EIO, "poll: %s", strerror(errno));
            return PS_EIO;
        }
        if (ready <= 0)
            continue;
        ready = 0;
        for (size_t i = 0; i < count; i++) {
            fds[i].revents = all[i].revents;
            ready |= all[i].revents;
        }
        if (ready)
            return PS_OK;
    }
}

static const char *last_message(void)
{
    const git_error *last = git_error_last();

    return last && last->message ? last->message : "unknown cause";
}

static int code_of(int rc)
{
    switch (rc) {
    case GIT_ENOTFOUND:
    case GIT_EUNBORNBRANCH:
        return PS_ENOTFOUND;
    case GIT_EEXISTS:
        return PS_EEXISTS;
    case GIT_EAUTH:
    case GIT_ECERTIFICATE:
        return PS_EAUTH;
    case GIT_EOWNER:
        return PS_EDENIED;
    case GIT_EINVALIDSPEC:
    case GIT_EINVALID:
        return PS_EINVALID;
    case GIT_EMISMATCH:
        return PS_EINTEGRITY;
    default:
        return PS_EIO;
    }
}

int ps_git_fail(struct ps_error *err, const struct ps_git_op *op, int rc,
                const char *fmt, ...)
{
    const char *why = op && op->err.code ? op->err.text : last_message();
    int code = op && op->err.code ? op->err.code : code_of(rc);
    va_list ap;

    if (code == PS_EIO && strstr(why, "No space left"))
        code = PS_ENOSPACE;
    va_start(ap, fmt);
    (void)ps_vfail(err, code, 0, why, fmt, ap);
    va_end(ap);
    return code;
}

bool ps_git_is_damage(int rc)
{
    const git_error *last = git_error_last();

    if (rc == GIT_EUSER || !last)
        return false;
    switch (last->klass) {
    case GIT_ERROR_ODB:
    case GIT_ERROR_ZLIB:
    case GIT_ERROR_OBJECT:
    case GIT_ERROR_TREE:
    case GIT_ERROR_REFERENCE:
    case GIT_ERROR_REPOSITORY:
    case GIT_ERROR_TAG:
    case GIT_ERROR_CONFIG:
        return true;
    default:
        return false;
    }
}

static int fail_owner(const char *path, struct ps_error *err)
{
    struct stat st;
    struct passwd pw;
    struct passwd *found = NULL;
    char buf[1024];
    char who[64] = "somebody else";

    if (stat(path, &st) == 0) {
        (void)snprintf(who, sizeof(who), "uid %u", (unsigned)st.st_uid);
        if (getpwuid_r(st.st_uid, &pw, buf, sizeof(buf), &found) == 0 && found)
            (void)snprintf(who, sizeof(who), "'%s'", pw.pw_name);
    }
    (void)ps_fail(err, PS_EDENIED, "the git repository '%s' belongs to %s",
                  path, who);
    return ps_hint(err,
                   "if you trust it: git config --global --add "
                   "safe.directory '%s'",
                   path);
}

int ps_git_open(const char *path, git_repository **out, struct ps_error *err)
{
    int rc = ps_git_init(err);

    if (rc < 0)
        return rc;
    rc =
        git_repository_open_ext(out, path, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL);
    /* With a configuration that lacks the key, libgit2 1.5 reports the key. */
    if (rc == GIT_EOWNER ||
        (rc == GIT_ENOTFOUND && strstr(last_message(), "safe.directory")))
        return fail_owner(path, err);
    if (rc == GIT_ENOTFOUND)
        return ps_fail(err, PS_ENOTFOUND, "there is no git repository at '%s'",
                       path);
    if (rc < 0)
        return ps_git_fail(err, NULL, rc, "open the git repository '%s'", path);
    return PS_OK;
}
