/* What became of the sources: the table, the document, the exit status. */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/digest.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"

static json_t *error_json(const struct ps_wheel_result *r)
{
    if (r->status != PS_WHEEL_FAILED)
        return json_null();
    return json_pack(
        "{s:o, s:o, s:o, s:s, s:o}", "phase", ps_json_string(r->phase), "cause",
        ps_json_string(r->cause), "message", ps_json_string(r->error.text),
        "code", ps_code_name(r->error.code), "log", ps_json_string(r->log));
}

static json_t *hex_or_null(const struct ps_sha256 *d, bool present)
{
    char hex[PS_SHA256_HEX_SIZE];

    if (!present)
        return json_null();
    ps_sha256_hex(d, hex);
    return json_string(hex);
}

static json_t *wheel_json(const struct ps_wheel_result *r)
{
    static const struct ps_sha256 none;
    bool there = r->status != PS_WHEEL_FAILED;

    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:b, s:o, s:o, s:o, s:I, "
        "s:o}",
        "source", ps_json_string(r->source), "name", ps_json_string(r->name),
        "version", ps_json_string(r->version), "filename",
        ps_json_string(r->file_name), "path", ps_json_string(r->path), "sha256",
        hex_or_null(&r->sha256, there), "size",
        there ? json_integer((json_int_t)r->size) : json_null(), "status",
        ps_wheel_status_name(r->status), "uploaded", r->uploaded, "url",
        ps_json_string(r->url), "key",
        hex_or_null(&r->key, !ps_sha256_equal(&r->key, &none)), "job",
        r->job ? json_integer((json_int_t)r->job) : json_null(), "wall_ms",
        (json_int_t)r->wall_ms, "error", error_json(r));
}

static void report_failure(struct cli *cli, const struct ps_wheel_result *r)
{
    (void)fprintf(stderr, "pkgsync %s: %s: %s\n", cli->cmd->name,
                  cli_clean(cli, r->source), cli_clean(cli, r->error.text));
    if (r->cause)
        (void)fprintf(stderr, "  likely cause: %s\n", cli_clean(cli, r->cause));
    if (r->phase && r->job)
        (void)fprintf(stderr, "  phase: %s\n", r->phase);
    if (r->log && r->job)
        (void)fprintf(stderr, "  log: pkgsync logs %lld\n", (long long)r->job);
}

static void print_wheel(struct cli *cli, const struct ps_wheel_result *r)
{
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(&r->sha256, hex);
    (void)printf("%-6s %s  %s  %llu.%llu s\n", ps_wheel_status_name(r->status),
                 r->file_name, cli_size(&cli->arena, r->size),
                 (unsigned long long)(r->wall_ms / 1000),
                 (unsigned long long)(r->wall_ms % 1000 / 100));
    (void)printf("       sha256 %s\n       file   %s\n", hex, r->path);
    (void)printf("       url    %s%s\n", r->url,
                 r->uploaded ? "" : "  (not uploaded)");
}

/* --wheel-dir: a copy that is there whole or not at all. */
static int copy_out(const struct ps_wheel_result *r, const char *dir,
                    struct ps_error *err)
{
    PS_AUTO_FREE char *to = ps_format("%s/%s", dir, r->file_name);
    PS_AUTO_FREE char *temp = ps_format("%s/.%s.XXXXXX", dir, r->file_name);
    PS_AUTO_FD int from_fd = -1;
    PS_AUTO_FD int to_fd = -1;
    struct ps_sha256 copied;
    int rc = ps_open_regular_at(AT_FDCWD, r->path, &from_fd, NULL, err);

    if (rc < 0)
        return rc;
    to_fd = mkostemp(temp, O_CLOEXEC);
    if (to_fd < 0)
        return ps_fail_errno(err, errno, "create '%s'", to);
    rc = ps_copy_fd(from_fd, to_fd, r->size, &copied, NULL, err);
    if (rc == PS_OK && !ps_sha256_equal(&copied, &r->sha256))
        rc = ps_fail(err, PS_EINTEGRITY, "'%s' does not have its own SHA-256",
                     r->path);
    if (rc == PS_OK &&
        (fchmod(to_fd, 0644) < 0 || fsync(to_fd) < 0 || rename(temp, to) < 0))
        rc = ps_fail_errno(err, errno, "write '%s'", to);
    if (rc < 0) {
        (void)unlink(temp);
        return ps_context(err, "copy to '%s'", to);
    }
    return PS_OK;
}

/* Two sources may make wheels of one name, and there is room for one. */
static int check_names(const struct ps_wheel_result *results, size_t count,
                       const char *dir, struct ps_error *err)
{
    for (size_t i = 1; dir && i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct ps_wheel_result *a = &results[i];
            const struct ps_wheel_result *b = &results[k];

            /* One that failed may have a name already, but is no wheel. */
            if (a->status != PS_WHEEL_FAILED && b->status != PS_WHEEL_FAILED &&
                strcmp(a->file_name, b->file_name) == 0 &&
                !ps_sha256_equal(&a->sha256, &b->sha256))
                return ps_fail(err, PS_EEXISTS,
                               "'%s' and '%s' both made '%s', with other "
                               "content; '%s' can hold one of them",
                               b->source, a->source, a->file_name, dir);
        }
    }
    return PS_OK;
}

int report_copies(struct cli *cli, struct ps_wheel_result *results,
                  size_t count, struct ps_error *err)
{
    const char *given = cli_text(cli, "wheel-dir");
    PS_AUTO_FREE char *dir = NULL;
    int rc = given ? ps_mkdirs(given, 0755, err) : PS_OK;

    /* Absolute: who reads the document may be somewhere else. */
    if (given && rc == PS_OK)
        rc = ps_real_path(given, &dir, err);
    if (rc == PS_OK)
        rc = check_names(results, count, dir, err);
    for (size_t i = 0; dir && rc == PS_OK && i < count; i++) {
        if (results[i].status == PS_WHEEL_FAILED)
            continue;
        rc = copy_out(&results[i], dir, err);
        if (rc == PS_OK)
            results[i].path = ps_arena_format(&cli->arena, "%s/%s", dir,
                                              results[i].file_name);
    }
    return rc < 0 ? ps_context(err, "--wheel-dir") : PS_OK;
}

int report_outcome(struct cli *cli, const struct ps_wheel_result *results,
                   size_t count)
{
    bool interrupted = ps_cancel_is_fired(&cli->cancel);
    size_t unfinished = 0;
    int first = PS_OK;

    for (size_t i = 0; i < count; i++) {
        const struct ps_wheel_result *r = &results[i];

        if (r->status != PS_WHEEL_FAILED)
            continue;
        if (first == PS_OK)
            first = r->error.code;
        if (interrupted && r->error.code == PS_ECANCELED)
            unfinished++;
        else
            report_failure(cli, r);
    }
    if (unfinished == 0)
        return first;
    (void)fprintf(stderr,
                  "pkgsync: interrupted; %zu unfinished. Run the same command "
                  "again to go on: what is built is not built again\n",
                  unfinished);
    return PS_ECANCELED;
}

json_t *report_wheels_json(const struct ps_wheel_result *results, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, wheel_json(&results[i]));
    return list;
}

int report_wheels(struct cli *cli, struct ps_wheel_result *results,
                  size_t count, struct ps_error *err)
{
    PS_AUTO_JSON json_t *doc = NULL;
    int rc = report_copies(cli, results, count, err);
    int outcome = PS_OK;

    doc = json_pack("{s:i, s:o}", "schema", 1, "wheels",
                    report_wheels_json(results, count));
    if (cli_flag(cli, "json"))
        cli_print_json(doc);
    for (size_t i = 0; i < count && !cli_flag(cli, "json"); i++) {
        if (results[i].status != PS_WHEEL_FAILED)
            print_wheel(cli, &results[i]);
    }
    (void)fflush(stdout);
    outcome = report_outcome(cli, results, count);
    return rc < 0 && outcome != PS_ECANCELED ? rc : outcome;
}
