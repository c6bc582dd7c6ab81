/* What the files of tags share.  Private to the environment. */
#ifndef PKGSYNC_TAGS_PRIVATE_H
#define PKGSYNC_TAGS_PRIVATE_H

#include "pkgsync/tags.h"

/* Texts in the arena, in a list that grows on the heap. */
struct ps_texts {
    const char **items; /* owned */
    size_t count;
    size_t cap;
};

void ps_texts_add(struct ps_texts *list, const char *text);

/* No real target has versions beyond it; it bounds the lists. */
#define PS_TAG_VERSION_MAX 99u

/* The platforms of a target, best first. */
void ps_tag_platforms(struct ps_arena *arena,
                      const struct ps_tag_target *target, struct ps_texts *out);

#endif
