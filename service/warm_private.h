/* What the files of warming share. */
#ifndef PKGSYNC_WARM_PRIVATE_H
#define PKGSYNC_WARM_PRIVATE_H

#include "pkgsync/warm.h"

/* A list of strings that grows; NULL-terminated; in the arena. */
struct ps_words {
    const char **items;
    size_t count;
    size_t room;
};
void ps_words_add(struct ps_arena *arena, struct ps_words *words,
                  const char *text);

struct ps_collect {
    struct ps_arena *arena;
    const struct ps_warm_options *o;
    struct ps_warm *out;
    size_t item_room;
    size_t failure_room;

    /* From requirements files. */
    struct ps_words wanted; /* of an index */
    struct ps_words extra_index_urls;
    struct ps_words find_links;
    const char *index_url;
    bool no_index;
};

void ps_collect_item(struct ps_collect *c, struct ps_sync_item item);
void ps_collect_failure(struct ps_collect *c, const char *source,
                        const struct ps_error *err);

/* A requirements file and those that it names. */
PS_MUST_USE int ps_collect_file(struct ps_collect *c, const char *path,
                                struct ps_error *err);
/* What a spec needs built. */
PS_MUST_USE int ps_collect_spec(struct ps_collect *c, const char *location,
                                struct ps_error *err);

#endif
