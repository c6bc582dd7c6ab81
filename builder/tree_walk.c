/*
 * The walk: depth first, in byte order of the whole paths.
 *
 * "a-b" comes before "a/x" and "a0" after it, so within a directory the name
 * of a directory is compared with its '/' at the end.
 *
 * The stack of directories is on the heap, and only the lowest KEPT_OPEN of
 * it are open; one further up is opened again as the ".." of the one that is
 * left, and must be the same inode.  So any depth needs few descriptors, no
 * path is ever resolved from the root, and no link is followed.
 *
 * A directory that the rules leave out is gone into all the same when an
 * include pattern may match below it; it is announced, and made in the copy,
 * when something in it turns out to belong.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/mem.h"
#include "pkgsync/str.h"
#include "pkgsync/util.h"
#include "tree_private.h"

#define KEPT_OPEN 32u

/* A directory that may be closed for now. */
struct handle {
    int fd; /* -1: closed */
    dev_t dev;
    ino_t ino;
};

struct frame {
    struct handle in;
    struct handle out;
    struct ps_tree_list list;
    size_t next;     /* of list, to be visited */
    size_t path_len; /* of the walk's path */
    bool made;       /* visited, and there in the copy */
    bool is_project_src;
    bool only_included;
};

struct walk {
    const struct ps_tree_walk *in;
    struct frame *frames; /* owned */
    size_t depth;         /* frames in use */
    size_t cap;
    struct ps_buf path;
    uint64_t visited;
    struct handle copy;
    struct handle cache;
};

static struct ps_str shown_path(const struct walk *w)
{
    return w->path.len ? ps_buf_str(&w->path) : PS_STR_LIT(".");
}

static int changed(const struct walk *w, struct ps_error *err)
{
    return ps_fail(err, PS_EBUSY,
                   "'%s' changed while the tree was read; try again when "
                   "nothing writes to it",
                   PS_TREE_SHOW(shown_path(w)));
}

static void set_path(struct walk *w, size_t parent_len, struct ps_str name)
{
    w->path.len = parent_len;
    if (w->path.data)
        w->path.data[parent_len] = '\0';
    if (parent_len > 0 && name.len > 0)
        ps_buf_addc(&w->path, '/');
    ps_buf_add(&w->path, name.data, name.len);
}

/* --- the stack ------------------------------------------------------------ */

static void handle_close(struct handle *h)
{
    if (h->fd >= 0)
        (void)close(h->fd);
    h->fd = -1;
}

static bool handle_set(struct handle *h, int fd)
{
    struct stat st;

    if (fd < 0)
        return false;
    if (fstat(fd, &st) < 0) {
        (void)close(fd);
        return false;
    }
    h->fd = fd;
    h->dev = st.st_dev;
    h->ino = st.st_ino;
    return true;
}

static bool handle_same(const struct handle *a, const struct handle *b)
{
    return a->dev == b->dev && a->ino == b->ino;
}

/* Open `up` again, from the directory below it. */
static bool handle_reopen(struct handle *up, const struct handle *below)
{
    struct handle found = { .fd = -1 };
    int fd = -1;

    if (up->fd >= 0)
        return true;
    fd = openat(below->fd, "..",
                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (!handle_set(&found, fd))
        return false;
    if (!handle_same(&found, up)) {
        handle_close(&found);
        return false;
    }
    up->fd = fd;
    return true;
}

static struct frame *top(struct walk *w)
{
    return &w->frames[w->depth - 1];
}

static void frame_release(struct frame *f)
{
    handle_close(&f->in);
    handle_close(&f->out);
    ps_tree_list_release(&f->list);
}

static int list_dir(struct walk *w, struct frame *f, struct ps_error *err)
{
    int rc = ps_tree_list_read(f->in.fd, w->in->max_entries, &f->list, err);

    return rc < 0
               ? ps_context(err, "directory '%s'", PS_TREE_SHOW(shown_path(w)))
               : PS_OK;
}

static struct frame *push(struct walk *w)
{
    if (w->depth == w->cap) {
        w->cap = PS_MAX(w->cap * 2, 16);
        w->frames = ps_realloc(w->frames, w->cap, sizeof(*w->frames));
    }
    w->frames[w->depth] = (struct frame){
        .in.fd = -1,
        .out.fd = -1,
        .path_len = w->path.len,
    };
    return &w->frames[w->depth++];
}

/* Close what is far up.  In the copy the last one that is made stays open. */
static void close_far(struct walk *w)
{
    struct frame *far = NULL;

    if (w->depth <= KEPT_OPEN)
        return;
    far = &w->frames[w->depth - 1 - KEPT_OPEN];
    handle_close(&far->in);
    if (far[1].made)
        handle_close(&far->out);
}

static int pop(struct walk *w, struct ps_error *err)
{
    struct frame *below = top(w);
    int rc = PS_OK;

    if (w->depth > 1) {
        struct frame *up = below - 1;

        if (!handle_reopen(&up->in, &below->in) ||
            (below->made && w->in->copy &&
             !handle_reopen(&up->out, &below->out)))
            rc = changed(w, err);
    }
    frame_release(below);
    w->depth--;
    return rc;
}

/* --- visits --------------------------------------------------------------- */

static int visit(struct walk *w, const struct ps_tree_entry *e,
                 struct ps_error *err)
{
    if (++w->visited > w->in->max_entries)
        return ps_fail(err, PS_ETOOBIG,
                       "the tree has more than %llu files; leave some out "
                       "with --exclude",
                       (unsigned long long)w->in->max_entries);
    return w->in->visit(e, w->in->user, err);
}

static int make_in_copy(struct frame *f, int parent, const char *name,
                        struct ps_error *err)
{
    int fd = -1;

    if (mkdirat(parent, name, 0755) < 0)
        return ps_fail_errno(err, errno, "make the directory in the copy");
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (!handle_set(&f->out, fd))
        return ps_fail_errno(err, errno, "open the directory in the copy");
    if (fchmod(fd, 0755) < 0) /* whatever the umask is */
        return ps_fail_errno(err, errno, "set the directory's mode");
    return PS_OK;
}

/* The directory of frame i belongs: announce it, make it. */
static int make_frame(struct walk *w, size_t i, struct ps_error *err)
{
    struct frame *f = &w->frames[i];
    struct frame *up = &w->frames[i - 1];
    char name[NAME_MAX + 1] = "";
    size_t from = up->path_len + (up->path_len > 0);
    struct ps_tree_entry e = {
        .kind = PS_TREE_DIR,
        .path = { .data = w->path.data, .len = f->path_len },
        .name = name,
        .dir = up->in.fd,
        .out_dir = up->out.fd,
    };
    int rc = 0;

    memcpy(name, w->path.data + from, PS_MIN(f->path_len - from, NAME_MAX));
    rc = visit(w, &e, err);
    if (rc == PS_OK && w->in->copy)
        rc = make_in_copy(f, up->out.fd, name, err);
    if (rc < 0)
        return ps_context(err, "'%s'", PS_TREE_SHOW(e.path));
    f->made = true;
    return PS_OK;
}

/* Make what is not made yet of the directories that we are in. */
static int make_all(struct walk *w, struct ps_error *err)
{
    size_t i = w->depth;

    while (i > 0 && !w->frames[i - 1].made)
        i--;
    for (; i < w->depth; i++) {
        int rc = make_frame(w, i, err);

        if (rc < 0)
            return rc;
    }
    return PS_OK;
}

/*
 * Go into the directory that w->path names.  `left_out`: the rules are
 * against it, but something below may be included.
 */
static int enter(struct walk *w, const char *name, bool left_out,
                 bool by_pattern, struct ps_error *err)
{
    size_t parent = w->depth - 1;
    struct frame *f = push(w);
    int fd = openat(w->frames[parent].in.fd, name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int rc = 0;

    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return changed(w, err);
    if (fd < 0 && errno == ENOENT) {
        w->depth--;
        return PS_OK; /* gone in the meantime */
    }
    if (!handle_set(&f->in, fd))
        return ps_fail_errno(err, errno, "open directory '%s'",
                             PS_TREE_SHOW(shown_path(w)));
    if (w->in->copy && handle_same(&f->in, &w->copy))
        return ps_fail(err, PS_EINVALID,
                       "the copy '%s' lies inside the tree that is copied",
                       w->in->copy);
    if (w->cache.fd >= 0 && handle_same(&f->in, &w->cache))
        return pop(w, err);

    rc = list_dir(w, f, err);
    if (rc < 0)
        return rc;
    f->is_project_src =
        w->frames[parent].list.has_project && strcmp(name, "src") == 0;
    f->only_included = left_out || (f->list.is_venv && !by_pattern);
    if (f->only_included &&
        !ps_tree_may_include_below(w->in->options, ps_buf_z(&w->path)))
        return pop(w, err);
    close_far(w);
    return f->only_included ? PS_OK : make_all(w, err);
}

static int visit_dir(struct walk *w, const struct ps_tree_item *item,
                     struct ps_error *err)
{
    bool by_pattern = ps_tree_is_included(w->in->options, item);
    bool belongs = ps_tree_belongs(w->in->options, item);

    if (!belongs && !ps_tree_may_include_below(w->in->options, item->path))
        return PS_OK;
    return enter(w, item->name, !belongs, by_pattern, err);
}

static int visit_file(struct walk *w, const struct ps_tree_entry *e,
                      struct ps_error *err)
{
    struct ps_tree_entry file = *e;
    struct stat st;

    if (fstatat(e->dir, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT)
            return PS_OK; /* gone in the meantime */
        return ps_fail_errno(err, errno, "stat '%s'", PS_TREE_SHOW(e->path));
    }
    if (!S_ISREG(st.st_mode))
        return changed(w, err);
    file.st = &st;
    return visit(w, &file, err);
}

/* A link to a virtual environment elsewhere is one, and left out. */
static bool leads_to_venv(const struct ps_tree_entry *e)
{
    PS_AUTO_FREE char *mark = ps_format("%s/pyvenv.cfg", e->name);

    return faccessat(e->dir, mark, F_OK, 0) == 0;
}

static int visit_link(struct walk *w, const struct ps_tree_entry *e,
                      struct ps_error *err)
{
    struct ps_tree_entry link = *e;
    char target[PATH_MAX] = "";
    ssize_t len = readlinkat(e->dir, e->name, target, sizeof(target) - 1);

    if (len < 0 && errno == ENOENT)
        return PS_OK;
    if (len < 0 && errno == EINVAL)
        return changed(w, err);
    if (len < 0)
        return ps_fail_errno(err, errno, "read the link '%s'",
                             PS_TREE_SHOW(e->path));
    target[len] = '\0';
    if (ps_tree_check_link(e->dir, w->depth - 1, target, err) < 0) {
        if (leads_to_venv(e)) {
            *err = PS_ERROR_INIT;
            return PS_OK;
        }
        (void)ps_context(err, "the link '%s' to '%s'", PS_TREE_SHOW(e->path),
                         PS_TREE_SHOW(ps_str_from(target)));
        return ps_hint(err, "only links inside the tree can be built "
                            "elsewhere; replace it by a copy or leave it out "
                            "with --exclude");
    }
    link.target = target;
    return visit(w, &link, err);
}

static int refuse_special(const struct ps_tree_entry *e, struct ps_error *err)
{
    const char *what = "device";

    if (e->kind == PS_TREE_FIFO)
        what = "FIFO";
    else if (e->kind == PS_TREE_SOCKET)
        what = "socket";
    return ps_fail(err, PS_EINVALID,
                   "'%s' is a %s, which no package can contain; remove it or "
                   "leave it out with --exclude",
                   PS_TREE_SHOW(e->path), what);
}

static int visit_name(struct walk *w, const struct ps_tree_name *n,
                      struct ps_error *err)
{
    struct frame *f = top(w);
    size_t len = n->len - (n->kind == PS_TREE_DIR);
    struct ps_tree_item item = {
        .kind = n->kind,
        .dir = f->in.fd,
        .beside_project = f->list.has_project,
        .in_project_src = f->is_project_src,
        .only_included = f->only_included,
    };
    struct ps_tree_entry e = { .kind = n->kind, .dir = f->in.fd };
    int rc = ps_cancel_check(w->in->cancel, err);

    if (rc < 0)
        return rc;
    set_path(w, f->path_len, (struct ps_str){ .data = n->z, .len = len });
    if (w->path.overflow)
        return ps_fail(err, PS_ETOOBIG, "a path is longer than %zu bytes",
                       PS_TREE_MAX_PATH);
    item.path = w->path.data;
    item.name = w->path.data + (w->path.len - len);
    if (n->kind == PS_TREE_DIR)
        return visit_dir(w, &item, err);
    if (!ps_tree_belongs(w->in->options, &item))
        return PS_OK;

    rc = make_all(w, err);
    if (rc < 0)
        return rc;
    e.out_dir = f->out.fd;
    e.path = ps_buf_str(&w->path);
    e.name = item.name;
    if (n->kind == PS_TREE_FILE)
        return visit_file(w, &e, err);
    if (n->kind == PS_TREE_LINK)
        return visit_link(w, &e, err);
    return refuse_special(&e, err);
}

/* --- the whole ------------------------------------------------------------ */

static int enter_root(struct walk *w, struct ps_error *err)
{
    struct frame *f = push(w);
    int fd = -1;

    fd = open(w->in->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!handle_set(&f->in, fd))
        return ps_fail_errno(err, errno, "open directory '%s'", w->in->root);
    if (w->in->copy) {
        fd = open(w->in->copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (!handle_set(&f->out, fd))
            return ps_fail_errno(err, errno, "open directory '%s'",
                                 w->in->copy);
        w->copy = f->out;
        if (handle_same(&f->in, &f->out))
            return ps_fail(err, PS_EINVALID, "'%s' cannot be copied to itself",
                           w->in->root);
    }
    f->made = true;
    return list_dir(w, f, err); /* also if it is a virtual environment */
}

static int walk_all(struct walk *w, struct ps_error *err)
{
    int rc = enter_root(w, err);

    while (rc == PS_OK && w->depth > 0) {
        struct frame *f = top(w);

        if (f->next == f->list.count) {
            set_path(w, f->path_len, PS_STR_LIT(""));
            rc = pop(w, err);
        } else {
            struct ps_tree_name n = f->list.v[f->next++];

            rc = visit_name(w, &n, err);
        }
    }
    return rc;
}

int ps_tree_walk(const struct ps_tree_walk *in, struct ps_error *err)
{
    struct walk w = {
        .in = in,
        .path = PS_BUF_INIT(PS_TREE_MAX_PATH),
        .cache.fd = -1,
    };
    const char *cache = in->options->cache_dir;
    int rc = 0;

    if (cache) /* its own files are no part of the tree */
        (void)handle_set(&w.cache,
                         open(cache, O_PATH | O_DIRECTORY | O_CLOEXEC));
    rc = walk_all(&w, err);
    while (w.depth > 0)
        frame_release(&w.frames[--w.depth]);
    handle_close(&w.cache);
    free(w.frames);
    ps_buf_release(&w.path);
    return rc;
}
