/* A sink for connections on which nothing but questions of ours goes out: what else comes (notices,
 * changed parameters) is nobody's. */
#include "engine/relay.h"

void weir_relay_ignore_bytes(weir_relay_sink *sink, weir_slice bytes)
{
    (void)sink;
    (void)bytes;
}

void weir_relay_ignore_statement(weir_relay_sink *sink, uint64_t rows, const char *sqlstate)
{
    (void)sink;
    (void)rows;
    (void)sqlstate;
}

void weir_relay_ignore_ready(weir_relay_sink *sink, char status, size_t owed)
{
    (void)sink;
    (void)status;
    (void)owed;
}

bool weir_relay_never_congested(weir_relay_sink *sink)
{
    (void)sink;
    return false;
}

void weir_relay_ignore_room(weir_relay_sink *sink)
{
    (void)sink;
}
