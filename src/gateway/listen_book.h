/* Who listens to what on one worker: channels by exact name, each with its listeners, each listener
 * with its channels. One book per database (and encoding), so that channels of one name in two
 * databases never meet. No I/O. */
#ifndef WEIR_GATEWAY_LISTEN_BOOK_H
#define WEIR_GATEWAY_LISTEN_BOOK_H

#include "base/list.h"
#include "base/map.h"

#define WEIR_CHANNEL_MAX 63u /* bytes of a name: NAMEDATALEN - 1 */

typedef struct weir_book {
    weir_map channels;
    size_t members;
} weir_book;

typedef struct weir_book_channel {
    weir_list members;
    size_t len;
    uint8_t name[WEIR_CHANNEL_MAX];
} weir_book_channel;

/* How far a listener has come with a channel. */
typedef enum weir_member_state {
    WEIR_MEMBER_ASKED, /* the hub was asked to listen */
    WEIR_MEMBER_EARLY, /* it does; the listener's own transaction is not committed: kept aside */
    WEIR_MEMBER_ACTIVE
} weir_member_state;

typedef struct weir_book_member {
    weir_list of_channel, of_listener;
    weir_book_channel *channel;
    void *listener;
    weir_member_state state;
    uint64_t since; /* EARLY: what came from this position of the worker on counts */
    bool doomed;    /* a text that ran in the middle of a batch unlistens it */
    bool keep;      /* scratch of whoever compares sets */
} weir_book_member;

void weir_book_init(weir_book *book, weir_hash_seed seed, size_t channels_max);
/* Every member must have left. */
void weir_book_fini(weir_book *book);
/* NULL: nobody listens to it. */
weir_book_channel *weir_book_find(const weir_book *book, weir_slice name);
/* `list` is the listener's. NULL: it does not listen to it. */
weir_book_member *weir_book_member_find(const weir_book *book, const weir_list *list,
                                        void *listener, weir_slice name);
/* The listener must not be a member yet. WEIR_MAP_FULL, -ENOMEM: nothing changed; -EINVAL: the name
 * is empty or too long. `*ret_first`: nobody listened to it before. */
WEIR_MUST_CHECK int weir_book_join(weir_book *book, weir_list *list, void *listener,
                                   weir_slice name, weir_book_member **ret, bool *ret_first);
/* Frees the member. True: it was the channel's last, which is gone too. */
bool weir_book_leave(weir_book *book, weir_book_member *member);

static inline weir_slice weir_book_name(const weir_book_channel *channel)
{
    return weir_slice_make(channel->name, channel->len);
}

static inline weir_book_member *weir_member_of_listener(weir_list *node)
{
    return WEIR_CONTAINER_OF(node, weir_book_member, of_listener);
}

static inline weir_book_member *weir_member_of_channel(weir_list *node)
{
    return WEIR_CONTAINER_OF(node, weir_book_member, of_channel);
}

#endif
