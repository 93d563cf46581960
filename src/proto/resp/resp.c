/* RESP: see resp.h. */
#include "proto/resp/resp.h"

#define LINE_MAX ((size_t)64 << 10) /* of a simple text or an error */
#define DIGITS_MAX 20u

/* ---- lines ---- */

/* The first line without its end. MORE; -EPROTO: a line of this kind is never so long. */
static int take_line(weir_slice in, weir_slice *ret)
{
    const uint8_t *end = memchr(in.data, '\n', in.len < LINE_MAX ? in.len : LINE_MAX);
    if (!end)
        return in.len < LINE_MAX ? WEIR_RESP_MORE : -EPROTO;
    size_t len = (size_t)(end - in.data);
    if (len == 0 || in.data[len - 1] != '\r')
        return -EPROTO;
    *ret = weir_slice_make(in.data, len - 1);
    return 0;
}

static int to_integer(weir_slice text, int64_t *ret)
{
    bool minus = text.len > 0 && text.data[0] == '-';
    size_t at = minus || (text.len > 0 && text.data[0] == '+') ? 1 : 0;
    int64_t sum = 0;
    if (at == text.len || text.len - at > DIGITS_MAX)
        return -EPROTO;
    for (; at < text.len; at++) {
        int64_t digit = text.data[at] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_sub_overflow(sum, digit, &sum)) /* downwards: the least has no counterpart */
            return -EPROTO;
    }
    if (!minus && sum == INT64_MIN)
        return -EPROTO;
    *ret = minus ? sum : -sum;
    return 0;
}

/* ---- tokens ---- */

/* `len` bytes and CRLF behind the line. */
static int take_text(weir_slice in, size_t head, int64_t len, weir_slice *ret, size_t *ret_size)
{
    if (len < 0)
        return -EPROTO;
    if (in.len - head < 2 || (uint64_t)len > in.len - head - 2)
        return WEIR_RESP_MORE;
    const uint8_t *at = in.data + head;
    if (at[len] != '\r' || at[len + 1] != '\n')
        return -EPROTO;
    *ret = weir_slice_make(at, (size_t)len);
    *ret_size = head + (size_t)len + 2;
    return 0;
}

/* "txt:" says what a verbatim text is. */
static int strip_format(weir_slice *text)
{
    if (text->len < 4 || text->data[3] != ':')
        return -EPROTO;
    *text = weir_slice_skip(*text, 4);
    return 0;
}

static int read_text(weir_slice in, size_t head, weir_slice line, size_t text_max,
                     weir_resp_token *ret, size_t *ret_size)
{
    uint8_t kind = in.data[0];
    int64_t len;
    int r = to_integer(line, &len);
    if (r < 0)
        return r;
    *ret_size = head;
    ret->type = kind == '!' ? WEIR_RESP_ERROR : WEIR_RESP_TEXT;
    if (kind == '$' && len == -1) {
        ret->type = WEIR_RESP_NULL;
        return 0;
    }
    if (len > 0 && (uint64_t)len > text_max)
        return -EMSGSIZE;
    r = take_text(in, head, len, &ret->text, ret_size);
    return r == 0 && kind == '=' ? strip_format(&ret->text) : r;
}

static int read_aggregate(uint8_t kind, weir_slice line, weir_resp_token *ret)
{
    int64_t count;
    int r = to_integer(line, &count);
    if (r < 0)
        return r;
    if (kind == '*' && count == -1) {
        ret->type = WEIR_RESP_NULL;
        return 0;
    }
    bool pairs = kind == '%' || kind == '|';
    if (count < 0 || count > INT64_MAX / 4)
        return -EPROTO;
    ret->type = kind == '%'   ? WEIR_RESP_MAP
                : kind == '|' ? WEIR_RESP_ATTRIBUTE
                : kind == '>' ? WEIR_RESP_PUSH
                              : WEIR_RESP_LIST;
    ret->values = (uint64_t)count * (pairs ? 2 : 1);
    return 0;
}

static int read_truth(weir_slice line, weir_resp_token *ret)
{
    if (line.len != 1 || (line.data[0] != 't' && line.data[0] != 'f'))
        return -EPROTO;
    ret->type = WEIR_RESP_INTEGER;
    ret->integer = line.data[0] == 't';
    return 0;
}

static int read_token(weir_slice in, size_t text_max, weir_resp_token *ret, size_t *ret_size)
{
    weir_slice line;
    if (in.len == 0)
        return WEIR_RESP_MORE;
    int r = take_line(in, &line);
    if (r != 0)
        return r;
    size_t head = line.len + 2;
    uint8_t kind = in.data[0];
    *ret = (weir_resp_token){.type = WEIR_RESP_TEXT};
    *ret_size = head;
    line = line.len > 0 ? weir_slice_skip(line, 1) : line;
    switch (kind) {
    case '+':
    case '-':
        ret->type = kind == '-' ? WEIR_RESP_ERROR : WEIR_RESP_TEXT;
        ret->text = line;
        return 0;
    case ':':
        ret->type = WEIR_RESP_INTEGER;
        return to_integer(line, &ret->integer);
    case ',':
    case '(':
        ret->type = WEIR_RESP_NUMBER;
        ret->text = line;
        return 0;
    case '_':
        ret->type = WEIR_RESP_NULL;
        return line.len == 0 ? 0 : -EPROTO;
    case '#':
        return read_truth(line, ret);
    case '$':
    case '!':
    case '=':
        return read_text(in, head, line, text_max, ret, ret_size);
    case '*':
    case '~':
    case '>':
    case '%':
    case '|':
        return read_aggregate(kind, line, ret);
    default:
        return -EPROTO;
    }
}

int weir_resp_size(weir_slice in, const weir_resp_limits *limits, size_t *ret)
{
    size_t at = 0, seen = 0;
    for (uint64_t left = 1; left > 0;) {
        weir_resp_token t;
        size_t size;
        int r = read_token(weir_slice_skip(in, at), limits->text_max, &t, &size);
        if (r != 0)
            return r;
        left += t.values - (t.type == WEIR_RESP_ATTRIBUTE ? 0 : 1);
        at += size;
        seen++;
        if (seen > limits->values_max || left > limits->values_max - seen)
            return -EMSGSIZE;
    }
    *ret = at;
    return 0;
}

int weir_resp_read(weir_slice *rest, weir_resp_token *ret)
{
    size_t size;
    int r = read_token(*rest, SIZE_MAX, ret, &size);
    if (r != 0)
        return -EPROTO;
    *rest = weir_slice_skip(*rest, size);
    return 0;
}

int weir_resp_skip(weir_slice *rest)
{
    static const weir_resp_limits none = {.text_max = SIZE_MAX, .values_max = SIZE_MAX / 2};
    size_t size;
    if (weir_resp_size(*rest, &none, &size) != 0)
        return -EPROTO;
    *rest = weir_slice_skip(*rest, size);
    return 0;
}

/* ---- commands ---- */

int weir_resp_command(weir_buf *out, unsigned words)
{
    return weir_buf_printf(out, "*%u\r\n", words);
}

int weir_resp_word(weir_buf *out, weir_slice word)
{
    size_t before = out->len;
    int r = weir_buf_printf(out, "$%zu\r\n", word.len);
    if (r == 0)
        r = weir_buf_append(out, word);
    if (r == 0)
        r = weir_buf_append(out, WEIR_SLICE_LIT("\r\n"));
    if (r < 0)
        out->len = before;
    return r;
}

/* ---- cluster ---- */

/* CRC-16/XMODEM: polynomial 0x1021, from 0, neither reflected nor inverted. */
static uint16_t crc16(weir_slice bytes)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        crc = (uint16_t)(crc ^ (uint16_t)(bytes.data[i] << 8));
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    return crc;
}

uint16_t weir_resp_slot(weir_slice key)
{
    const uint8_t *open = key.len > 0 ? memchr(key.data, '{', key.len) : NULL;
    if (open) {
        weir_slice rest = weir_slice_skip(key, (size_t)(open - key.data) + 1);
        const uint8_t *close = rest.len > 0 ? memchr(rest.data, '}', rest.len) : NULL;
        if (close && close > rest.data)
            key = weir_slice_head(rest, (size_t)(close - rest.data));
    }
    return crc16(key) % WEIR_RESP_SLOTS;
}

static bool starts_with(weir_slice *text, weir_slice word)
{
    if (text->len < word.len || memcmp(text->data, word.data, word.len) != 0)
        return false;
    *text = weir_slice_skip(*text, word.len);
    return true;
}

bool weir_resp_redirected(weir_slice error, weir_resp_redirection *ret)
{
    int64_t slot;
    bool ask = starts_with(&error, WEIR_SLICE_LIT("ASK "));
    if (!ask && !starts_with(&error, WEIR_SLICE_LIT("MOVED ")))
        return false;
    const uint8_t *space = error.len > 0 ? memchr(error.data, ' ', error.len) : NULL;
    if (!space)
        return false;
    size_t digits = (size_t)(space - error.data);
    if (to_integer(weir_slice_head(error, digits), &slot) < 0 || slot < 0 ||
        slot >= (int64_t)WEIR_RESP_SLOTS)
        return false;
    weir_slice address = weir_slice_skip(error, digits + 1);
    if (address.len == 0 || !memchr(address.data, ':', address.len))
        return false;
    *ret = (weir_resp_redirection){.ask = ask, .slot = (uint16_t)slot, .address = address};
    return true;
}
