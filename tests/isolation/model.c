/* What a session must look like, as PostgreSQL has it for a connection of one's own: what a
 * transaction and its savepoints take back stands in levels. */
#include "iso.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

const char *const setting_names[SETTINGS] = {"application_name",
                                             "TimeZone",
                                             "DateStyle",
                                             "IntervalStyle",
                                             "standard_conforming_strings",
                                             "work_mem",
                                             "statement_timeout",
                                             "lock_timeout",
                                             "search_path",
                                             "extra_float_digits",
                                             "app.a",
                                             "app.b",
                                             "role",
                                             "session_authorization"};

char fresh[SETTINGS][TEXT_MAX];

static const char *const date_styles[] = {"ISO, DMY", "ISO, MDY", "German, DMY"};
static const char *const interval_styles[] = {"iso_8601", "sql_standard", "postgres_verbose"};

/* Every value names its client where the setting allows it. */
const char *setting_text(const client *c, int setting, int id, char out[TEXT_MAX])
{
    if (id == 0 && c->startup[setting] == 0)
        return fresh[setting];
    if (id == 0)
        id = c->startup[setting];
    unsigned number = (unsigned)(c->number * 20 + id * 2) + 1;
    switch (setting) {
    case TIME_ZONE:
        snprintf(out, TEXT_MAX, "<C%dV%d>-%d", c->number, id, id);
        break;
    case DATE_STYLE:
        return date_styles[id % 3];
    case INTERVAL_STYLE:
        return interval_styles[id % 3];
    case CONFORMING:
        return id % 2 ? "off" : "on";
    case WORK_MEM:
        snprintf(out, TEXT_MAX, "%ukB", 10001 + 2 * number);
        break;
    case STATEMENT_TIMEOUT:
        snprintf(out, TEXT_MAX, "%ums", 600001 + 10 * number);
        break;
    case LOCK_TIMEOUT:
        snprintf(out, TEXT_MAX, "%ums", 900001 + 10 * number);
        break;
    case SEARCH_PATH:
        snprintf(out, TEXT_MAX, "s%d, public", c->number);
        break;
    case FLOAT_DIGITS:
        snprintf(out, TEXT_MAX, "%d", (c->number + id) % 15 - 12);
        break;
    case ROLE:
    case AUTHORIZATION:
        snprintf(out, TEXT_MAX, "r%d", c->number);
        break;
    default:
        snprintf(out, TEXT_MAX, "c%d-%d", c->number, id);
    }
    return out;
}

const char *setting_shown(const client *c, const level *l, int setting, char out[TEXT_MAX])
{
    if (setting == ROLE && l->set[ROLE].effective)
        return setting_text(c, ROLE, 1, out);
    if (setting < ROLE)
        return setting_text(c, setting, l->set[setting].effective, out);
    return l->set[AUTHORIZATION].effective ? setting_text(c, AUTHORIZATION, 1, out) : w.login;
}

level *top(model *m)
{
    return &m->levels[m->depth];
}

void model_set(model *m, int setting, int id, bool local)
{
    value *v = &top(m)->set[setting];
    v->effective = id;
    if (!local)
        v->session = id;
}

static void push(model *m)
{
    assert(m->depth + 1 < LEVELS);
    m->levels[m->depth + 1] = m->levels[m->depth];
    m->depth++;
}

void model_begin(model *m)
{
    push(m);
    m->status = 'T';
    m->noting = 0;
}

void model_savepoint(model *m)
{
    push(m);
}

void model_rollback_to(model *m)
{
    m->levels[m->depth] = m->levels[m->depth - 1];
    m->status = 'T';
}

void model_release(model *m)
{
    m->levels[m->depth - 1] = m->levels[m->depth];
    m->depth--;
}

void model_commit(model *m)
{
    m->levels[0] = m->levels[m->depth];
    for (int i = 0; i < SETTINGS; i++)
        m->levels[0].set[i].effective = m->levels[0].set[i].session;
    m->depth = 0;
    m->status = 'I';
    m->noted += m->noting;
    m->noting = 0;
}

void model_rollback(model *m)
{
    m->depth = 0;
    m->status = 'I';
    m->noting = 0;
}

bool model_pins(const model *m)
{
    for (int i = 0; i <= m->depth; i++)
        for (int t = 0; t < TEMPS; t++)
            if (m->levels[i].temp[t])
                return true;
    return m->own_locks || m->shared_locks || m->cursor;
}
