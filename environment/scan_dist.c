/* One installed distribution: its directory or file, and what it says. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/name.h"
#include "scan_private.h"

#define INSTALLER_MAX ((size_t)4 * 1024)
#define LINK_MAX ((size_t)64 * 1024)
#define REQUIRES_MAX ((size_t)4 * 1024 * 1024)
#define NAME_MAX_LEN 255
#define VERSION_MAX_LEN 512

/* "name-1.0.dist-info" -> "name", "1.0"; both empty where there is none. */
static void split_entry(const char *entry, struct ps_str *name,
                        struct ps_str *version)
{
    struct ps_str ending = ps_str_from(entry);
    struct ps_str rest = { .data = NULL };

    /* "EGG-INFO", inside an egg, says nothing. */
    if (!ps_str_cut_last(&ending, '.', &rest))
        rest.len = 0;
    (void)ps_str_cut(&rest, '-', name);
    /* An egg's name goes on: "name-1.0-py3.11". */
    (void)ps_str_cut(&rest, '-', version);
}

static bool is_plain(const char *z, size_t max)
{
    size_t len = strlen(z);

    if (len == 0 || len > max)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (z[i] <= ' ' || z[i] == 0x7f || (unsigned char)z[i] >= 0x80)
            return false;
    }
    return true;
}

/* Name and version, from the directory's name where metadata has none. */
static bool settle_identity(struct ps_scan *s, struct ps_found *f,
                            const struct ps_metadata *m)
{
    const char *path = f->dist.location;
    struct ps_str name;
    struct ps_str version;
    bool named = m->name && m->name[0];
    bool versioned = m->version && m->version[0];

    split_entry(f->entry, &name, &version);
    if (!named && !versioned) {
        ps_scan_problem(s, true, path,
                        "its metadata has neither a name nor a version: a "
                        "broken install; install it again or remove it");
        return false;
    }
    f->dist.name = named ? m->name : ps_arena_dup(s->arena, name);
    if (!ps_name_is_valid(ps_str_from(f->dist.name)) ||
        strlen(f->dist.name) > NAME_MAX_LEN) {
        if (!ps_name_is_valid(name)) {
            ps_scan_problem(s, true, path,
                            "its name '%.64s' is none that a distribution can "
                            "have",
                            f->dist.name);
            return false;
        }
        f->dist.name = ps_arena_dup(s->arena, name);
        named = false;
    }
    if (!named)
        ps_scan_problem(s, false, path,
                        "its metadata has no usable name; '%s' is that of the "
                        "directory",
                        f->dist.name);
    f->dist.version = versioned ? m->version : "";
    if (!is_plain(f->dist.version, VERSION_MAX_LEN)) {
        f->dist.version = ps_arena_dup(s->arena, version);
        if (!is_plain(f->dist.version, VERSION_MAX_LEN))
            f->dist.version = "";
        ps_scan_problem(s, false, path,
                        "its metadata has no usable version; %s%s",
                        f->dist.version[0] ? "that of the directory is "
                                           : "nor has its name",
                        f->dist.version);
    }
    if (m->cut)
        ps_scan_problem(s, false, path,
                        "its metadata ends in the middle of a line; it may "
                        "have been cut short");
    return true;
}

static void take_metadata(struct ps_found *f, const struct ps_metadata *m)
{
    f->dist.requires_python = m->requires_python;
    f->dist.requires = m->requires;
    f->dist.provides_extra = m->provides_extra;
}

/* The first word of INSTALLER. */
static const char *read_installer(struct ps_scan *s,
                                  const struct ps_scan_dir *dir,
                                  const char *entry)
{
    char path[PS_SCAN_PATH];
    struct ps_str text;
    size_t n = 0;

    (void)ps_scan_below(path, entry, "INSTALLER");
    if (ps_scan_read(s, dir->fd, path, INSTALLER_MAX) != 0)
        return NULL;
    text = ps_str_trim(s->content);
    while (n < text.len && text.data[n] > ' ' && text.data[n] < 0x7f)
        n++;
    return n > 0 ? ps_arena_dup(s->arena, ps_str_first(text, n)) : NULL;
}

/* Old setuptools lists what it requires in a file of its own. */
static void read_requires_txt(struct ps_scan *s, int dir, const char *path,
                              struct ps_metadata *m)
{
    if (!m->requires[0] && ps_scan_read(s, dir, path, REQUIRES_MAX) == 0)
        ps_requires_txt_parse(s->arena, s->content, m);
}

/*
 * The first module that RECORD lists must be there: where somebody has removed
 * the package by hand, or an uninstall was interrupted, it is not.
 */
static void check_half_removed(struct ps_scan *s, const struct ps_scan_dir *dir,
                               struct ps_found *f)
{
    char path[PS_SCAN_PATH];
    struct ps_str rest;
    struct ps_record_line line;

    if (ps_scan_read_some(s, dir->fd,
                          ps_scan_below(path, f->entry, "RECORD")) != 0)
        return;
    rest = s->content;
    /* The last line may not be all of itself. */
    while (rest.len > 0 && rest.data[rest.len - 1] != '\n')
        rest.len--;
    while (ps_record_next(&rest, &line)) {
        char *module = NULL;

        if (!ps_str_ends(line.path, ".py") || line.path.data[0] == '/' ||
            ps_str_starts(line.path, "../"))
            continue;
        module = ps_arena_dup(s->arena, line.path);
        if (faccessat(dir->fd, module, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
            (errno != ENOENT && errno != ENOTDIR))
            return;
        f->dist.half_removed = true;
        ps_scan_problem(s, false, f->dist.location,
                        "'%s', which it lists in RECORD, is gone: a "
                        "half-removed install; install it again or remove it",
                        module);
        return;
    }
}

/* The metadata file of a shape, below the entry; NULL: the entry itself. */
static const char *metadata_file(enum ps_shape shape)
{
    switch (shape) {
    case PS_SHAPE_DIST_INFO:
        return "METADATA";
    case PS_SHAPE_EGG_INFO:
        return "PKG-INFO";
    case PS_SHAPE_EGG_FILE:
    case PS_SHAPE_EGG_LINK:
        break;
    }
    return NULL;
}

static bool read_metadata(struct ps_scan *s, const struct ps_scan_dir *dir,
                          struct ps_found *f, struct ps_metadata *m)
{
    char path[PS_SCAN_PATH];
    const char *file = metadata_file(f->shape);
    int error = 0;

    error = ps_scan_read_head(
        s, dir->fd, file ? ps_scan_below(path, f->entry, file) : f->entry);
    if (error == ENOTDIR && f->shape == PS_SHAPE_EGG_INFO) {
        f->shape = PS_SHAPE_EGG_FILE;
        return read_metadata(s, dir, f, m);
    }
    if (error == ENOENT && file) {
        ps_scan_problem(s, true, f->dist.location,
                        "it has no %s: a half-removed install; install it "
                        "again or remove it",
                        file);
        return false;
    }
    if (error) {
        ps_scan_problem(s, true, f->dist.location, "its %s cannot be read: %s",
                        file ? file : "metadata", ps_scan_reason(error));
        return false;
    }
    if (s->content.len == 0) {
        ps_scan_problem(s, true, f->dist.location,
                        "its %s is empty: a broken install; install it again "
                        "or remove it",
                        file ? file : "metadata");
        return false;
    }
    ps_metadata_parse(s->arena, s->content, m);
    if (f->shape == PS_SHAPE_EGG_INFO) {
        (void)ps_scan_below(path, f->entry, "requires.txt");
        read_requires_txt(s, dir->fd, path, m);
    }
    return true;
}

static void add_found(struct ps_scan *s, const struct ps_found *f)
{
    s->found = ps_scan_grow(s->found, s->count, &s->room, sizeof(*s->found));
    s->found[s->count] = *f;
    s->found[s->count].dist.normal =
        ps_normalize_name(s->arena, ps_str_from(f->dist.name));
    s->count++;
}

static void read_info(struct ps_scan *s, const struct ps_scan_dir *dir,
                      struct ps_found *f)
{
    char path[PS_SCAN_PATH];
    struct ps_metadata m;

    if (!read_metadata(s, dir, f, &m) || !settle_identity(s, f, &m))
        return;
    take_metadata(f, &m);
    if (f->shape != PS_SHAPE_EGG_FILE) {
        f->dist.installer = read_installer(s, dir, f->entry);
        (void)ps_scan_below(path, f->entry, "REQUESTED");
        f->dist.requested = faccessat(dir->fd, path, F_OK, 0) == 0;
    }
    ps_scan_source(s, dir, f);
    if (f->shape == PS_SHAPE_DIST_INFO && dir->reports_gone)
        check_half_removed(s, dir, f);
    add_found(s, f);
}

/* The .egg-info that an .egg-link speaks of: its name may be spelt otherwise.
 * In the arena; NULL. */
static char *linked_egg_info(struct ps_scan *s, int base, struct ps_str stem)
{
    PS_AUTO_FD int fd = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    PS_AUTO_DIR DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e = NULL;
    char *best = NULL;

    if (stream)
        (void)ps_take_fd(&fd);
    while (stream && (e = readdir(stream)) != NULL) {
        struct ps_str name = ps_str_from(e->d_name);
        struct ps_str own;
        struct ps_str version;

        if (!ps_str_ends(name, ".egg-info") || e->d_name[0] == '.')
            continue;
        split_entry(e->d_name, &own, &version);
        if (!ps_name_equal(own, stem) &&
            !ps_name_equal(ps_str_first(name, name.len - 9), stem))
            continue;
        /* The order of a directory says nothing. */
        if (!best || strcmp(e->d_name, best) < 0)
            best = ps_arena_strdup(s->arena, e->d_name);
    }
    return best;
}

/* Line 1 is where it is imported from; with line 2 it is the project. */
static void read_link(struct ps_scan *s, const struct ps_scan_dir *dir,
                      struct ps_found *f)
{
    struct ps_str stem = ps_str_from(f->entry);
    struct ps_str rest;
    struct ps_str first = { .data = NULL };
    struct ps_str second = { .data = NULL };
    const char *base = NULL;
    struct ps_found inner = *f;
    struct ps_scan_dir there = *dir;
    PS_AUTO_FD int fd = -1;
    struct ps_metadata m;
    int error = ps_scan_read(s, dir->fd, f->entry, LINK_MAX);

    stem.len -= strlen(".egg-link");
    rest = s->content;
    (void)ps_line_next(&rest, &first);
    (void)ps_line_next(&rest, &second);
    first = ps_str_trim(first);
    if (error || first.len == 0 || memchr(first.data, '\0', first.len)) {
        ps_scan_problem(s, true, f->dist.location, "it names no directory%s%s",
                        error ? ": " : "", error ? ps_scan_reason(error) : "");
        return;
    }
    base = ps_path_join(s->arena, dir->path, first);
    f->dist.project = ps_path_join(s->arena, base, ps_str_trim(second));
    fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    inner.entry = fd >= 0 ? linked_egg_info(s, fd, stem) : NULL;
    if (!inner.entry) {
        ps_scan_problem(s, true, f->dist.location, "it points to '%s', %s",
                        base,
                        fd < 0 ? "which cannot be opened; install it again or "
                                 "remove the link"
                               : "where there is no .egg-info of it");
        return;
    }
    there.fd = fd;
    inner.shape = PS_SHAPE_EGG_INFO;
    inner.dist.location = ps_arena_format(s->arena, "%s/%s", base, inner.entry);
    if (!read_metadata(s, &there, &inner, &m) ||
        !settle_identity(s, &inner, &m))
        return;
    f->dist.name = inner.dist.name;
    f->dist.version = inner.dist.version;
    take_metadata(f, &m);
    f->dist.source = PS_DIST_EDITABLE;
    f->dist.editable = "egg-link";
    add_found(s, f);
}

void ps_scan_entry(struct ps_scan *s, const struct ps_scan_dir *dir,
                   const char *entry)
{
    struct ps_str name = ps_str_from(entry);
    struct ps_found f = { .entry = ps_arena_strdup(s->arena, entry),
                          .place = dir->place };

    f.dist.location = ps_scan_path(s, dir->path, entry);
    f.dist.site = dir->path;
    if (ps_str_ends(name, ".egg-link")) {
        f.shape = PS_SHAPE_EGG_LINK;
        read_link(s, dir, &f);
        return;
    }
    f.shape = ps_str_ends(name, ".dist-info") ? PS_SHAPE_DIST_INFO
                                              : PS_SHAPE_EGG_INFO;
    read_info(s, dir, &f);
}
