#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"

/* Newer than the headers of Debian 12. */
#define ACCESS_TRUNCATE (1ULL << 14)    /* ABI 3 */
#define ACCESS_IOCTL_DEV (1ULL << 15)   /* ABI 5 */
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ULL << 1)

#define ACCESS_ABI1 ((1ULL << 13) - 1)

struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* ABI 4 */
    uint64_t scoped;             /* ABI 6 */
};

#define READ_ACCESS                                              \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
     LANDLOCK_ACCESS_FS_READ_DIR)
#define DEVICE_ACCESS                                               \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
     LANDLOCK_ACCESS_FS_READ_DIR | ACCESS_TRUNCATE | ACCESS_IOCTL_DEV)
/* Files may be made of any kind but devices. */
#define WRITE_ACCESS                                              \
    ((ACCESS_ABI1 | LANDLOCK_ACCESS_FS_REFER | ACCESS_TRUNCATE) & \
     ~(uint64_t)(LANDLOCK_ACCESS_FS_MAKE_CHAR |                   \
                 LANDLOCK_ACCESS_FS_MAKE_BLOCK))

int ps_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
                       LANDLOCK_CREATE_RULESET_VERSION);

    return abi > 0 ? (int)abi : 0;
}

static uint64_t known_access(int abi)
{
    uint64_t access = ACCESS_ABI1;

    if (abi >= 2)
        access |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        access |= ACCESS_TRUNCATE;
    if (abi >= 5)
        access |= ACCESS_IOCTL_DEV;
    return access;
}

static int allow(int ruleset, const char *path, uint64_t access,
                 struct ps_error *err)
{
    PS_AUTO_FD int fd = open(path, O_PATH | O_CLOEXEC);
    struct landlock_path_beneath_attr rule = {
        .allowed_access = access,
        .parent_fd = fd,
    };

    if (fd < 0)
        return ps_fail_errno(err, errno, "open '%s' for Landlock", path);
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
                &rule, 0) < 0)
        return ps_fail_errno(err, errno, "allow '%s' in Landlock", path);
    return PS_OK;
}

int ps_landlock_enforce(const struct ps_job *job, struct ps_error *err)
{
    int abi = ps_landlock_abi();
    uint64_t known = known_access(abi);
    struct ruleset_attr attr = { .handled_access_fs = known };
    size_t size = sizeof(attr.handled_access_fs);
    PS_AUTO_FD int ruleset = -1;

    if (abi >= 6) {
        attr.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
        size = sizeof(attr);
    }
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return ps_fail_errno(err, errno, "make a Landlock ruleset");
    if (allow(ruleset, "/", READ_ACCESS, err) < 0 ||
        allow(ruleset, "/dev", DEVICE_ACCESS & known, err) < 0)
        return err->code;
    for (size_t i = 0; i < job->attach_count; i++) {
        if (job->attach[i].is_writable &&
            allow(ruleset, job->attach[i].path, WRITE_ACCESS & known, err) < 0)
            return err->code;
    }
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        return ps_fail_errno(err, errno, "enforce Landlock");
    return PS_OK;
}
