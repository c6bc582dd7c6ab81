/* Who claims, and whether that process is still there. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/buf.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "queue_private.h"

/* Field 22 of /proc/<pid>/stat, counted from the state that follows the
 * command name: that one may hold blanks and parentheses. */
#define START_TIME_AFTER_STATE 19

static int read_proc(const char *path, struct ps_buf *out)
{
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return PS_ENOTFOUND;
    return ps_read_all(fd, out, &err);
}

/* State letter and start time in ticks since boot; false: not readable. */
static bool process_stat(uint64_t pid, char *state, uint64_t *start)
{
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FREE char *path =
        ps_format("/proc/%llu/stat", (unsigned long long)pid);
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(4096);
    struct ps_str rest = { .data = NULL };
    struct ps_str field = { .data = NULL };

    if (read_proc(path, &text) < 0)
        return false;
    rest = ps_buf_str(&text);
    if (!ps_str_cut_last(&rest, ')', &field))
        return false;
    rest = ps_str_trim(rest);
    (void)ps_str_cut(&rest, ' ', &field);
    if (field.len > 0)
        *state = field.data[0];
    for (int i = 0; i < START_TIME_AFTER_STATE; i++)
        (void)ps_str_cut(&rest, ' ', &field);
    return ps_str_to_u64(field, UINT64_MAX, start, &err) == PS_OK;
}

/* "<host>/<boot>", the part that must be equal before a pid means anything.
 * A PID namespace of its own counts as another boot. */
static char *place(void)
{
    PS_AUTO_BUF struct ps_buf boot = PS_BUF_INIT(256);
    char host[256] = "";
    char ns[64] = "";
    ssize_t len = readlink("/proc/self/ns/pid", ns, sizeof(ns) - 1);

    if (gethostname(host, sizeof(host) - 1) < 0 || host[0] == '\0' || len <= 0)
        return NULL;
    if (read_proc("/proc/sys/kernel/random/boot_id", &boot) < 0)
        return NULL;
    for (char *p = host; *p; p++) {
        if (*p == '/')
            *p = '_';
    }
    return ps_format("%s/%.*s.%s", host,
                     PS_STR_FMT(ps_str_trim(ps_buf_str(&boot))), ns);
}

char *ps_queue_worker_name(unsigned n)
{
    PS_AUTO_FREE char *here = place();
    unsigned long long pid = (unsigned long long)getpid();
    uint64_t start = 0;
    char state = '?';

    /* Without /proc the name says nothing, and only the lease judges it. */
    (void)process_stat(pid, &state, &start);
    return ps_format("%s/%llu/%llu/%u", here ? here : "?/?", pid,
                     (unsigned long long)start, n);
}

bool ps_queue_worker_is_dead(const char *worker)
{
    PS_AUTO_FREE char *here = place();
    struct ps_error err = PS_ERROR_INIT;
    struct ps_str rest = { .data = NULL };
    struct ps_str field = { .data = NULL };
    uint64_t pid = 0;
    uint64_t start = 0;
    uint64_t now_start = 0;
    char state = '?';

    if (!worker || !here || !ps_str_starts(ps_str_from(worker), here))
        return false;
    rest = ps_str_skip(ps_str_from(worker), strlen(here));
    if (rest.len == 0 || rest.data[0] != '/')
        return false;
    rest = ps_str_skip(rest, 1);
    (void)ps_str_cut(&rest, '/', &field);
    if (ps_str_to_u64(field, INT32_MAX, &pid, &err) < 0 || pid == 0)
        return false;
    (void)ps_str_cut(&rest, '/', &field);
    if (ps_str_to_u64(field, UINT64_MAX, &start, &err) < 0 || start == 0)
        return false;

    /* kill(2), since /proc may hide the processes of other users. */
    if (kill((pid_t)pid, 0) < 0 && errno == ESRCH)
        return true;
    if (!process_stat(pid, &state, &now_start))
        return false;
    return state == 'Z' || state == 'X' || now_start != start;
}
