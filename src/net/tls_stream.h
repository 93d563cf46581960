/* TLS over a stream, private to net/: between the user's handler and the implementation of the loop
 * (net/loop_ops.h), which sees ciphertext only. So every implementation has TLS, without knowing
 * more of it than to call weir_tls_flush before it sends and weir_stream_fini when it frees.
 *
 *   recv ─► weir_loop_ops ─on_bytes─► tls_handler ─► SSL_read ─► scratch.plain ─on_bytes─► user
 *   send ◄─ weir_loop_ops ◄─write──── scratch.cipher ◄─ SSL_write ◄─ gathered ◄─ weir_stream_write
 */
#ifndef WEIR_NET_TLS_STREAM_H
#define WEIR_NET_TLS_STREAM_H

#include "net/chunk.h"
#include "net/loop_ops.h"
#include "net/tls.h"
#include <openssl/ssl.h>

#define WEIR_TLS_RECORD_MAX ((size_t)16 * 1024) /* RFC 8446, 5.1 */
#define WEIR_TLS_BATCH ((size_t)64 * 1024)

struct weir_tls_context {
    _Atomic unsigned refs;
    SSL_CTX *ssl;
    BIO_METHOD *bio;
    bool server;
    bool judges;     /* it has authorities */
    int64_t expiry;  /* of our certificate; 0: none */
    uint8_t own[64]; /* tls-server-end-point of our certificate */
    size_t own_len;
};

/* What the TLS streams of a loop share; made with the first of them. */
typedef struct weir_tls_scratch {
    weir_loop *loop;
    weir_chunk_pool chunks;
    weir_list gathered; /* streams with plaintext that is no record yet */
    weir_list waiting;  /* handshakes whose turn has not come */
    weir_timer timer;   /* lets them go on */
    weir_time turn;     /* the one that `begun` counts */
    unsigned begun;     /* handshakes in it */
    bool handing;       /* `plain` is lent to a user */
    size_t cipher_len;
    uint8_t plain[WEIR_TLS_BATCH];
    uint8_t cipher[WEIR_TLS_BATCH];
} weir_tls_scratch;

typedef struct weir_tls {
    weir_stream *stream;
    const weir_stream_handler *handler; /* the user's */
    weir_tls_context *context;
    SSL *ssl;
    weir_slice in;     /* ciphertext that the library has not taken yet */
    weir_chunk *kept;  /* plaintext that the user did not consume */
    weir_chunk *out;   /* plaintext gathered for a record */
    weir_list link;    /* in scratch.gathered or .waiting */
    weir_timer again;  /* hands what is kept, or in the library */
    bool admitted;     /* a server's handshake whose turn has come */
    bool open;         /* the handshake is through */
    bool paused;       /* by the user */
    bool ended;        /* the peer's close_notify came */
    bool ending;       /* ... and the user has had its bytes */
    bool finished;     /* our close_notify went */
    bool closed;       /* by the user */
    bool moving;       /* on its way to another loop */
    size_t charged;    /* to the loop's memory */
    int error;         /* why it failed */
    char failure[240]; /* ... in words; "": it did not */
    char *peer_cn, *peer_dn;
    weir_tls_info info;
    void (*arrived)(weir_stream *stream, void *user);
    void *arrived_user;
} weir_tls;

/* ---- tls_stream.c: the stream's operations, plaintext side ---- */
void weir_tls_write(weir_stream *stream, weir_slice bytes);
void weir_tls_pause(weir_stream *stream);
void weir_tls_resume(weir_stream *stream);
void weir_tls_close(weir_stream *stream, weir_time linger);
void weir_tls_finish(weir_stream *stream);
bool weir_tls_quiet(weir_stream *stream);
size_t weir_tls_queued(const weir_stream *stream);
void weir_tls_move(weir_stream *stream, weir_loop *target,
                   void (*arrived)(weir_stream *stream, void *user), void *user);
/* Makes records of what was written to the loop's TLS streams. */
void weir_tls_flush(weir_loop *loop);
void weir_tls_free(weir_tls *tls);
/* What the loop keeps for its TLS streams; NULL is nothing. */
void weir_tls_scratch_free(weir_tls_scratch *scratch);
/* -ENOMEM. */
WEIR_MUST_CHECK int weir_tls_scratch_ensure(weir_loop *loop);
/* Gives up: the user is told `error` by on_close; `failure` is why, or NULL: as OpenSSL says. */
void weir_tls_fail(weir_tls *tls, int error, const char *failure);
/* Hands what is kept, or still in the library, as if it had just come. */
void weir_tls_again(weir_tls *tls);
/* Passes on the ciphertext that the library has made. */
void weir_tls_flush_cipher(weir_tls *tls);
extern const weir_stream_handler weir_tls_handler;

/* ---- tls_handshake.c ---- */
/* A step of the handshake. True: it is through, also when it was before. */
bool weir_tls_shake(weir_tls *tls);
/* The timer that lets waiting handshakes go on. */
void weir_tls_turns_init(weir_tls_scratch *scratch);

/* ---- tls_context.c ---- */
/* RFC 5929, 4.1, of a certificate. 0: undefined. */
size_t weir_tls_end_point(X509 *certificate, uint8_t out[64]);
/* What OpenSSL's error queue says last, and clears it. */
void weir_tls_reason(char *out, size_t size);

#endif
