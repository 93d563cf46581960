/* A transaction that is tried again where the database says that it may be. */
#include "api/api.h"
#include <string.h>

static bool may_try_again(const weir_connection *c, weir_status status, const weir_fault *fault)
{
    return status == WEIR_REFUSED && !c->lost &&
           (strcmp(fault->sqlstate, "40001") == 0 || strcmp(fault->sqlstate, "40P01") == 0);
}

/* Its own words are those that count. */
static void roll_back(weir_connection *c)
{
    if (c->rows.open)
        weir_rows_close(&c->rows);
    if (!c->lost && c->transaction != WEIR_STATE_IDLE)
        (void)!weir_execute(c, "ROLLBACK", NULL, 0, NULL, NULL);
}

static weir_status commit(weir_connection *c, weir_fault *fault)
{
    weir_status status = api_is_free(c, fault);
    if (status == WEIR_OK && c->transaction == WEIR_STATE_IDLE)
        return api_fail(fault, WEIR_MISUSE, "25P01",
                        "weir: the transaction was ended by the work inside it");
    if (status == WEIR_OK && c->transaction == WEIR_STATE_FAILED)
        status = api_fail(fault, WEIR_REFUSED, "40000",
                          "weir: rolled back: a statement had failed, and the work went on");
    return status == WEIR_OK ? weir_execute(c, "COMMIT", NULL, 0, NULL, fault) : status;
}

weir_status weir_transact(weir_connection *connection, const char *begin, unsigned attempts,
                          weir_status (*work)(weir_connection *connection, void *user,
                                              weir_fault *fault),
                          void *user, weir_fault *fault)
{
    weir_fault own;
    weir_status status;
    if (!fault)
        fault = &own;
    if (connection->transaction != WEIR_STATE_IDLE)
        return api_fail(fault, WEIR_MISUSE, "25001", "weir: a transaction is open already");
    do {
        *fault = (weir_fault){.sqlstate = ""};
        status = weir_execute(connection, begin ? begin : "BEGIN", NULL, 0, NULL, fault);
        if (status == WEIR_OK) {
            status = work(connection, user, fault);
            status = status < 0 ? status : commit(connection, fault);
        }
        if (status < 0)
            roll_back(connection);
    } while (may_try_again(connection, status, fault) && attempts-- > 1);
    return status;
}
