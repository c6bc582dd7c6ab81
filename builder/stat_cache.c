/*
 * The stat cache: one file a tree, in the cache directory, named by the
 * SHA-256 of the tree's real path.  All numbers are little-endian.
 *
 *   offset size
 *        0    8  "PKGSYNCT"
 *        8    4  format version
 *       12    4  number of records
 *       16   32  SHA-256 of the tree's real path
 *       48    8  start of the scan that wrote it, seconds since 1970
 *       56    4  and nanoseconds
 *       60       records, in byte order of their paths:
 *                  4  leading bytes that the path shares with the one before
 *                  4  length of the rest
 *                  8  size      8  inode
 *                  8  mtime     8  ctime, seconds
 *                  4  mtime     4  ctime, nanoseconds
 *                  4  mode      4  saves since a walk last met the file
 *                 32  SHA-256 of the content
 *                     rest of the path
 *   end - 32  32  SHA-256 of everything before
 *
 * A record is believed when everything that stat(2) says is as it was and
 * the file was at rest when it was hashed: its times must lie before the
 * start of the scan by more than a tick of the file system's clock.  A later
 * write cannot have left times before the scan, so it shows.
 *
 * Records of files that a walk did not meet (other patterns) are kept for a
 * few saves, unless they were too young to be believed: the new start of the
 * scan would make them look settled.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "tree_private.h"

#define CACHE_VERSION 1u
#define HEADER_SIZE 60u
#define RECORD_SIZE 92u /* without the path */
#define CACHE_MAX_BYTES ((size_t)512 << 20)
#define MAX_IDLE 8u

static const unsigned char magic[8] = {
    'P', 'K', 'G', 'S', 'Y', 'N', 'C', 'T'
};

#define NS_PER_S INT64_C(1000000000)
/* Linux stamps with a clock that ticks every 10 ms at worst; FAT keeps two
 * seconds, and others whole ones, which a zero in the fraction gives away. */
#define FINE_TICK_NS INT64_C(20000000)
#define COARSE_TICK_NS (2 * NS_PER_S)

static void put_u32(unsigned char *p, uint32_t v)
{
    uint32_t le = htole32(v);

    memcpy(p, &le, sizeof(le));
}

static void put_u64(unsigned char *p, uint64_t v)
{
    uint64_t le = htole64(v);

    memcpy(p, &le, sizeof(le));
}

static uint32_t get_u32(const unsigned char *p)
{
    uint32_t le = 0;

    memcpy(&le, p, sizeof(le));
    return le32toh(le);
}

static uint64_t get_u64(const unsigned char *p)
{
    uint64_t le = 0;

    memcpy(&le, p, sizeof(le));
    return le64toh(le);
}

struct ps_stat_key ps_stat_key_of(const struct stat *st)
{
    return (struct ps_stat_key){
        .size = (uint64_t)st->st_size,
        .ino = (uint64_t)st->st_ino,
        .mtime_s = st->st_mtim.tv_sec,
        .ctime_s = st->st_ctim.tv_sec,
        .mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
        .ctime_ns = (uint32_t)st->st_ctim.tv_nsec,
        .mode = (uint32_t)st->st_mode,
    };
}

bool ps_stat_key_equal(const struct ps_stat_key *a, const struct ps_stat_key *b)
{
    return a->size == b->size && a->ino == b->ino && a->mtime_s == b->mtime_s &&
           a->ctime_s == b->ctime_s && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns && a->mode == b->mode;
}

/* Too close to the start of the scan that hashed it, or after it? */
static bool is_young(int64_t s, uint32_t ns, const struct timespec *start)
{
    int64_t tick = ns == 0 ? COARSE_TICK_NS : FINE_TICK_NS;
    int64_t age_ns = 0;

    /* Minutes apart: no arithmetic that could overflow. */
    if (s < start->tv_sec - 60)
        return false;
    if (s > start->tv_sec + 60)
        return true;
    age_ns = (start->tv_sec - s) * NS_PER_S + start->tv_nsec - (int64_t)ns;
    return age_ns <= tick;
}

static bool is_racy(const struct ps_stat_key *key, const struct timespec *start)
{
    return is_young(key->mtime_s, key->mtime_ns, start) ||
           is_young(key->ctime_s, key->ctime_ns, start);
}

/* Negative, 0, positive, as memcmp(3) over paths of any length. */
static int compare_paths(struct ps_str a, struct ps_str b)
{
    size_t n = PS_MIN(a.len, b.len);
    int c = n ? memcmp(a.data, b.data, n) : 0;

    if (c != 0)
        return c;
    return a.len < b.len ? -1 : a.len > b.len;
}

static size_t shared_prefix(struct ps_str a, struct ps_str b)
{
    size_t n = PS_MIN(a.len, b.len);
    size_t i = 0;

    while (i < n && a.data[i] == b.data[i])
        i++;
    return i;
}

static void cut_buf(struct ps_buf *b, size_t len)
{
    if (len < b->len) {
        b->len = len;
        b->data[len] = '\0';
    }
}

/* --- the cache as it was found ------------------------------------------ */

static void read_record(const unsigned char *p, struct ps_stat_entry *e)
{
    e->key.size = get_u64(p + 8);
    e->key.ino = get_u64(p + 16);
    e->key.mtime_s = (int64_t)get_u64(p + 24);
    e->key.ctime_s = (int64_t)get_u64(p + 32);
    e->key.mtime_ns = get_u32(p + 40);
    e->key.ctime_ns = get_u32(p + 44);
    e->key.mode = get_u32(p + 48);
    e->idle = get_u32(p + 52);
    memcpy(e->digest.bytes, p + 56, PS_SHA256_SIZE);
}

/* The next record, or none: also after the first one that makes no sense. */
static void advance(struct ps_stat_cache *c)
{
    const unsigned char *p = NULL;
    struct ps_str rest = { .data = NULL, .len = 0 };
    struct ps_str tail = { .data = NULL, .len = 0 };
    size_t shared = 0;

    c->has_current = false;
    if (c->left == 0 || c->end - c->at < RECORD_SIZE)
        return;
    p = (const unsigned char *)c->old.data + c->at;
    shared = get_u32(p);
    rest.len = get_u32(p + 4);
    rest.data = (const char *)p + RECORD_SIZE;
    if (rest.len > c->end - c->at - RECORD_SIZE ||
        shared > c->current_path.len || shared + rest.len > PS_TREE_MAX_PATH)
        return;
    tail = ps_str_skip(ps_buf_str(&c->current_path), shared);
    if (compare_paths(rest, tail) <= 0)
        return; /* not in order: not ours */

    cut_buf(&c->current_path, shared);
    ps_buf_add(&c->current_path, rest.data, rest.len);
    read_record(p, &c->current);
    c->at += RECORD_SIZE + rest.len;
    c->left--;
    c->has_current = true;
}

bool ps_stat_cache_take(struct ps_stat_cache *c, const void *data, size_t len)
{
    const unsigned char *p = data;
    struct ps_sha256 sum;

    if (len < HEADER_SIZE + PS_SHA256_SIZE)
        return false;
    if (memcmp(p, magic, sizeof(magic)) != 0 ||
        get_u32(p + 8) != CACHE_VERSION ||
        memcmp(p + 16, c->id.bytes, PS_SHA256_SIZE) != 0)
        return false;
    sum = ps_sha256_of(p, len - PS_SHA256_SIZE);
    if (memcmp(p + len - PS_SHA256_SIZE, sum.bytes, PS_SHA256_SIZE) != 0)
        return false;

    if (c->old.data != data) {
        ps_buf_clear(&c->old);
        ps_buf_add(&c->old, data, len);
        if (c->old.overflow)
            return false;
        p = (const unsigned char *)c->old.data;
    }
    c->left = get_u32(p + 12);
    c->old_start.tv_sec = (time_t)get_u64(p + 48);
    c->old_start.tv_nsec = (long)(get_u32(p + 56) % NS_PER_S);
    c->at = HEADER_SIZE;
    c->end = len - PS_SHA256_SIZE;
    ps_buf_clear(&c->current_path);
    advance(c);
    return true;
}

/* --- the cache that will replace it ------------------------------------- */

static void append(struct ps_stat_cache *c, struct ps_str path,
                   const struct ps_stat_entry *e)
{
    unsigned char p[RECORD_SIZE] = { 0 };
    size_t shared = shared_prefix(ps_buf_str(&c->last_path), path);

    put_u32(p, (uint32_t)shared);
    put_u32(p + 4, (uint32_t)(path.len - shared));
    put_u64(p + 8, e->key.size);
    put_u64(p + 16, e->key.ino);
    put_u64(p + 24, (uint64_t)e->key.mtime_s);
    put_u64(p + 32, (uint64_t)e->key.ctime_s);
    put_u32(p + 40, e->key.mtime_ns);
    put_u32(p + 44, e->key.ctime_ns);
    put_u32(p + 48, e->key.mode);
    put_u32(p + 52, e->idle);
    memcpy(p + 56, e->digest.bytes, PS_SHA256_SIZE);
    ps_buf_add(&c->next, p, sizeof(p));
    ps_buf_add(&c->next, path.data + shared, path.len - shared);

    cut_buf(&c->last_path, shared);
    ps_buf_add(&c->last_path, path.data + shared, path.len - shared);
    c->count++;
}

/* A file that this walk does not meet: keep its record for a while. */
static void keep_unmet(struct ps_stat_cache *c)
{
    struct ps_stat_entry e = c->current;

    if (e.idle >= MAX_IDLE || is_racy(&e.key, &c->old_start))
        return;
    e.idle++;
    append(c, ps_buf_str(&c->current_path), &e);
}

/* Pass every record before `path`; true: the current one is of `path`. */
static bool seek(struct ps_stat_cache *c, struct ps_str path)
{
    while (c->has_current) {
        int order = compare_paths(ps_buf_str(&c->current_path), path);

        if (order >= 0)
            return order == 0;
        keep_unmet(c);
        advance(c);
    }
    return false;
}

bool ps_stat_cache_find(struct ps_stat_cache *c, struct ps_str path,
                        const struct ps_stat_key *key, struct ps_sha256 *digest)
{
    bool hit = false;

    if (c->dir < 0 || !seek(c, path))
        return false;
    hit =
        ps_stat_key_equal(key, &c->current.key) && !is_racy(key, &c->old_start);
    if (hit) {
        *digest = c->current.digest;
        c->current.idle = 0;
        append(c, path, &c->current);
    }
    advance(c);
    return hit;
}

void ps_stat_cache_add(struct ps_stat_cache *c, struct ps_str path,
                       const struct ps_stat_key *key,
                       const struct ps_sha256 *digest)
{
    struct ps_stat_entry e = { .key = *key, .digest = *digest };

    if (c->dir < 0)
        return;
    if (seek(c, path))
        advance(c);
    append(c, path, &e);
    c->changed = true;
}

void ps_stat_cache_save(struct ps_stat_cache *c)
{
    PS_AUTO_BUF struct ps_buf file = PS_BUF_INIT(CACHE_MAX_BYTES);
    struct ps_error err = PS_ERROR_INIT;
    unsigned char head[HEADER_SIZE] = { 0 };
    struct ps_sha256 sum;

    if (c->dir < 0 || !c->changed)
        return;
    while (c->has_current) {
        keep_unmet(c);
        advance(c);
    }

    memcpy(head, magic, sizeof(magic));
    put_u32(head + 8, CACHE_VERSION);
    put_u32(head + 12, c->count);
    memcpy(head + 16, c->id.bytes, PS_SHA256_SIZE);
    put_u64(head + 48, (uint64_t)c->start.tv_sec);
    put_u32(head + 56, (uint32_t)c->start.tv_nsec);
    ps_buf_add(&file, head, sizeof(head));
    ps_buf_add(&file, c->next.data, c->next.len);
    sum = ps_sha256_of(file.data, file.len);
    ps_buf_add(&file, sum.bytes, PS_SHA256_SIZE);
    if (file.overflow || c->next.overflow || c->last_path.overflow)
        return;

    /* No room, no permission: the next run reads the files once more. */
    if (ps_write_file_at(c->dir, c->name, file.data, file.len, 0600, &err) < 0)
        return;
    c->changed = false;
}

void ps_stat_cache_init(struct ps_stat_cache *c, const char *cache_dir,
                        const char *real_root)
{
    struct ps_error err = PS_ERROR_INIT;

    *c = (struct ps_stat_cache){
        .dir = -1,
        .id = ps_sha256_of(real_root, strlen(real_root)),
        .old = PS_BUF_INIT(CACHE_MAX_BYTES),
        .next = PS_BUF_INIT(CACHE_MAX_BYTES),
        .current_path = PS_BUF_INIT(PS_TREE_MAX_PATH),
        .last_path = PS_BUF_INIT(PS_TREE_MAX_PATH),
    };
    ps_sha256_hex(&c->id, c->name);
    (void)clock_gettime(CLOCK_REALTIME, &c->start);

    if (!cache_dir || ps_open_dir(cache_dir, true, &c->dir, &err) < 0)
        return;
    if (ps_read_file_at(c->dir, c->name, &c->old, &err) == PS_OK)
        (void)ps_stat_cache_take(c, c->old.data, c->old.len);
}

void ps_stat_cache_release(struct ps_stat_cache *c)
{
    if (c->dir >= 0)
        (void)close(c->dir);
    c->dir = -1;
    ps_buf_release(&c->old);
    ps_buf_release(&c->next);
    ps_buf_release(&c->current_path);
    ps_buf_release(&c->last_path);
}
