/* Frames, bodies and client records of a hand-over (handover_codec.h). Pure.
 *
 * Invariant: a record that weir_record_read accepts is the one its writer meant, or differs from it
 * in values only: every length is checked, every field is at its place and no byte is left over. */
#include "gateway/handover_codec.h"

#define HEAD 5u /* of a frame, and of a field */

static const uint8_t magic[8] = {'w', 'e', 'i', 'r', 'h', 'a', 'n', 'd'};

enum {
    FIELD_IDENTITY = 1,
    FIELD_USER,
    FIELD_DATABASE,
    FIELD_STARTUP,
    FIELD_PARAMS,
    FIELD_LOGIN_PASSWORD,
    FIELD_LOGIN_KEYS,
    FIELD_SETTING,   /* any number of times */
    FIELD_STATEMENT, /* … */
    FIELD_LISTEN,    /* … */
    FIELD_UNREAD,
    FIELDS
};

enum { FLAG_CONSOLE = 1, FLAG_PARAMS = 2, FLAGS = 3 };

/* ---- reading, in steps that fail once and for all ---- */

typedef struct reader {
    weir_slice rest;
    bool ok;
} reader;

static weir_slice take(reader *r, size_t len)
{
    if (!r->ok || r->rest.len < len) {
        r->ok = false;
        return (weir_slice){0};
    }
    weir_slice s = weir_slice_head(r->rest, len);
    r->rest = weir_slice_skip(r->rest, len);
    return s;
}

static uint32_t take_number(reader *r, size_t len)
{
    weir_slice s = take(r, len);
    uint32_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n = n << 8 | s.data[i];
    return n;
}

static weir_slice take_rest(reader *r)
{
    return take(r, r->rest.len);
}

static int end(const reader *r)
{
    return r->ok && r->rest.len == 0 ? 0 : -EPROTO;
}

static bool is_text(weir_slice s)
{
    return s.len == 0 || !memchr(s.data, 0, s.len);
}

/* ---- writing, all or nothing ---- */

static int put_head(weir_buf *out, uint8_t kind, size_t len)
{
    if (len > WEIR_HANDOVER_BODY_MAX)
        return -EMSGSIZE;
    int r = weir_buf_append_u8(out, kind);
    return r < 0 ? r : weir_buf_append_u32(out, (uint32_t)len);
}

static int put_parts(weir_buf *out, uint8_t kind, const weir_slice *parts, size_t count)
{
    size_t before = out->len, len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    int r = put_head(out, kind, len);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = weir_buf_append(out, parts[i]);
    if (r < 0)
        out->len = before;
    return r;
}

static weir_slice number(uint8_t space[4], uint32_t n)
{
    for (int i = 3; i >= 0; i--, n >>= 8)
        space[i] = (uint8_t)n;
    return weir_slice_make(space, 4);
}

#define PUT(out, kind, ...)                                                                        \
    put_parts(out, (uint8_t)(kind), (const weir_slice[]){__VA_ARGS__},                             \
              sizeof((const weir_slice[]){__VA_ARGS__}) / sizeof(weir_slice))

/* ---- frames ---- */

int weir_handover_frame_read(weir_slice in, weir_handover_frame *ret)
{
    reader r = {in, true};
    uint32_t type = take_number(&r, 1), len = take_number(&r, 4);
    if (in.len > 0 && (in.data[0] < WEIR_HANDOVER_HELLO || in.data[0] > WEIR_HANDOVER_BYE))
        return -EPROTO;
    if (!r.ok)
        return 1;
    if (len > WEIR_HANDOVER_BODY_MAX)
        return -EPROTO;
    weir_slice body = take(&r, len);
    if (!r.ok)
        return 1;
    *ret = (weir_handover_frame){(weir_handover_type)type, body, HEAD + (size_t)len};
    return 0;
}

bool weir_handover_has_descriptor(weir_handover_type type)
{
    return type == WEIR_HANDOVER_LISTENER || type == WEIR_HANDOVER_CLIENT;
}

int weir_handover_write(weir_buf *out, weir_handover_type type, weir_slice body)
{
    return PUT(out, type, body);
}

int weir_handover_write_hello(weir_buf *out)
{
    uint8_t oldest[4], newest[4];
    return PUT(out, WEIR_HANDOVER_HELLO, weir_slice_make(magic, sizeof(magic)),
               number(oldest, WEIR_HANDOVER_VERSION_OLDEST), number(newest, WEIR_HANDOVER_VERSION));
}

int weir_handover_hello_read(weir_slice body, uint32_t *ret_version)
{
    reader r = {body, true};
    weir_slice word = take(&r, sizeof(magic));
    uint32_t oldest = take_number(&r, 4), newest = take_number(&r, 4);
    if (end(&r) < 0 || !weir_slice_eq(word, weir_slice_make(magic, sizeof(magic))) ||
        oldest > newest)
        return -EPROTO;
    if (oldest > WEIR_HANDOVER_VERSION || newest < WEIR_HANDOVER_VERSION_OLDEST)
        return -ENOTSUP;
    *ret_version = newest < WEIR_HANDOVER_VERSION ? newest : WEIR_HANDOVER_VERSION;
    return 0;
}

int weir_handover_write_offer(weir_buf *out, const weir_handover_offer *offer)
{
    uint8_t version[4], next[4];
    return PUT(out, WEIR_HANDOVER_OFFER, weir_slice_make(magic, sizeof(magic)),
               number(version, offer->version), number(next, offer->next_id));
}

int weir_handover_offer_read(weir_slice body, weir_handover_offer *ret)
{
    reader r = {body, true};
    weir_slice word = take(&r, sizeof(magic));
    weir_handover_offer offer = {.version = take_number(&r, 4)};
    offer.next_id = take_number(&r, 4);
    if (end(&r) < 0 || !weir_slice_eq(word, weir_slice_make(magic, sizeof(magic))))
        return -EPROTO;
    if (offer.version < WEIR_HANDOVER_VERSION_OLDEST || offer.version > WEIR_HANDOVER_VERSION)
        return -ENOTSUP;
    *ret = offer;
    return 0;
}

int weir_handover_write_listener(weir_buf *out, weir_handover_kind kind, const char *address)
{
    uint8_t as_byte = (uint8_t)kind;
    return PUT(out, WEIR_HANDOVER_LISTENER, weir_slice_make(&as_byte, 1), weir_slice_cstr(address));
}

int weir_handover_listener_read(weir_slice body, weir_handover_kind *ret_kind,
                                weir_slice *ret_address)
{
    reader r = {body, true};
    uint32_t kind = take_number(&r, 1);
    weir_slice address = take_rest(&r);
    if (end(&r) < 0 || kind >= WEIR_HANDOVER_KINDS || !is_text(address))
        return -EPROTO;
    *ret_kind = (weir_handover_kind)kind;
    *ret_address = address;
    return 0;
}

int weir_handover_write_verdict(weir_buf *out, bool taken, uint32_t id)
{
    uint8_t bytes[4];
    return PUT(out, taken ? WEIR_HANDOVER_TAKEN : WEIR_HANDOVER_REFUSED, number(bytes, id));
}

int weir_handover_verdict_read(weir_slice body, uint32_t *ret_id)
{
    reader r = {body, true};
    uint32_t id = take_number(&r, 4);
    if (end(&r) < 0)
        return -EPROTO;
    *ret_id = id;
    return 0;
}

int weir_handover_write_cancel(weir_buf *out, uint32_t id, weir_slice key)
{
    uint8_t bytes[4];
    return PUT(out, WEIR_HANDOVER_CANCEL, number(bytes, id), key);
}

int weir_handover_cancel_read(weir_slice body, uint32_t *ret_id, weir_slice *ret_key)
{
    reader r = {body, true};
    uint32_t id = take_number(&r, 4);
    weir_slice key = take_rest(&r);
    if (end(&r) < 0 || key.len < 4 || key.len > WEIR_HANDOVER_KEY_MAX)
        return -EPROTO;
    *ret_id = id;
    *ret_key = key;
    return 0;
}

/* ---- a client's record: writing ---- */

int weir_record_write(weir_buf *out, const weir_record *record)
{
    uint8_t id[4], protocol[4];
    uint8_t flags =
        (uint8_t)((record->console ? FLAG_CONSOLE : 0) | (record->has_params ? FLAG_PARAMS : 0));
    size_t before = out->len;
    int r =
        PUT(out, FIELD_IDENTITY, number(id, record->id), number(protocol, record->protocol),
            weir_slice_make(&flags, 1), weir_slice_make(record->secret, sizeof(record->secret)));
    if (r == 0)
        r = PUT(out, FIELD_USER, record->user);
    if (r == 0)
        r = PUT(out, FIELD_DATABASE, record->database);
    if (r == 0 && record->startup.len > 0)
        r = PUT(out, FIELD_STARTUP, record->startup);
    if (r == 0 && record->has_params && record->params.len > 0)
        r = PUT(out, FIELD_PARAMS, record->params);
    if (r == 0 && record->login.password.len > 0)
        r = PUT(out, FIELD_LOGIN_PASSWORD, record->login.password);
    if (r == 0 && record->login.keys.len > 0)
        r = PUT(out, FIELD_LOGIN_KEYS, record->login.keys);
    if (r < 0)
        out->len = before;
    return r;
}

int weir_record_write_setting(weir_buf *out, weir_slice name, weir_slice value)
{
    return PUT(out, FIELD_SETTING, name, WEIR_SLICE_LIT("\0"), value, WEIR_SLICE_LIT("\0"));
}

int weir_record_write_statement(weir_buf *out, const weir_record_statement *s)
{
    uint8_t name_len[4], oids_len[4], settings_len[4], flags = s->by_sql;
    return PUT(out, FIELD_STATEMENT, weir_slice_make(&flags, 1),
               number(name_len, (uint32_t)s->name.len), number(oids_len, (uint32_t)s->oids.len),
               number(settings_len, (uint32_t)s->settings.len), s->name, s->oids, s->settings,
               s->text);
}

int weir_record_write_listen(weir_buf *out, weir_slice channel)
{
    return PUT(out, FIELD_LISTEN, channel);
}

int weir_record_open_unread(weir_buf *out, size_t *ret_mark)
{
    size_t mark = out->len;
    int r = put_parts(out, FIELD_UNREAD, NULL, 0);
    if (r == 0)
        *ret_mark = mark;
    return r;
}

void weir_record_close_unread(weir_buf *out, size_t mark)
{
    size_t len = out->len - mark - HEAD;
    if (len == 0)
        out->len = mark;
    else
        (void)number(out->data + mark + 1, (uint32_t)len);
}

/* ---- reading ---- */

static bool next_field(weir_slice in, size_t *pos, uint8_t *ret_tag, weir_slice *ret_value)
{
    reader r = {weir_slice_skip(in, *pos), true};
    uint8_t tag = (uint8_t)take_number(&r, 1);
    weir_slice value = take(&r, take_number(&r, 4));
    if (!r.ok)
        return false;
    *ret_tag = tag;
    *ret_value = value;
    *pos = in.len - r.rest.len;
    return true;
}

static bool next_pair(weir_slice in, size_t *pos, weir_slice *ret_name, weir_slice *ret_value)
{
    weir_slice parts[2];
    size_t at = *pos;
    for (int i = 0; i < 2; i++) {
        const uint8_t *zero = at < in.len ? memchr(in.data + at, 0, in.len - at) : NULL;
        if (!zero)
            return false;
        parts[i] = weir_slice_make(in.data + at, (size_t)(zero - in.data) - at);
        at += parts[i].len + 1;
    }
    *ret_name = parts[0];
    *ret_value = parts[1];
    *pos = at;
    return true;
}

static bool are_pairs(weir_slice in)
{
    size_t pos = 0;
    weir_slice name, value;
    while (next_pair(in, &pos, &name, &value))
        if (name.len == 0)
            return false;
    return pos == in.len;
}

static bool is_pair(weir_slice in)
{
    size_t pos = 0;
    weir_slice name, value;
    return next_pair(in, &pos, &name, &value) && name.len > 0 && pos == in.len;
}

static int statement_read(weir_slice in, weir_record_statement *ret)
{
    reader r = {in, true};
    uint32_t flags = take_number(&r, 1);
    uint32_t name_len = take_number(&r, 4), oids_len = take_number(&r, 4);
    uint32_t settings_len = take_number(&r, 4);
    ret->name = take(&r, name_len);
    ret->oids = take(&r, oids_len);
    ret->settings = take(&r, settings_len);
    ret->text = take_rest(&r);
    ret->by_sql = flags == 1;
    bool good = end(&r) == 0 && flags <= 1 && oids_len % 4 == 0 && oids_len / 4 <= UINT16_MAX &&
                is_text(ret->name) && is_text(ret->text) && are_pairs(ret->settings);
    return good ? 0 : -EPROTO;
}

static int identity_read(weir_slice in, weir_record *ret)
{
    reader r = {in, true};
    ret->id = take_number(&r, 4);
    ret->protocol = take_number(&r, 4);
    uint32_t flags = take_number(&r, 1);
    weir_slice secret = take(&r, sizeof(ret->secret));
    if (end(&r) < 0 || flags > FLAGS || ret->id == 0)
        return -EPROTO;
    ret->console = flags & FLAG_CONSOLE;
    ret->has_params = flags & FLAG_PARAMS;
    memcpy(ret->secret, secret.data, sizeof(ret->secret));
    return 0;
}

static bool is_repeated(uint8_t tag)
{
    return tag == FIELD_SETTING || tag == FIELD_STATEMENT || tag == FIELD_LISTEN;
}

/* `whole`: the field with its head, for runs of repeated ones. */
static int field_read(uint8_t tag, weir_slice value, weir_slice whole, weir_record *ret)
{
    weir_record_statement s;
    weir_slice *runs[FIELDS] = {[FIELD_SETTING] = &ret->settings,
                                [FIELD_STATEMENT] = &ret->statements,
                                [FIELD_LISTEN] = &ret->listens};
    bool good = true;
    switch (tag) {
    case FIELD_IDENTITY:
        return identity_read(value, ret);
    case FIELD_USER:
        ret->user = value;
        good = value.len > 0 && is_text(value);
        break;
    case FIELD_DATABASE:
        ret->database = value;
        good = value.len > 0 && is_text(value);
        break;
    case FIELD_STARTUP:
        ret->startup = value;
        good = value.len > 0 && are_pairs(value);
        break;
    case FIELD_PARAMS:
        ret->params = value;
        good = ret->has_params && value.len > 0 && are_pairs(value);
        break;
    case FIELD_LOGIN_PASSWORD:
        ret->login.password = value;
        good = value.len > 0 && is_text(value);
        break;
    case FIELD_LOGIN_KEYS:
        ret->login.keys = value;
        good = value.len == WEIR_RECORD_KEYS;
        break;
    case FIELD_SETTING:
        good = is_pair(value);
        break;
    case FIELD_STATEMENT:
        good = statement_read(value, &s) == 0;
        break;
    case FIELD_LISTEN:
        good = value.len > 0 && is_text(value);
        break;
    case FIELD_UNREAD:
        ret->unread = value;
        good = value.len > 0;
        break;
    default:
        good = false;
    }
    if (good && runs[tag])
        *runs[tag] = weir_slice_make(runs[tag]->len ? runs[tag]->data : whole.data,
                                     runs[tag]->len + whole.len);
    return good ? 0 : -EPROTO;
}

int weir_record_read(weir_slice in, weir_record *ret)
{
    weir_record record = {0};
    uint8_t tag, last = 0;
    weir_slice value;
    for (size_t pos = 0; pos < in.len;) {
        size_t from = pos;
        if (!next_field(in, &pos, &tag, &value) || tag < last ||
            (tag == last && !is_repeated(tag)) || (last == 0 && tag != FIELD_IDENTITY) ||
            field_read(tag, value, weir_slice_make(in.data + from, pos - from), &record) < 0)
            return -EPROTO;
        last = tag;
    }
    if (record.id == 0 || record.user.len == 0 || record.database.len == 0)
        return -EPROTO;
    *ret = record;
    return 0;
}

bool weir_record_next_setting(weir_slice settings, size_t *pos, weir_slice *ret_name,
                              weir_slice *ret_value)
{
    uint8_t tag;
    weir_slice pair;
    size_t at = 0;
    return next_field(settings, pos, &tag, &pair) && next_pair(pair, &at, ret_name, ret_value);
}

bool weir_record_next_statement(weir_slice statements, size_t *pos, weir_record_statement *ret)
{
    uint8_t tag;
    weir_slice value;
    return next_field(statements, pos, &tag, &value) && statement_read(value, ret) == 0;
}

bool weir_record_next_listen(weir_slice listens, size_t *pos, weir_slice *ret_channel)
{
    uint8_t tag;
    return next_field(listens, pos, &tag, ret_channel);
}
