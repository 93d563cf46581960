/* What proves to the servers of a database that we are its users: as clients brought it, the newest
 * counts. One entry per user, never removed, so that whoever opens connections may read at any
 * time.
 *
 * Invariant: an entry's words change under its lock alone, and are overwritten before they go. */
#include "engine/internal.h"
#include <stdlib.h>

struct weir_login_entry {
    struct weir_login_entry *next;
    weir_spin lock;
    weir_login login;
    _Atomic uint64_t serial; /* of the newest change; from 1 */
    char user[];
};

static weir_login_entry *find(weir_login_entry *from, weir_slice user)
{
    while (from && !weir_slice_eq_cstr(user, from->user))
        from = from->next;
    return from;
}

static bool same(const weir_login *a, const weir_login *b)
{
    return strcmp(a->password, b->password) == 0 && a->has_keys == b->has_keys &&
           memcmp(a->client_key, b->client_key, sizeof(a->client_key)) == 0 &&
           memcmp(a->server_key, b->server_key, sizeof(a->server_key)) == 0;
}

static void put(weir_login_entry *e, const weir_login *login)
{
    weir_spin_lock(&e->lock);
    bool changed = !same(&e->login, login);
    e->login = *login;
    weir_spin_unlock(&e->lock);
    if (changed)
        atomic_fetch_add(&e->serial, 1);
}

static int add(weir_database *d, weir_slice user, const weir_login *login)
{
    weir_login_entry *head = atomic_load(&d->logins);
    weir_login_entry *e = calloc(1, sizeof(*e) + user.len + 1);
    if (!e)
        return -ENOMEM;
    memcpy(e->user, user.data, user.len);
    e->login = *login;
    atomic_init(&e->serial, 1);
    do {
        weir_login_entry *other = find(head, user); /* another worker was faster */
        if (other) {
            explicit_bzero(&e->login, sizeof(e->login));
            free(e);
            put(other, login);
            return 0;
        }
        e->next = head;
    } while (!atomic_compare_exchange_weak(&d->logins, &head, e));
    return 0;
}

int weir_database_set_login(weir_database *database, weir_slice user, const weir_login *login)
{
    weir_login_entry *e = find(atomic_load(&database->logins), user);
    if (!e)
        return add(database, user, login);
    put(e, login);
    return 0;
}

/* What logs in at a primary does so at its replicas. */
static weir_login_entry *find_of(const weir_database *database, const char *user)
{
    const weir_database *d = database->primary ? database->primary : database;
    return find(atomic_load(&d->logins), weir_slice_cstr(user));
}

uint64_t weir_database_login_serial(const weir_database *database, const char *user)
{
    const weir_login_entry *e = find_of(database, user);
    return e ? atomic_load(&e->serial) : 0;
}

bool weir_database_login(const weir_database *database, const char *user, weir_login *ret)
{
    weir_login_entry *e = find_of(database, user);
    if (!e)
        return false;
    weir_spin_lock(&e->lock);
    *ret = e->login;
    weir_spin_unlock(&e->lock);
    return true;
}

void weir_database_forget_logins(weir_database *database)
{
    for (weir_login_entry *e = atomic_load(&database->logins), *next; e; e = next) {
        next = e->next;
        explicit_bzero(&e->login, sizeof(e->login));
        free(e);
    }
}
