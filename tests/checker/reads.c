/* The reads: each shape that DESIGN section 4 has a rule for. Their parameters are keys of the few
 * dozens that the writers write. */
#include "schema.h"
#include "workload.h"
#include <stdio.h>
#include <string.h>

/* Kinds of keys: i item, o owner, k kv, c code, p pet, n note, s shared, d side, b bulk, g bulk's
 * group, v a value. */
typedef struct shape {
    const char *kinds; /* of its parameters */
    const char *sql;
    unsigned weight;
    bool expressions; /* has columns without a declared type: their results come as text */
} shape;

static const shape shapes[] = {
    {"i", "SELECT id, owner, code, v, op FROM item WHERE id = $1", 12, false},
    {"i", "SELECT rowid AS r, v FROM item WHERE rowid = $1", 3, false},
    {"iii", "SELECT id, v, op FROM item WHERE id IN ($1, $2, $3) ORDER BY id", 3, false},
    {"i", "SELECT id, v FROM item WHERE id = $1 AND id > 1000000", 2, false},
    {"i", "SELECT item, v FROM audit WHERE item = $1 ORDER BY id DESC LIMIT 2", 3, false},
    {"i",
     "SELECT id FROM item i WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM audit a"
     " WHERE a.item = i.id)",
     2, false},
    {"io", "SELECT v FROM item WHERE id = $1 UNION SELECT v FROM pet WHERE owner = $2 ORDER BY 1",
     3, true},
    {"oi",
     "SELECT id FROM item WHERE owner = $1 EXCEPT SELECT id FROM item WHERE id = $2"
     " ORDER BY 1",
     2, true},
    {"o", "SELECT id, v FROM item WHERE owner = $1 ORDER BY id", 8, false},
    {"o", "SELECT count(*) AS n, sum(v) AS s FROM item WHERE owner = $1", 4, true},
    {"o", "SELECT id, v FROM item WHERE owner = $1 ORDER BY v DESC, id LIMIT 3", 3, false},
    {"o",
     "WITH mine AS (SELECT id, v FROM item WHERE owner = $1)"
     " SELECT count(*) AS n, max(v) AS m FROM mine",
     2, true},
    {"o",
     "SELECT id, v, row_number() OVER (ORDER BY v, id) AS r FROM item WHERE owner = $1"
     " ORDER BY id",
     2, true},
    {"o", "SELECT id, v FROM item_v WHERE owner = $1 ORDER BY id", 4, false},
    {"o", "SELECT id, r FROM ranked WHERE owner = $1 ORDER BY r", 2, true},
    {"o",
     "SELECT id FROM (SELECT id, owner FROM item ORDER BY v DESC, id LIMIT 5) AS t"
     " WHERE owner = $1 ORDER BY id",
     2, false},
    {"o", "SELECT id, name, total, op FROM owner WHERE id = $1", 5, false},
    {"o",
     "SELECT a.id, a.name, b.id AS pet FROM owner a LEFT JOIN pet b ON b.owner = a.id"
     " AND b.owner = $1 ORDER BY a.id, b.id",
     3, false},
    {"o",
     "SELECT a.id, b.id AS pet FROM owner a LEFT JOIN pet b ON b.owner = a.id"
     " AND a.id = $1 ORDER BY a.id, b.id",
     2, false},
    {"o",
     "SELECT a.id, b.v FROM item a JOIN pet b ON b.owner = a.owner WHERE a.owner = $1"
     " ORDER BY a.id, b.id",
     3, false},
    {"o",
     "SELECT a.id, b.id AS pet FROM owner a FULL JOIN pet b ON b.owner = a.id AND a.id = $1"
     " ORDER BY 1 NULLS LAST, 2 NULLS LAST",
     2, false},
    {"o",
     "SELECT a.id, a.name FROM owner a WHERE NOT EXISTS (SELECT 1 FROM pet b"
     " WHERE b.owner = a.id AND b.owner = $1) ORDER BY a.id",
     3, false},
    {"o",
     "SELECT a.id, a.total FROM owner a WHERE a.id = $1 AND EXISTS (SELECT 1 FROM pet b"
     " WHERE b.owner = a.id)",
     3, false},
    {"o",
     "SELECT a.id, (SELECT sum(i.v) FROM item i WHERE i.owner = a.id) AS s FROM owner a"
     " WHERE a.id = $1",
     3, true},
    {"o",
     "SELECT a.id, (SELECT count(*) FROM item i WHERE i.owner = a.id AND i.owner = $1) AS n"
     " FROM owner a ORDER BY a.id",
     2, true},
    {"o", "SELECT a.id FROM owner a WHERE a.id = $1 AND a.id NOT IN (SELECT owner FROM pet)", 2,
     false},
    {"o",
     "WITH RECURSIVE r(id, d) AS (SELECT id, 0 FROM pet WHERE owner = $1 UNION ALL"
     " SELECT p.id, d + 1 FROM pet p JOIN r ON p.owner = r.id WHERE d < 3)"
     " SELECT count(*) AS n, sum(id) AS s FROM r",
     2, true},
    {"o", "SELECT DISTINCT v % 10 AS w FROM item WHERE owner = $1 ORDER BY 1", 2, true},
    {"p", "SELECT id, pet, op FROM chip WHERE pet = $1 ORDER BY id", 3, false},
    {"k", "SELECT k, v, op FROM kv WHERE k = $1", 10, false},
    {"k", "SELECT count(*) AS n FROM kv WHERE k >= $1", 1, true},
    {"c", "SELECT id, owner, v FROM item WHERE code = $1", 6, false},
    {"n", "SELECT id, body, op FROM note WHERE id = $1", 5, false},
    {"n", "SELECT count(*) AS n FROM note WHERE id <> $1", 1, true},
    {"s", "SELECT id, v FROM shared WHERE k = $1 ORDER BY id", 4, false},
    {"s", "SELECT count(*) AS n, sum(v) AS s FROM shared WHERE id <> $1", 1, true},
    {"d", "SELECT * FROM side WHERE id = $1", 5, false},
    {"d", "SELECT id, z FROM side WHERE z = $1 ORDER BY id", 4, false},
    {"d", "SELECT a.*, b.v AS w FROM side a JOIN side b ON b.id = a.id WHERE a.id = $1", 2, false},
    {"b", "SELECT id, grp, v, op FROM bulk WHERE id = $1", 4, false},
    {"g", "SELECT count(*) AS n, sum(v) AS s FROM bulk WHERE grp = $1", 2, true},
    {"", "SELECT count(*) AS n, sum(v) AS s FROM item", 2, true},
    {"",
     "SELECT owner, count(*) AS n FROM item GROUP BY owner HAVING count(*) > 2"
     " ORDER BY owner",
     1, true},
    {"v", "SELECT count(*) AS n, sum((a.v + b.v + $1) % 97) AS s FROM item a, item b, owner c", 1,
     true},
};

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]), SLOW = SHAPES - 1 };

static bool is_text(char kind)
{
    return kind == 'k' || kind == 'c';
}

static void fill_param(workload *w, param *p, char kind, int key, bool typed)
{
    *p = (param){.is_text = is_text(kind), .number = key, .typed = typed};
    if (p->is_text)
        snprintf(p->text, sizeof(p->text), "%c%d", kind, key);
    p->binary = typed && workload_roll(w, 4) == 0;
}

static unsigned pick_shape(workload *w, char kind)
{
    if (w->emphasis == EMPHASIS_SLOW && workload_roll(w, 50) == 0)
        return SLOW;
    unsigned sum = 0;
    for (unsigned i = 0; i < SHAPES; i++)
        sum += !kind || shapes[i].kinds[0] == kind ? shapes[i].weight : 0;
    unsigned at = workload_roll(w, sum);
    for (unsigned i = 0;; i++) {
        unsigned weight = !kind || shapes[i].kinds[0] == kind ? shapes[i].weight : 0;
        if (at < weight)
            return i;
        at -= weight;
    }
}

/* The shape's text with literals for its parameters; a number is quoted now and then, which the
 * column's affinity makes the same number. */
static const char *with_literals(workload *w, const char *sql, const param *params)
{
    char text[1024];
    size_t len = 0;
    for (; *sql; sql++) {
        if (*sql != '$') {
            text[len++] = *sql;
            continue;
        }
        const param *p = &params[*++sql - '1'];
        const char *quote = p->is_text || (p->number && workload_roll(w, 64) == 0) ? "'" : "";
        len += (size_t)(p->is_text ? snprintf(text + len, 32, "'%s'", p->text)
                                   : snprintf(text + len, 32, "%s%lld%s", quote,
                                              (long long)p->number, quote));
    }
    return record_text(w->record, text, len);
}

void workload_read(workload *w, touched about, bool literals, request_mode mode,
                   statement_role role, uint32_t unit)
{
    unsigned index = pick_shape(w, about.kind);
    const shape *t = &shapes[index];
    statement *s = record_add(w->record);
    s->role = role;
    s->unit = unit;
    s->shape = (int8_t)index;
    s->shared = t->kinds[0] == 's';
    s->binary_results = mode != MODE_SIMPLE && !t->expressions && workload_roll(w, 6) == 0;
    unsigned count = (unsigned)strlen(t->kinds);
    bool typed = literals || t->kinds[0] == 'v' || workload_roll(w, 8) > 0;
    for (unsigned i = 0; i < count; i++) {
        int key = i == 0 && about.kind ? about.key : workload_key(w, t->kinds[i]);
        fill_param(w, &s->params[i], t->kinds[i], key, typed);
    }
    s->sql = t->sql;
    s->param_count = (uint8_t)count;
    if (literals && count) {
        s->sql = with_literals(w, t->sql, s->params);
        s->param_count = 0;
    }
}
