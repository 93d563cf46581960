/* From lines to rules and maps: the syntax of pg_hba.conf, pg_ident.conf and userlist.txt. */
#include "base/utf8.h"
#include "config/hba.h"
#include "config/hba_words.h"
#include "config/keys.h"
#include <regex.h>

typedef struct named_value {
    const char *name;
    int value;
} named_value;

static const named_value types[] = {{"local", WEIR_HBA_LOCAL},
                                    {"host", WEIR_HBA_HOST},
                                    {"hostssl", WEIR_HBA_HOSTSSL},
                                    {"hostnossl", WEIR_HBA_HOSTNOSSL},
                                    {NULL, 0}};
static const named_value methods[] = {
    {"trust", WEIR_HBA_TRUST},         {"reject", WEIR_HBA_REJECT},
    {"password", WEIR_HBA_PASSWORD},   {"md5", WEIR_HBA_MD5},
    {"scram-sha-256", WEIR_HBA_SCRAM}, {"cert", WEIR_HBA_CERT},
    {"peer", WEIR_HBA_PEER},           {"scram", WEIR_HBA_SCRAM},
    {"plain", WEIR_HBA_PASSWORD},      {NULL, 0}};
static const named_value clientcerts[] = {
    {"verify-ca", WEIR_HBA_CERT_VERIFY_CA}, {"verify-full", WEIR_HBA_CERT_VERIFY_FULL}, {NULL, 0}};
static const named_value clientnames[] = {{"CN", false}, {"DN", true}, {NULL, 0}};

static bool find_value(const named_value *in, const char *name, int *ret)
{
    for (; in->name; in++) {
        if (strcmp(in->name, name) == 0) {
            *ret = in->value;
            return true;
        }
    }
    return false;
}

static const char *name_of(const named_value *in, int value)
{
    while (in->name && in->value != value)
        in++;
    return in->name;
}

const char *weir_hba_method_name(weir_hba_method method)
{
    return name_of(methods, (int)method);
}

const char *weir_hba_type_name(weir_hba_type type)
{
    return name_of(types, (int)type);
}

static int bad(const hba_line *line, weir_error *err, const char *what, const char *text)
{
    return hba_fail(err, line->file, line->number, "%s \"%.100s\"", what, text);
}

static int check_pattern(const hba_line *line, const char *pattern, weir_error *err)
{
    regex_t compiled;
    if (regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return bad(line, err, "not a regular expression:", pattern);
    regfree(&compiled);
    return 0;
}

/* ---- names ---- */

typedef enum column { DATABASES, USERS } column;

static int set_kind(const hba_line *line, column which, const hba_word *word, weir_hba_name *name,
                    weir_error *err)
{
    const char *text = word->text;
    name->kind = WEIR_HBA_EXACTLY;
    if (word->quoted)
        return 0;
    if (text[0] == '/') {
        name->kind = WEIR_HBA_PATTERN;
        name->text = text + 1;
        return check_pattern(line, text + 1, err);
    }
    if (strcmp(text, "all") == 0)
        name->kind = WEIR_HBA_ALL;
    else if (text[0] == '@')
        return bad(line, err, "files of names are not supported: list the names instead of", text);
    else if (which == USERS && text[0] == '+')
        return bad(line, err, "Weir does not know who is a member of a role:", text);
    else if (which == DATABASES && strcmp(text, "sameuser") == 0)
        name->kind = WEIR_HBA_SAME;
    else if (which == DATABASES && strcmp(text, "replication") == 0)
        name->kind = WEIR_HBA_NOBODY; /* no replication connection is taken */
    else if (which == DATABASES && (!strcmp(text, "samerole") || !strcmp(text, "samegroup")))
        return bad(line, err, "Weir does not know who is a member of a role:", text);
    return 0;
}

static int read_names(weir_arena *arena, const hba_line *line, unsigned field, column which,
                      const weir_hba_name **ret, weir_error *err)
{
    const weir_hba_name **tail = ret;
    *ret = NULL;
    for (const hba_word *w = line->fields[field]; w; w = w->next) {
        weir_hba_name *name = weir_arena_alloc(arena, sizeof(*name));
        if (!name)
            return hba_no_memory(err);
        name->text = w->text;
        int r = set_kind(line, which, w, name, err);
        if (r != 0)
            return r;
        *tail = name;
        tail = &name->next;
    }
    return 0;
}

/* ---- addresses ---- */

static void make_mask(unsigned bits, weir_hba_ip *mask)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned here = bits > i * 8 ? bits - i * 8 : 0;
        mask->bytes[i] = (uint8_t)(0xff00u >> (here < 8 ? here : 8));
    }
}

static int read_bits(const hba_line *line, const char *text, bool v6, weir_hba_ip *mask,
                     weir_error *err)
{
    unsigned bits = 0, most = v6 ? 128 : 32;
    size_t len = strlen(text);
    if (len == 0 || len > 3 || strspn(text, "0123456789") != len)
        return bad(line, err, "not a length of a network's prefix:", text);
    for (; *text; text++)
        bits = bits * 10 + (unsigned)(*text - '0');
    if (bits > most)
        return hba_fail(err, line->file, line->number, "a prefix of %u bits is longer than %u",
                        bits, most);
    mask->v6 = v6;
    make_mask(bits, mask);
    return 0;
}

static int read_ip(const hba_line *line, weir_slice text, weir_hba_ip *ret, weir_error *err)
{
    if (weir_hba_ip_parse(text, ret) == 0)
        return 0;
    return hba_fail(err, line->file, line->number,
                    "\"%.*s\" is neither an address nor all, samehost or samenet (names of hosts "
                    "are not supported)",
                    WEIR_UTF8_QUOTED(text, 100));
}

/* The bits that the mask leaves out do not count, wherever they were set. */
static void apply_mask(weir_hba_rule *rule)
{
    for (size_t i = 0; i < sizeof(rule->ip.bytes); i++)
        rule->ip.bytes[i] &= rule->mask.bytes[i];
}

/* The address and, in a field of its own, its mask. `*at` moves behind them. */
static int read_address(const hba_line *line, unsigned *at, weir_hba_rule *rule, weir_error *err)
{
    const hba_word *word = line->fields[(*at)++];
    const char *slash = strchr(word->text, '/');
    if (word->next)
        return hba_fail(err, line->file, line->number, "a rule has one address, not a list");
    if (!word->quoted && strcmp(word->text, "all") == 0)
        return 0;
    if (!word->quoted && (!strcmp(word->text, "samehost") || !strcmp(word->text, "samenet"))) {
        rule->where = word->text[4] == 'h' ? WEIR_HBA_SAMEHOST : WEIR_HBA_SAMENET;
        return 0;
    }
    rule->where = WEIR_HBA_NET;
    size_t len = slash ? (size_t)(slash - word->text) : strlen(word->text);
    int r = read_ip(line, weir_slice_make(word->text, len), &rule->ip, err);
    if (r != 0)
        return r;
    if (slash) {
        r = read_bits(line, slash + 1, rule->ip.v6, &rule->mask, err);
    } else if (*at < line->field_count && line->texts[*at][0] != '\0' &&
               weir_hba_ip_parse(weir_slice_cstr(line->fields[*at]->text), &rule->mask) == 0) {
        if (rule->mask.v6 != rule->ip.v6)
            return hba_fail(err, line->file, line->number,
                            "the address and its mask are of different kinds");
        (*at)++;
    } else {
        return hba_fail(err, line->file, line->number,
                        "the address needs the length of its network, as in %.60s/%d", word->text,
                        rule->ip.v6 ? 128 : 32);
    }
    apply_mask(rule);
    return r;
}

/* ---- rules ---- */

static int set_option(const hba_line *line, const char *name, const char *value,
                      weir_hba_rule *rule, weir_error *err)
{
    int found = 0;
    if (strcmp(name, "map") == 0) {
        if (rule->method != WEIR_HBA_CERT && rule->method != WEIR_HBA_PEER)
            return hba_fail(err, line->file, line->number, "map is for the methods cert and peer");
        rule->map = value;
    } else if (strcmp(name, "clientcert") == 0) {
        if (!find_value(clientcerts, value, &found))
            return bad(line, err, "clientcert must be verify-ca or verify-full, not", value);
        if (rule->type != WEIR_HBA_HOSTSSL)
            return hba_fail(err, line->file, line->number, "clientcert is for the type hostssl");
        rule->clientcert = (weir_hba_clientcert)found;
    } else if (strcmp(name, "clientname") == 0) {
        if (!find_value(clientnames, value, &found))
            return bad(line, err, "clientname must be CN or DN, not", value);
        rule->by_dn = found;
    } else {
        return bad(line, err, "unknown option", name);
    }
    return 0;
}

static int read_option(weir_arena *arena, const hba_line *line, const hba_word *word,
                       weir_hba_rule *rule, weir_error *err)
{
    const char *equals = strchr(word->text, '=');
    if (!equals || word->next)
        return bad(line, err, "an option must be NAME=VALUE, not", word->text);
    weir_slice name = weir_slice_make(word->text, (size_t)(equals - word->text));
    const char *copy = weir_arena_strdup(arena, name);
    return copy ? set_option(line, copy, equals + 1, rule, err) : hba_no_memory(err);
}

static int read_method(const hba_line *line, const char *text, weir_hba_rule *rule, weir_error *err)
{
    static const char *const names[] = {"trust", "reject", "password",      "md5",
                                        "cert",  "peer",   "scram-sha-256", NULL};
    int found = 0;
    if (!find_value(methods, text, &found)) {
        const char *nearest = config_name_nearest(names, weir_slice_cstr(text));
        return hba_fail(err, line->file, line->number,
                        "the method \"%.60s\" is not supported; %s%s", text,
                        nearest ? "nearest: "
                                : "there are trust, reject, password, md5, scram-sha-256, cert and "
                                  "peer",
                        nearest ? nearest : "");
    }
    rule->method = (weir_hba_method)found;
    if (rule->method == WEIR_HBA_PEER && rule->type != WEIR_HBA_LOCAL)
        return hba_fail(err, line->file, line->number, "peer is for the type local");
    if (rule->method == WEIR_HBA_CERT && rule->type != WEIR_HBA_HOSTSSL)
        return hba_fail(err, line->file, line->number, "cert is for the type hostssl");
    if (rule->method == WEIR_HBA_CERT)
        rule->clientcert = WEIR_HBA_CERT_VERIFY_FULL;
    return 0;
}

static int append_rule(weir_hba_rule *rule, weir_hba_rules *into, weir_error *err)
{
    if (into->count == WEIR_HBA_RULES_MAX)
        return hba_fail(err, rule->file, rule->line, "more than %u rules", WEIR_HBA_RULES_MAX);
    if (into->last)
        into->last->next = rule;
    else
        into->first = rule;
    into->last = rule;
    into->count++;
    return 0;
}

/* The columns from `first` up to `end` as one text; NULL: out of memory. */
static const char *join(weir_arena *arena, const hba_line *line, unsigned first, unsigned end)
{
    size_t size = 1, len = 0;
    for (unsigned i = first; i < end; i++)
        size += strlen(line->texts[i]) + 1;
    char *out = weir_arena_alloc(arena, size);
    for (unsigned i = first; out && i < end; i++) {
        size_t n = strlen(line->texts[i]);
        if (i > first)
            out[len++] = ' ';
        memcpy(out + len, line->texts[i], n);
        len += n;
    }
    return out;
}

/* What the columns said, as they said it. */
static int keep_texts(weir_arena *arena, const hba_line *line, unsigned method, weir_hba_rule *rule)
{
    rule->database_text = line->texts[1];
    rule->user_text = line->texts[2];
    rule->address_text = join(arena, line, 3, method);
    rule->options_text = join(arena, line, method + 1, line->field_count);
    return rule->address_text && rule->options_text ? 0 : -ENOMEM;
}

static int read_rule(weir_arena *arena, const hba_line *line, weir_hba_rules *into, weir_error *err)
{
    int type = 0;
    weir_hba_rule *rule = weir_arena_alloc(arena, sizeof(*rule));
    if (!rule)
        return hba_no_memory(err);
    rule->file = line->file;
    rule->line = line->number;
    if (!find_value(types, line->fields[0]->text, &type) || line->fields[0]->next)
        return bad(line, err, "a rule begins with local, host, hostssl or hostnossl, not with",
                   line->texts[0]);
    rule->type = (weir_hba_type)type;
    unsigned at = 3;
    if (line->field_count < (rule->type == WEIR_HBA_LOCAL ? 4u : 5u))
        return hba_fail(err, line->file, line->number,
                        "a rule has type, database, user%s and method",
                        rule->type == WEIR_HBA_LOCAL ? "" : ", address");
    int r = read_names(arena, line, 1, DATABASES, &rule->databases, err);
    if (r == 0)
        r = read_names(arena, line, 2, USERS, &rule->users, err);
    if (r == 0 && rule->type != WEIR_HBA_LOCAL)
        r = read_address(line, &at, rule, err);
    if (r == 0 && at >= line->field_count)
        return hba_fail(err, line->file, line->number, "the rule has no method");
    if (r == 0)
        r = read_method(line, line->fields[at]->text, rule, err);
    for (unsigned i = at + 1; r == 0 && i < line->field_count; i++)
        r = read_option(arena, line, line->fields[i], rule, err);
    if (r == 0 && keep_texts(arena, line, at, rule) < 0)
        return hba_no_memory(err);
    return r != 0 ? r : append_rule(rule, into, err);
}

int weir_hba_read(weir_arena *arena, const char *file, weir_slice text, weir_hba_rules *into,
                  weir_error *err)
{
    hba_reader reader = {.arena = arena, .err = err, .file = file, .rest = text};
    hba_line line;
    for (;;) {
        int r = hba_next_line(&reader, &line);
        if (r != 0)
            return r == WEIR_HBA_END ? 0 : r;
        if (strncmp(line.fields[0]->text, "include", 7) == 0)
            return bad(&line, err, "files inside files are not supported:", line.texts[0]);
        r = read_rule(arena, &line, into, err);
        if (r != 0)
            return r;
    }
}

/* A column's field, appended to a line that is made of several texts. */
static int add_field(weir_arena *arena, const char *text, hba_line *line, weir_error *err)
{
    hba_line one = {.file = line->file, .number = line->number};
    int r = hba_split(arena, weir_slice_cstr(text), &one, err);
    if (r != 0)
        return r;
    if (one.field_count == 0)
        return hba_fail(err, line->file, line->number, "a field is empty");
    for (unsigned i = 0; i < one.field_count; i++) {
        if (line->field_count == HBA_FIELDS_MAX)
            return hba_fail(err, line->file, line->number, "too many words");
        line->fields[line->field_count] = one.fields[i];
        line->texts[line->field_count++] = one.texts[i];
    }
    return 0;
}

static int add_option(weir_arena *arena, const char *name, const char *value, hba_line *line,
                      weir_error *err)
{
    if (!value)
        return 0;
    size_t name_len = strlen(name), len = strlen(value);
    char *text = weir_arena_alloc(arena, name_len + len + 4);
    if (!text)
        return hba_no_memory(err);
    memcpy(text, name, name_len);
    text[name_len] = '=';
    memcpy(text + name_len + 1, value, len);
    hba_word *word = weir_arena_alloc(arena, sizeof(*word));
    if (!word)
        return hba_no_memory(err);
    word->text = text;
    line->fields[line->field_count] = word;
    line->texts[line->field_count++] = text;
    return 0;
}

int weir_hba_add(weir_arena *arena, const weir_hba_fields *f, weir_hba_rules *into, weir_error *err)
{
    hba_line line = {.file = f->file, .number = f->line};
    const char *type = f->type ? f->type : "host";
    bool local = strcmp(type, "local") == 0;
    const char *columns[] = {type, f->database ? f->database : "all", f->user ? f->user : "all",
                             local        ? NULL
                             : f->address ? f->address
                                          : "all",
                             f->method};
    if (!f->method)
        return hba_fail(err, f->file, f->line, "the rule has no method");
    if (local && f->address)
        return hba_fail(err, f->file, f->line, "a rule of type local has no address");
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof(columns) / sizeof(columns[0]); i++) {
        unsigned before = line.field_count;
        if (columns[i])
            r = add_field(arena, columns[i], &line, err);
        if (r == 0 && columns[i] && line.field_count != before + 1 && i != 3)
            return hba_fail(err, f->file, f->line, "names are apart by commas: \"%.100s\"",
                            columns[i]);
    }
    if (line.field_count + 3 > HBA_FIELDS_MAX)
        return hba_fail(err, f->file, f->line, "too many words");
    if (r == 0)
        r = add_option(arena, "map", f->map, &line, err);
    if (r == 0)
        r = add_option(arena, "clientcert", f->clientcert, &line, err);
    if (r == 0)
        r = add_option(arena, "clientname", f->clientname, &line, err);
    return r != 0 ? r : read_rule(arena, &line, into, err);
}

/* ---- maps ---- */

int weir_hba_map_add(weir_arena *arena, const char *file, unsigned line, const char *name,
                     const char *system, const char *user, weir_hba_maps *into, weir_error *err)
{
    hba_line at = {.file = file, .number = line};
    if (into->count == WEIR_HBA_RULES_MAX)
        return hba_fail(err, file, line, "more than %u lines of maps", WEIR_HBA_RULES_MAX);
    int r = system[0] == '/' ? check_pattern(&at, system + 1, err) : 0;
    if (r != 0)
        return r;
    weir_hba_map *map = weir_arena_alloc(arena, sizeof(*map));
    if (!map)
        return hba_no_memory(err);
    *map = (weir_hba_map){.name = name, .system = system, .user = user};
    if (into->last)
        into->last->next = map;
    else
        into->first = map;
    into->last = map;
    into->count++;
    return 0;
}

int weir_hba_maps_read(weir_arena *arena, const char *file, weir_slice text, weir_hba_maps *into,
                       weir_error *err)
{
    hba_reader reader = {.arena = arena, .err = err, .file = file, .rest = text};
    hba_line line;
    for (;;) {
        int r = hba_next_line(&reader, &line);
        if (r != 0)
            return r == WEIR_HBA_END ? 0 : r;
        if (line.field_count != 3)
            return hba_fail(err, file, line.number,
                            "a line has a map's name, a system user and a database user");
        r = weir_hba_map_add(arena, file, line.number, line.fields[0]->text, line.fields[1]->text,
                             line.fields[2]->text, into, err);
        if (r != 0)
            return r;
    }
}
