/* What a database's server says of itself (catalog/server.h), as the engine has it: published as a
 * whole, read under epochs by whoever understands a statement, and out of date as soon as a
 * statement of a client's changes what it is about. The host reads it from the server. */
#ifndef WEIR_ENGINE_CATALOG_H
#define WEIR_ENGINE_CATALOG_H

#include "catalog/schema.h"
#include "catalog/server.h"
#include "engine/engine.h"

/* Takes a catalog that was read after weir_database_changes gave `seen`. On any worker's thread;
 * `member` is its own. Before the first one a database has no catalog, and its statements have the
 * effects that their words say. */
void weir_database_put_catalog(weir_database *database, weir_epoch_member *member,
                               weir_server_catalog *catalog, uint64_t seen);
/* The catalog is still true of what had changed by `seen`. */
void weir_database_confirm_catalog(weir_database *database, uint64_t seen);
/* NULL: it has none. The caller is online, or it is the loader's own thread. */
const weir_server_catalog *weir_database_catalog(const weir_database *database);
/* Counts what passed through us and may have changed functions or relations. */
uint64_t weir_database_changes(const weir_database *database);
/* Since the catalog was read, something of it may have been changed through us. */
bool weir_database_catalog_stale(const weir_database *database);
/* The same for what the cache depends on. `changes` beyond what the schema was read after make it
 * stale: nothing is kept under it. */
void weir_database_put_schema(weir_database *database, weir_epoch_member *member,
                              weir_schema *schema, uint64_t seen);
void weir_database_confirm_schema(weir_database *database, uint64_t seen);
/* What there is may be out of date until the next one: nothing is kept under it. */
void weir_database_doubt_schema(weir_database *database);
bool weir_database_schema_doubted(const weir_database *database);
const weir_schema *weir_database_schema(const weir_database *database); /* NULL: none */
bool weir_database_schema_stale(const weir_database *database);
/* Unique in the process: of the next catalog. */
uint64_t weir_engine_catalog_serial(weir_engine *engine);

/* A look at the server ended: `failure` NULL: well. `denied`: for want of a right. */
void weir_database_note_catalog(weir_database *database, weir_time now, const char *failure,
                                bool denied);

typedef struct weir_catalog_figures {
    bool followed; /* the host reads its catalog */
    uint64_t loads, failures;
    weir_time looked_at; /* when it was last known to be up to date; 0: never */
    char failure[256];   /* of the newest look; "" */
    bool denied;         /* … and it was for want of a right */
} weir_catalog_figures;
void weir_database_catalog_figures(weir_database *database, weir_catalog_figures *ret);

/* What a statement may do to its session by what it uses. NULL template: not known. */
unsigned weir_session_server_effects(const weir_session *session, const weir_template *t,
                                     weir_kind kind);

#endif
