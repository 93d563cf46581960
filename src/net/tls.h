/* TLS on a stream, to clients and to servers. A stream goes over to TLS in place; from then on its
 * user reads and writes plaintext through the same functions as before (net/net.h) and notices
 * nothing, but that the handshake comes first.
 *
 * A context is a certificate, a key, authorities and settings, read from files once; it may be
 * shared by all threads, and is replaced as a whole when its files change. */
#ifndef WEIR_NET_TLS_H
#define WEIR_NET_TLS_H

#include "base/spin.h"
#include "net/net.h"

typedef struct weir_tls_context weir_tls_context;

typedef enum weir_tls_verify {
    WEIR_TLS_VERIFY_NONE,     /* the peer is not asked for a certificate, or not judged by it */
    WEIR_TLS_VERIFY_OPTIONAL, /* one that is shown must be good (accepting side only) */
    WEIR_TLS_VERIFY_REQUIRED  /* a good one must be shown */
} weir_tls_verify;

typedef enum weir_tls_version {
    WEIR_TLS_ANY_VERSION,
    WEIR_TLS_1_0,
    WEIR_TLS_1_1,
    WEIR_TLS_1_2,
    WEIR_TLS_1_3
} weir_tls_version;

typedef struct weir_tls_options {
    bool server;             /* the accepting side */
    const char *cert;        /* PEM file: our certificate, then its issuers; NULL: none */
    const char *key;         /* PEM file; NULL: none */
    const char *ca;          /* PEM file of authorities; "system": the machine's; NULL: none */
    const char *crl;         /* PEM file of revocations; NULL: none */
    const char *ciphers;     /* OpenSSL's list for TLS 1.2 and older; NULL: its default */
    weir_tls_verify verify;  /* of the peer's certificate by `ca` */
    weir_tls_version oldest; /* ANY: TLS 1.2 */
    weir_tls_version newest;
} weir_tls_options;

/* Reads the files (blocking). -EINVAL, -EACCES, -ENOENT, -ENOMEM, …; `err` (SQLSTATE F0000) names
 * the file and what is wrong with it. A key that others than its owner (or root's group) may read
 * is refused. */
WEIR_MUST_CHECK int weir_tls_context_new(const weir_tls_options *options, weir_tls_context **ret,
                                         weir_error *err);
/* Counted; streams hold theirs. From any thread. */
weir_tls_context *weir_tls_context_ref(weir_tls_context *context);
void weir_tls_context_unref(weir_tls_context *context);
/* When its certificate ends, in seconds since 1970; 0: it has none. */
int64_t weir_tls_context_expiry(const weir_tls_context *context);

/* Where the context in force is found while another thread replaces it. All bits zero: none. */
typedef struct weir_tls_slot {
    weir_spin lock;
    weir_tls_context *context;
} weir_tls_slot;

/* A counted reference, or NULL. */
weir_tls_context *weir_tls_slot_take(weir_tls_slot *slot);
/* Takes `context` over, or NULL; streams go on with the old one. */
void weir_tls_slot_put(weir_tls_slot *slot, weir_tls_context *context);

/* Goes over to TLS; the accepting side when the context is. What the peer has sent before and was
 * not consumed is taken for its handshake. When the handshake is through, on_open is called if the
 * handler has one; what is written before is dropped. A handshake that fails closes the stream
 * (-EPROTO; -EACCES: a certificate was not good enough). `sni` (connecting side): the name that is
 * asked for (an address is not told); `match`: the name or address that the server's certificate
 * must be made out for; NULL: none. The stream must be OPEN and plain. -ENOMEM: nothing changed. */
WEIR_MUST_CHECK int weir_stream_start_tls(weir_stream *stream, weir_tls_context *context,
                                          const char *sni, const char *match);
/* Why TLS failed, in words; NULL: it did not. Also in on_close. Lives as long as the stream. */
const char *weir_stream_tls_failure(const weir_stream *stream);

#endif
