/* The order of versions (PEP 440). */
#include <string.h>

#include "pkgsync/util.h"
#include "version_private.h"

int ps_version_compare_numbers(struct ps_str a, struct ps_str b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len ? memcmp(a.data, b.data, a.len) : 0;
}

size_t ps_version_trimmed(const struct ps_version *v)
{
    size_t n = v->release_count;

    while (n > 1 && ps_str_is(v->release[n - 1], "0"))
        n--;
    return n;
}

/* Missing parts count as zero. */
static int compare_releases(const struct ps_version *a,
                            const struct ps_version *b)
{
    const struct ps_str zero = PS_STR_LIT("0");
    size_t count = PS_MAX(a->release_count, b->release_count);

    for (size_t i = 0; i < count; i++) {
        int order = ps_version_compare_numbers(
            i < a->release_count ? a->release[i] : zero,
            i < b->release_count ? b->release[i] : zero);

        if (order != 0)
            return order;
    }
    return 0;
}

/* 1.0.dev1 < 1.0a1 < 1.0b1 < 1.0rc1 < 1.0; a dev release of one of the others
 * stays beside it. */
static int pre_rank(const struct ps_version *v)
{
    if (v->pre_kind.len == 0)
        return v->has_dev && !v->has_post ? -1 : 3;
    if (ps_str_is(v->pre_kind, "a"))
        return 0;
    return ps_str_is(v->pre_kind, "b") ? 1 : 2;
}

static int compare_pre(const struct ps_version *a, const struct ps_version *b)
{
    int ranks[] = { pre_rank(a), pre_rank(b) };

    if (ranks[0] != ranks[1])
        return ranks[0] < ranks[1] ? -1 : 1;
    return ps_version_compare_numbers(a->pre, b->pre);
}

static int compare_post_and_dev(const struct ps_version *a,
                                const struct ps_version *b)
{
    int order = 0;

    if (a->has_post != b->has_post)
        return a->has_post ? 1 : -1;
    order = ps_version_compare_numbers(a->post, b->post);
    if (order != 0)
        return order;
    if (a->has_dev != b->has_dev)
        return a->has_dev ? -1 : 1;
    return ps_version_compare_numbers(a->dev, b->dev);
}

static bool is_number(struct ps_str segment)
{
    for (size_t i = 0; i < segment.len; i++)
        if (segment.data[i] < '0' || segment.data[i] > '9')
            return false;
    return true;
}

/* Words stand before numbers. */
static int compare_segments(struct ps_str a, struct ps_str b)
{
    bool numbers[] = { is_number(a), is_number(b) };
    int order = 0;

    if (numbers[0] != numbers[1])
        return numbers[0] ? 1 : -1;
    if (numbers[0])
        return ps_version_compare_numbers(a, b);
    order = memcmp(a.data, b.data, PS_MIN(a.len, b.len));
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

static int compare_locals(const struct ps_version *a,
                          const struct ps_version *b)
{
    size_t count = PS_MIN(a->local_count, b->local_count);

    for (size_t i = 0; i < count; i++) {
        int order = compare_segments(a->local[i], b->local[i]);

        if (order != 0)
            return order;
    }
    return (a->local_count > b->local_count) -
           (a->local_count < b->local_count);
}

int ps_version_compare(const struct ps_version *a, const struct ps_version *b)
{
    int order = ps_version_compare_numbers(a->epoch, b->epoch);

    if (order == 0)
        order = compare_releases(a, b);
    if (order == 0)
        order = compare_pre(a, b);
    if (order == 0)
        order = compare_post_and_dev(a, b);
    if (order == 0)
        order = compare_locals(a, b);
    return order;
}

bool ps_version_is_prerelease(const struct ps_version *v)
{
    return v->pre_kind.len > 0 || v->has_dev;
}
