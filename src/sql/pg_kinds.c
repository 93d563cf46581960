/* What kind of statement a node of PostgreSQL's tree is. */
#include "sql/pg_tree.h"

/* Whatever is not listed is some CREATE, ALTER or DROP. */
weir_kind weir_pg_kind(const PgQuery__Node *node)
{
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT:
        return WEIR_KIND_READ;
    case PG_QUERY__NODE__NODE_INSERT_STMT:
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
    case PG_QUERY__NODE__NODE_DELETE_STMT:
    case PG_QUERY__NODE__NODE_MERGE_STMT:
    case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
        return WEIR_KIND_WRITE;
    case PG_QUERY__NODE__NODE_COPY_STMT:
        return WEIR_KIND_COPY;
    case PG_QUERY__NODE__NODE_TRANSACTION_STMT:
        return WEIR_KIND_TRANSACTION;
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
    case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT:
    case PG_QUERY__NODE__NODE_CONSTRAINTS_SET_STMT:
    case PG_QUERY__NODE__NODE_LISTEN_STMT:
    case PG_QUERY__NODE__NODE_UNLISTEN_STMT:
    case PG_QUERY__NODE__NODE_DISCARD_STMT:
    case PG_QUERY__NODE__NODE_PREPARE_STMT:
    case PG_QUERY__NODE__NODE_DEALLOCATE_STMT:
    case PG_QUERY__NODE__NODE_LOAD_STMT:
    case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
    case PG_QUERY__NODE__NODE_FETCH_STMT:
    case PG_QUERY__NODE__NODE_CLOSE_PORTAL_STMT:
        return WEIR_KIND_SESSION;
    case PG_QUERY__NODE__NODE_EXECUTE_STMT:
    case PG_QUERY__NODE__NODE_NOTIFY_STMT:
    case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
    case PG_QUERY__NODE__NODE_VACUUM_STMT:
    case PG_QUERY__NODE__NODE_CALL_STMT:
    case PG_QUERY__NODE__NODE_DO_STMT:
    case PG_QUERY__NODE__NODE_LOCK_STMT:
    case PG_QUERY__NODE__NODE_CHECK_POINT_STMT:
    case PG_QUERY__NODE__NODE_CLUSTER_STMT:
    case PG_QUERY__NODE__NODE_REINDEX_STMT:
        return WEIR_KIND_UTILITY;
    default:
        return WEIR_KIND_DDL;
    }
}

static weir_transaction transaction_command(const PgQuery__TransactionStmt *stmt)
{
    switch (stmt->kind) {
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START:
        return WEIR_TRANSACTION_BEGIN;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT:
        return WEIR_TRANSACTION_COMMIT;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK:
        return WEIR_TRANSACTION_ROLLBACK;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT:
        return WEIR_TRANSACTION_SAVEPOINT;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE:
        return WEIR_TRANSACTION_RELEASE;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO:
        return WEIR_TRANSACTION_ROLLBACK_TO;
    default:
        return WEIR_TRANSACTION_TWO_PHASE;
    }
}

weir_transaction weir_pg_transaction(const PgQuery__Node *node)
{
    if (node->node_case == PG_QUERY__NODE__NODE_TRANSACTION_STMT)
        return transaction_command(node->transaction_stmt);
    if (node->node_case != PG_QUERY__NODE__NODE_VARIABLE_SET_STMT)
        return WEIR_TRANSACTION_NONE;
    const PgQuery__VariableSetStmt *set = node->variable_set_stmt;
    bool multi = set->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI;
    return multi && strncmp(set->name, "TRANSACTION", 11) == 0 ? WEIR_TRANSACTION_SET
                                                               : WEIR_TRANSACTION_NONE;
}

/* SET LOCAL and SET TRANSACTION end with the transaction. */
static unsigned set_effects(const PgQuery__VariableSetStmt *set, weir_transaction transaction)
{
    if (set->is_local || transaction)
        return 0;
    return set->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET ||
                   set->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL
               ? WEIR_EFFECT_UNDO
               : WEIR_EFFECT_SET;
}

unsigned weir_pg_effects(const PgQuery__Node *node)
{
    const int with_hold = 0x0020; /* CURSOR_OPT_HOLD, nodes/parsenodes.h */
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
        return set_effects(node->variable_set_stmt, weir_pg_transaction(node));
    case PG_QUERY__NODE__NODE_LISTEN_STMT:
        return WEIR_EFFECT_LISTEN;
    case PG_QUERY__NODE__NODE_UNLISTEN_STMT:
    case PG_QUERY__NODE__NODE_CLOSE_PORTAL_STMT:
        return WEIR_EFFECT_UNDO;
    case PG_QUERY__NODE__NODE_NOTIFY_STMT:
        return WEIR_EFFECT_NOTIFY;
    case PG_QUERY__NODE__NODE_DISCARD_STMT:
    case PG_QUERY__NODE__NODE_DEALLOCATE_STMT:
        return WEIR_EFFECT_DISCARD;
    case PG_QUERY__NODE__NODE_PREPARE_STMT:
    case PG_QUERY__NODE__NODE_EXECUTE_STMT:
        return WEIR_EFFECT_PREPARE;
    case PG_QUERY__NODE__NODE_LOAD_STMT:
        return WEIR_EFFECT_LOAD;
    case PG_QUERY__NODE__NODE_DO_STMT:
    case PG_QUERY__NODE__NODE_CALL_STMT:
        return WEIR_EFFECT_DO;
    case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
        return node->declare_cursor_stmt->options & with_hold ? WEIR_EFFECT_HOLD_CURSOR : 0;
    default:
        return 0;
    }
}
