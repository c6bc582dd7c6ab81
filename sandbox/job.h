/*
 * One run, inside the helper program, in the order in which it happens:
 *
 *   ps_job_prepare()  helper: user id, mounts and tmpfs as descriptors
 *   ps_job_start()    helper: clone, id maps
 *   ps_child_main()   child:  root, hardening; PID 1 and the command part
 *   ps_job_wait()     helper: limits, status
 *   ps_job_collect()  helper: read the output directory back
 *
 * Single-threaded; the helper does one job and exits.
 */
#ifndef PKGSYNC_SANDBOX_JOB_H
#define PKGSYNC_SANDBOX_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pkgsync/arena.h"
#include "plan.h"

#define PS_JOB_MOUNTS_MAX 256
#define PS_JOB_DISKS_MAX (PS_PLAN_MAX_MOUNTS + 8)

enum ps_attach_kind {
    PS_ATTACH_TREE,    /* fd is the mount to attach */
    PS_ATTACH_OVERLAY, /* fd is the lower layer, upper_fd a tmpfs */
};

struct ps_attach {
    enum ps_attach_kind kind;
    const char *path; /* inside */
    int fd;           /* owned */
    int upper_fd;     /* owned; -1 */
    bool is_writable; /* Landlock grants writing here */
};

/* A tmpfs with a limit, watched so that "disk full" can be told. */
struct ps_disk {
    const char *path;
    int fd; /* borrowed from the attachment */
    bool was_full;
};

struct ps_job {
    struct ps_arena arena;
    const struct ps_plan *plan; /* borrowed */
    bool is_privileged;
    uid_t host_uid; /* who the command is on the host; never 0 */
    gid_t host_gid;
    uid_t fs_id;  /* that user's name in the helper's own user namespace */
    int uid_lock; /* holds the pool's slot; owned; -1 */
    int idmap_fd; /* user namespace: an owner -> host_uid; or -1 */
    uid_t idmap_uid;
    gid_t idmap_gid;
    int root_fd; /* the tmpfs that becomes the root; owned */
    int tmp_fd;  /* the tmpfs of /tmp; borrowed from its attachment; -1 */
    int out_fd;  /* top of the output tmpfs, for reading back; owned */
    int out_dir; /* host directory that receives it; borrowed */
    struct ps_attach attach[PS_JOB_MOUNTS_MAX];
    size_t attach_count;
    struct ps_disk disks[PS_JOB_DISKS_MAX];
    size_t disk_count;

    int go[2];     /* parent -> child: maps are written; EOF: parent died */
    int report[2]; /* child -> parent: struct ps_report */
    int self_fd;   /* this program, to be executed again as PID 1 */
    pid_t child;
    int pidfd; /* of child; owned; -1 */
};

#define PS_REPORT_ERROR 1
#define PS_REPORT_STATUS 2

/* Smaller than PIPE_BUF: written and read in one piece. */
struct ps_report {
    int32_t kind;
    int32_t wait_status; /* PS_REPORT_STATUS */
    struct ps_error err; /* PS_REPORT_ERROR */
};

void ps_job_init(struct ps_job *job, const struct ps_plan *plan, int out_dir);
void ps_job_release(struct ps_job *job);

PS_MUST_USE int ps_job_prepare(struct ps_job *job, struct ps_error *err);
PS_MUST_USE int ps_job_start(struct ps_job *job, struct ps_error *err);

/* What became of it, as the helper saw it. */
struct ps_job_end {
    bool was_killed; /* SIGTERM reached the helper */
    bool timed_out;
    int wait_status;
    uint64_t wall_ms;
    const char *full_disk; /* path of a tmpfs that was full, or NULL */
};

PS_MUST_USE int ps_job_wait(struct ps_job *job, struct ps_job_end *end,
                            struct ps_error *err);

/* Runs in the child; reports a failure through job->report and ends. */
_Noreturn void ps_child_main(struct ps_job *job);

/* `pkgsync-sandbox --init`: what PID 1 becomes. */
int ps_init_main(const char *main_pid);

#define PS_INIT_REPORT_FD 3
#define PS_INIT_READY_FD 4
#define PS_INIT_ALIVE_FD 5

/* Child side, root.c: assemble the root and make it the root. */
PS_MUST_USE int ps_root_enter(struct ps_job *job, struct ps_error *err);

/* Helper side, skeleton.c: files and mount points of the root tmpfs. */
PS_MUST_USE int ps_skeleton_fill(struct ps_job *job, struct ps_error *err);
PS_MUST_USE int ps_skeleton_point(struct ps_job *job, const char *path,
                                  bool is_dir, struct ps_error *err);

/* Helper side, mounts.c. */
PS_MUST_USE int ps_mounts_prepare(struct ps_job *job, struct ps_error *err);
/* `attr`: MOUNT_ATTR_*.  A detached copy of a host's tree. */
PS_MUST_USE int ps_mounts_tree(const char *host_path, uint64_t attr, int *out,
                               struct ps_error *err);
PS_MUST_USE int ps_mounts_add(struct ps_job *job, const char *path, int fd,
                              bool is_writable, struct ps_error *err);

struct ps_tmpfs_options {
    uint64_t max_bytes;
    uint64_t max_inodes;
    unsigned mode;
    uid_t owner;
};
PS_MUST_USE int ps_mounts_tmpfs(const struct ps_tmpfs_options *options,
                                uint64_t attr, int *out, struct ps_error *err);

/* identity.c: which host user the command is, and the id maps. */
/* Root with the rights, and with ids to spare, to be somebody else. */
bool ps_identity_has_pool(void);
/* Our user is root outside this user namespace as well. */
bool ps_identity_is_host_root(void);
PS_MUST_USE int ps_identity_choose(struct ps_job *job, struct ps_error *err);
PS_MUST_USE int ps_identity_write_maps(pid_t pid, unsigned inner, uid_t uid,
                                       gid_t gid, struct ps_error *err);
PS_MUST_USE int ps_identity_own_namespace(struct ps_error *err);
/* job->idmap_fd: a user namespace that maps this owner to the job's user. */
PS_MUST_USE int ps_identity_idmap(struct ps_job *job, uid_t uid, gid_t gid,
                                  struct ps_error *err);

#endif
