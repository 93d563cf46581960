/* PgBouncer's userlist.txt: "user" "password", one to a line; a quote inside is doubled, `;` and #
 * begin comments, what follows the password is left alone as PgBouncer does. */
#include "base/buf.h"
#include "config/hba.h"
#include "config/hba_words.h"

#define FIELD_SIZE_MAX ((size_t)2048)

typedef struct userlist {
    const char *file;
    weir_slice rest;
    unsigned line;
    weir_error *err;
} userlist;

static void skip_blanks(userlist *u)
{
    while (u->rest.len > 0 && (u->rest.data[0] == ' ' || u->rest.data[0] == '\t'))
        u->rest = weir_slice_skip(u->rest, 1);
}

static void skip_line(userlist *u)
{
    const uint8_t *end = u->rest.len > 0 ? memchr(u->rest.data, '\n', u->rest.len) : NULL;
    u->rest = weir_slice_skip(u->rest, end ? (size_t)(end - u->rest.data) + 1 : u->rest.len);
    u->line++;
}

/* Nothing that says something is left on this line. */
static bool at_line_end(const userlist *u)
{
    uint8_t c = u->rest.len > 0 ? u->rest.data[0] : '\n';
    return c == '\n' || c == '\r' || c == ';' || c == '#';
}

/* "text" into `out`. */
static int take_quoted(userlist *u, weir_buf *out)
{
    weir_buf_clear(out);
    if (u->rest.len == 0 || u->rest.data[0] != '"')
        return hba_fail(u->err, u->file, u->line, "a line must be \"user\" \"password\"");
    size_t i = 1;
    for (;; i++) {
        uint8_t c = i < u->rest.len ? u->rest.data[i] : '\n';
        if (c == '\n' || c == '\0')
            return hba_fail(u->err, u->file, u->line, "a quote is not closed");
        if (c == '"' && (i + 1 >= u->rest.len || u->rest.data[i + 1] != '"'))
            break;
        i += c == '"';
        int r = weir_buf_append_u8(out, c);
        if (r == -EMSGSIZE)
            return hba_fail(u->err, u->file, u->line, "a text has more than %zu bytes",
                            FIELD_SIZE_MAX);
        if (r < 0)
            return hba_no_memory(u->err);
    }
    u->rest = weir_slice_skip(u->rest, i + 1);
    skip_blanks(u);
    return 0;
}

int weir_userlist_read(const char *file, weir_slice text,
                       int (*add)(void *of, weir_slice user, weir_slice password, unsigned line),
                       void *of, weir_error *err)
{
    userlist u = {.file = file, .rest = text, .line = 1, .err = err};
    weir_buf user, password;
    weir_buf_init(&user, FIELD_SIZE_MAX);
    weir_buf_init(&password, FIELD_SIZE_MAX);
    int r = 0;
    for (; r == 0 && u.rest.len > 0; skip_line(&u)) {
        skip_blanks(&u);
        if (at_line_end(&u))
            continue;
        r = take_quoted(&u, &user);
        if (r == 0 && user.len == 0)
            r = hba_fail(err, file, u.line, "a user needs a name");
        if (r == 0)
            r = take_quoted(&u, &password);
        if (r == 0)
            r = add(of, weir_buf_slice(&user), weir_buf_slice(&password), u.line);
        if (r != 0)
            break;
    }
    if (password.data)
        explicit_bzero(password.data, password.cap);
    weir_buf_fini(&user);
    weir_buf_fini(&password);
    return r;
}
