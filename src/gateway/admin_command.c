/* Reads one console command: a verb, and at most one word behind it. */
#include "gateway/admin_command.h"

typedef struct word {
    char text[WEIR_ADMIN_ARGUMENT_MAX + 1]; /* lower case unless quoted */
    bool quoted;
} word;

/* ---- words ---- */

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Behind a comment that begins at `i`; `i` itself if none does. */
static size_t skip_comment(weir_slice s, size_t i)
{
    if (s.len - i < 2)
        return i;
    if (s.data[i] == '-' && s.data[i + 1] == '-') {
        while (i < s.len && s.data[i] != '\n')
            i++;
        return i;
    }
    if (s.data[i] != '/' || s.data[i + 1] != '*')
        return i;
    for (i += 2; i < s.len; i++)
        if (s.data[i - 1] == '*' && s.data[i] == '/')
            return i + 1;
    return s.len;
}

static size_t skip_space(weir_slice s, size_t i)
{
    for (;;) {
        while (i < s.len && is_space(s.data[i]))
            i++;
        size_t next = skip_comment(s, i);
        if (next == i)
            return i;
        i = next;
    }
}

static size_t read_quoted(weir_slice s, size_t i, word *ret)
{
    size_t n = 0;
    ret->quoted = true;
    for (i++; i < s.len; i++) {
        if (s.data[i] == '"' && (++i == s.len || s.data[i] != '"'))
            break; /* behind it; a doubled one is one of the name's */
        if (n < WEIR_ADMIN_ARGUMENT_MAX)
            ret->text[n++] = (char)s.data[i];
    }
    ret->text[n] = '\0';
    return i;
}

static bool ends_word(weir_slice s, size_t i)
{
    uint8_t c = s.data[i];
    return is_space(c) || c == ';' || c == '"' || skip_comment(s, i) != i;
}

/* The word at `*pos`; false at the end or a `;`. A longer one than a name can be is cut: no command
 * or report is called so. */
static bool next_word(weir_slice s, size_t *pos, word *ret)
{
    size_t i = skip_space(s, *pos), n = 0;
    *pos = i;
    if (i == s.len || s.data[i] == ';')
        return false;
    ret->quoted = false;
    if (s.data[i] == '"') {
        *pos = read_quoted(s, i, ret);
        return true;
    }
    for (; i < s.len && !ends_word(s, i); i++) {
        uint8_t c = s.data[i];
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c + ('a' - 'A'));
        if (n < WEIR_ADMIN_ARGUMENT_MAX)
            ret->text[n++] = (char)c;
    }
    ret->text[n] = '\0';
    *pos = i;
    return true;
}

/* ---- commands ---- */

typedef struct verb_entry {
    const char *word;
    weir_admin_verb verb;
    const char *tag;
    enum { ALONE, MAY_HAVE_NAME, NEEDS_NAME, ANYTHING } rest;
} verb_entry;

static const verb_entry verbs[] = {
    {"show", WEIR_ADMIN_SHOW, "SHOW", NEEDS_NAME},
    {"pause", WEIR_ADMIN_PAUSE, "PAUSE", MAY_HAVE_NAME},
    {"resume", WEIR_ADMIN_RESUME, "RESUME", MAY_HAVE_NAME},
    {"reload", WEIR_ADMIN_RELOAD, "RELOAD", ALONE},
    {"drain", WEIR_ADMIN_SHUTDOWN, "DRAIN", ALONE},
    {"shutdown", WEIR_ADMIN_SHUTDOWN, "SHUTDOWN", ALONE},
    {"begin", WEIR_ADMIN_BEGIN, "BEGIN", ANYTHING},
    {"start", WEIR_ADMIN_BEGIN, "START TRANSACTION", ANYTHING},
    {"commit", WEIR_ADMIN_END, "COMMIT", ANYTHING},
    {"end", WEIR_ADMIN_END, "COMMIT", ANYTHING},
    {"rollback", WEIR_ADMIN_END, "ROLLBACK", ANYTHING},
    {"abort", WEIR_ADMIN_END, "ROLLBACK", ANYTHING},
    {"set", WEIR_ADMIN_NOTHING, "SET", ANYTHING},
    {"reset", WEIR_ADMIN_NOTHING, "RESET", ANYTHING},
    {"discard", WEIR_ADMIN_NOTHING, "DISCARD", ANYTHING},
    {"deallocate", WEIR_ADMIN_NOTHING, "DEALLOCATE", ANYTHING},
};

static int refuse(weir_error *err, const char *what, const char *about)
{
    weir_error_set(err, "42601", "weir: %s \"%.64s\"", what, about);
    weir_error_hint(err, "Commands: SHOW name, PAUSE [database], RESUME [database], RELOAD, DRAIN, "
                         "SHUTDOWN. SHOW HELP explains them.");
    return -EINVAL;
}

static const verb_entry *find_verb(const word *w)
{
    for (size_t i = 0; !w->quoted && i < sizeof(verbs) / sizeof(*verbs); i++)
        if (strcmp(verbs[i].word, w->text) == 0)
            return &verbs[i];
    return NULL;
}

int weir_admin_parse(weir_slice text, weir_admin_command *ret, weir_error *err)
{
    size_t pos = 0;
    word w;
    *ret = (weir_admin_command){.verb = WEIR_ADMIN_EMPTY, .tag = ""};
    if (!next_word(text, &pos, &w))
        return skip_space(text, pos + (pos < text.len)) == text.len
                   ? 0
                   : refuse(err, "one command at a time, without", ";");
    const verb_entry *v = find_verb(&w);
    if (!v)
        return refuse(err, "unknown command", w.text);
    ret->verb = v->verb;
    ret->tag = v->tag;
    if (v->rest == ANYTHING)
        return 0;
    if (v->rest != ALONE && next_word(text, &pos, &w))
        memcpy(ret->argument, w.text, sizeof(w.text));
    else if (v->rest == NEEDS_NAME)
        return refuse(err, "a report's name is missing after", v->tag);
    if (next_word(text, &pos, &w))
        return refuse(err, "unexpected", w.text);
    pos = skip_space(text, pos + (pos < text.len));
    return pos == text.len ? 0
                           : refuse(err, "only one command at a time; unexpected text after", ";");
}
