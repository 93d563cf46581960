/* Reads one console command: a verb, and what may stand behind it: a word, a name, a statement. */
#include "gateway/admin_command.h"
#include "base/ascii.h"

typedef struct word {
    char text[WEIR_ADMIN_ARGUMENT_MAX + 1]; /* lower case unless quoted */
    bool quoted;
} word;

/* ---- words ---- */

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
        while (i < s.len && weir_ascii_is_space(s.data[i]))
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
    return weir_ascii_is_space(c) || c == ';' || c == '"' || skip_comment(s, i) != i;
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
        if (n < WEIR_ADMIN_ARGUMENT_MAX)
            ret->text[n++] = (char)weir_ascii_lower(s.data[i]);
    }
    ret->text[n] = '\0';
    *pos = i;
    return true;
}

/* A part of a name behind its opening quote; false: it is not closed, or has no room. */
static bool read_part(weir_slice s, size_t *pos, word *ret, size_t *n)
{
    uint8_t quote = s.data[(*pos)++];
    for (; *pos < s.len; ++*pos) {
        uint8_t c = s.data[*pos];
        if (c == quote && (++*pos == s.len || s.data[*pos] != quote))
            return true;
        if (*n == WEIR_ADMIN_ARGUMENT_MAX)
            return false;
        ret->text[(*n)++] = (char)c;
    }
    return false;
}

static bool is_quote(uint8_t c)
{
    return c == '"' || c == '\'';
}

/* A name as it is written, down to the letters' case, in parts with and without quotes:
 * users, "Users", 'user:42', public."Users". False: there is none, or it is too long. Never cut: a
 * part of a name is another name. */
static bool next_name(weir_slice s, size_t *pos, word *ret)
{
    size_t n = 0;
    *pos = skip_space(s, *pos);
    while (*pos < s.len && (is_quote(s.data[*pos]) || !ends_word(s, *pos))) {
        if (is_quote(s.data[*pos])) {
            if (!read_part(s, pos, ret, &n))
                return false;
            continue;
        }
        if (n == WEIR_ADMIN_ARGUMENT_MAX)
            return false;
        ret->text[n++] = (char)s.data[(*pos)++];
    }
    ret->text[n] = '\0';
    return n > 0 && strlen(ret->text) == n;
}

/* ---- commands ---- */

typedef struct verb_entry {
    const char *word;
    weir_admin_verb verb;
    const char *tag;
    enum { ALONE, MAY_HAVE_NAME, NEEDS_NAME, NEEDS_REPORT, ANYTHING, FLUSHED, EXPLAINED } rest;
} verb_entry;

static const verb_entry verbs[] = {
    {"show", WEIR_ADMIN_SHOW, "SHOW", NEEDS_REPORT},
    {"pause", WEIR_ADMIN_PAUSE, "PAUSE", MAY_HAVE_NAME},
    {"resume", WEIR_ADMIN_RESUME, "RESUME", MAY_HAVE_NAME},
    {"reload", WEIR_ADMIN_RELOAD, "RELOAD", ALONE},
    {"restart", WEIR_ADMIN_RESTART, "RESTART", ALONE},
    {"drain", WEIR_ADMIN_DRAIN, "DRAIN", MAY_HAVE_NAME},
    {"reconnect", WEIR_ADMIN_RECONNECT, "RECONNECT", MAY_HAVE_NAME},
    {"wait_close", WEIR_ADMIN_WAIT_CLOSE, "WAIT_CLOSE", MAY_HAVE_NAME},
    {"enable", WEIR_ADMIN_ENABLE, "ENABLE", NEEDS_NAME},
    {"disable", WEIR_ADMIN_DISABLE, "DISABLE", NEEDS_NAME},
    {"kill", WEIR_ADMIN_KILL, "KILL", NEEDS_NAME},
    {"kill_client", WEIR_ADMIN_KILL_CLIENT, "KILL_CLIENT", NEEDS_NAME},
    {"shutdown", WEIR_ADMIN_SHUTDOWN, "SHUTDOWN", ALONE},
    {"flush", WEIR_ADMIN_FLUSH, "FLUSH CACHE", FLUSHED},
    {"explain", WEIR_ADMIN_EXPLAIN, "EXPLAIN", EXPLAINED},
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
    weir_error_hint(
        err, "Commands: SHOW name, FLUSH CACHE [TAG|TABLE|PREFIX|NAMESPACE name], EXPLAIN CACHE "
             "statement, PAUSE, RESUME, DRAIN, "
             "RECONNECT, WAIT_CLOSE, ENABLE, DISABLE, KILL, KILL_CLIENT, RELOAD, "
             "RESTART, SHUTDOWN. SHOW HELP explains them.");
    return -EINVAL;
}

static const verb_entry *find_verb(const word *w)
{
    for (size_t i = 0; !w->quoted && i < sizeof(verbs) / sizeof(*verbs); i++)
        if (strcmp(verbs[i].word, w->text) == 0)
            return &verbs[i];
    return NULL;
}

static bool is_word(const word *w, const char *text)
{
    return !w->quoted && strcmp(w->text, text) == 0;
}

static int end_of_command(weir_slice text, size_t pos, weir_error *err)
{
    word w;
    if (next_word(text, &pos, &w))
        return refuse(err, "unexpected", w.text);
    pos = skip_space(text, pos + (pos < text.len));
    return pos == text.len ? 0
                           : refuse(err, "only one command at a time; unexpected text after", ";");
}

/* Behind FLUSH CACHE. */
static int parse_flush(weir_slice text, size_t pos, weir_admin_command *ret, weir_error *err)
{
    static const char *const kinds[] = {[WEIR_ADMIN_FLUSH_TAG] = "tag",
                                        [WEIR_ADMIN_FLUSH_TABLE] = "table",
                                        [WEIR_ADMIN_FLUSH_PREFIX] = "prefix",
                                        [WEIR_ADMIN_FLUSH_NAMESPACE] = "namespace"};
    word w;
    if (!next_word(text, &pos, &w))
        return end_of_command(text, pos, err);
    for (unsigned kind = WEIR_ADMIN_FLUSH_TAG; kind <= WEIR_ADMIN_FLUSH_NAMESPACE; kind++) {
        if (!is_word(&w, kinds[kind]))
            continue;
        ret->flush = (weir_admin_flush)kind;
        if (!next_name(text, &pos, &w))
            return refuse(err, "a name of at most 127 bytes is missing after FLUSH CACHE",
                          kinds[kind]);
        memcpy(ret->argument, w.text, sizeof(w.text));
        return end_of_command(text, pos, err);
    }
    return refuse(err, "FLUSH CACHE knows TAG, TABLE, PREFIX and NAMESPACE, not", w.text);
}

/* Behind EXPLAIN CACHE. The statement keeps its comments: they may be hints. */
static int parse_explain(weir_slice text, size_t pos, weir_admin_command *ret, weir_error *err)
{
    size_t at = pos;
    word w;
    if (next_word(text, &at, &w) && is_word(&w, "on")) {
        if (!next_word(text, &at, &w))
            return refuse(err, "a database's name is missing after", "ON");
        memcpy(ret->argument, w.text, sizeof(w.text));
        pos = at;
    }
    if (!next_word(text, &at, &w))
        return refuse(err, "a statement is missing after", "EXPLAIN CACHE");
    while (weir_ascii_is_space(text.data[pos]))
        pos++;
    ret->statement = weir_slice_skip(text, pos);
    return 0;
}

static int parse_cache(weir_slice text, size_t pos, weir_admin_command *ret, weir_error *err)
{
    word w;
    bool flush = ret->verb == WEIR_ADMIN_FLUSH;
    if (!next_word(text, &pos, &w) || !is_word(&w, "cache"))
        return refuse(err, "CACHE is missing after", flush ? "FLUSH" : "EXPLAIN");
    return flush ? parse_flush(text, pos, ret, err) : parse_explain(text, pos, ret, err);
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
    if (v->rest == FLUSHED || v->rest == EXPLAINED)
        return parse_cache(text, pos, ret, err);
    if (v->rest != ALONE && next_word(text, &pos, &w))
        memcpy(ret->argument, w.text, sizeof(w.text));
    else if (v->rest == NEEDS_REPORT)
        return refuse(err, "a report's name is missing after", v->tag);
    else if (v->rest == NEEDS_NAME)
        return refuse(err, "a name is missing after", v->tag);
    if (ret->verb == WEIR_ADMIN_DRAIN && !*ret->argument)
        ret->verb = WEIR_ADMIN_SHUTDOWN; /* of the whole */
    return end_of_command(text, pos, err);
}
