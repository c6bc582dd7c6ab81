/*
 * What a kind of store implements.  store.c checks keys and sizes before it
 * calls; everything here may be called from several threads at once.
 */
#ifndef PKGSYNC_UPLOADER_STORE_IMPL_H
#define PKGSYNC_UPLOADER_STORE_IMPL_H

#include "pkgsync/store.h"

struct ps_store_put {
    const struct ps_object *object;
    ps_transfer_progress_fn *progress; /* may be NULL */
    void *user;
    const struct ps_cancel *cancel; /* may be NULL */
    bool adopt;                     /* whatever is there already is right */
};

struct ps_store_get {
    const char *key;
    int fd;
    uint64_t max_bytes;
    const struct ps_cancel *cancel; /* may be NULL */
};

struct ps_store_presign {
    const char *key;
    uint64_t seconds;
    const struct ps_cancel *cancel; /* may be NULL */
};

struct ps_store_ops {
    int (*put)(struct ps_store *s, const struct ps_store_put *put,
               bool *existed, struct ps_error *err);
    int (*stat)(struct ps_store *s, const char *key,
                const struct ps_cancel *cancel, struct ps_object_info *out,
                struct ps_error *err);
    int (*get)(struct ps_store *s, const struct ps_store_get *get,
               uint64_t *size, struct ps_error *err);
    char *(*object_url)(const struct ps_store *s, const char *key);
    /* NULL: this kind has no such URLs. */
    int (*presign_get)(struct ps_store *s,
                       const struct ps_store_presign *presign, char **url,
                       uint64_t *until_ms, struct ps_error *err);
    void (*free)(struct ps_store *s);
};

/* First member of each kind's own struct. */
struct ps_store {
    const struct ps_store_ops *ops;
    char *location; /* owned */
};

/* path: absolute, decoded, normalised.  Nothing is made on disk. */
struct ps_store *ps_store_file_new(const char *path);

/* rest: "bucket/prefix", what follows "s3://". */
PS_MUST_USE int ps_store_s3_new(const struct ps_store_options *options,
                                const char *rest, struct ps_store **out,
                                struct ps_error *err);

/* The part of a key after its last '/': for messages. */
const char *ps_key_name(const char *key);

/* Relative, no empty, "." or ".." part, no control character. */
bool ps_key_is_valid(const char *key);

#endif
