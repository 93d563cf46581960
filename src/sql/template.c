/* The bounded table of templates: buckets of chains, found by hash; slots, found by id.
 *
 * Invariants: readers (online in the epoch) follow atomic pointers and take no lock; whoever
 * changes the table holds `busy`, and only links and unlinks under it: entries are built before and
 * freed, under epochs, after. An entry is complete when it is linked. A slot and a chain hold the
 * same entries. */
#include "base/spin.h"
#include "sql/footprint.h"
#include "sql/server.h"

#include <stdlib.h>

#define EVICT_SAMPLE 16u
#define FOOTPRINT_ALLOWANCE 512u /* charged for a footprint, whose size changes */

typedef struct entry {
    weir_template template;
    struct entry *_Atomic next;
    weir_memory *memory;
    size_t charged;
} entry;

struct weir_template_table {
    uint32_t capacity;
    uint32_t buckets; /* a power of two */
    weir_hash_seed seed;
    weir_memory *memory;
    size_t charged;
    _Atomic uint32_t count;
    weir_spin busy;
    /* Under `busy`: */
    uint32_t *free_ids;
    uint32_t free_count;
    uint32_t *serials; /* of each id, the last one given */
    uint64_t random;   /* picks eviction samples; needs no quality */
    /* Linked under `busy`, read by all: */
    entry *_Atomic *heads;
    entry *_Atomic *slots;
};

static uint32_t power_of_two(uint32_t at_least)
{
    uint32_t n = 16;
    while (n < at_least && n < (1u << 30))
        n *= 2;
    return n;
}

static void free_arrays(weir_template_table *t)
{
    free(t->free_ids);
    free(t->serials);
    free((void *)(uintptr_t)t->heads);
    free((void *)(uintptr_t)t->slots);
    free(t);
}

static bool alloc_arrays(weir_template_table *t)
{
    t->free_ids = calloc(t->capacity, sizeof(*t->free_ids));
    t->serials = calloc(t->capacity, sizeof(*t->serials));
    t->heads = (entry * _Atomic *)calloc(t->buckets, sizeof(*t->heads));
    t->slots = (entry * _Atomic *)calloc(t->capacity, sizeof(*t->slots));
    return t->free_ids && t->serials && t->heads && t->slots;
}

int weir_template_table_new(uint32_t capacity, weir_hash_seed seed, weir_epoch *epoch,
                            weir_memory *memory, weir_template_table **ret)
{
    (void)epoch; /* retiring goes through the caller's member of it */
    assert(capacity > 0);
    weir_template_table *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->capacity = capacity;
    t->buckets = power_of_two(capacity);
    t->seed = seed;
    t->memory = memory;
    t->random = seed.k[0] | 1;
    size_t size = capacity * (2 * sizeof(uint32_t) + sizeof(void *)) + t->buckets * sizeof(void *);
    if (!alloc_arrays(t) || weir_memory_charge(memory, WEIR_MEMORY_TEMPLATE, size) < 0) {
        free_arrays(t);
        return -ENOMEM;
    }
    t->charged = size;
    t->free_count = capacity;
    for (uint32_t i = 0; i < capacity; i++)
        t->free_ids[i] = capacity - 1 - i;
    *ret = t;
    return 0;
}

static void variant_free(void *object)
{
    weir_variant *v = object;
    if (!v)
        return;
    weir_footprint_free(v->footprint);
    free(v);
}

static void entry_free(void *object)
{
    entry *e = object;
    if (!e)
        return;
    for (unsigned i = 0; i < WEIR_VARIANTS; i++)
        variant_free(atomic_load_explicit(&e->template.variants[i], memory_order_acquire));
    weir_footprint_free(atomic_load_explicit(&e->template.footprint, memory_order_acquire));
    weir_memory_release(e->memory, WEIR_MEMORY_TEMPLATE, e->charged);
    free(e);
}

void weir_template_table_free(weir_template_table *table)
{
    if (!table)
        return;
    for (uint32_t i = 0; i < table->capacity; i++)
        entry_free(atomic_load_explicit(&table->slots[i], memory_order_acquire));
    weir_memory_release(table->memory, WEIR_MEMORY_TEMPLATE, table->charged);
    free_arrays(table);
}

uint32_t weir_template_table_capacity(const weir_template_table *table)
{
    return table->capacity;
}

uint32_t weir_template_table_count(const weir_template_table *table)
{
    return atomic_load_explicit(&table->count, memory_order_relaxed);
}

/* The section is some dozens of instructions and allocates nothing. */
static entry *_Atomic *head_of(weir_template_table *t, uint64_t hash)
{
    return &t->heads[hash & (t->buckets - 1)];
}

static entry *find(weir_template_table *t, uint64_t hash, weir_dialect dialect, weir_slice text)
{
    entry *e = atomic_load_explicit(head_of(t, hash), memory_order_acquire);
    while (e && !(e->template.hash == hash && e->template.dialect == dialect &&
                  weir_slice_eq(e->template.text, text)))
        e = atomic_load_explicit(&e->next, memory_order_acquire);
    return e;
}

/* One block: the entry, the names it mentions, its text, its sample. */
static int entry_new(weir_template_table *t, const weir_template *like, weir_footprint *footprint,
                     uint32_t tick, entry **ret)
{
    size_t names = like->mentions.count * sizeof(uint64_t);
    size_t size = sizeof(entry) + names + like->text.len + like->sample.len;
    if (weir_memory_charge(t->memory, WEIR_MEMORY_TEMPLATE, size + FOOTPRINT_ALLOWANCE) < 0)
        return -ENOMEM;
    entry *e = calloc(1, size);
    if (!e) {
        weir_memory_release(t->memory, WEIR_MEMORY_TEMPLATE, size + FOOTPRINT_ALLOWANCE);
        return -ENOMEM;
    }
    uint8_t *bytes = (uint8_t *)(e + 1);
    if (names > 0)
        memcpy(bytes, like->mentions.names, names);
    e->template.mentions = like->mentions;
    e->template.mentions.names = (const uint64_t *)(const void *)(e + 1);
    bytes += names;
    if (like->text.len > 0)
        memcpy(bytes, like->text.data, like->text.len);
    if (like->sample.len > 0)
        memcpy(bytes + like->text.len, like->sample.data, like->sample.len);
    e->template.dialect = like->dialect;
    e->template.hash = like->hash;
    e->template.text = weir_slice_make(bytes, like->text.len);
    e->template.sample = weir_slice_make(bytes + like->text.len, like->sample.len);
    atomic_init(&e->template.footprint, footprint);
    atomic_init(&e->template.last_used, tick);
    e->memory = t->memory;
    e->charged = size + FOOTPRINT_ALLOWANCE;
    *ret = e;
    return 0;
}

static uint64_t next_random(weir_template_table *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random;
}

/* All slots are taken: the least recently used of a sample is unlinked and returned. */
static entry *unlink_old(weir_template_table *t)
{
    entry *oldest = NULL;
    for (uint32_t i = 0; i < EVICT_SAMPLE; i++) {
        uint32_t id = (uint32_t)(next_random(t) % t->capacity);
        entry *e = atomic_load_explicit(&t->slots[id], memory_order_relaxed);
        if (!oldest || atomic_load_explicit(&e->template.last_used, memory_order_relaxed) <
                           atomic_load_explicit(&oldest->template.last_used, memory_order_relaxed))
            oldest = e;
    }
    entry *_Atomic *link = head_of(t, oldest->template.hash);
    for (entry *e; (e = atomic_load_explicit(link, memory_order_relaxed)) != oldest;)
        link = &e->next;
    atomic_store_explicit(link, atomic_load_explicit(&oldest->next, memory_order_relaxed),
                          memory_order_release);
    atomic_store_explicit(&t->slots[oldest->template.id], NULL, memory_order_release);
    t->free_ids[t->free_count++] = oldest->template.id;
    atomic_fetch_sub_explicit(&t->count, 1, memory_order_relaxed);
    return oldest;
}

static void link_entry(weir_template_table *t, entry *e)
{
    entry *_Atomic *head = head_of(t, e->template.hash);
    uint32_t id = t->free_ids[--t->free_count];
    e->template.id = id;
    e->template.serial = ++t->serials[id];
    atomic_store_explicit(&e->next, atomic_load_explicit(head, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(head, e, memory_order_release);
    atomic_store_explicit(&t->slots[id], e, memory_order_release);
    atomic_fetch_add_explicit(&t->count, 1, memory_order_relaxed);
}

/* The entry that is in the table afterwards: `e`, or another thread's that came first. */
static entry *insert(weir_template_table *t, weir_epoch_member *member, entry *e)
{
    entry *evicted = NULL;
    weir_spin_lock(&t->busy);
    entry *present = find(t, e->template.hash, e->template.dialect, e->template.text);
    if (!present) {
        if (t->free_count == 0)
            evicted = unlink_old(t);
        link_entry(t, e);
    }
    weir_spin_unlock(&t->busy);
    if (evicted)
        weir_epoch_retire(member, evicted, entry_free);
    if (!present)
        return e;
    entry_free(e);
    return present;
}

/* SQLite tells itself what a statement uses. */
static weir_mentions mentions_of(weir_dialect dialect, const weir_lexed *lexed, uint64_t *names)
{
    weir_mentions m = {.names = names};
    if (dialect != WEIR_DIALECT_POSTGRES)
        return m;
    m.count = weir_mentions_collect(weir_buf_slice(&lexed->text), names, &m.over);
    m.over = m.over || lexed->over_caps;
    return m;
}

int weir_template_intern(weir_template_table *table, weir_epoch_member *member,
                         weir_dialect dialect, const weir_lexed *lexed, weir_slice sample,
                         uint32_t tick, const weir_template **ret)
{
    weir_slice text = weir_buf_slice(&lexed->text);
    uint64_t hash = weir_hash(table->seed, text);
    entry *e = find(table, hash, dialect, text);
    if (e) {
        if (atomic_load_explicit(&e->template.last_used, memory_order_relaxed) != tick)
            atomic_store_explicit(&e->template.last_used, tick, memory_order_relaxed);
        *ret = &e->template;
        return 0;
    }
    if (lexed->over_caps || sample.len > WEIR_SQL_TEXT_MAX)
        sample = (weir_slice){NULL, 0};
    uint64_t names[WEIR_MENTIONS_MAX];
    weir_template like = {.dialect = dialect,
                          .hash = hash,
                          .text = text,
                          .sample = sample,
                          .mentions = mentions_of(dialect, lexed, names)};
    weir_footprint *footprint;
    int r = weir_sql_footprint_lexed(lexed, &footprint);
    if (r < 0)
        return r;
    r = entry_new(table, &like, footprint, tick, &e);
    if (r < 0) {
        weir_footprint_free(footprint);
        return r;
    }
    *ret = &insert(table, member, e)->template;
    return 0;
}

const weir_template *weir_template_find(weir_template_table *table, uint32_t id, uint32_t serial)
{
    if (id >= table->capacity)
        return NULL;
    entry *e = atomic_load_explicit(&table->slots[id], memory_order_acquire);
    return e && e->template.serial == serial ? &e->template : NULL;
}

void weir_template_each(weir_template_table *table,
                        bool (*visit)(void *user, const weir_template *t), void *user)
{
    for (uint32_t i = 0; i < table->capacity; i++) {
        entry *e = atomic_load_explicit(&table->slots[i], memory_order_acquire);
        if (e && !visit(user, &e->template))
            return;
    }
}

/* Templates are const to everyone but this file, which made them. */
static weir_template *mutable_template(const weir_template *t)
{
    return (weir_template *)(uintptr_t)t;
}

void weir_template_touch(const weir_template *t, uint32_t tick)
{
    if (atomic_load_explicit(&t->last_used, memory_order_relaxed) != tick)
        atomic_store_explicit(&mutable_template(t)->last_used, tick, memory_order_relaxed);
}

bool weir_template_ask_analysis(const weir_template *t)
{
    return !atomic_exchange_explicit(&mutable_template(t)->analysis_asked, true,
                                     memory_order_acq_rel);
}

static_assert(WEIR_EFFECT_WRITES < 1 << 16, "effects fit beside the serial");
static_assert(WEIR_EFFECT_WRITES == (int)WEIR_SERVER_WRITES, "catalogs know this effect");

/* Two workers may ask at once, of the catalogs of two databases: the last answer is kept. */
unsigned weir_template_server_effects(const weir_template *t, weir_kind kind,
                                      const weir_server_catalog *catalog, bool stale)
{
    uint64_t serial = weir_server_serial(catalog);
    uint64_t known = atomic_load_explicit(&t->server_effects, memory_order_relaxed);
    if (known >> 16 == serial && !stale)
        return (unsigned)(known & 0xFFFF);
    unsigned effects = weir_mentions_effects(&t->mentions, kind, catalog, stale);
    if (!stale)
        atomic_store_explicit(&mutable_template(t)->server_effects, serial << 16 | effects,
                              memory_order_relaxed);
    return effects;
}

void weir_template_note_outdated(const weir_template *t)
{
    atomic_store_explicit(&mutable_template(t)->outdated, true, memory_order_relaxed);
}

bool weir_template_take_outdated(const weir_template *t)
{
    return atomic_load_explicit(&t->outdated, memory_order_relaxed) &&
           atomic_exchange_explicit(&mutable_template(t)->outdated, false, memory_order_relaxed);
}

void weir_template_publish(const weir_template *t, weir_epoch_member *member,
                           weir_footprint *footprint)
{
    assert(footprint);
    weir_footprint *old =
        atomic_exchange_explicit(&mutable_template(t)->footprint, footprint, memory_order_acq_rel);
    weir_epoch_retire(member, old, weir_footprint_free);
}

const weir_footprint *weir_template_variant(const weir_template *t, uint64_t meaning)
{
    for (unsigned i = 0; i < WEIR_VARIANTS; i++) {
        const weir_variant *v = atomic_load_explicit(&t->variants[i], memory_order_acquire);
        if (v && v->meaning == meaning)
            return v->footprint;
    }
    return NULL;
}

bool weir_template_ask_variant(const weir_template *t, uint64_t meaning)
{
    return atomic_exchange_explicit(&mutable_template(t)->variant_asked, meaning,
                                    memory_order_relaxed) != meaning;
}

void weir_template_unask_variant(const weir_template *t)
{
    atomic_store_explicit(&mutable_template(t)->variant_asked, 0, memory_order_relaxed);
}

/* Where it goes: a free place or its own; else one that its meaning picks, so that a few in use at
 * the same time need not drive one another out. */
static unsigned variant_place(const weir_template *t, uint64_t meaning)
{
    for (unsigned i = 0; i < WEIR_VARIANTS; i++) {
        const weir_variant *v = atomic_load_explicit(&t->variants[i], memory_order_acquire);
        if (!v || v->meaning == meaning)
            return i;
    }
    return (unsigned)(meaning % WEIR_VARIANTS);
}

int weir_template_publish_variant(const weir_template *t, weir_epoch_member *member,
                                  uint64_t meaning, weir_footprint *footprint)
{
    weir_variant *v = malloc(sizeof(*v));
    if (!v) {
        weir_footprint_free(footprint);
        weir_template_unask_variant(t);
        return -ENOMEM;
    }
    *v = (weir_variant){.meaning = meaning, .footprint = footprint};
    struct weir_variant *_Atomic *place = &mutable_template(t)->variants[variant_place(t, meaning)];
    weir_variant *old = atomic_exchange_explicit(place, v, memory_order_acq_rel);
    if (old)
        weir_epoch_retire(member, old, variant_free);
    return 0;
}
