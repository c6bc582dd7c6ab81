/*
 * The self-test's answer, kept in a file.
 *
 * The self-test starts a score of processes, which is more than the whole of a
 * run that finds its wheel ready.  What it says depends on the running kernel,
 * on who asks with which rights, and on the helper; all of that is in the
 * file's name.  Settings that can change while a machine runs (sysctl,
 * AppArmor) are not: so an answer that refuses something is never kept, and
 * one that a run has contradicted is removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/digest.h"
#include "pkgsync/fd.h"
#include "pkgsync/json.h"
#include "pkgsync/mem.h"
#include "pkgsync/str.h"
#include "pkgsync/util.h"
#include "probe.h"

#define FACTS_MAX ((size_t)64 << 10)
#define KEPT_MAX ((size_t)64 << 10)

static void add_file(struct ps_buf *facts, const char *path)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(FACTS_MAX / 4);
    PS_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct ps_error ignored = PS_ERROR_INIT;

    if (fd >= 0 && ps_read_all(fd, &text, &ignored) == PS_OK)
        ps_buf_add(facts, text.data, text.len);
}

static void add_link(struct ps_buf *facts, const char *path)
{
    char text[256];
    ssize_t len = readlink(path, text, sizeof(text));

    if (len > 0)
        ps_buf_add(facts, text, (size_t)len);
}

/* The rights this process has: capabilities, filters, no_new_privs. */
static void add_rights(struct ps_buf *facts)
{
    static const char *const wanted[] = { "Uid:", "Gid:",        "Groups:",
                                          "Cap",  "NoNewPrivs:", "Seccomp" };
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(FACTS_MAX / 4);
    PS_AUTO_FD int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_str rest;
    struct ps_str line;

    if (fd < 0 || ps_read_all(fd, &text, &ignored) < 0)
        return;
    rest = ps_buf_str(&text);
    while (ps_str_cut(&rest, '\n', &line)) {
        for (size_t i = 0; i < PS_ARRAY_SIZE(wanted); i++) {
            if (ps_str_starts(line, wanted[i]))
                ps_buf_add(facts, line.data, line.len);
        }
        /* Being traced matters; by whom does not, and changes each time. */
        if (ps_str_starts(line, "TracerPid:") &&
            !ps_str_is(ps_str_trim(ps_str_skip(line, strlen("TracerPid:"))),
                       "0"))
            ps_buf_adds(facts, "traced");
    }
}

char *ps_layers_kept_path(const char *cache_dir, const char *helper)
{
    PS_AUTO_BUF struct ps_buf facts = PS_BUF_INIT(FACTS_MAX);
    struct utsname kernel;
    struct ps_sha256 digest;
    struct stat st;
    char hex[PS_SHA256_HEX_SIZE];

    if (!cache_dir || uname(&kernel) < 0 || stat(helper, &st) < 0)
        return NULL;
    ps_buf_addf(&facts, "%s\n%s %s\n%s %llu %llu %llu %lld.%ld %lld.%ld\n",
                PKGSYNC_VERSION, kernel.release, kernel.version, helper,
                (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
                (unsigned long long)st.st_size, (long long)st.st_mtim.tv_sec,
                st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec,
                st.st_ctim.tv_nsec);
    add_file(&facts, "/proc/sys/kernel/random/boot_id");
    add_file(&facts, "/proc/self/cgroup");
    add_file(&facts, "/proc/self/attr/current");
    add_link(&facts, "/proc/self/ns/user");
    add_link(&facts, "/proc/self/ns/mnt");
    add_link(&facts, "/proc/self/ns/pid");
    add_link(&facts, "/proc/self/ns/net");
    add_rights(&facts);
    if (facts.overflow)
        return NULL;
    digest = ps_sha256_of(facts.data, facts.len);
    ps_sha256_hex(&digest, hex);
    return ps_format("%s/sandbox/%.32s.json", cache_dir, hex);
}

bool ps_layers_load(const char *path, struct ps_layer layers[PS_LAYERS_MAX],
                    size_t *count)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(KEPT_MAX);
    struct ps_error ignored = PS_ERROR_INIT;

    return ps_read_file_at(AT_FDCWD, path, &text, &ignored) == PS_OK &&
           ps_layers_parse(ps_buf_str(&text), layers, count, &ignored) == PS_OK;
}

void ps_layers_save(const char *path, const struct ps_layer *layers,
                    size_t count)
{
    PS_AUTO_JSON json_t *rows = json_array();
    PS_AUTO_FREE char *text = NULL;
    PS_AUTO_FREE char *dir = ps_strdup(path);
    struct ps_error ignored = PS_ERROR_INIT;

    for (size_t i = 0; i < count; i++) {
        const struct ps_layer *l = &layers[i];

        if (l->required && l->state == PS_LAYER_ABSENT)
            return;
        json_array_append_new(
            rows, json_pack("{s:s, s:s, s:b, s:o, s:o}", "name", l->name,
                            "state", ps_layer_state_name(l->state), "required",
                            l->required, "detail", ps_json_string(l->detail),
                            "remedy", ps_json_string(l->remedy)));
    }
    text = ps_json_canonical(rows);
    *strrchr(dir, '/') = '\0';
    /* Not being able to keep it costs time, nothing else. */
    if (ps_mkdirs(dir, 0700, &ignored) == PS_OK)
        (void)!ps_write_file_at(AT_FDCWD, path, text, strlen(text), 0600,
                                &ignored);
}
