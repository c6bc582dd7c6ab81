/*
 * A main() for fuzz targets where there is no libFuzzer: run the target once
 * over every file named, and over every file in every directory named.
 *
 * Exit status 0 and the number of inputs when all were run.  No input at all
 * is a failure: a corpus that went missing must not look like a pass.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX ((size_t)16 << 20)

static void die(const char *what, const char *path)
{
    (void)fprintf(stderr, "replay: %s '%s': %s\n", what, path, strerror(errno));
    exit(1);
}

/*
 * The input lies in an allocation of exactly its size, so that AddressSanitizer
 * sees a read past its end.
 */
static uint8_t *read_input(int fd, size_t size, const char *path)
{
    uint8_t *data = malloc(size ? size : 1);
    size_t have = 0;

    if (!data)
        die("allocate for", path);
    while (have < size) {
        ssize_t got = read(fd, data + have, size - have);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            die("read", path);
        have += (size_t)got;
    }
    return data;
}

static void run_file(int fd, const struct stat *st, const char *path)
{
    uint8_t *data = NULL;

    if (st->st_size < 0 || (uintmax_t)st->st_size > INPUT_MAX) {
        errno = EFBIG;
        die("read", path);
    }
    data = read_input(fd, (size_t)st->st_size, path);
    (void)LLVMFuzzerTestOneInput(data, (size_t)st->st_size);
    free(data);
}

static size_t run_path(int dir, const char *path, int depth);

static size_t run_dir(int fd, const char *path, int depth)
{
    DIR *dir = fdopendir(fd);
    struct dirent *entry = NULL;
    size_t count = 0;

    if (!dir)
        die("open", path);
    for (;;) {
        errno = 0;
        entry = readdir(dir);
        if (!entry)
            break;
        if (entry->d_name[0] != '.')
            count += run_path(dirfd(dir), entry->d_name, depth + 1);
    }
    if (errno)
        die("list", path);
    (void)closedir(dir);
    return count;
}

/* The number of inputs run. */
static size_t run_path(int dir, const char *path, int depth)
{
    struct stat st;
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) < 0)
        die("open", path);
    if (S_ISDIR(st.st_mode) && depth < 8)
        return run_dir(fd, path, depth);
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        die("run", path);
    }
    run_file(fd, &st, path);
    (void)close(fd);
    return 1;
}

int main(int argc, char **argv)
{
    size_t count = 0;

    for (int i = 1; i < argc; i++)
        count += run_path(AT_FDCWD, argv[i], 0);
    if (count == 0) {
        (void)fprintf(stderr, "replay: no input; name files or directories\n");
        return 1;
    }
    printf("%zu inputs\n", count);
    return 0;
}
