/* The book of listeners: see listen_book.h.
 *
 * Invariant: a channel is in the map exactly as long as it has members. */
#include "gateway/listen_book.h"
#include <stdlib.h>

void weir_book_init(weir_book *book, weir_hash_seed seed, size_t channels_max)
{
    weir_map_init(&book->channels, seed, channels_max);
    book->members = 0;
}

void weir_book_fini(weir_book *book)
{
    assert(book->members == 0 && book->channels.len == 0);
    weir_map_fini(&book->channels);
}

weir_book_channel *weir_book_find(const weir_book *book, weir_slice name)
{
    return weir_map_find(&book->channels, name);
}

/* Along both lists at once: one of them is short, whether many listen to one channel or one listens
 * to many. */
weir_book_member *weir_book_member_find(const weir_book *book, const weir_list *list,
                                        void *listener, weir_slice name)
{
    const weir_book_channel *channel = weir_book_find(book, name);
    if (!channel)
        return NULL;
    weir_list *a = list->next, *b = channel->members.next;
    for (; a != list && b != &channel->members; a = a->next, b = b->next) {
        if (weir_member_of_listener(a)->channel == channel)
            return weir_member_of_listener(a);
        if (weir_member_of_channel(b)->listener == listener)
            return weir_member_of_channel(b);
    }
    return NULL;
}

static int channel_get(weir_book *book, weir_slice name, weir_book_channel **ret, bool *ret_first)
{
    weir_book_channel *channel = weir_book_find(book, name);
    *ret_first = !channel;
    if (!channel) {
        channel = calloc(1, sizeof(*channel));
        if (!channel)
            return -ENOMEM;
        weir_list_init(&channel->members);
        channel->len = name.len;
        memcpy(channel->name, name.data, name.len);
        int r = weir_map_put(&book->channels, weir_book_name(channel), channel, NULL);
        if (r != 0) {
            free(channel);
            return r;
        }
    }
    *ret = channel;
    return 0;
}

int weir_book_join(weir_book *book, weir_list *list, void *listener, weir_slice name,
                   weir_book_member **ret, bool *ret_first)
{
    weir_book_channel *channel = NULL;
    if (name.len == 0 || name.len > WEIR_CHANNEL_MAX)
        return -EINVAL;
    assert(!weir_book_member_find(book, list, listener, name));
    weir_book_member *m = calloc(1, sizeof(*m));
    if (!m)
        return -ENOMEM;
    int r = channel_get(book, name, &channel, ret_first);
    if (r != 0) {
        free(m);
        return r;
    }
    m->channel = channel;
    m->listener = listener;
    weir_list_push_back(&channel->members, &m->of_channel);
    weir_list_push_back(list, &m->of_listener);
    book->members++;
    *ret = m;
    return 0;
}

bool weir_book_leave(weir_book *book, weir_book_member *member)
{
    weir_book_channel *channel = member->channel;
    weir_list_remove(&member->of_channel);
    weir_list_remove(&member->of_listener);
    free(member);
    book->members--;
    if (!weir_list_empty(&channel->members))
        return false;
    (void)weir_map_remove(&book->channels, weir_book_name(channel));
    free(channel);
    return true;
}
