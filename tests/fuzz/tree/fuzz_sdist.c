/*
 * Unpacking any bytes: nothing but files, directories and links that stay
 * inside may come of it, within the limits.
 */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/sdist.h"
#include "tree_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_BYTES (1u << 20)
#define MAX_FILES 64u

static uint64_t found_bytes;
static uint64_t found_files;

static int look(const char *path, const struct stat *st, int kind,
                struct FTW *ftw)
{
    (void)path;
    (void)ftw;
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode) && !S_ISLNK(st->st_mode))
        abort();
    if (kind == FTW_F) {
        found_files++;
        found_bytes += (uint64_t)st->st_size;
    }
    return 0;
}

static int ignore(const struct ps_tree_entry *entry, void *user,
                  struct ps_error *err)
{
    (void)entry;
    (void)user;
    (void)err;
    return PS_OK;
}

/* The walk refuses links that leave the tree: it is the check of them all. */
static void check(const char *dest)
{
    /* What belongs to a tree does not matter here: all of it is looked at. */
    static const char *const include[] = { "*", NULL };
    const struct ps_tree_options options = { .include = include };
    const struct ps_tree_walk walk = { .root = dest,
                                       .options = &options,
                                       .max_entries = UINT64_C(2) * MAX_FILES,
                                       .visit = ignore };
    struct ps_error err = PS_ERROR_INIT;

    found_bytes = 0;
    found_files = 0;
    if (nftw(dest, look, 16, FTW_PHYS) != 0)
        abort();
    if (found_bytes > MAX_BYTES || found_files > MAX_FILES)
        abort();
    if (ps_tree_walk(&walk, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ps_sdist_limits limits = { .max_bytes = MAX_BYTES,
                                            .max_files = MAX_FILES };
    const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FREE char *base = NULL;

    if (ps_make_temp_dir(tmp, "pkgsync-fuzz-", &base, &err) < 0)
        abort();
    PS_AUTO_FREE char *dest = ps_format("%s/dest", base);
    PS_AUTO_FREE char *file = ps_format("%s/archive", base);
    if (mkdir(dest, 0755) < 0 ||
        ps_write_file_at(AT_FDCWD, file, data, size, 0600, &err) < 0)
        abort();
    if (ps_sdist_unpack(file, &limits, NULL, dest, &err) == PS_OK)
        check(dest);
    else if (err.code != PS_EINVALID && err.code != PS_ETOOBIG)
        abort();
    if (ps_remove_tree_at(AT_FDCWD, base, &err) < 0)
        abort();
    return 0;
}
