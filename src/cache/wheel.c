/* The wheel's digits.
 *
 * A tick is written in digits of six bits. An entry lies on the level of the highest digit in which
 * its tick differs from `at`, in the slot of that digit's value:
 *
 *     at     0 0 0 0 2 5 9
 *     entry  0 0 0 0 2 7 1      level 1, slot 7
 *
 * Invariants: on its level an entry's digit is greater than that of `at`, but for a slot whose time
 * has come and which is being emptied: there it is equal. `at` does not move while such a slot
 * holds anything, else only to where the next one begins, or less far. So whatever lies on a lower
 * level comes first, and a slot is met once: its entries are due or go to a lower level, at most
 * six times in an entry's life. */
#include "cache/wheel.h"

#include <assert.h>

#define DIGIT_BITS 6u

static_assert(WEIR_WHEEL_SLOTS == 1u << DIGIT_BITS, "a slot for each value of a digit");
static_assert(63 - WEIR_WHEEL_TICK_SHIFT < (int)(WEIR_WHEEL_LEVELS * DIGIT_BITS),
              "every time has a slot");

static unsigned digit(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (level * DIGIT_BITS)) & (WEIR_WHEEL_SLOTS - 1);
}

/* The first tick at which `time` has passed. */
static uint64_t tick_of(weir_time time)
{
    return time < 0 ? 0 : ((uint64_t)time >> WEIR_WHEEL_TICK_SHIFT) + 1;
}

static unsigned level_of(uint64_t at, uint64_t tick)
{
    uint64_t differ = at ^ tick;
    return differ == 0 ? 0 : (63u - (unsigned)__builtin_clzll(differ)) / DIGIT_BITS;
}

void weir_wheel_add(weir_wheel *wheel, weir_entry *entry)
{
    assert(!entry->timer_at);
    if (entry->expires_at == WEIR_TIME_NEVER)
        return;
    uint64_t tick = tick_of(entry->expires_at);
    if (tick < wheel->at)
        tick = wheel->at; /* has passed: due at once */
    unsigned level = level_of(wheel->at, tick), slot = digit(tick, level);
    weir_entry **head = &wheel->slots[level][slot];
    entry->timer_next = *head;
    entry->timer_at = head;
    if (*head)
        (*head)->timer_at = &entry->timer_next;
    *head = entry;
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

void weir_wheel_remove(weir_entry *entry)
{
    if (!entry->timer_at)
        return;
    *entry->timer_at = entry->timer_next;
    if (entry->timer_next)
        entry->timer_next->timer_at = entry->timer_at;
    entry->timer_next = NULL;
    entry->timer_at = NULL;
}

/* The slot that is met first: one that is being emptied, or the nearest on the lowest level. */
static bool nearest(const weir_wheel *wheel, unsigned *ret_level, unsigned *ret_slot)
{
    for (unsigned level = WEIR_WHEEL_LEVELS - 1; level > 0; level--) {
        unsigned now = digit(wheel->at, level);
        if (wheel->occupied[level] >> now & 1) {
            *ret_level = level;
            *ret_slot = now;
            return true;
        }
    }
    for (unsigned level = 0; level < WEIR_WHEEL_LEVELS; level++) {
        if (wheel->occupied[level] != 0) {
            *ret_level = level;
            *ret_slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
            return true;
        }
    }
    return false;
}

/* When the slot's time comes. */
static uint64_t begin_of(const weir_wheel *wheel, unsigned level, unsigned slot)
{
    uint64_t width = UINT64_C(1) << (level * DIGIT_BITS);
    uint64_t turn = width * WEIR_WHEEL_SLOTS;
    uint64_t begin = wheel->at - wheel->at % turn + slot * width;
    return begin > wheel->at ? begin : wheel->at; /* it is being emptied */
}

weir_entry *weir_wheel_next(weir_wheel *wheel, weir_time now, unsigned *budget)
{
    uint64_t until = now < 0 ? 0 : (uint64_t)now >> WEIR_WHEEL_TICK_SHIFT;
    while (*budget > 0) {
        unsigned level, slot;
        if (!nearest(wheel, &level, &slot) || begin_of(wheel, level, slot) > until) {
            wheel->at = until > wheel->at ? until : wheel->at;
            return NULL;
        }
        wheel->at = begin_of(wheel, level, slot);
        weir_entry *entry = wheel->slots[level][slot];
        if (!entry) {
            wheel->occupied[level] &= ~(UINT64_C(1) << slot);
            continue;
        }
        --*budget;
        weir_wheel_remove(entry);
        if (tick_of(entry->expires_at) <= wheel->at)
            return entry;
        weir_wheel_add(wheel, entry);
    }
    return NULL;
}
