/* What a text does to the transaction block around it. */
#include "sql/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct {
    const char *text;
    weir_block_command command;
} statements[] = {
    {"", WEIR_BLOCK_NONE},
    {"select 1", WEIR_BLOCK_NONE},
    {"begin", WEIR_BLOCK_BEGIN},
    {"BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY", WEIR_BLOCK_BEGIN},
    {"Start Transaction", WEIR_BLOCK_BEGIN},
    {"start", WEIR_BLOCK_NONE},
    {"commit", WEIR_BLOCK_COMMIT},
    {"COMMIT WORK", WEIR_BLOCK_COMMIT},
    {"commit transaction and no chain", WEIR_BLOCK_COMMIT},
    {"commit and chain", WEIR_BLOCK_CHAIN},
    {"commit and", WEIR_BLOCK_NONE},
    {"commit and no", WEIR_BLOCK_NONE},
    {"commit prepared 'x'", WEIR_BLOCK_NONE},
    {"commit to s", WEIR_BLOCK_NONE},
    {"commit 1", WEIR_BLOCK_NONE},
    {"\"commit\"", WEIR_BLOCK_NONE},
    {"end", WEIR_BLOCK_COMMIT},
    {"end /* of it */ work -- now", WEIR_BLOCK_COMMIT},
    {"rollback", WEIR_BLOCK_ROLLBACK},
    {"rollback /*traceparent='00-1'*/", WEIR_BLOCK_ROLLBACK},
    {"rollback work and chain", WEIR_BLOCK_CHAIN},
    {"rollback prepared 'x'", WEIR_BLOCK_NONE},
    {"rollback to s", WEIR_BLOCK_ROLLBACK_TO},
    {"ROLLBACK TRANSACTION TO SAVEPOINT \"a b\"", WEIR_BLOCK_ROLLBACK_TO},
    {"rollback to savepoint", WEIR_BLOCK_ROLLBACK_TO},
    {"rollback to", WEIR_BLOCK_NONE},
    {"rollback to s t", WEIR_BLOCK_NONE},
    {"rollback;", WEIR_BLOCK_NONE},
    {"rollback nonsense", WEIR_BLOCK_NONE},
    {"abort", WEIR_BLOCK_ROLLBACK},
    {"abort to s", WEIR_BLOCK_NONE},
    {"prepare transaction 'x'", WEIR_BLOCK_PREPARE},
    {"prepare transaction", WEIR_BLOCK_NONE},
    {"prepare transaction as select 1", WEIR_BLOCK_NONE},
    {"prepare commit as select 1", WEIR_BLOCK_NONE},
    {"savepoint s", WEIR_BLOCK_NONE},
    {"release s", WEIR_BLOCK_NONE},
};

static void test_a_command_is_read_as_the_grammar_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        if (weir_sql_block_command(weir_slice_cstr(statements[i].text)) != statements[i].command)
            fail_msg("%s", statements[i].text);
}

static const struct {
    const char *text;
    weir_block_effect effect;
} texts[] = {
    {"", WEIR_BLOCK_KEEPS},
    {"select 'begin'; -- commit", WEIR_BLOCK_KEEPS},
    {"begin", WEIR_BLOCK_OPENS},
    {";;begin; insert into t values (1)", WEIR_BLOCK_OPENS},
    {"begin; insert into t values (1); commit", WEIR_BLOCK_CLOSES},
    {"commit; begin;", WEIR_BLOCK_OPENS},
    {"rollback; select 1", WEIR_BLOCK_CLOSES},
    {"begin; commit and chain", WEIR_BLOCK_OPENS},
    {"rollback and chain", WEIR_BLOCK_OPENS},
    {"rollback to s; release s", WEIR_BLOCK_KEEPS},
    {"prepare transaction 'x'", WEIR_BLOCK_CLOSES},
    {"create function f() returns int begin atomic; select 1; end", WEIR_BLOCK_KEEPS},
    {"do $$ begin commit; end $$", WEIR_BLOCK_KEEPS},
};

static void test_the_last_command_of_a_text_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (weir_sql_block_effect(weir_slice_cstr(texts[i].text)) != texts[i].effect)
            fail_msg("%s", texts[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_command_is_read_as_the_grammar_does),
        cmocka_unit_test(test_the_last_command_of_a_text_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
