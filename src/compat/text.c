/* Text, JSON, UUIDs and byte strings: what a driver can decode and what it cannot. */
#include "compat/values.h"

/* Bytes of the well-formed UTF-8 sequence at the front (RFC 3629, table in section 4), or 0. */
static size_t sequence_len(weir_slice s)
{
    uint8_t c = s.data[0];
    if (c < 0x80)
        return c != 0 ? 1 : 0;
    size_t len = c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (len == 0 || len > s.len)
        return 0;
    uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (s.data[1] < low || s.data[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((s.data[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

/* Eight bytes of ASCII, none of them zero? (A zero byte borrows, which shows in its highest bit.)
 */
static bool is_plain_word(const uint8_t *data)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t v = 0;
    memcpy(&v, data, sizeof(v));
    return (((v - ones) | v) & (ones << 7)) == 0;
}

bool weir_text_valid(weir_slice text)
{
    while (text.len > 0) {
        if (text.len >= 8 && is_plain_word(text.data)) {
            text = weir_slice_skip(text, 8);
            continue;
        }
        size_t n = sequence_len(text);
        if (n == 0)
            return false;
        text = weir_slice_skip(text, n);
    }
    return true;
}

/* ---- JSON (RFC 8259): one pass with a bit per open bracket ---- */

#define JSON_DEPTH_MAX 512u

typedef struct json_reader {
    weir_slice rest;
    unsigned depth;
    uint64_t objects[JSON_DEPTH_MAX / 64]; /* bit set: that level is an object */
} json_reader;

static uint8_t json_peek(json_reader *j)
{
    while (j->rest.len > 0) {
        uint8_t c = j->rest.data[0];
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            return c;
        j->rest = weir_slice_skip(j->rest, 1);
    }
    return 0;
}

static bool json_take(json_reader *j, uint8_t c)
{
    if (json_peek(j) != c || j->rest.len == 0)
        return false;
    j->rest = weir_slice_skip(j->rest, 1);
    return true;
}

static bool json_escape_valid(weir_slice s, size_t *i)
{
    if (*i + 1 >= s.len)
        return false;
    uint8_t c = s.data[++*i];
    if (c != 'u')
        return memchr("\"\\/bfnrt", c, 8) != NULL;
    for (unsigned n = 0; n < 4; n++) {
        if (++*i >= s.len)
            return false;
        uint8_t h = s.data[*i] | 0x20;
        if (!((h >= '0' && h <= '9') || (h >= 'a' && h <= 'f')))
            return false;
    }
    return true;
}

static bool json_string(json_reader *j)
{
    if (!json_take(j, '"'))
        return false;
    weir_slice s = j->rest;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '"') {
            j->rest = weir_slice_skip(s, i + 1);
            return true;
        }
        if (s.data[i] < 0x20 || (s.data[i] == '\\' && !json_escape_valid(s, &i)))
            return false;
    }
    return false;
}

static size_t digits(weir_slice s, size_t from)
{
    size_t i = from;
    while (i < s.len && s.data[i] >= '0' && s.data[i] <= '9')
        i++;
    return i - from;
}

static bool json_number(json_reader *j)
{
    weir_slice s = j->rest;
    size_t i = s.data[0] == '-' ? 1 : 0;
    size_t whole = digits(s, i);
    if (whole == 0 || (whole > 1 && s.data[i] == '0'))
        return false;
    i += whole;
    if (i < s.len && s.data[i] == '.') {
        size_t part = digits(s, i + 1);
        if (part == 0)
            return false;
        i += 1 + part;
    }
    if (i < s.len && (s.data[i] | 0x20) == 'e') {
        i++;
        if (i < s.len && (s.data[i] == '+' || s.data[i] == '-'))
            i++;
        size_t part = digits(s, i);
        if (part == 0)
            return false;
        i += part;
    }
    j->rest = weir_slice_skip(s, i);
    return true;
}

static bool json_word(json_reader *j, const char *word)
{
    size_t len = strlen(word);
    if (j->rest.len < len || memcmp(j->rest.data, word, len) != 0)
        return false;
    j->rest = weir_slice_skip(j->rest, len);
    return true;
}

static bool json_scalar(json_reader *j)
{
    switch (json_peek(j)) {
    case '"':
        return json_string(j);
    case 't':
        return json_word(j, "true");
    case 'f':
        return json_word(j, "false");
    case 'n':
        return json_word(j, "null");
    case 0:
        return false;
    default:
        return json_number(j);
    }
}

static bool json_in_object(const json_reader *j)
{
    unsigned level = j->depth - 1;
    return (j->objects[level / 64] >> (level % 64) & 1) != 0;
}

static bool json_key(json_reader *j)
{
    return !json_in_object(j) || (json_string(j) && json_take(j, ':'));
}

/* Opens brackets up to the next scalar or empty bracket. *ret_done: a whole value was read. */
static bool json_open(json_reader *j, bool *ret_done)
{
    uint8_t c = json_peek(j);
    *ret_done = c != '{' && c != '[';
    if (*ret_done)
        return json_scalar(j);
    if (j->depth == JSON_DEPTH_MAX || !json_take(j, c))
        return false;
    uint64_t bit = UINT64_C(1) << (j->depth % 64);
    if (c == '{')
        j->objects[j->depth / 64] |= bit;
    else
        j->objects[j->depth / 64] &= ~bit;
    j->depth++;
    if (json_take(j, c == '{' ? '}' : ']')) {
        j->depth--;
        *ret_done = true;
        return true;
    }
    return json_key(j);
}

/* Behind a value: closes brackets until a comma asks for another one. */
static bool json_close(json_reader *j, bool *ret_more)
{
    *ret_more = false;
    while (j->depth > 0) {
        if (json_take(j, ',')) {
            *ret_more = true;
            return json_key(j);
        }
        if (!json_take(j, json_in_object(j) ? '}' : ']'))
            return false;
        j->depth--;
    }
    return true;
}

bool weir_text_is_json(weir_slice text)
{
    json_reader j = {.rest = text};
    bool more = true;
    while (more) {
        bool done = false;
        if (!json_open(&j, &done) || (done && !json_close(&j, &more)))
            return false;
    }
    (void)json_peek(&j);
    return j.rest.len == 0;
}

/* ---- UUIDs and bytes ---- */

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool weir_uuid_parse(weir_slice text, uint8_t out[16])
{
    if (text.len >= 2 && text.data[0] == '{' && text.data[text.len - 1] == '}')
        text = weir_slice_head(weir_slice_skip(text, 1), text.len - 2);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '-' && n % 4 == 0 && n > 0 && n < 32)
            continue;
        int h = hex_value(text.data[i]);
        if (h < 0 || n >= 32)
            return false;
        out[n / 2] = (uint8_t)(n % 2 == 0 ? h << 4 : out[n / 2] | h);
        n++;
    }
    return n == 32;
}

void weir_uuid_format(const uint8_t bytes[16], char out[37])
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[n++] = '-';
        out[n++] = hex[bytes[i] >> 4];
        out[n++] = hex[bytes[i] & 15];
    }
    out[n] = '\0';
}

int weir_hex_append(weir_buf *out, weir_slice bytes)
{
    static const char hex[] = "0123456789abcdef";
    if (bytes.len > (SIZE_MAX - 2) / 2)
        return -EMSGSIZE;
    int r = weir_buf_reserve(out, 2 + 2 * bytes.len);
    if (r < 0)
        return r;
    uint8_t *to = out->data + out->len;
    *to++ = '\\';
    *to++ = 'x';
    for (size_t i = 0; i < bytes.len; i++) {
        *to++ = (uint8_t)hex[bytes.data[i] >> 4];
        *to++ = (uint8_t)hex[bytes.data[i] & 15];
    }
    out->len += 2 + 2 * bytes.len;
    return 0;
}

static int bytea_hex(weir_slice text, weir_buf *out)
{
    int high = -1;
    for (size_t i = 2; i < text.len; i++) {
        if (high < 0 && (text.data[i] == ' ' || text.data[i] == '\n' || text.data[i] == '\t'))
            continue;
        int h = hex_value(text.data[i]);
        if (h < 0)
            return WEIR_COMPAT_REFUSED;
        if (high < 0) {
            high = h;
            continue;
        }
        int r = weir_buf_append_u8(out, (uint8_t)(high << 4 | h));
        if (r < 0)
            return r;
        high = -1;
    }
    return high < 0 ? 0 : WEIR_COMPAT_REFUSED;
}

/* The byte that the escape at `i` stands for, -1 if it is malformed; moves to its last byte. */
static int bytea_escape(weir_slice text, size_t *i)
{
    if (*i + 1 < text.len && text.data[*i + 1] == '\\') {
        *i += 1;
        return '\\';
    }
    if (*i + 3 >= text.len)
        return -1;
    int v = 0;
    for (size_t n = 1; n <= 3; n++) {
        uint8_t c = text.data[*i + n];
        if (c < '0' || c > '7')
            return -1;
        v = v * 8 + (c - '0');
    }
    *i += 3;
    return v <= 0xff ? v : -1;
}

int weir_bytea_parse(weir_slice text, weir_buf *out)
{
    if (text.len >= 2 && text.data[0] == '\\' && text.data[1] == 'x')
        return bytea_hex(text, out);
    for (size_t i = 0; i < text.len; i++) {
        int c = text.data[i];
        if (c == '\\')
            c = bytea_escape(text, &i);
        if (c < 0)
            return WEIR_COMPAT_REFUSED;
        int r = weir_buf_append_u8(out, (uint8_t)c);
        if (r < 0)
            return r;
    }
    return 0;
}
