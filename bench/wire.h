/* As much of PostgreSQL's protocol as a load generator needs: connect, log in where trusted, write
 * messages, find the next one. Anything unexpected ends the program: a benchmark has no error to
 * recover from. */
#ifndef WEIR_BENCH_WIRE_H
#define WEIR_BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>

typedef struct wire_message {
    uint8_t data[1024];
    size_t len;
} wire_message;

_Noreturn void wire_fail(const char *what);
/* Nanoseconds of the monotonic clock. */
int64_t wire_now(void);
/* Of this process, in nanoseconds. */
int64_t wire_cpu(void);
/* A blocking TCP connection to 127.0.0.1, with TCP_NODELAY. */
int wire_connect(unsigned port);
void wire_send(int fd, const void *bytes, size_t len);

/* A message is begun, filled and ended; several may stand in one buffer. `type` 0: none (startup).
 * Returns where its length stands, for wire_end. */
size_t wire_begin(wire_message *m, uint8_t type);
void wire_put(wire_message *m, const void *bytes, size_t len);
void wire_put_u16(wire_message *m, unsigned v);
void wire_put_u32(wire_message *m, uint32_t v);
void wire_put_text(wire_message *m, const char *text); /* with its zero */
void wire_end(wire_message *m, size_t at);

/* The size of the message at the front of `bytes`, or 0 when it is not whole yet. */
size_t wire_whole(const uint8_t *bytes, size_t len);
/* Reads until a message of this type is the last one read; an ErrorResponse ends the program. */
void wire_await(int fd, uint8_t type);
/* Startup as `user` on `database`, up to the first ReadyForQuery. */
void wire_login(int fd, const char *user, const char *database);

#endif
