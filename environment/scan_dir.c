/* The directories of the path, in its order, each once. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "scan_private.h"

#define PTH_MAX ((size_t)1024 * 1024)
#define CHECK_EVERY 32 /* distributions between looks at the cancel token */
#define SLICE_MIN 64   /* a thread for fewer costs more than it saves */
#define THREADS_MAX 4

/* Names of one directory that matter, sorted: its own order says nothing. */
struct names {
    const char **items;
    size_t count, room;
};

static void add_name(struct ps_scan *s, struct names *n, const char *name)
{
    n->items = ps_scan_grow(n->items, n->count, &n->room, sizeof(*n->items));
    n->items[n->count++] = ps_arena_strdup(s->arena, name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_names(struct names *n)
{
    if (n->count > 1)
        qsort(n->items, n->count, sizeof(*n->items), by_text);
}

static bool is_metadata(struct ps_str name, bool in_egg)
{
    /* All of them end so; most names of a directory do not. */
    if (name.len < 9)
        return in_egg && ps_str_is(name, "EGG-INFO");
    return ps_str_ends(name, ".dist-info") || ps_str_ends(name, ".egg-info") ||
           ps_str_ends(name, ".egg-link");
}

static void note_leftover(struct ps_scan *s, const struct ps_scan_dir *dir,
                          const struct dirent *e)
{
    struct stat st;

    if (!is_metadata(ps_str_from(e->d_name), false) &&
        (e->d_name[0] != '~' || fstatat(dir->fd, e->d_name, &st, 0) < 0 ||
         !S_ISDIR(st.st_mode)))
        return;
    ps_scan_problem(s, false, ps_scan_path(s, dir->path, e->d_name),
                    "left over from an install or uninstall that was "
                    "interrupted; it can be removed");
}

static void list_names(struct ps_scan *s, const struct ps_scan_dir *dir,
                       DIR *stream, struct names *metadata, struct names *pth)
{
    bool in_egg = ps_str_ends(ps_str_from(dir->path), ".egg");
    struct dirent *e = NULL;

    while ((e = readdir(stream)) != NULL) {
        struct ps_str name = ps_str_from(e->d_name);

        if (e->d_name[0] == '.')
            continue; /* hidden, for the interpreter as well */
        if (e->d_name[0] == '~' || e->d_name[0] == '-')
            note_leftover(s, dir, e);
        else if (is_metadata(name, in_egg))
            add_name(s, metadata, e->d_name);
        else if (dir->kind == PS_PLACE_SITE && ps_str_ends(name, ".pth"))
            add_name(s, pth, e->d_name);
    }
    sort_names(metadata);
    sort_names(pth);
}

/* ---- .pth files ---- */

static bool is_added(const struct ps_scan *s, const char *path)
{
    for (size_t i = 0; i < s->added_count; i++) {
        if (strcmp(s->added[i].path, path) == 0)
            return true;
    }
    return false;
}

static void take_pth_line(struct ps_scan *s, const struct ps_scan_dir *dir,
                          const char *file, const struct ps_pth_line *line)
{
    struct ps_pth pth = { .file = file,
                          .site = dir->path,
                          .is_import = line->is_import };

    if (!line->is_import && memchr(line->text.data, '\0', line->text.len))
        return; /* no path; the interpreter passes over it as well */
    pth.text = line->is_import ? ps_arena_dup(s->arena, line->text)
                               : ps_path_join(s->arena, dir->path, line->text);
    s->pth = ps_scan_grow(s->pth, s->pth_count, &s->pth_room, sizeof(*s->pth));
    s->pth[s->pth_count++] = pth;
    if (pth.is_import || is_added(s, pth.text) || access(pth.text, F_OK) < 0)
        return;
    s->added = ps_scan_grow(s->added, s->added_count, &s->added_room,
                            sizeof(*s->added));
    s->added[s->added_count++] = (struct ps_added){
        .path = pth.text,
        .file = ps_scan_path(s, dir->path, file),
    };
}

static void read_pth(struct ps_scan *s, const struct ps_scan_dir *dir,
                     const char *file)
{
    struct ps_pth_line line;
    struct ps_str rest;
    int error = ps_scan_read(s, dir->fd, file, PTH_MAX);

    if (error) {
        ps_scan_problem(s, false, ps_scan_path(s, dir->path, file),
                        "what it adds to the path cannot be read: %s",
                        ps_scan_reason(error));
        return;
    }
    rest = ps_skip_bom(s->content);
    while (ps_pth_next(&rest, &line))
        take_pth_line(s, dir, file, &line);
}

/* ---- one directory ---- */

/* Remember a directory; true if nothing of it is left to be read. */
static bool was_seen(struct ps_scan *s, const struct stat *st, bool pth,
                     bool *again)
{
    *again = false;
    for (size_t i = 0; i < s->seen_count; i++) {
        struct ps_seen *seen = &s->seen[i];

        if (seen->ino != st->st_ino || seen->dev != st->st_dev)
            continue;
        /* PYTHONPATH may name a site directory: its .pth files come later. */
        *again = true;
        if (seen->pth || !pth)
            return true;
        seen->pth = true;
        return false;
    }
    s->seen =
        ps_scan_grow(s->seen, s->seen_count, &s->seen_room, sizeof(*s->seen));
    s->seen[s->seen_count++] =
        (struct ps_seen){ .dev = st->st_dev, .ino = st->st_ino, .pth = pth };
    return false;
}

/* "P/lib/python3.11/site-packages" -> "P"; in the arena; NULL. */
static const char *prefix_of(struct ps_scan *s, const char *path)
{
    struct ps_str rest = ps_str_from(path);
    struct ps_str head = rest;
    struct ps_str prefix;

    while (ps_str_ends(rest, "/"))
        rest.len--;
    if (!ps_str_cut_last(&rest, '/', &head) ||
        !ps_str_is(rest, "site-packages"))
        return NULL;
    rest = head;
    if (!ps_str_cut_last(&rest, '/', &head) ||
        (!ps_str_starts(rest, "python") && !ps_str_starts(rest, "pypy")))
        return NULL;
    rest = head;
    if (!ps_str_cut_last(&rest, '/', &prefix) || !ps_str_is(rest, "lib"))
        return NULL;
    return ps_arena_dup(s->arena, prefix);
}

/* An opened directory of the path; -1 where there is nothing to read. */
static int open_directory(struct ps_scan *s, const char *path,
                          enum ps_place kind, bool *again)
{
    PS_AUTO_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    if (fd < 0) {
        if (errno == ENOTDIR && access(path, F_OK) == 0)
            ps_scan_problem(s, false, path,
                            "it is on the path but no directory; what is in "
                            "archives is not looked at");
        else if (errno != ENOENT && errno != ENOTDIR)
            ps_scan_problem(s, kind == PS_PLACE_SITE, path,
                            "the directory cannot be read: %s",
                            ps_scan_reason(errno));
        return -1;
    }
    if (fstat(fd, &st) < 0 || was_seen(s, &st, kind == PS_PLACE_SITE, again))
        return -1;
    return ps_take_fd(&fd);
}

/* ---- the distributions, by several threads ---- */

/*
 * Reading is system calls that hardly wait for each other, so threads share
 * the list in slices.  Each has a scan of its own, with its own arena; what
 * they found is put together in the order of the list.
 */
struct slice {
    struct ps_scan scan;
    struct ps_arena arena;
    const struct ps_scan_dir *dir;
    const char **names;
    size_t count;
    pthread_t thread;
    bool started;
};

static void *read_slice(void *arg)
{
    struct slice *slice = arg;

    for (size_t i = 0; i < slice->count; i++) {
        if (i % CHECK_EVERY == 0 && ps_cancel_is_fired(slice->scan.cancel))
            break;
        ps_scan_entry(&slice->scan, slice->dir, slice->names[i]);
    }
    return NULL;
}

/* Move what a slice found to the whole. */
static void take_slice(struct ps_scan *s, struct slice *slice)
{
    struct ps_scan *from = &slice->scan;

    for (size_t i = 0; i < from->count; i++) {
        s->found =
            ps_scan_grow(s->found, s->count, &s->room, sizeof(*s->found));
        s->found[s->count++] = from->found[i];
    }
    for (size_t i = 0; i < from->problem_count; i++) {
        s->problems = ps_scan_grow(s->problems, s->problem_count,
                                   &s->problem_room, sizeof(*s->problems));
        s->problems[s->problem_count++] = from->problems[i];
    }
    ps_arena_adopt(s->arena, &slice->arena);
    free(from->found);
    free(from->problems);
    ps_buf_release(&from->text);
}

static size_t thread_count(size_t names)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t most = processors > 1 ? (size_t)processors : 1;

    return PS_MAX(PS_MIN(PS_MIN(most, THREADS_MAX), names / SLICE_MIN), 1);
}

static int read_names(struct ps_scan *s, const struct ps_scan_dir *dir,
                      const struct names *metadata, struct ps_error *err)
{
    size_t threads = thread_count(metadata->count);
    PS_AUTO_FREE struct slice *slices = ps_calloc(threads, sizeof(*slices));
    size_t from = 0;

    for (size_t t = 0; t < threads; t++) {
        struct slice *slice = &slices[t];
        size_t to = metadata->count * (t + 1) / threads;

        *slice = (struct slice){ .dir = dir,
                                 .names = metadata->items + from,
                                 .count = to - from };
        slice->scan = (struct ps_scan){ .arena = &slice->arena,
                                        .site = s->site,
                                        .cancel = s->cancel,
                                        .text = PS_BUF_INIT(s->text.max) };
        from = to;
        /* The last slice is for this thread. */
        slice->started =
            t + 1 < threads &&
            pthread_create(&slice->thread, NULL, read_slice, slice) == 0;
        if (!slice->started)
            (void)read_slice(slice);
    }
    for (size_t t = 0; t < threads; t++) {
        if (slices[t].started)
            (void)pthread_join(slices[t].thread, NULL);
        take_slice(s, &slices[t]);
    }
    return ps_cancel_check(s->cancel, err);
}

int ps_scan_directory(struct ps_scan *s, const char *path, enum ps_place kind,
                      struct ps_error *err)
{
    struct names metadata = { .items = NULL };
    struct names pth = { .items = NULL };
    struct ps_scan_dir dir = { .path = path, .kind = kind };
    const char *prefix = NULL;
    size_t first = s->added_count;
    bool again = false;
    PS_AUTO_DIR DIR *stream = NULL;
    int rc = ps_cancel_check(s->cancel, err);

    if (rc < 0)
        return rc;
    dir.fd = open_directory(s, path, kind, &again);
    if (dir.fd < 0)
        return PS_OK;
    stream = fdopendir(dir.fd);
    if (!stream) {
        (void)close(dir.fd);
        return PS_OK;
    }
    dir.place = s->places++;
    prefix = prefix_of(s, path);
    dir.conda = prefix ? ps_conda_of(s, prefix) : NULL;
    dir.reports_gone = kind == PS_PLACE_SITE;
    list_names(s, &dir, stream, &metadata, &pth);
    rc = again ? PS_OK : read_names(s, &dir, &metadata, err);
    for (size_t i = 0; i < pth.count; i++)
        read_pth(s, &dir, pth.items[i]);
    free(metadata.items);
    free(pth.items);
    for (size_t i = first; rc == PS_OK && i < s->added_count; i++) {
        size_t before = s->count;

        rc = ps_scan_directory(s, s->added[i].path, PS_PLACE_PTH, err);
        s->added[i].described = s->count > before;
    }
    return rc;
}
