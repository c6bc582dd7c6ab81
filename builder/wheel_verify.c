/*
 * Verification of a wheel, in this order:
 *
 *   the file's name, its size and its SHA-256
 *   the archive's structure          (wheel_zip*.c)
 *   the top-level directories        .dist-info, .data
 *   WHEEL and METADATA               against the file's name
 *   RECORD                           against all contents
 *   the file once more               unchanged since the first look
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/fd.h"
#include "wheel_private.h"

struct verify {
    struct ps_arena *scratch;
    const struct ps_wheel_expect *expect; /* may be NULL */
    struct ps_wheel_limits limits;
    struct ps_wheel_name name;
    struct ps_wheel_tags tags; /* of the file's name */
    char *normal_name;
    char *normal_version;
    struct ps_zip zip;
    struct ps_str dist_info; /* without the '/' */
    struct ps_wheel_file wheel;
    struct ps_wheel_metadata metadata;
};

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
    return value ? value : otherwise;
}

static struct ps_wheel_limits limits_of(const struct ps_wheel_expect *expect)
{
    struct ps_wheel_limits none = { 0 };
    const struct ps_wheel_limits *l = expect ? &expect->limits : &none;

    return (struct ps_wheel_limits){
        .max_bytes = or_default(l->max_bytes, PS_GIB(4)),
        .max_unpacked = or_default(l->max_unpacked, PS_GIB(16)),
        .max_members = or_default(l->max_members, 200000),
        .max_ratio = or_default(l->max_ratio, 200),
    };
}

/* In file and directory names '_' stands for '-'. */
static int normal_version(struct ps_arena *arena, struct ps_str escaped,
                          char **out, struct ps_error *err)
{
    char *text = ps_arena_dup(arena, escaped);

    for (char *p = text; *p; p++)
        if (*p == '_')
            *p = '-';
    return ps_version_normalize(arena, ps_str_from(text), out, err);
}

static bool is_expected_tag(const struct verify *v)
{
    for (const char *const *tag = v->expect->tags; *tag; tag++)
        for (size_t i = 0; i < v->tags.count; i++)
            if (strcmp(v->tags.items[i], *tag) == 0)
                return true;
    return false;
}

static int check_file_name(struct verify *v, const char *file_name,
                           struct ps_error *err)
{
    const char *compressed = NULL;

    if (ps_wheel_name_parse(ps_str_from(file_name), &v->name, err) < 0)
        return err->code;
    v->normal_name = ps_normalize_name(v->scratch, v->name.name);
    if (normal_version(v->scratch, v->name.version, &v->normal_version, err) <
        0)
        return ps_context(err, "wheel name '%s'", file_name);
    compressed = ps_arena_format(
        v->scratch, "%.*s-%.*s-%.*s", PS_STR_FMT(v->name.python),
        PS_STR_FMT(v->name.abi), PS_STR_FMT(v->name.platform));
    if (ps_wheel_tags_add(v->scratch, &v->tags, ps_str_from(compressed), err) <
        0)
        return err->code;
    ps_wheel_tags_sort(&v->tags);

    if (!v->expect)
        return PS_OK;
    if (v->expect->name &&
        strcmp(v->normal_name,
               ps_normalize_name(v->scratch, ps_str_from(v->expect->name))) !=
            0)
        return ps_fail(err, PS_EINVALID, "'%.*s' was built, '%s' was expected",
                       PS_STR_FMT(v->name.name), v->expect->name);
    if (v->expect->tags && !is_expected_tag(v))
        return ps_fail(err, PS_EINVALID,
                       "its tag %s does not suit the target; "
                       "the best that would is %s",
                       compressed,
                       v->expect->tags[0] ? v->expect->tags[0] : "none");
    return PS_OK;
}

static bool ends_in_any_case(struct ps_str s, const char *suffix)
{
    size_t n = strlen(suffix);

    return s.len >= n && strncasecmp(s.data + s.len - n, suffix, n) == 0;
}

/*
 * The directory at the top of a member's path, if there is one that ends in
 * `suffix`, of any case, which is then refused unless it is lower.
 */
static int top_directory(const struct ps_zip_member *m, const char *suffix,
                         struct ps_str *top, struct ps_str *rest,
                         struct ps_error *err)
{
    bool below = false;

    *rest = m->name;
    below = ps_str_cut(rest, '/', top);
    if (!ends_in_any_case(*top, suffix))
        *top = (struct ps_str){ 0 };
    else if (!below || !ps_str_ends(*top, suffix))
        return ps_fail(err, PS_EINVALID, "'%.*s' is not a %s directory",
                       PS_STR_FMT(*top), suffix);
    return PS_OK;
}

/* Find the one top-level directory that ends in .dist-info. */
static int find_dist_info(struct verify *v, struct ps_error *err)
{
    for (size_t i = 0; i < v->zip.count; i++) {
        struct ps_str rest = { 0 };
        struct ps_str top = { 0 };

        if (top_directory(&v->zip.members[i], ".dist-info", &top, &rest, err) <
            0)
            return err->code;
        if (top.len == 0)
            continue;
        if (v->dist_info.len && !ps_str_equal(v->dist_info, top))
            return ps_fail(err, PS_EINVALID,
                           "two .dist-info directories: '%.*s' and '%.*s'",
                           PS_STR_FMT(v->dist_info), PS_STR_FMT(top));
        v->dist_info = top;
    }
    if (v->dist_info.len == 0)
        return ps_fail(err, PS_EINVALID, "no .dist-info directory");
    return PS_OK;
}

static int check_dist_info(struct verify *v, struct ps_error *err)
{
    struct ps_str version =
        ps_str_first(v->dist_info, v->dist_info.len - strlen(".dist-info"));
    struct ps_str name;
    char *normal = NULL;

    if (!ps_str_cut(&version, '-', &name) ||
        strcmp(ps_normalize_name(v->scratch, name), v->normal_name) != 0)
        return ps_fail(err, PS_EINVALID,
                       "'%.*s' does not belong to the project '%.*s'",
                       PS_STR_FMT(v->dist_info), PS_STR_FMT(v->name.name));
    if (normal_version(v->scratch, version, &normal, err) < 0)
        return ps_context(err, "'%.*s'", PS_STR_FMT(v->dist_info));
    if (strcmp(normal, v->normal_version) != 0)
        return ps_fail(err, PS_EINVALID,
                       "'%.*s' does not belong to the version '%.*s'",
                       PS_STR_FMT(v->dist_info), PS_STR_FMT(v->name.version));
    return PS_OK;
}

static bool is_scheme(struct ps_str s)
{
    static const char *const schemes[] = { "purelib", "platlib", "headers",
                                           "scripts", "data" };

    for (size_t i = 0; i < PS_ARRAY_SIZE(schemes); i++)
        if (ps_str_is(s, schemes[i]))
            return true;
    return false;
}

/*
 * What installers treat as <name>-<version>.data has to be that, and below it
 * only the keys of the installation scheme.
 */
static int check_data_member(const struct ps_zip_member *m, struct ps_str stem,
                             struct ps_error *err)
{
    struct ps_str rest = { 0 };
    struct ps_str top = { 0 };
    struct ps_str scheme;

    if (top_directory(m, ".data", &top, &rest, err) < 0)
        return err->code;
    if (top.len == 0)
        return PS_OK;
    if (!ps_str_equal(ps_str_first(top, top.len - strlen(".data")), stem))
        return ps_fail(err, PS_EINVALID,
                       "'%.*s' ends in .data and is not '%.*s.data/'",
                       PS_STR_FMT(top), PS_STR_FMT(stem));
    if (rest.len == 0)
        return PS_OK; /* the directory itself */
    if (!ps_str_cut(&rest, '/', &scheme) || !is_scheme(scheme))
        return ps_fail(err, PS_EINVALID,
                       "member '%.*s': below .data there are only purelib, "
                       "platlib, headers, scripts and data",
                       PS_STR_FMT(m->name));
    return PS_OK;
}

static int check_data(struct verify *v, struct ps_error *err)
{
    struct ps_str stem =
        ps_str_first(v->dist_info, v->dist_info.len - strlen(".dist-info"));

    for (size_t i = 0; i < v->zip.count; i++)
        if (check_data_member(&v->zip.members[i], stem, err) < 0)
            return err->code;
    return PS_OK;
}

static int read_dist_info(struct verify *v, const char *name, uint64_t max,
                          struct ps_str *text, struct ps_error *err)
{
    const char *path =
        ps_arena_format(v->scratch, "%.*s/%s", PS_STR_FMT(v->dist_info), name);
    const struct ps_zip_member *m = ps_zip_find(&v->zip, ps_str_from(path));

    if (!m || m->is_dir)
        return ps_fail(err, PS_EINVALID, "no '%s'", path);
    return ps_zip_read_text(v->scratch, &v->zip, m, max, text, err);
}

/* Both are sorted, so the first that differ tell which one lacks what. */
static int compare_tags(const struct ps_wheel_tags *wheel,
                        const struct ps_wheel_tags *name, struct ps_error *err)
{
    for (size_t i = 0; i < wheel->count || i < name->count; i++) {
        const char *a = i < wheel->count ? wheel->items[i] : "~";
        const char *b = i < name->count ? name->items[i] : "~";
        int order = strcmp(a, b); /* '~' comes after every tag */

        if (order < 0)
            return ps_fail(err, PS_EINVALID,
                           "WHEEL has the tag %s, the file name has not", a);
        if (order > 0)
            return ps_fail(err, PS_EINVALID,
                           "the file name has the tag %s, WHEEL has not", b);
    }
    return PS_OK;
}

static int check_wheel(struct verify *v, struct ps_error *err)
{
    struct ps_str text = { 0 };

    if (read_dist_info(v, "WHEEL", PS_WHEEL_WHEEL_MAX, &text, err) < 0)
        return err->code;
    if (ps_wheel_file_parse(v->scratch, text, &v->wheel, err) < 0)
        return ps_context(err, "WHEEL");
    if (!ps_str_equal(v->wheel.build, v->name.build))
        return ps_fail(err, PS_EINVALID,
                       "WHEEL has the build tag '%.*s', the file name '%.*s'",
                       PS_STR_FMT(v->wheel.build), PS_STR_FMT(v->name.build));
    return compare_tags(&v->wheel.tags, &v->tags, err);
}

static int check_metadata(struct verify *v, struct ps_error *err)
{
    struct ps_wheel_metadata *m = &v->metadata;
    struct ps_str text = { 0 };
    char *version = NULL;

    if (read_dist_info(v, "METADATA", PS_WHEEL_METADATA_MAX, &text, err) < 0)
        return err->code;
    if (ps_wheel_metadata_parse(v->scratch, text, m, err) < 0 ||
        ps_version_normalize(v->scratch, m->version, &version, err) < 0)
        return ps_context(err, "METADATA");
    if (strcmp(ps_normalize_name(v->scratch, m->name), v->normal_name) != 0)
        return ps_fail(err, PS_EINVALID,
                       "METADATA has the name '%.*s', the file name '%.*s'",
                       PS_STR_FMT(m->name), PS_STR_FMT(v->name.name));
    if (strcmp(version, v->normal_version) != 0)
        return ps_fail(err, PS_EINVALID,
                       "METADATA has the version '%.*s', the file name '%.*s'",
                       PS_STR_FMT(m->version), PS_STR_FMT(v->name.version));
    return PS_OK;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int check_contents(struct verify *v, int fd, uint64_t size,
                          struct ps_error *err)
{
    if (ps_zip_open(v->scratch, fd, size, &v->limits, &v->zip, err) < 0 ||
        find_dist_info(v, err) < 0 || check_dist_info(v, err) < 0 ||
        check_data(v, err) < 0 || check_wheel(v, err) < 0 ||
        check_metadata(v, err) < 0)
        return err->code;
    return ps_wheel_record_check(v->scratch, &v->zip, v->dist_info, err);
}

/* The digest first: if the file changes after that, its times show it. */
static int check_file(struct verify *v, int fd, struct ps_wheel_info *out,
                      struct ps_error *err)
{
    struct stat before = { 0 };
    struct stat after = { 0 };

    if (fstat(fd, &before) < 0)
        return ps_fail_errno(err, errno, "stat");
    if (!S_ISREG(before.st_mode))
        return ps_fail(err, PS_EINVALID, "not a regular file");
    if ((uint64_t)before.st_size > v->limits.max_bytes)
        return ps_fail(err, PS_ETOOBIG, "more than %" PRIu64 " bytes",
                       v->limits.max_bytes);
    if (lseek(fd, 0, SEEK_SET) < 0)
        return ps_fail_errno(err, errno, "seek");
    if (ps_sha256_fd(fd, v->limits.max_bytes, &out->sha256, &out->size, err) <
            0 ||
        check_contents(v, fd, out->size, err) < 0)
        return err->code;
    if (fstat(fd, &after) < 0)
        return ps_fail_errno(err, errno, "stat");
    if (!is_same(&before, &after))
        return ps_fail(err, PS_EBUSY, "the file changed while it was verified");
    return PS_OK;
}

int ps_wheel_verify_fd(struct ps_arena *arena, int fd, const char *file_name,
                       const struct ps_wheel_expect *expect,
                       struct ps_wheel_info *out, struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena scratch = PS_ARENA_INIT;
    struct verify v = { .scratch = &scratch, .expect = expect };
    struct ps_wheel_info info = { 0 };

    v.limits = limits_of(expect);
    if (check_file_name(&v, file_name, err) < 0 ||
        check_file(&v, fd, &info, err) < 0)
        return err->code;

    info.file_name = ps_arena_strdup(arena, file_name);
    info.name = ps_arena_dup(arena, v.metadata.name);
    info.version = ps_arena_dup(arena, v.metadata.version);
    info.members = v.zip.count;
    info.pure = v.wheel.pure;
    if (v.metadata.requires_python.data)
        info.requires_python = ps_arena_dup(arena, v.metadata.requires_python);
    *out = info;
    return PS_OK;
}

int ps_wheel_verify(struct ps_arena *arena, int dir, const char *file_name,
                    const struct ps_wheel_expect *expect,
                    struct ps_wheel_info *out, struct ps_error *err)
{
    PS_AUTO_FD int fd = -1;
    struct ps_wheel_name name;
    struct stat st;

    /* The name first: one that parses holds no '/'. */
    if (ps_wheel_name_parse(ps_str_from(file_name), &name, err) < 0)
        return err->code;
    if (ps_open_regular_at(dir, file_name, &fd, &st, err) < 0)
        return err->code;
    if (ps_wheel_verify_fd(arena, fd, file_name, expect, out, err) < 0)
        return ps_context(err, "wheel '%s'", file_name);
    return PS_OK;
}
