#include "plan.h"

#include <stddef.h>
#include <string.h>

#include "pkgsync/util.h"

/* The numbers of a plan: name in JSON, place in the spec, value for 0. */
struct number_field {
    const char *key;
    size_t offset;
    uint64_t otherwise;
};

#define NUMBER(name, value)                                         \
    {                                                               \
        .key = #name, .offset = offsetof(struct ps_run_spec, name), \
        .otherwise = (value)                                        \
    }

static const struct number_field numbers[] = {
    NUMBER(out_max_bytes, 0),         NUMBER(out_max_files, 0),
    NUMBER(tmp_max_bytes, PS_GIB(1)), NUMBER(tmp_max_inodes, 200000),
    NUMBER(memory_max_bytes, 0),      NUMBER(pids_max, 512),
    NUMBER(wall_limit_ms, 0),         NUMBER(log_max_bytes, PS_MIB(64)),
};

static const char *const members[] = {
    "argv",     "env",     "cwd",         "mounts",
    "out_path", "network", "extra_paths", "weaken",
};

/* Made by the sandbox itself: nothing may be mounted over them. */
static const char *const reserved[] = { "/proc",  "/dev",   "/etc", "/usr",
                                        "/bin",   "/sbin",  "/lib", "/lib32",
                                        "/lib64", "/libx32" };

static uint64_t *number_of(struct ps_run_spec *spec,
                           const struct number_field *f)
{
    return (uint64_t *)(void *)((char *)spec + f->offset);
}

void ps_plan_defaults(struct ps_plan *plan)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(numbers); i++) {
        uint64_t *n = number_of(&plan->spec, &numbers[i]);

        if (*n == 0)
            *n = numbers[i].otherwise;
    }
}

bool ps_plan_list_has(const char *const *list, const char *name)
{
    for (; list && *list; list++) {
        if (strcmp(*list, name) == 0)
            return true;
    }
    return false;
}

bool ps_plan_is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    return strncmp(path, dir, len) == 0 &&
           (path[len] == '\0' || path[len] == '/');
}

/* Absolute, no empty, "." or ".." component, no slash at the end. */
static int check_path(const char *what, const char *path, struct ps_error *err)
{
    const char *at = path;

    if (!path || path[0] != '/')
        return ps_fail(err, PS_EINVALID,
                       "sandbox plan: %s '%s' must be an "
                       "absolute path",
                       what, path ? path : "");
    if (strlen(path) > PS_PLAN_PATH_MAX)
        return ps_fail(err, PS_ETOOBIG,
                       "sandbox plan: %s is longer than %u "
                       "bytes",
                       what, PS_PLAN_PATH_MAX);
    if (strcmp(path, "/") == 0)
        return PS_OK;
    while (*at == '/') {
        size_t len = strcspn(++at, "/");

        if (len == 0 || (len == 1 && at[0] == '.') ||
            (len == 2 && at[0] == '.' && at[1] == '.'))
            return ps_fail(err, PS_EINVALID,
                           "sandbox plan: %s '%s' must have "
                           "no empty, '.' or '..' part",
                           what, path);
        at += len;
    }
    return PS_OK;
}

/* A place where the plan may put something of its own. */
static int check_target(const char *what, const char *path,
                        struct ps_error *err)
{
    if (check_path(what, path, err) < 0)
        return err->code;
    if (strcmp(path, "/") == 0 || strcmp(path, "/tmp") == 0)
        return ps_fail(err, PS_EINVALID,
                       "sandbox plan: %s '%s' is the "
                       "sandbox's own",
                       what, path);
    for (size_t i = 0; i < PS_ARRAY_SIZE(reserved); i++) {
        if (ps_plan_is_below(path, reserved[i]))
            return ps_fail(err, PS_EINVALID,
                           "sandbox plan: %s '%s' lies in "
                           "'%s', which is the sandbox's own",
                           what, path, reserved[i]);
    }
    return PS_OK;
}

static int check_mounts(const struct ps_run_spec *s, struct ps_error *err)
{
    if (s->mount_count > PS_PLAN_MAX_MOUNTS)
        return ps_fail(err, PS_ETOOBIG, "sandbox plan: more than %u mounts",
                       PS_PLAN_MAX_MOUNTS);
    for (size_t i = 0; i < s->mount_count; i++) {
        if (check_path("host path", s->mounts[i].host_path, err) < 0 ||
            check_target("mount", s->mounts[i].path, err) < 0)
            return err->code;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(s->mounts[i].path, s->mounts[j].path) == 0)
                return ps_fail(err, PS_EINVALID,
                               "sandbox plan: two mounts at "
                               "'%s'",
                               s->mounts[i].path);
        }
        if (s->out_path && ps_plan_is_below(s->mounts[i].path, s->out_path))
            return ps_fail(err, PS_EINVALID,
                           "sandbox plan: mount '%s' lies "
                           "in the output directory",
                           s->mounts[i].path);
    }
    return PS_OK;
}

static int check_env(const char *const *env, struct ps_error *err)
{
    for (size_t i = 0; env && env[i]; i++) {
        const char *eq = strchr(env[i], '=');

        if (i >= PS_PLAN_MAX_STRINGS)
            return ps_fail(err, PS_ETOOBIG,
                           "sandbox plan: more than %u "
                           "variables",
                           PS_PLAN_MAX_STRINGS);
        if (!eq || eq == env[i])
            return ps_fail(err, PS_EINVALID,
                           "sandbox plan: variable '%s' is "
                           "not NAME=value",
                           env[i]);
    }
    return PS_OK;
}

int ps_plan_check(const struct ps_plan *plan, struct ps_error *err)
{
    const struct ps_run_spec *s = &plan->spec;
    size_t argc = 0;

    if (!s->argv || !s->argv[0])
        return ps_fail(err, PS_EINVALID, "sandbox plan: no command");
    while (s->argv[argc]) {
        if (++argc > PS_PLAN_MAX_STRINGS)
            return ps_fail(err, PS_ETOOBIG,
                           "sandbox plan: more than %u "
                           "arguments",
                           PS_PLAN_MAX_STRINGS);
    }
    if (check_path("program", s->argv[0], err) < 0 ||
        check_path("working directory", s->cwd, err) < 0 ||
        check_env(s->env, err) < 0)
        return err->code;
    if (s->out_path) {
        if (check_target("output directory", s->out_path, err) < 0)
            return err->code;
        if (s->out_max_bytes == 0 || s->out_max_files == 0)
            return ps_fail(err, PS_EINVALID,
                           "sandbox plan: an output "
                           "directory needs out_max_bytes and out_max_files");
    }
    for (size_t i = 0; plan->extra_paths && plan->extra_paths[i]; i++) {
        if (check_path("extra path", plan->extra_paths[i], err) < 0)
            return err->code;
        /* A toolchain inside /usr is shown already. */
        if (!ps_plan_is_below(plan->extra_paths[i], "/usr") &&
            check_target("extra path", plan->extra_paths[i], err) < 0)
            return err->code;
    }
    return check_mounts(s, err);
}

static int add_string(json_t *object, const char *key, const char *value,
                      struct ps_error *err)
{
    json_t *string = value ? json_string(value) : json_null();

    if (!string)
        return ps_fail(err, PS_EINVALID, "sandbox plan: %s is not valid UTF-8",
                       key);
    json_object_set_new(object, key, string);
    return PS_OK;
}

static int add_list(json_t *object, const char *key, const char *const *list,
                    struct ps_error *err)
{
    json_t *array = json_array();

    json_object_set_new(object, key, array);
    for (; list && *list; list++) {
        json_t *string = json_string(*list);

        if (!string)
            return ps_fail(err, PS_EINVALID,
                           "sandbox plan: a string of %s is "
                           "not valid UTF-8",
                           key);
        json_array_append_new(array, string);
    }
    return PS_OK;
}

static int add_mounts(json_t *object, const struct ps_run_spec *s,
                      struct ps_error *err)
{
    json_t *array = json_array();

    json_object_set_new(object, "mounts", array);
    for (size_t i = 0; i < s->mount_count; i++) {
        const struct ps_mount *m = &s->mounts[i];
        json_t *row = json_object();

        json_array_append_new(array, row);
        if (add_string(row, "kind",
                       m->kind == PS_MOUNT_SCRATCH ? "scratch" : "read-only",
                       err) < 0 ||
            add_string(row, "host_path", m->host_path, err) < 0 ||
            add_string(row, "path", m->path, err) < 0)
            return err->code;
    }
    return PS_OK;
}

int ps_plan_to_json(const struct ps_plan *plan, json_t **out,
                    struct ps_error *err)
{
    struct ps_run_spec s = plan->spec;
    json_t *root = json_object();

    if (add_list(root, "argv", s.argv, err) < 0 ||
        add_list(root, "env", s.env, err) < 0 ||
        add_string(root, "cwd", s.cwd, err) < 0 ||
        add_mounts(root, &s, err) < 0 ||
        add_string(root, "out_path", s.out_path, err) < 0 ||
        add_list(root, "extra_paths", plan->extra_paths, err) < 0 ||
        add_list(root, "weaken", plan->weaken, err) < 0) {
        json_decref(root);
        return err->code;
    }
    json_object_set_new(root, "network", json_boolean(s.network));
    for (size_t i = 0; i < PS_ARRAY_SIZE(numbers); i++) {
        uint64_t n = *number_of(&s, &numbers[i]);

        /* "No limit" written large must not become negative in JSON. */
        if (n > INT64_MAX)
            n = INT64_MAX;
        json_object_set_new(root, numbers[i].key, json_integer((json_int_t)n));
    }
    *out = root;
    return PS_OK;
}

static bool is_member(const char *key)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(members); i++) {
        if (strcmp(key, members[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < PS_ARRAY_SIZE(numbers); i++) {
        if (strcmp(key, numbers[i].key) == 0)
            return true;
    }
    return false;
}

static int take_string(struct ps_arena *a, const json_t *object,
                       const char *key, const char **out, struct ps_error *err)
{
    const json_t *value = json_object_get(object, key);

    if (!value || json_is_null(value)) {
        *out = NULL;
        return PS_OK;
    }
    if (!json_is_string(value))
        return ps_fail(err, PS_EINVALID, "sandbox plan: '%s' must be a string",
                       key);
    *out = ps_arena_strdup(a, json_string_value(value));
    return PS_OK;
}

static int take_list(struct ps_arena *a, const json_t *object, const char *key,
                     const char *const **out, struct ps_error *err)
{
    const json_t *value = json_object_get(object, key);
    const char **list = NULL;
    size_t n = json_array_size(value);

    if (value && !json_is_array(value))
        return ps_fail(err, PS_EINVALID, "sandbox plan: '%s' must be a list",
                       key);
    if (n > PS_PLAN_MAX_STRINGS)
        return ps_fail(err, PS_ETOOBIG,
                       "sandbox plan: '%s' has more than %u "
                       "entries",
                       key, PS_PLAN_MAX_STRINGS);
    list = ps_arena_alloc(a, n + 1, sizeof(*list));
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(value, i);

        if (!json_is_string(item))
            return ps_fail(err, PS_EINVALID,
                           "sandbox plan: '%s' must be a "
                           "list of strings",
                           key);
        list[i] = ps_arena_strdup(a, json_string_value(item));
    }
    *out = list;
    return PS_OK;
}

static int take_mounts(struct ps_arena *a, const json_t *object,
                       struct ps_run_spec *s, struct ps_error *err)
{
    const json_t *value = json_object_get(object, "mounts");
    size_t n = json_array_size(value);
    struct ps_mount *mounts = NULL;

    if (value && !json_is_array(value))
        return ps_fail(err, PS_EINVALID,
                       "sandbox plan: 'mounts' must be a list");
    if (n > PS_PLAN_MAX_MOUNTS)
        return ps_fail(err, PS_ETOOBIG, "sandbox plan: more than %u mounts",
                       PS_PLAN_MAX_MOUNTS);
    mounts = ps_arena_alloc(a, n + 1, sizeof(*mounts));
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(value, i);
        const char *kind = NULL;

        if (take_string(a, row, "kind", &kind, err) < 0 ||
            take_string(a, row, "host_path", &mounts[i].host_path, err) < 0 ||
            take_string(a, row, "path", &mounts[i].path, err) < 0)
            return err->code;
        if (kind && strcmp(kind, "scratch") == 0)
            mounts[i].kind = PS_MOUNT_SCRATCH;
        else if (kind && strcmp(kind, "read-only") == 0)
            mounts[i].kind = PS_MOUNT_READ_ONLY;
        else
            return ps_fail(err, PS_EINVALID,
                           "sandbox plan: unknown kind of "
                           "mount '%s'",
                           kind ? kind : "");
    }
    s->mounts = mounts;
    s->mount_count = n;
    return PS_OK;
}

static int take_numbers(const json_t *object, struct ps_run_spec *s,
                        struct ps_error *err)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(numbers); i++) {
        const json_t *value = json_object_get(object, numbers[i].key);
        json_int_t n = json_integer_value(value);

        if (value && (!json_is_integer(value) || n < 0))
            return ps_fail(err, PS_EINVALID,
                           "sandbox plan: '%s' must be a "
                           "whole number, 0 or more",
                           numbers[i].key);
        *number_of(s, &numbers[i]) = (uint64_t)n;
    }
    return PS_OK;
}

static int plan_from_json(struct ps_arena *a, json_t *root, struct ps_plan *out,
                          struct ps_error *err)
{
    struct ps_plan plan = { .spec = { .out_dir = -1 } };
    const json_t *network = json_object_get(root, "network");
    const char *key = NULL;
    json_t *value = NULL;

    if (!json_is_object(root))
        return ps_fail(err, PS_EINVALID, "sandbox plan: not a JSON object");
    json_object_foreach(root, key, value)
    {
        if (!is_member(key))
            return ps_fail(err, PS_EINVALID,
                           "sandbox plan: unknown member "
                           "'%s'",
                           key);
    }
    if (network && !json_is_boolean(network))
        return ps_fail(err, PS_EINVALID,
                       "sandbox plan: 'network' must be true or false");
    plan.spec.network = json_is_true(network);
    if (take_list(a, root, "argv", &plan.spec.argv, err) < 0 ||
        take_list(a, root, "env", &plan.spec.env, err) < 0 ||
        take_string(a, root, "cwd", &plan.spec.cwd, err) < 0 ||
        take_mounts(a, root, &plan.spec, err) < 0 ||
        take_string(a, root, "out_path", &plan.spec.out_path, err) < 0 ||
        take_list(a, root, "extra_paths", &plan.extra_paths, err) < 0 ||
        take_list(a, root, "weaken", &plan.weaken, err) < 0 ||
        take_numbers(root, &plan.spec, err) < 0)
        return err->code;
    *out = plan;
    return PS_OK;
}

int ps_plan_parse(struct ps_arena *a, struct ps_str text, struct ps_plan *out,
                  struct ps_error *err)
{
    json_error_t why;
    json_t *root = NULL;
    int rc;

    if (text.len > PS_PLAN_MAX_BYTES)
        return ps_fail(err, PS_ETOOBIG, "sandbox plan: more than %u bytes",
                       PS_PLAN_MAX_BYTES);
    root = json_loadb(text.data ? text.data : "", text.len,
                      JSON_REJECT_DUPLICATES, &why);
    if (!root)
        return ps_fail(err, PS_EINVALID, "sandbox plan: line %d: %s", why.line,
                       why.text);
    rc = plan_from_json(a, root, out, err);
    json_decref(root);
    return rc;
}
