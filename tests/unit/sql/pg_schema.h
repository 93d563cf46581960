/* A small schema for tests of what PostgreSQL's statements read and write. */
#ifndef WEIR_TEST_PG_SCHEMA_H
#define WEIR_TEST_PG_SCHEMA_H

#include "catalog/schema.h"

/* public.a (id, aid, k int; u uuid; b bool; d date; s text; ts timestamp; n numeric), likewise b
 * and c; app.a; app.only; public."Mixed" ("Id", id); public."Camel"; public.v, a view of a and b;
 * public.secret (policies); public.log (no identity); public.odd (a type that is not believed);
 * public.root with its partition public.leaf; public.parent, whose rows' deletion cascades to
 * public.child; public.fired, whose triggers may write anything; public.stamped, whose triggers
 * alter rows; public.tree, whose rows' deletion comes back to it; pg_catalog.pg_class. */
const weir_schema *pg_schema(void);

#endif
