/* What the gateway asks a server about a session: texts of src/gateway (state.c, listening.c,
 * listen_restore.c, listen_hub.c, spelling.c), known by how they begin and answered from the state
 * by what is in them. */
#include "fakesql.h"
#include <stdio.h>
#include <string.h>

/* ---- what a session leaves behind ---- */

static unsigned give_setting(fake_run *r, const char *kind, int i)
{
    char name[32];
    const char *row[] = {kind, name, fake_top(r->state)->settings[i].effective};
    (void)snprintf(name, sizeof(name), "%s",
                   i == FAKE_DATE_STYLE ? "datestyle" : fake_setting_name(i));
    fake_row(r, row, 3);
    return 1;
}

static unsigned give_settings(fake_run *r, const char *text)
{
    static const char custom[] = "pg_catalog.current_setting('";
    unsigned n = 0;
    for (int i = 0; i < FAKE_CUSTOM_A; i++)
        if (fake_top(r->state)->settings[i].set)
            n += give_setting(r, "s", i);
    n += give_setting(r, "r", FAKE_ROLE);
    n += give_setting(r, "u", FAKE_AUTHORIZATION);
    for (const char *p = text; (p = strstr(p, custom));) {
        char name[32];
        p += sizeof(custom) - 1;
        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(p, "'"), p);
        int i = fake_setting_find(name);
        if (i >= 0 && fake_setting_is_custom(i) && r->state->known & 1u << i)
            n += give_setting(r, "s", i);
    }
    return n;
}

static const char *answer_state(fake_run *r, const char *text)
{
    const fake_level *l = fake_top(r->state);
    const struct {
        const char *mark, *key;
        bool there;
    } lists[] = {{"SELECT 't',NULL", "t", l->temps[0][0] || l->temps[1][0]},
                 {"SELECT 'a',NULL", "a", fake_has_locks(r->state)},
                 {"SELECT 'c',NULL", "c", l->cursor[0]}};
    char tag[32];
    fake_columns(r, 3);
    unsigned n = strstr(text, "SELECT 's' AS k") ? give_settings(r, text) : 0;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const char *row[] = {lists[i].key, NULL, NULL};
        if (!strstr(text, lists[i].mark) || !lists[i].there)
            continue;
        fake_row(r, row, 3);
        n++;
    }
    (void)snprintf(tag, sizeof(tag), "SELECT %u", n);
    fake_tag(r, tag);
    return text + strlen(text);
}

/* ---- listening ---- */

static const char *answer_listening(fake_run *r, const char *text)
{
    const char *mark = fake_top(r->state)->settings[FAKE_LISTENING].effective;
    const char *row[] = {"t", r->state->known & 1u << FAKE_LISTENING ? mark : NULL};
    fake_columns(r, 2);
    fake_row(r, row, 2);
    for (unsigned i = 0; i < FAKE_CHANNELS; i++) {
        char digits[] = {'6', '3', '6', '8', '3', (char)('0' + i), '\0'}; /* of "ch0" and so on */
        const char *channel[] = {"f", digits};
        if (fake_top(r->state)->listens & 1u << i)
            fake_row(r, channel, 2);
    }
    fake_tag(r, "SELECT");
    return text + strlen(text);
}

/* DO … IF weir.listening IS DISTINCT FROM '1' THEN … string_to_array('636830,636831', ',') … */
static const char *answer_restore(fake_run *r, const char *text)
{
    static const char names[] = "string_to_array('";
    bool done = strcmp(fake_top(r->state)->settings[FAKE_LISTENING].effective, "1") == 0;
    const char *p = strstr(text, names);
    for (p = p && !done ? p + sizeof(names) - 1 : NULL; p && strncmp(p, "6368", 4) == 0;) {
        char name[] = {'c', 'h', p[5], '\0'};
        fake_listen(r, name, true);
        p += strlen("636830");
        p += *p == ',';
    }
    fake_set(r->state, FAKE_LISTENING, "1", false);
    fake_tag(r, "DO");
    return text + strlen(text);
}

/* No server of the toy's has such a setting. */
static const char *answer_idle_timeout(fake_run *r, const char *text)
{
    fake_columns(r, 1);
    fake_tag(r, "SELECT 0");
    return text + strlen(text);
}

/* ---- spelling ---- */

/* SELECT n,current_setting(n) FROM (SELECT … AS n) AS names; */
static const char *answer_spelling(fake_run *r, const char *text)
{
    char name[FAKE_CELL];
    fake_parser p = {.run = r, .at = strstr(text, "(SELECT ")};
    if (!p.at)
        return NULL;
    p.at += strlen("(SELECT ");
    fake_next(&p);
    (void)fake_expression(&p, name);
    int i = fake_setting_find(name);
    const char *row[] = {name, i < 0 ? "off" : fake_top(r->state)->settings[i].effective};
    fake_columns(r, 2);
    fake_row(r, row, 2);
    fake_tag(r, "SELECT 1");
    return p.at + strcspn(p.at, ";");
}

const char *fake_question(fake_run *r, const char *text)
{
    static const struct {
        const char *begin;
        const char *(*answer)(fake_run *r, const char *text);
    } questions[] = {
        {"SELECT 's' AS k", answer_state},
        {"SELECT 't',NULL", answer_state},
        {"SELECT 'a',NULL", answer_state},
        {"SELECT 'c',NULL", answer_state},
        {"SELECT true, pg_catalog.current_setting('weir.listening'", answer_listening},
        {"SELECT pg_catalog.set_config(name, '0', false)", answer_idle_timeout},
        {"SELECT n,pg_catalog.current_setting(n)", answer_spelling},
        {"DO LANGUAGE plpgsql $weir$DECLARE channel", answer_restore},
    };
    if (text[0] != 'S' && text[0] != 'D')
        return NULL; /* clients write small letters */
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
        if (strncmp(text, questions[i].begin, strlen(questions[i].begin)) == 0)
            return questions[i].answer(r, text);
    return NULL;
}
