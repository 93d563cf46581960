/* For test_local: an engine without databases to list, a clock that stands still, any time zone. */
#include "backend/sqlite/sqlite.h"
#include "engine/replica.h"
#include "net/net.h"

int64_t weir_loop_wall_ns(const weir_loop *loop)
{
    (void)loop;
    return 0;
}

bool weir_sqlite_zone_name(char *name, size_t size)
{
    (void)name, (void)size;
    return true;
}

bool weir_session_has_sibling(const weir_session *session, weir_slice name)
{
    (void)session, (void)name;
    return false;
}
weir_engine *weir_worker_engine(const weir_worker *worker)
{
    (void)worker;
    return NULL;
}
unsigned weir_engine_database_count(const weir_engine *engine)
{
    (void)engine;
    return 0;
}
weir_database *weir_engine_database_at(weir_engine *engine, unsigned index)
{
    (void)engine, (void)index;
    return NULL;
}
bool weir_database_removed(const weir_database *database)
{
    (void)database;
    return false;
}
weir_database *weir_database_primary(const weir_database *database)
{
    (void)database;
    return NULL;
}
