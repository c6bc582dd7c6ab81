/*
 * A wheel whose archive is sound and whose hashes hold, so that the fuzzer
 * gets to the rules for what is in it.  The input is, with NULs between:
 *
 *   METADATA, WHEEL, the name of one more member, its data, rows of RECORD
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pkgsync/digest.h"
#include "pkgsync/fd.h"
#include "wheel_private.h"
#include "zip_writer.h"

#define INFO "demo-1.0.dist-info/"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_row(struct ps_buf *record, const struct zw_member *m)
{
    struct ps_sha256 digest = ps_sha256_of(m->data.data, m->data.len);
    PS_AUTO_FREE char *hash = ps_base64_url(digest.bytes, PS_SHA256_SIZE);

    ps_buf_addc(record, '"');
    for (size_t i = 0; i < m->name.len; i++) {
        if (m->name.data[i] == '"')
            ps_buf_addc(record, '"');
        ps_buf_addc(record, m->name.data[i]);
    }
    ps_buf_addf(record, "\",sha256=%s,%zu\n", hash, m->data.len);
}

/* Split the input and write the archive. */
static void write_wheel(struct ps_str input, struct zw_archive *archive,
                        struct ps_buf *record, struct ps_buf *bytes)
{
    struct zw_member *m = archive->members;
    struct zw_layout layout;

    m[0].name = PS_STR_LIT(INFO "METADATA");
    m[1].name = PS_STR_LIT(INFO "WHEEL");
    m[3].name = PS_STR_LIT(INFO "RECORD");
    (void)ps_str_cut(&input, '\0', &m[0].data);
    (void)ps_str_cut(&input, '\0', &m[1].data);
    (void)ps_str_cut(&input, '\0', &m[2].name);
    (void)ps_str_cut(&input, '\0', &m[2].data);
    m[2].name = ps_str_first(m[2].name, 1000);
    m[2].flags = PS_ZIP_UTF8;
    m[2].method = PS_ZIP_DEFLATED;
    archive->count = 4;

    for (size_t i = 0; i < 3; i++)
        if (!ps_str_ends(m[i].name, "/"))
            add_row(record, &m[i]);
    if (input.len)
        ps_buf_add(record, input.data, input.len);
    m[3].data = ps_buf_str(record);
    zw_write(archive, bytes, &layout);
}

static void check_accepted(struct ps_arena *arena,
                           const struct ps_wheel_info *info,
                           struct ps_str extra)
{
    const char *name = ps_normalize_name(arena, ps_str_from(info->name));
    const char *path = ps_arena_dup(arena, extra);

    if (strcmp(name, "demo") != 0 || path[0] == '/' || strchr(path, '\\') ||
        strstr(path, "/../") || strncmp(path, "../", 3) == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_BUF struct ps_buf record = PS_BUF_INIT(PS_MIB(4));
    PS_AUTO_BUF struct ps_buf bytes = PS_BUF_INIT(PS_MIB(16));
    PS_AUTO_FD int fd = memfd_create("wheel", MFD_CLOEXEC);
    struct ps_str input = { .data = (const char *)data, .len = size };
    struct ps_error err = PS_ERROR_INIT;
    struct zw_archive archive = { 0 };
    struct ps_wheel_info info = { 0 };

    if (size > PS_MIB(1))
        return 0;
    write_wheel(input, &archive, &record, &bytes);
    if (fd < 0 || ps_write_all(fd, bytes.data, bytes.len, &err) < 0)
        abort();
    if (ps_wheel_verify_fd(&arena, fd, "demo-1.0-py2.py3-none-any.whl", NULL,
                           &info, &err) == PS_OK)
        check_accepted(&arena, &info, archive.members[2].name);
    return 0;
}
