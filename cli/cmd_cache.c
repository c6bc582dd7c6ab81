/* `pkgsync cache`: what is kept, how large it is, and removing what is old. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/clock.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/pipeline.h"
#include "pkgsync/util.h"

/* Directories of the cache whose entries can go one by one. */
static const struct part {
    const char *name;
    const char *what;
} parts[] = {
    { "envs", "prepared build environments" },
    { "wheelhouse", "build requirements, and packages of an index" },
    { "resolved", "resolutions of requirements" },
    { "wheels", "wheels of specs that were installed" },
    { "git", "mirrors of repositories" },
    { "sdists", "downloaded sdists" },
    { "stat", "stat caches of source trees" },
    { "pyproject", "parsed pyproject.toml files" },
    { "python", "answers of interpreters" },
    { "pip", "pip, unpacked" },
    { "uv", "settings of uv" },
    { "tmp", "left by interrupted runs" },
};

static uint64_t walked_bytes; /* nftw() has no user argument */
static uint64_t walked_files;

static int add_size(const char *path, const struct stat *st, int kind,
                    struct FTW *ftw)
{
    (void)path;
    (void)ftw;
    if (kind == FTW_F) {
        walked_bytes += (uint64_t)st->st_blocks * 512;
        walked_files++;
    }
    return 0;
}

static void measure(const char *path, uint64_t *bytes, uint64_t *files)
{
    walked_bytes = 0;
    walked_files = 0;
    (void)nftw(path, add_size, 32, FTW_PHYS | FTW_MOUNT);
    *bytes = walked_bytes;
    *files = walked_files;
}

static void show(struct cli *cli, json_t *list, const char *name,
                 const char *what, const char *path)
{
    uint64_t bytes = 0;
    uint64_t files = 0;

    measure(path, &bytes, &files);
    json_array_append_new(
        list, json_pack("{s:s, s:s, s:o, s:I, s:I}", "name", name, "what", what,
                        "path", ps_json_string(path), "bytes",
                        (json_int_t)bytes, "files", (json_int_t)files));
    if (!cli_flag(cli, "json"))
        (void)printf("%-12s %10s %8llu files  %s\n", name,
                     cli_size(&cli->arena, bytes), (unsigned long long)files,
                     what);
}

static int show_all(struct cli *cli)
{
    PS_AUTO_JSON json_t *list = json_array();
    PS_AUTO_JSON json_t *doc = NULL;
    PS_AUTO_FREE char *store = ps_format("%s/store", cli->dirs.data);
    PS_AUTO_FREE char *logs = ps_format("%s/logs", cli->dirs.state);

    for (size_t i = 0; i < PS_ARRAY_SIZE(parts); i++) {
        PS_AUTO_FREE char *path =
            ps_format("%s/%s", cli->dirs.cache, parts[i].name);

        show(cli, list, parts[i].name, parts[i].what, path);
    }
    show(cli, list, "store", "wheels and build records (never pruned)", store);
    show(cli, list, "logs", "logs of jobs", logs);
    if (!cli_flag(cli, "json"))
        (void)printf("\ncache: %s\nstore: %s\nstate: %s\n", cli->dirs.cache,
                     store, cli->dirs.state);
    doc = json_pack("{s:i, s:O}", "schema", 1, "parts", list);
    if (cli_flag(cli, "json"))
        cli_print_json(doc);
    return PS_OK;
}

/* Remove entries of a directory that were last changed before a time. */
static int prune_dir(const char *path, int64_t before_s, uint64_t *removed,
                     struct ps_error *err)
{
    PS_AUTO_DIR DIR *dir = opendir(path);
    struct dirent *e = NULL;

    if (!dir && errno == ENOENT)
        return PS_OK;
    if (!dir)
        return ps_fail_errno(err, errno, "open directory '%s'", path);
    while ((e = readdir(dir)) != NULL) {
        struct stat st;
        int rc = 0;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            st.st_mtim.tv_sec >= before_s)
            continue;
        rc = ps_remove_tree_at(dirfd(dir), e->d_name, err);
        if (rc < 0)
            return ps_context(err, "prune '%s'", path);
        (*removed)++;
    }
    return PS_OK;
}

static int prune(struct cli *cli, struct ps_error *err)
{
    uint64_t days = ps_config_number(cli->config, "older-than");
    uint64_t before_ms = ps_now_ms() - days * 86400 * 1000;
    PS_AUTO_FREE char *logs = ps_format("%s/logs", cli->dirs.state);
    PS_AUTO_FREE char *records = ps_format("%s/records", cli->dirs.state);
    uint64_t removed = 0;
    size_t jobs = 0;
    PS_AUTO_FD int lock = -1;
    int rc = ps_pipeline_lock_cache(&cli->dirs, &lock, err);

    for (size_t i = 0; i < PS_ARRAY_SIZE(parts) && rc == PS_OK; i++) {
        PS_AUTO_FREE char *path =
            ps_format("%s/%s", cli->dirs.cache, parts[i].name);

        rc = prune_dir(path, (int64_t)(before_ms / 1000), &removed, err);
    }
    if (rc == PS_OK)
        rc = prune_dir(logs, (int64_t)(before_ms / 1000), &removed, err);
    if (rc == PS_OK)
        rc = prune_dir(records, (int64_t)(before_ms / 1000), &removed, err);
    if (rc == PS_OK)
        rc = cli_open_queue(cli, err);
    if (rc == PS_OK)
        rc = ps_queue_prune(cli->queue, before_ms, &jobs, err);
    if (rc < 0)
        return rc;
    if (cli_flag(cli, "json")) {
        PS_AUTO_JSON json_t *doc =
            json_pack("{s:i, s:I, s:I}", "schema", 1, "removed",
                      (json_int_t)removed, "jobs", (json_int_t)jobs);

        cli_print_json(doc);
    } else {
        (void)printf("removed %llu entries of the cache and %zu ended jobs "
                     "that were older than %llu days\n",
                     (unsigned long long)removed, jobs,
                     (unsigned long long)days);
    }
    return PS_OK;
}

int cmd_cache(struct cli *cli, struct ps_error *err)
{
    if (cli->arg_count == 0)
        return show_all(cli);
    if (cli->arg_count == 1 && strcmp(cli->args[0], "prune") == 0)
        return prune(cli, err);
    return ps_fail(err, PS_EUSAGE, "usage: pkgsync cache [prune]");
}
