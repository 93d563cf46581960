/* See fakestate.h. */
#include "fakestate.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name, *value;
} settings[FAKE_SETTINGS] = {
    [FAKE_APPLICATION_NAME] = {"application_name", ""},
    [FAKE_DATE_STYLE] = {"DateStyle", "ISO, MDY"},
    [FAKE_WORK_MEM] = {"work_mem", "4MB"},
    [FAKE_TIMEOUT] = {"statement_timeout", "0"},
    [FAKE_CUSTOM_A] = {"app.a", ""},
    [FAKE_CUSTOM_B] = {"app.b", ""},
    [FAKE_LISTENING] = {"weir.listening", ""},
    [FAKE_WAS_DATE_STYLE] = {"weir.was_datestyle", ""},
    [FAKE_ROLE] = {"role", "none"},
    [FAKE_AUTHORIZATION] = {"session_authorization", "app"},
};

static void copy(char out[FAKE_TEXT], const char *text)
{
    size_t n = strlen(text);
    assert(n < FAKE_TEXT); /* the toy's texts are short */
    memcpy(out, text, n + 1);
}

fake_level *fake_top(fake_state *s)
{
    return &s->levels[s->depth];
}

void fake_state_init(fake_state *s)
{
    memset(s, 0, sizeof(*s));
    s->status = 'I';
    for (int i = 0; i < FAKE_SETTINGS; i++) {
        copy(s->reset[i], settings[i].value);
        fake_reset(s, i);
    }
}

/* ---- settings ---- */

int fake_setting_find(const char *name)
{
    for (int i = 0; i < FAKE_SETTINGS; i++)
        if (strcasecmp(name, settings[i].name) == 0)
            return i;
    return -1;
}

const char *fake_setting_name(int setting)
{
    return settings[setting].name;
}

bool fake_setting_is_custom(int setting)
{
    return setting >= FAKE_CUSTOM_A && setting <= FAKE_WAS_DATE_STYLE;
}

void fake_startup(fake_state *s, const char *name, const char *value)
{
    int i = fake_setting_find(name);
    if (i < 0)
        return;
    copy(s->reset[i], value);
    fake_reset(s, i);
}

void fake_set(fake_state *s, int setting, const char *value, bool local)
{
    fake_value *v = &fake_top(s)->settings[setting];
    s->known |= 1u << setting;
    copy(v->effective, value);
    if (local)
        return;
    copy(v->session, value);
    v->set = setting != FAKE_ROLE || strcmp(value, "none") != 0;
}

void fake_reset(fake_state *s, int setting)
{
    fake_value *v = &fake_top(s)->settings[setting];
    copy(v->session, s->reset[setting]);
    copy(v->effective, s->reset[setting]);
    v->set = false;
}

void fake_reset_all(fake_state *s)
{
    for (int i = 0; i < FAKE_ROLE; i++)
        fake_reset(s, i);
}

void fake_discard_all(fake_state *s)
{
    fake_level *l = fake_top(s);
    for (int i = 0; i < FAKE_SETTINGS; i++)
        fake_reset(s, i);
    memset(l->temps, 0, sizeof(l->temps));
    memset(s->locks, 0, sizeof(s->locks));
    l->cursor[0] = '\0';
    l->listens = 0;
}

/* ---- transactions ---- */

static void push(fake_state *s)
{
    assert(s->depth + 1 < FAKE_LEVELS);
    s->levels[s->depth + 1] = s->levels[s->depth];
    s->depth++;
}

void fake_begin(fake_state *s, bool implicit)
{
    if (s->depth == 0)
        push(s);
    s->implicit = implicit;
    if (!implicit)
        s->status = 'T';
}

void fake_savepoint(fake_state *s)
{
    push(s);
}

void fake_rollback_to(fake_state *s)
{
    s->levels[s->depth] = s->levels[s->depth - 1];
    s->status = 'T';
}

void fake_release(fake_state *s)
{
    s->levels[s->depth - 1] = s->levels[s->depth];
    s->depth--;
}

static void end(fake_state *s)
{
    s->depth = 0;
    s->implicit = false;
    s->status = 'I';
    s->levels[0].notes = 0;
}

unsigned fake_commit(fake_state *s)
{
    unsigned notes = fake_top(s)->notes;
    s->levels[0] = *fake_top(s);
    for (int i = 0; i < FAKE_SETTINGS; i++) {
        fake_value *v = &s->levels[0].settings[i];
        if (strcmp(v->effective, v->session) != 0)
            copy(v->effective, v->session);
    }
    end(s);
    return notes;
}

void fake_rollback(fake_state *s)
{
    end(s);
}

/* ---- the rest ---- */

static int *slot_of(fake_state *s, int key)
{
    for (int i = 0; i < FAKE_LOCKS; i++)
        if (s->locks[i] == key)
            return &s->locks[i];
    return NULL;
}

bool fake_lock(fake_state *s, int key)
{
    int *slot = slot_of(s, key) ? NULL : slot_of(s, 0);
    if (slot)
        *slot = key;
    return slot != NULL;
}

bool fake_unlock(fake_state *s, int key)
{
    int *slot = slot_of(s, key);
    if (slot)
        *slot = 0;
    return slot != NULL;
}

bool fake_has_locks(const fake_state *s)
{
    for (int i = 0; i < FAKE_LOCKS; i++)
        if (s->locks[i])
            return true;
    return false;
}

bool fake_pins(const fake_state *s)
{
    for (unsigned d = 0; d <= s->depth; d++)
        if (s->levels[d].temps[0][0] || s->levels[d].temps[1][0] || s->levels[d].cursor[0])
            return true;
    return fake_has_locks(s);
}

void fake_describe(fake_state *s, char *out, size_t size)
{
    const fake_level *l = fake_top(s);
    size_t n = 0;
    for (int i = 0; i < FAKE_SETTINGS; i++)
        if (i != FAKE_LISTENING && i != FAKE_WAS_DATE_STYLE)
            n += (size_t)snprintf(out + n, size - n, "|%s", l->settings[i].effective);
    for (int i = 0; i < FAKE_TEMPS; i++)
        n += (size_t)snprintf(out + n, size - n, "|%s", l->temps[i]);
    for (int i = 0; i < FAKE_LOCKS; i++)
        n += (size_t)snprintf(out + n, size - n, "|%d", s->locks[i]);
    (void)snprintf(out + n, size - n, "|%s", l->cursor);
}
