/* Private to gateway/: what is read into the cache before it is asked for (cache.warm): the
 * statements of a file, at start and again and again; and what was asked for most before the last
 * end, which is remembered in a file. All of it on the control thread. */
#ifndef WEIR_GATEWAY_WARMING_H
#define WEIR_GATEWAY_WARMING_H

#include "gateway/gateway.h"

typedef struct weir_warming weir_warming;

/* Begins when the loop turns. After the workers were made. -ENOMEM. */
WEIR_MUST_CHECK int weir_warming_new(weir_gateway *gateway, weir_loop *control, weir_warming **ret);
/* A configuration came into force; `forgotten`: what was kept is gone. NULL is fine. */
void weir_warming_configure(weir_warming *warming, bool forgotten);
/* Remembers once more. While the workers are there. NULL is fine. */
void weir_warming_free(weir_warming *warming);

/* ---- hottest.c ---- */

/* Writes at most so many to the file, in its place in one step. Negative errno. */
WEIR_MUST_CHECK int weir_hottest_save(weir_engine *engine, const char *path, unsigned most);
/* Visits what the file has, the hottest first. Negative errno; -EPROTO: it is damaged, or of
 * another version. */
WEIR_MUST_CHECK int
weir_hottest_load(const char *path,
                  void (*visit)(void *user, weir_slice database, weir_slice question), void *user);

#endif
