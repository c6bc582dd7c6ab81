/*
 * The environment spec, for tests with real installers.
 *
 *   spec_driver write SPEC DIR [FILES]
 *       requirements.txt, environment.yml and, with FILES, pylock.toml; FILES
 *       is a JSON list of {"filename","url","size","sha256"} or null, one a
 *       package.
 *   spec_driver compare SPEC PREFIX SITE_PACKAGES
 *       A line "severity name: message" for each difference.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/spec.h"
#include "pkgsync/util.h"

static void die(const struct ps_error *err)
{
    (void)fprintf(stderr, "%s\n", err->text);
    exit(ps_code_exit_status(err->code));
}

static char *slurp(const char *path)
{
    FILE *f = fopen(path, "re");
    char *data = ps_calloc(1, PS_MIB(4) + 1);

    if (!f) {
        perror(path);
        exit(66);
    }
    (void)fread(data, 1, PS_MIB(4), f);
    (void)fclose(f);
    return data;
}

static void put(const char *dir, const char *name, const char *text)
{
    PS_AUTO_FREE char *path = ps_format("%s/%s", dir, name);
    FILE *f = fopen(path, "we");

    if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
        perror(path);
        exit(74);
    }
}

static struct ps_spec parse(struct ps_arena *arena, const char *path)
{
    PS_AUTO_FREE char *text = slurp(path);
    struct ps_error err = PS_ERROR_INIT;
    struct ps_spec spec = { .count = 0 };

    if (ps_spec_parse(arena, ps_str_from(text), path, &spec, &err) < 0)
        die(&err);
    return spec;
}

static const struct ps_spec_wheel *read_file(struct ps_arena *arena,
                                             const json_t *o)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_spec_wheel *w = NULL;

    if (!json_is_object(o))
        return NULL;
    w = ps_arena_alloc(arena, 1, sizeof(*w));
    w->file_name = ps_json_string_or(o, "filename", "");
    w->url = ps_json_string_or(o, "url", NULL);
    if (ps_json_get_u64(o, "size", &w->size, &err) < 0 ||
        ps_sha256_parse(ps_str_from(ps_json_string_or(o, "sha256", "")),
                        &w->sha256, &err) < 0)
        die(&err);
    return w;
}

static void write_lock(struct ps_arena *arena, const struct ps_spec *spec,
                       const char *dir, const char *path)
{
    PS_AUTO_FREE char *text = slurp(path);
    PS_AUTO_JSON json_t *list = NULL;
    PS_AUTO_FREE char *lock = NULL;
    struct ps_error err = PS_ERROR_INIT;
    const struct ps_spec_wheel **files = ps_arena_alloc(
        arena, spec->count, sizeof(const struct ps_spec_wheel *));

    if (ps_json_parse(ps_str_from(text), path, &list, &err) < 0)
        die(&err);
    for (size_t i = 0; i < spec->count; i++)
        files[i] = read_file(arena, json_array_get(list, i));
    if (ps_spec_pylock(spec, files, &lock, &err) < 0)
        die(&err);
    put(dir, "pylock.toml", lock);
}

static int write_all(struct ps_arena *arena, char **argv)
{
    struct ps_spec spec = parse(arena, argv[0]);
    PS_AUTO_FREE char *requirements = ps_spec_requirements(&spec, NULL);
    PS_AUTO_FREE char *yaml = ps_spec_conda_yaml(&spec, "test");

    put(argv[1], "requirements.txt", requirements);
    put(argv[1], "environment.yml", yaml);
    if (argv[2])
        write_lock(arena, &spec, argv[1], argv[2]);
    return 0;
}

static int compare(struct ps_arena *arena, char **argv)
{
    struct ps_spec spec = parse(arena, argv[0]);
    const char *const dirs[] = { argv[2], NULL };
    struct ps_site site = {
        .executable = "/none",
        .prefix = argv[1],
        .implementation = spec.implementation,
        .version = spec.version,
        .abi = spec.abi,
        .platform = spec.platform,
        .dirs = dirs,
    };
    struct ps_environment found;
    struct ps_comparison c;
    struct ps_error err = PS_ERROR_INIT;

    if (ps_environment_scan(arena, &site, NULL, &found, &err) < 0 ||
        ps_compare_spec(arena, &spec, &found, &c, &err) < 0)
        die(&err);
    for (size_t i = 0; i < c.count; i++)
        printf("%s %s: %s\n", ps_severity_name(c.items[i].severity),
               c.items[i].name, c.items[i].message);
    return c.equal ? 0 : 1;
}

int main(int argc, char **argv)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    if (argc >= 4 && strcmp(argv[1], "write") == 0)
        return write_all(&arena, argv + 2);
    if (argc == 5 && strcmp(argv[1], "compare") == 0)
        return compare(&arena, argv + 2);
    (void)fputs("spec_driver write|compare SPEC ...\n", stderr);
    return 64;
}
