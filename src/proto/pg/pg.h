/* The PostgreSQL frontend/backend protocol (3.0 and 3.2), both sides, without I/O: bytes in,
 * structs and bytes out. Facts are from PostgreSQL's documentation, chapter "Frontend/Backend
 * Protocol". All slices borrow from the input; nothing allocates but weir_buf appends.
 *
 * Every reader finds out that bytes are missing without looking at the body (O(1)), so callers may
 * feed the same growing prefix again and again. A writer that fails leaves `out` as it was.
 *
 * Errors everywhere: 0 done; WEIR_PG_MORE: feed more bytes; -EPROTO: the bytes break the protocol
 * (close the connection); -EMSGSIZE: a length beyond the given limit; -ENOMEM. -EINVAL: a string to
 * be written has a zero byte inside. */
#ifndef WEIR_PROTO_PG_PG_H
#define WEIR_PROTO_PG_PG_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "proto/pg/auth.h"

#define WEIR_PG_MORE 1

#define WEIR_PG_VERSION(major, minor) ((uint32_t)((major) << 16 | (minor)))
#define WEIR_PG_VERSION_3_0 WEIR_PG_VERSION(3, 0)
#define WEIR_PG_VERSION_3_2 WEIR_PG_VERSION(3, 2)
#define WEIR_PG_CODE_CANCEL WEIR_PG_VERSION(1234, 5678)
#define WEIR_PG_CODE_SSL WEIR_PG_VERSION(1234, 5679)
#define WEIR_PG_CODE_GSSENC WEIR_PG_VERSION(1234, 5680)

#define WEIR_PG_STARTUP_SIZE_MAX 10000u      /* as PostgreSQL's MAX_STARTUP_PACKET_LENGTH */
#define WEIR_PG_CANCEL_KEY_MAX 256u          /* protocol 3.2 */
#define WEIR_PG_MESSAGE_SIZE_MAX 0x3fffffffu /* PostgreSQL's own limit, just under 1 GiB */

/* Message types, frontend (F) and backend (B). */
enum {
    WEIR_PG_F_BIND = 'B',
    WEIR_PG_F_CLOSE = 'C',
    WEIR_PG_F_DESCRIBE = 'D',
    WEIR_PG_F_EXECUTE = 'E',
    WEIR_PG_F_FUNCTION = 'F',
    WEIR_PG_F_FLUSH = 'H',
    WEIR_PG_F_PARSE = 'P',
    WEIR_PG_F_PASSWORD = 'p',
    WEIR_PG_F_QUERY = 'Q',
    WEIR_PG_F_SYNC = 'S',
    WEIR_PG_F_TERMINATE = 'X',
    WEIR_PG_COPY_DATA = 'd',
    WEIR_PG_COPY_DONE = 'c',
    WEIR_PG_F_COPY_FAIL = 'f',
    WEIR_PG_B_AUTH = 'R',
    WEIR_PG_B_KEY_DATA = 'K',
    WEIR_PG_B_BIND_COMPLETE = '2',
    WEIR_PG_B_CLOSE_COMPLETE = '3',
    WEIR_PG_B_COMMAND_COMPLETE = 'C',
    WEIR_PG_B_COPY_BOTH = 'W',
    WEIR_PG_B_COPY_IN = 'G',
    WEIR_PG_B_COPY_OUT = 'H',
    WEIR_PG_B_DATA_ROW = 'D',
    WEIR_PG_B_EMPTY_QUERY = 'I',
    WEIR_PG_B_ERROR = 'E',
    WEIR_PG_B_FUNCTION_RESULT = 'V',
    WEIR_PG_B_NEGOTIATE = 'v',
    WEIR_PG_B_NO_DATA = 'n',
    WEIR_PG_B_NOTICE = 'N',
    WEIR_PG_B_NOTIFICATION = 'A',
    WEIR_PG_B_PARAM_DESCRIPTION = 't',
    WEIR_PG_B_PARAM_STATUS = 'S',
    WEIR_PG_B_PARSE_COMPLETE = '1',
    WEIR_PG_B_PORTAL_SUSPENDED = 's',
    WEIR_PG_B_READY = 'Z',
    WEIR_PG_B_ROW_DESCRIPTION = 'T',
};

/* ---- frames (frame.c) ---- */

typedef struct weir_pg_frame {
    uint8_t type;
    weir_slice body;  /* without type and length */
    weir_slice whole; /* type, length, body */
} weir_pg_frame;

/* The head of a typed message: needs 5 bytes. `ret_size` is the size of the whole message (body +
 * 5). The length is checked against `body_max` before anything else is done with it. */
WEIR_MUST_CHECK int weir_pg_frame_head(weir_slice in, size_t body_max, uint8_t *ret_type,
                                       size_t *ret_size);
/* A whole message at the front of `in`. */
WEIR_MUST_CHECK int weir_pg_frame_next(weir_slice in, size_t body_max, weir_pg_frame *ret);
/* Is this a message type a frontend (backend) may send after startup? */
bool weir_pg_is_frontend_type(uint8_t type);
bool weir_pg_is_backend_type(uint8_t type);

/* A reader over a message body. After the first failure every later read fails too; check `ok` or
 * the results at the end with weir_pg_reader_end. */
typedef struct weir_pg_reader {
    weir_slice rest;
    bool ok;
} weir_pg_reader;

static inline weir_pg_reader weir_pg_reader_make(weir_slice body)
{
    return (weir_pg_reader){body, true};
}
uint8_t weir_pg_read_u8(weir_pg_reader *r);
uint16_t weir_pg_read_u16(weir_pg_reader *r);
uint32_t weir_pg_read_u32(weir_pg_reader *r);
weir_slice weir_pg_read_cstr(weir_pg_reader *r); /* without the zero byte */
weir_slice weir_pg_read_bytes(weir_pg_reader *r, size_t len);
/* Everything not read yet. */
weir_slice weir_pg_read_rest(weir_pg_reader *r);
/* All read and nothing left over: 0, else -EPROTO. */
WEIR_MUST_CHECK int weir_pg_reader_end(const weir_pg_reader *r);

/* ---- startup packets (startup.c) ---- */

typedef enum weir_pg_startup_kind {
    WEIR_PG_STARTUP_SSL,
    WEIR_PG_STARTUP_GSSENC,
    WEIR_PG_STARTUP_CANCEL,
    WEIR_PG_STARTUP_SESSION
} weir_pg_startup_kind;

typedef struct weir_pg_startup {
    weir_pg_startup_kind kind;
    size_t size;       /* of the packet, to consume */
    uint32_t version;  /* SESSION */
    weir_slice params; /* SESSION: "name\0value\0…" pairs, without the final zero byte; checked */
    uint32_t cancel_pid;   /* CANCEL */
    weir_slice cancel_key; /* 4 to WEIR_PG_CANCEL_KEY_MAX bytes */
} weir_pg_startup;

/* The untyped packet that opens a connection. -EPROTO: not one, or a major version other than 3;
 * -EMSGSIZE: over WEIR_PG_STARTUP_SIZE_MAX; the words are in `err`. Bytes behind an SSL or GSSENC
 * request (`in` longer than `size`) are an attack (CVE-2021-23222): the caller closes. */
WEIR_MUST_CHECK int weir_pg_startup_read(weir_slice in, weir_pg_startup *ret, weir_error *err);
/* Iterates over the pairs of `params`; start with *pos = 0; false at the end. */
bool weir_pg_param_next(weir_slice params, size_t *pos, weir_slice *ret_name,
                        weir_slice *ret_value);
/* The value of a parameter by exact name; false if absent. */
bool weir_pg_param_find(weir_slice params, const char *name, weir_slice *ret_value);
/* What to speak with a client that asked for `version` with `params`: 3.0 or 3.2, and whether (and
 * with what) NegotiateProtocolVersion must be sent before authentication completes: when a newer
 * minor (3.1 does not exist: answered with 3.0) or a `_pq_.` option was asked for. -EPROTO: major
 * is not 3. */
WEIR_MUST_CHECK int weir_pg_negotiate(uint32_t version, weir_slice params, weir_buf *out,
                                      uint32_t *ret_version);

/* The server's NegotiateProtocolVersion, as a client: the version to speak from now on; `options`
 * are the `_pq_.` names it does not know, zero-terminated. -EPROTO: a version we did not offer. */
WEIR_MUST_CHECK int weir_pg_negotiate_read(weir_slice body, uint32_t offered, uint32_t *ret_version,
                                           weir_slice *ret_options);

WEIR_MUST_CHECK int weir_pg_write_startup(weir_buf *out, uint32_t version, weir_slice params);
WEIR_MUST_CHECK int weir_pg_write_cancel(weir_buf *out, uint32_t pid, weir_slice key);

/* ---- frontend messages (frontend.c): read and write side by side ---- */

typedef struct weir_pg_parse {
    weir_slice name, text;
    uint16_t oid_count;
    weir_slice oids; /* 4 bytes each, big-endian */
} weir_pg_parse;

/* Formats (2 bytes each) and values (int32 length, bytes) stay encoded; read them with the
 * iterators. That a format count is 0, 1 or the number of values is left to the database to judge:
 * it answers a wrong one with an error and keeps the session. */
typedef struct weir_pg_bind {
    weir_slice portal, statement;
    uint16_t format_count;
    weir_slice formats;
    uint16_t value_count;
    weir_slice values;
    uint16_t result_format_count;
    weir_slice result_formats;
} weir_pg_bind;

typedef struct weir_pg_target { /* Describe and Close */
    uint8_t kind;               /* 'S' statement, 'P' portal */
    weir_slice name;
} weir_pg_target;

typedef struct weir_pg_execute {
    weir_slice portal;
    uint32_t rows_max; /* 0: all */
} weir_pg_execute;

typedef struct weir_pg_function { /* encoded as in a Bind */
    uint32_t oid;
    uint16_t format_count;
    weir_slice formats;
    uint16_t value_count;
    weir_slice values;
    uint16_t result_format;
} weir_pg_function;

WEIR_MUST_CHECK int weir_pg_query_read(weir_slice body, weir_slice *ret_text);
WEIR_MUST_CHECK int weir_pg_parse_read(weir_slice body, weir_pg_parse *ret);
WEIR_MUST_CHECK int weir_pg_bind_read(weir_slice body, weir_pg_bind *ret);
WEIR_MUST_CHECK int weir_pg_target_read(weir_slice body, weir_pg_target *ret);
WEIR_MUST_CHECK int weir_pg_execute_read(weir_slice body, weir_pg_execute *ret);
WEIR_MUST_CHECK int weir_pg_function_read(weir_slice body, weir_pg_function *ret);
WEIR_MUST_CHECK int weir_pg_copy_fail_read(weir_slice body, weir_slice *ret_reason);
/* Walks the values of a Bind, FunctionCall or DataRow, which its _read has checked: start with
 * *pos = 0; false at the end. */
bool weir_pg_value_next(weir_slice values, size_t *pos, weir_slice *ret_value, bool *ret_null);
/* The format of parameter (or result column) `i`: 0 text, 1 binary; `count` 0 means all text, 1 all
 * alike. */
uint16_t weir_pg_format_at(weir_slice formats, uint16_t count, size_t i);

WEIR_MUST_CHECK int weir_pg_write_query(weir_buf *out, weir_slice text);
/* `oids` are encoded: 4 bytes each, big-endian. */
WEIR_MUST_CHECK int weir_pg_write_parse(weir_buf *out, weir_slice name, weir_slice text,
                                        weir_slice oids);
/* A Bind of parts that are encoded as weir_pg_bind_read gives them. */
WEIR_MUST_CHECK int weir_pg_write_bind(weir_buf *out, const weir_pg_bind *bind);
/* The same Bind under another statement name. */
WEIR_MUST_CHECK int weir_pg_write_bind_renamed(weir_buf *out, const weir_pg_bind *bind,
                                               weir_slice statement);
/* Describe or Close: type 'D' or 'C'. */
WEIR_MUST_CHECK int weir_pg_write_target(weir_buf *out, uint8_t type, uint8_t kind,
                                         weir_slice name);
WEIR_MUST_CHECK int weir_pg_write_execute(weir_buf *out, weir_slice portal, uint32_t rows_max);
/* Sync, Flush, Terminate, CopyDone, and the backend's '1' '2' '3' 'n' 's' 'I': a type and no body.
 */
WEIR_MUST_CHECK int weir_pg_write_empty(weir_buf *out, uint8_t type);
WEIR_MUST_CHECK int weir_pg_write_password(weir_buf *out, weir_slice body);
WEIR_MUST_CHECK int weir_pg_write_copy_fail(weir_buf *out, weir_slice reason);

/* ---- backend messages (backend.c) ---- */

/* Notice and error fields; absent ones have NULL data. `raw` walks all of them. */
typedef struct weir_pg_error_fields {
    weir_slice severity, severity_fixed, sqlstate, message, detail, hint, position, raw;
} weir_pg_error_fields;

typedef struct weir_pg_column {
    weir_slice name;
    uint32_t table_oid, type_oid;
    uint16_t attribute;
    int16_t type_size;
    int32_t type_modifier;
    uint16_t format;
} weir_pg_column;

typedef struct weir_pg_notification {
    uint32_t pid;
    weir_slice channel, payload;
} weir_pg_notification;

WEIR_MUST_CHECK int weir_pg_error_read(weir_slice body, weir_pg_error_fields *ret);
WEIR_MUST_CHECK int weir_pg_param_status_read(weir_slice body, weir_slice *ret_name,
                                              weir_slice *ret_value);
WEIR_MUST_CHECK int weir_pg_key_data_read(weir_slice body, uint32_t *ret_pid, weir_slice *ret_key);
/* Walks the fields of an error or notice, known or not: start with *pos = 0; false at the end. */
bool weir_pg_field_next(weir_slice raw, size_t *pos, uint8_t *ret_code, weir_slice *ret_value);
WEIR_MUST_CHECK int weir_pg_notification_read(weir_slice body, weir_pg_notification *ret);
WEIR_MUST_CHECK int weir_pg_command_complete_read(weir_slice body, weir_slice *ret_tag);
WEIR_MUST_CHECK int weir_pg_row_description_read(weir_slice body, uint16_t *ret_count,
                                                 weir_slice *ret_columns);
/* Walks the columns that weir_pg_row_description_read has checked. */
bool weir_pg_column_next(weir_slice columns, size_t *pos, weir_pg_column *ret);
/* `oids`: 4 bytes each, big-endian. */
WEIR_MUST_CHECK int weir_pg_param_description_read(weir_slice body, uint16_t *ret_count,
                                                   weir_slice *ret_oids);
/* Walk `values` with weir_pg_value_next. */
WEIR_MUST_CHECK int weir_pg_row_read(weir_slice body, uint16_t *ret_count, weir_slice *ret_values);
/* CopyInResponse, CopyOutResponse, CopyBothResponse; `formats`: 2 bytes each, one per column. */
WEIR_MUST_CHECK int weir_pg_copy_response_read(weir_slice body, uint8_t *ret_format,
                                               uint16_t *ret_count, weir_slice *ret_formats);
/* 'I', 'T' or 'E'. */
WEIR_MUST_CHECK int weir_pg_ready_read(weir_slice body, uint8_t *ret_status);
/* The rows a CommandComplete tag counts ("SELECT 5", "INSERT 0 3"); 0 for tags without a number. */
uint64_t weir_pg_tag_rows(weir_slice tag);

/* severity (level) is "ERROR", "FATAL", "WARNING", …; FATAL and PANIC end the session. */
WEIR_MUST_CHECK int weir_pg_write_error(weir_buf *out, const char *severity, const weir_error *err);
typedef struct weir_pg_error_about { /* beside the words; NULL or empty: nothing */
    const char *routine, *schema, *table, *column, *constraint;
} weir_pg_error_about;
WEIR_MUST_CHECK int weir_pg_write_error_of(weir_buf *out, const char *severity,
                                           const weir_error *err, const weir_pg_error_about *about);
WEIR_MUST_CHECK int weir_pg_write_notice(weir_buf *out, const char *level, const weir_error *err);
WEIR_MUST_CHECK int weir_pg_write_auth(weir_buf *out, uint32_t code, weir_slice data);
WEIR_MUST_CHECK int weir_pg_write_key_data(weir_buf *out, uint32_t pid, weir_slice key);
WEIR_MUST_CHECK int weir_pg_write_param_status(weir_buf *out, weir_slice name, weir_slice value);
WEIR_MUST_CHECK int weir_pg_write_ready(weir_buf *out, uint8_t status);
WEIR_MUST_CHECK int weir_pg_write_command_complete(weir_buf *out, weir_slice tag);
WEIR_MUST_CHECK int weir_pg_write_row_description(weir_buf *out, const weir_pg_column *columns,
                                                  size_t count);
WEIR_MUST_CHECK int weir_pg_write_param_description(weir_buf *out, const uint32_t *oids, size_t n);
WEIR_MUST_CHECK int weir_pg_write_notification(weir_buf *out, const weir_pg_notification *n);
/* `type` is WEIR_PG_B_COPY_IN, _OUT or _BOTH; every column has `format` (0 text, 1 binary). */
WEIR_MUST_CHECK int weir_pg_write_copy_response(weir_buf *out, uint8_t type, uint8_t format,
                                                size_t columns);
WEIR_MUST_CHECK int weir_pg_write_copy_data(weir_buf *out, weir_slice data);
/* A DataRow, column by column: begin, then `count` cells, then end (which writes the length). After
 * a failure between them the caller abandons the row: out->len = mark. */
WEIR_MUST_CHECK int weir_pg_row_begin(weir_buf *out, uint16_t count, size_t *ret_mark);
WEIR_MUST_CHECK int weir_pg_row_cell(weir_buf *out, weir_slice value);
WEIR_MUST_CHECK int weir_pg_row_null(weir_buf *out);
WEIR_MUST_CHECK int weir_pg_row_end(weir_buf *out, size_t mark);

#endif
