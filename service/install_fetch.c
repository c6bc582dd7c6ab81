/*
 * The spec's wheels, into <cache>/wheels/<sha256>/<file name>.
 *
 * Several processes of a host may want the same wheel: whoever has the lock
 * beside it fetches, the others find it.  A file gets its name there after its
 * size and hash were compared, and both are compared again by each who uses it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "install_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/name.h"
#include "pkgsync/tags.h"
#include "pkgsync/util.h"
#include "pkgsync/wheel.h"

#define JOBS_DEFAULT 8U
#define JOBS_MAX 64U
#define WHEEL_MAX PS_GIB(16)
#define LOCK_POLL_MS 50
#define TELL_MS 200
#define PART ".part-"

int ps_install_try_flock(const char *path, int *fd, struct ps_error *err)
{
    PS_AUTO_FD int lock =
        open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (lock < 0)
        return ps_fail_errno(err, errno, "open the lock '%s'", path);
    if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return ps_fail_errno(err, errno, "lock '%s'", path);
        return ps_fail(err, PS_EBUSY, "'%s' is locked by another install",
                       path);
    }
    *fd = ps_take_fd(&lock);
    return PS_OK;
}

int ps_install_flock(const char *path, const struct ps_cancel *cancel, int *fd,
                     struct ps_error *err)
{
    struct pollfd wait = { .fd = cancel ? cancel->fd : -1, .events = POLLIN };

    for (;;) {
        struct ps_error busy = PS_ERROR_INIT;
        int rc = ps_install_try_flock(path, fd, &busy);

        if (rc == PS_OK)
            return PS_OK;
        if (rc != PS_EBUSY) {
            *err = busy;
            return rc;
        }
        (void)poll(&wait, 1, LOCK_POLL_MS);
        if (ps_cancel_check(cancel, err) < 0)
            return ps_context(err, "wait for '%s'", path);
    }
}

/* ---- names and tags ---- */

static int check_wheel(struct ps_install *in, const struct ps_target *t,
                       struct ps_error *err)
{
    const struct ps_spec_wheel *w = t->package->wheel;
    const struct ps_python *python = in->o->python;
    struct ps_wheel_name name;
    const struct ps_tag *tags = NULL;
    const char *set = NULL;
    size_t count = 0;
    int rc = PS_OK;

    if (strchr(w->file_name, '/'))
        return ps_fail(err, PS_EINVALID,
                       "'%s' is no file name of a wheel of '%s'", w->file_name,
                       t->package->name);
    rc = ps_wheel_name_parse(ps_str_from(w->file_name), &name, err);
    if (rc < 0)
        return rc;
    if (!ps_name_equal(name.name, ps_str_from(t->package->name)))
        return ps_fail(err, PS_EINVALID,
                       "'%s' is not a wheel of '%s', as the spec says",
                       w->file_name, t->package->name);
    if (!w->url || w->size > WHEEL_MAX)
        return ps_fail(err, PS_EINVALID, "the spec does not say where '%s' is",
                       w->file_name);
    set = ps_arena_format(in->arena, "%.*s-%.*s-%.*s", PS_STR_FMT(name.python),
                          PS_STR_FMT(name.abi), PS_STR_FMT(name.platform));
    rc = ps_tags_parse(in->arena, ps_str_from(set), &tags, &count, err);
    if (rc == PS_OK && !ps_tags_match(tags, count, python->tags))
        rc = ps_fail(err, PS_EUNSUPPORTED,
                     "'%s' cannot be installed into Python %s on %s (%s); "
                     "build it for that with `pkgsync sync --python`",
                     w->file_name, python->version, python->platform,
                     python->executable);
    return rc;
}

int ps_install_check_wheels(struct ps_install *in, struct ps_error *err)
{
    for (size_t i = 0; i < in->count; i++) {
        int rc = PS_OK;

        if (!in->targets[i].package->wheel)
            continue;
        rc = check_wheel(in, &in->targets[i], err);
        if (rc < 0)
            return rc;
    }
    return PS_OK;
}

/* ---- one wheel ---- */

struct fetch {
    struct ps_install *in;
    atomic_size_t next;
    uint64_t total;

    pthread_mutex_t lock;
    pthread_cond_t ended;
    size_t running;      /* threads; these four under lock */
    uint64_t done;       /* bytes of wheels that are there */
    int parts[JOBS_MAX]; /* what is being written; -1: none */
    struct ps_error err; /* the first failure */
};

struct worker {
    struct fetch *f;
    size_t number;
};

static int compare(int fd, const struct ps_spec_wheel *w, struct ps_error *err)
{
    struct ps_sha256 found;
    uint64_t size = 0;
    char wanted[PS_SHA256_HEX_SIZE];
    char hex[PS_SHA256_HEX_SIZE];
    struct stat st;
    int rc = PS_OK;

    if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return ps_fail_errno(err, errno, "stat '%s'", w->file_name);
    if ((uint64_t)st.st_size != w->size)
        return ps_fail(err, PS_EINTEGRITY,
                       "'%s' has %llu bytes, and the spec says %llu; nothing "
                       "was installed",
                       w->file_name, (unsigned long long)st.st_size,
                       (unsigned long long)w->size);
    rc = ps_sha256_fd(fd, w->size, &found, &size, err);
    if (rc < 0 || ps_sha256_equal(&found, &w->sha256))
        return rc;
    ps_sha256_hex(&w->sha256, wanted);
    ps_sha256_hex(&found, hex);
    return ps_fail(err, PS_EINTEGRITY,
                   "'%s' has the SHA-256 %s, and the spec says %s; nothing was "
                   "installed",
                   w->file_name, hex, wanted);
}

static bool is_there(const char *path, const struct ps_spec_wheel *w)
{
    PS_AUTO_FD int fd = -1;
    struct ps_error ignored = PS_ERROR_INIT;

    return ps_open_regular_at(AT_FDCWD, path, &fd, NULL, &ignored) == PS_OK &&
           compare(fd, w, &ignored) == PS_OK;
}

static void set_part(struct worker *me, int fd)
{
    (void)pthread_mutex_lock(&me->f->lock);
    me->f->parts[me->number] = fd;
    (void)pthread_mutex_unlock(&me->f->lock);
}

static int download(struct worker *me, const struct ps_spec_wheel *w, int fd,
                    struct ps_error *err)
{
    struct ps_install *in = me->f->in;
    PS_AUTO_FREE char *bare = ps_strndup(w->url, strcspn(w->url, "?#"));
    PS_AUTO_FREE char *shown = ps_url_redact(bare);
    int rc = PS_OK;

    set_part(me, fd);
    rc = ps_location_get(in->o->locations, w->url, true, fd, w->size, err);
    set_part(me, -1);
    if (rc == PS_ETOOBIG)
        return ps_fail(err, PS_EINTEGRITY,
                       "'%s' has more than the %llu bytes that the spec says; "
                       "nothing was installed",
                       shown, (unsigned long long)w->size);
    if (rc == PS_ENOTFOUND)
        (void)ps_hint(err, "the wheel is gone from its store: `pkgsync sync` "
                           "puts it there again");
    if (rc == PS_OK)
        rc = compare(fd, w, err);
    return rc < 0 ? ps_context(err, "fetch '%s' from '%s'", w->file_name, shown)
                  : PS_OK;
}

/* With the lock held nobody else has one: these are of runs that were killed.
 */
static void remove_parts(const char *dir)
{
    PS_AUTO_DIR DIR *entries = opendir(dir);
    struct dirent *e = NULL;

    while (entries && (e = readdir(entries)) != NULL) {
        if (strncmp(e->d_name, PART, strlen(PART)) == 0)
            (void)unlinkat(dirfd(entries), e->d_name, 0);
    }
}

/* With the lock held: a part file that becomes the wheel, or goes. */
static int fetch_into(struct worker *me, const struct ps_spec_wheel *w,
                      const char *dir, const char *path, struct ps_error *err)
{
    PS_AUTO_FREE char *temp = ps_format("%s/" PART "XXXXXX", dir);
    PS_AUTO_FD int fd = -1;
    int rc = PS_OK;

    remove_parts(dir);
    fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return ps_fail_errno(err, errno, "create a file in '%s'", dir);
    rc = download(me, w, fd, err);
    if (rc == PS_OK && (fchmod(fd, 0644) < 0 || fsync(fd) < 0))
        rc = ps_fail_errno(err, errno, "write '%s'", path);
    /* rename(2) replaces one that was damaged. */
    if (rc == PS_OK && rename(temp, path) < 0)
        rc = ps_fail_errno(err, errno, "rename '%s'", temp);
    if (rc < 0)
        (void)unlink(temp);
    return rc;
}

/* As strictly as before it was published: an installer is not as careful with
 * what it unpacks. */
static int verify(const char *dir, const struct ps_spec_wheel *w,
                  struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct ps_wheel_info info;
    int rc = PS_OK;

    if (fd < 0)
        return ps_fail_errno(err, errno, "open '%s'", dir);
    rc = ps_wheel_verify(&arena, fd, w->file_name, NULL, &info, err);
    if (rc == PS_OK)
        return PS_OK;
    (void)unlinkat(fd, w->file_name, 0);
    return ps_context(err,
                      "'%s' is as the spec names it, and no good wheel; "
                      "nothing was installed",
                      w->file_name);
}

static int fetch_one(struct worker *me, struct ps_target *t,
                     struct ps_error *err)
{
    struct ps_install *in = me->f->in;
    const struct ps_spec_wheel *w = t->package->wheel;
    PS_AUTO_FREE char *dir = NULL;
    PS_AUTO_FREE char *path = NULL;
    PS_AUTO_FREE char *lock_path = NULL;
    PS_AUTO_FD int lock = -1;
    char hex[PS_SHA256_HEX_SIZE];
    int rc = PS_OK;

    ps_sha256_hex(&w->sha256, hex);
    dir = ps_format("%s/wheels/%s", in->o->dirs->cache, hex);
    path = ps_format("%s/%s", dir, w->file_name);
    if (!is_there(path, w)) {
        lock_path = ps_format("%s/.lock", dir);
        rc = ps_mkdirs(dir, 0700, err);
        if (rc == PS_OK)
            rc = ps_install_flock(lock_path, in->o->cancel, &lock, err);
        if (rc == PS_OK && !is_there(path, w))
            rc = fetch_into(me, w, dir, path, err);
        if (rc < 0)
            return rc;
    }
    rc = verify(dir, w, err);
    if (rc < 0)
        return rc;
    /* In use: not among what was not used for long. */
    (void)utimensat(AT_FDCWD, dir, NULL, 0);
    (void)pthread_mutex_lock(&me->f->lock);
    me->f->done += w->size;
    t->path = ps_arena_strdup(in->arena, path);
    t->version = t->package->version;
    (void)pthread_mutex_unlock(&me->f->lock);
    return PS_OK;
}

/* ---- all of them ---- */

static bool goes_on(struct fetch *f)
{
    bool failed = false;

    (void)pthread_mutex_lock(&f->lock);
    failed = f->err.code != PS_OK;
    (void)pthread_mutex_unlock(&f->lock);
    return !failed && !ps_cancel_is_fired(f->in->o->cancel);
}

static void *work(void *user)
{
    struct worker *me = user;
    struct fetch *f = me->f;

    while (goes_on(f)) {
        size_t i = atomic_fetch_add(&f->next, 1);
        struct ps_error err = PS_ERROR_INIT;

        if (i >= f->in->count)
            break;
        if (!f->in->targets[i].package->wheel ||
            fetch_one(me, &f->in->targets[i], &err) == PS_OK)
            continue;
        (void)pthread_mutex_lock(&f->lock);
        if (f->err.code == PS_OK)
            f->err = err;
        (void)pthread_mutex_unlock(&f->lock);
    }
    (void)pthread_mutex_lock(&f->lock);
    f->running--;
    (void)pthread_cond_signal(&f->ended);
    (void)pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* Under the lock: what is there, and what the part files have so far. */
static uint64_t bytes_so_far(const struct fetch *f)
{
    uint64_t bytes = f->done;

    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct stat st;

        if (f->parts[i] >= 0 && fstat(f->parts[i], &st) == 0)
            bytes += (uint64_t)st.st_size;
    }
    return PS_MIN(bytes, f->total);
}

static void watch(struct fetch *f, size_t wheels)
{
    (void)pthread_mutex_lock(&f->lock);
    while (f->running > 0) {
        struct ps_install_event e = { .phase = PS_INSTALL_FETCH,
                                      .done = bytes_so_far(f),
                                      .total = f->total,
                                      .count = wheels };
        struct timespec end;

        (void)clock_gettime(CLOCK_REALTIME, &end);
        end.tv_nsec += TELL_MS * 1000L * 1000;
        end.tv_sec += end.tv_nsec / (1000L * 1000 * 1000);
        end.tv_nsec %= 1000L * 1000 * 1000;
        (void)pthread_mutex_unlock(&f->lock);
        ps_install_tell(f->in, &e);
        (void)pthread_mutex_lock(&f->lock);
        if (f->running > 0)
            (void)pthread_cond_timedwait(&f->ended, &f->lock, &end);
    }
    (void)pthread_mutex_unlock(&f->lock);
}

static size_t start_workers(struct fetch *f, struct worker *workers,
                            pthread_t *threads, size_t wanted)
{
    size_t n = 0;

    for (n = 0; n < wanted; n++) {
        workers[n] = (struct worker){ .f = f, .number = n };
        (void)pthread_mutex_lock(&f->lock);
        f->running++;
        (void)pthread_mutex_unlock(&f->lock);
        if (pthread_create(&threads[n], NULL, work, &workers[n]) != 0) {
            (void)pthread_mutex_lock(&f->lock);
            f->running--;
            (void)pthread_mutex_unlock(&f->lock);
            break;
        }
    }
    return n;
}

int ps_install_fetch(struct ps_install *in, struct ps_error *err)
{
    struct fetch f = { .in = in, .err = PS_ERROR_INIT };
    struct worker workers[JOBS_MAX];
    pthread_t threads[JOBS_MAX];
    size_t jobs = in->o->jobs ? PS_MIN(in->o->jobs, JOBS_MAX) : JOBS_DEFAULT;
    size_t wheels = 0;
    size_t started = 0;

    for (size_t i = 0; i < in->count; i++) {
        if (!in->targets[i].package->wheel)
            continue;
        wheels++;
        f.total += in->targets[i].package->wheel->size;
    }
    if (wheels == 0)
        return PS_OK;
    for (size_t i = 0; i < JOBS_MAX; i++)
        f.parts[i] = -1;
    (void)pthread_mutex_init(&f.lock, NULL);
    (void)pthread_cond_init(&f.ended, NULL);
    started = start_workers(&f, workers, threads, PS_MIN(jobs, wheels));
    watch(&f, wheels);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    (void)pthread_cond_destroy(&f.ended);
    (void)pthread_mutex_destroy(&f.lock);
    if (started == 0)
        return ps_fail(err, PS_EBUSY, "cannot start a thread to download with");
    if (f.err.code != PS_OK) {
        *err = f.err;
        return err->code;
    }
    return ps_cancel_check(in->o->cancel, err);
}
