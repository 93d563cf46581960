/* How a server spells the settings of a startup packet, and whether it takes them: it is asked when
 * a worker meets them for the first time, so that the greeting says what a server's would, and what
 * a server refuses at login is refused at login, in its words. */
#ifndef WEIR_GATEWAY_SPELLING_H
#define WEIR_GATEWAY_SPELLING_H

#include "base/error.h"
#include "base/slice.h"

struct weir_client;
struct weir_gateway_worker;
typedef struct weir_spelling weir_spelling;

/* True: `*ret` has, of the settings that servers report, those that the client's startup packet
 * changes, as the server spells them: pairs, names as reported; borrowed for the moment. False:
 * asked; weir_client_welcome or weir_client_fatal follows. -ENOMEM is a false with the latter. */
bool weir_client_spell(struct weir_client *c, weir_slice *ret);
/* The client goes: whatever it asked is dropped. */
void weir_client_spelling_free(struct weir_client *c);
/* What is remembered; on the worker's thread, after its clients. */
void weir_spellings_free(struct weir_gateway_worker *worker);

#endif
