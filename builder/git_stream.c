/*
 * ssh://, git:// and, through `git upload-pack`, file:// for libgit2: one
 * connection in both directions, waited for with the stall limit and the
 * cancel token, neither of which libgit2 1.5's own transports have.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "git_private.h"

/* A person who types a pass phrase may take longer than a server. */
#define TYPING_FACTOR 10
#define DAEMON_PORT "9418"

struct connection {
    git_smart_subtransport parent; /* first: libgit2 sees only this */
    git_smart_subtransport_stream stream;
    struct ps_git_op *op; /* borrowed */
    struct ps_arena arena;
    struct ps_git_address address;
    struct ps_git_child child; /* ssh; of git://, only the descriptors */
    bool is_open;
    bool has_answered;
};

static struct connection *of_stream(git_smart_subtransport_stream *s)
{
    return PS_CONTAINER_OF(s, struct connection, stream);
}

static uint64_t limit_of(const struct connection *c)
{
    bool typing = c->op->interactive && c->address.scheme == PS_GIT_SSH;

    return c->op->stall_ms * (typing && !c->has_answered ? TYPING_FACTOR : 1);
}

/* The other side has ended in the middle of things. */
static int explain_end(struct connection *c)
{
    struct ps_error why = PS_ERROR_INIT;

    if (c->address.scheme == PS_GIT_SSH) {
        int status = ps_git_child_finish(&c->child);

        ps_git_ssh_explain(&c->address, status, ps_buf_z(&c->child.log), &why);
    } else if (c->address.scheme == PS_GIT_FILE) {
        (void)ps_git_child_finish(&c->child);
        (void)ps_fail(&why, PS_EIO, "git upload-pack: %.*s",
                      PS_STR_FMT(ps_str_trim(ps_buf_str(&c->child.log))));
    } else {
        (void)ps_fail(&why, PS_EUNREACHABLE, "'%s' closed the connection",
                      c->address.host);
    }
    return ps_git_op_fail(c->op, why.code, "%s", why.text);
}

static int stream_read(git_smart_subtransport_stream *s, char *data,
                       size_t size, size_t *got)
{
    struct connection *c = of_stream(s);
    ssize_t n = ps_git_child_read(&c->child, c->op, data, size, limit_of(c));

    if (n < 0)
        return GIT_EUSER;
    if (n == 0)
        return explain_end(c);
    c->has_answered = true;
    *got = (size_t)n;
    return 0;
}

static int stream_write(git_smart_subtransport_stream *s, const char *data,
                        size_t len)
{
    struct connection *c = of_stream(s);

    if (ps_git_child_write(&c->child, c->op, data, len, limit_of(c)) == PS_OK)
        return 0;
    return c->op->err.code ? GIT_EUSER : explain_end(c);
}

/* The stream is part of the connection, which has its own end. */
static void stream_free(git_smart_subtransport_stream *s)
{
    (void)s;
}

static int connect_one(struct connection *c, const struct addrinfo *ai)
{
    struct pollfd fd = { .events = POLLOUT };
    socklen_t len = sizeof(int);
    int failure = 0;

    fd.fd = socket(ai->ai_family,
                   ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd.fd < 0)
        return errno;
    if (connect(fd.fd, ai->ai_addr, ai->ai_addrlen) < 0)
        failure = errno;
    if (failure == EINPROGRESS) {
        failure = ECANCELED;
        if (ps_git_wait(c->op, &fd, 1, c->op->stall_ms) == PS_OK)
            (void)getsockopt(fd.fd, SOL_SOCKET, SO_ERROR, &failure, &len);
    }
    if (failure) {
        (void)close(fd.fd);
        return failure;
    }
    c->child = PS_GIT_CHILD_INIT;
    c->child.in = fd.fd;
    c->child.out = dup(fd.fd);
    return c->child.out < 0 ? errno : 0;
}

static int connect_daemon(struct connection *c)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    const char *port = c->address.port ? c->address.port : DAEMON_PORT;
    struct addrinfo *list = NULL;
    int failure = getaddrinfo(c->address.host, port, &hints, &list);

    if (failure)
        return ps_git_op_fail(c->op, PS_EUNREACHABLE, "resolve '%s': %s",
                              c->address.host, gai_strerror(failure));
    failure = ECONNREFUSED;
    for (struct addrinfo *ai = list; ai && failure; ai = ai->ai_next)
        failure = c->op->err.code ? ECANCELED : connect_one(c, ai);
    freeaddrinfo(list);
    if (failure)
        return ps_git_op_fail(c->op, PS_EUNREACHABLE, "connect to '%s:%s': %s",
                              c->address.host, port, strerror(failure));
    return 0;
}

/* git://'s first packet: its length, command, path, NUL, host, NUL. */
static int greet_daemon(struct connection *c)
{
    const struct ps_git_address *a = &c->address;
    PS_AUTO_BUF struct ps_buf body = PS_BUF_INIT(16384);
    PS_AUTO_BUF struct ps_buf packet = PS_BUF_INIT(16384);

    ps_buf_addf(&body, "git-upload-pack %s", a->path);
    ps_buf_addc(&body, '\0');
    ps_buf_addf(&body, "host=%s%s%s", a->host, a->port ? ":" : "",
                a->port ? a->port : "");
    ps_buf_addc(&body, '\0');
    ps_buf_addf(&packet, "%04zx", body.len + 4);
    ps_buf_add(&packet, body.data, body.len);
    return stream_write(&c->stream, packet.data, packet.len);
}

static void connection_close(struct connection *c)
{
    if (c->is_open)
        ps_git_child_kill(&c->child);
    c->is_open = false;
    ps_arena_release(&c->arena);
}

/*
 * A commit of no branch is as good as another: the files are the person's.
 * Whose they are was asked before (ps_git_open), with the person's own
 * safe.directory; upload-pack wants it said of the `.git` inside once more.
 */
static int start_local(struct connection *c, struct ps_error *err)
{
    const char *argv[] = { "git",
                           "-c",
                           "uploadpack.allowAnySHA1InWant=true",
                           "-c",
                           "safe.directory=*",
                           "upload-pack",
                           c->address.path,
                           NULL };

    return ps_git_child_start(&c->child, argv,
                              ps_git_environment(&c->arena, NULL), false, err);
}

static int connection_open(struct connection *c, const char *url)
{
    struct ps_error err = PS_ERROR_INIT;

    connection_close(c);
    c->has_answered = false;
    c->child = PS_GIT_CHILD_INIT;
    if (ps_git_address_parse(&c->arena, url, &c->address, &err) < 0)
        return ps_git_op_fail(c->op, err.code, "%s", err.text);
    c->is_open = true;
    if (c->address.scheme == PS_GIT_SSH) {
        if (ps_git_ssh_start(c->op, &c->address, &c->child, &err) < 0)
            return ps_git_op_fail(c->op, err.code, "%s", err.text);
        return 0;
    }
    if (c->address.scheme == PS_GIT_FILE) {
        if (start_local(c, &err) < 0)
            return ps_git_op_fail(c->op, err.code, "%s", err.text);
        return 0;
    }
    return connect_daemon(c) < 0 ? GIT_EUSER : greet_daemon(c);
}

static int transport_action(git_smart_subtransport_stream **out,
                            git_smart_subtransport *t, const char *url,
                            git_smart_service_t action)
{
    struct connection *c = PS_CONTAINER_OF(t, struct connection, parent);
    int rc = 0;

    if (action == GIT_SERVICE_UPLOADPACK_LS)
        rc = connection_open(c, url);
    else if (action != GIT_SERVICE_UPLOADPACK || !c->is_open)
        rc = ps_git_op_fail(c->op, PS_EINTERNAL, "nothing is ever pushed");
    if (rc < 0)
        return rc;
    c->stream = (git_smart_subtransport_stream){ .subtransport = t,
                                                 .read = stream_read,
                                                 .write = stream_write,
                                                 .free = stream_free };
    *out = &c->stream;
    return 0;
}

static int transport_close(git_smart_subtransport *t)
{
    connection_close(PS_CONTAINER_OF(t, struct connection, parent));
    return 0;
}

static void transport_free(git_smart_subtransport *t)
{
    struct connection *c = PS_CONTAINER_OF(t, struct connection, parent);

    connection_close(c);
    free(c);
}

int ps_git_stream_transport(git_smart_subtransport **out, git_transport *owner,
                            void *op)
{
    struct connection *c = ps_calloc(1, sizeof(*c));

    (void)owner;
    c->op = op;
    c->arena = PS_ARENA_INIT;
    c->child = PS_GIT_CHILD_INIT;
    c->parent = (git_smart_subtransport){ .action = transport_action,
                                          .close = transport_close,
                                          .free = transport_free };
    *out = &c->parent;
    return 0;
}
