/* Bytes that open a connection: the packet's reader at every split, its parameters, negotiation. */
#include "proto/pg/pg.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void use_session(const weir_pg_startup *s)
{
    size_t pos = 0, bytes = 0;
    weir_slice name, value;
    while (weir_pg_param_next(s->params, &pos, &name, &value)) {
        require(name.len > 0);
        bytes += name.len + value.len + 2;
    }
    require(bytes == s->params.len);
    (void)weir_pg_param_find(s->params, "user", &value);

    weir_buf out;
    uint32_t spoken;
    weir_buf_init(&out, 65536);
    require(weir_pg_negotiate(s->version, s->params, &out, &spoken) == 0);
    require(spoken == WEIR_PG_VERSION_3_0 || spoken == WEIR_PG_VERSION_3_2);
    weir_pg_frame f;
    weir_slice options;
    uint32_t version;
    if (out.len > 0) {
        require(weir_pg_frame_next(weir_buf_slice(&out), 65536, &f) == 0);
        require(weir_pg_negotiate_read(f.body, s->version, &version, &options) == 0);
        require(version == spoken);
    }
    weir_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_pg_startup s = {0};
    weir_error err;
    weir_slice in = weir_slice_make(data, size);
    int whole = weir_pg_startup_read(in, &s, &err);
    if (whole == 0) {
        require(s.size <= size);
        if (s.kind == WEIR_PG_STARTUP_SESSION)
            use_session(&s);
        if (s.kind == WEIR_PG_STARTUP_CANCEL)
            require(s.cancel_key.len >= 4 && s.cancel_key.len <= WEIR_PG_CANCEL_KEY_MAX);
    }
    /* A prefix is never judged otherwise than the whole, only later. */
    for (size_t len = 0; len < size && len < 64; len++) {
        int r = weir_pg_startup_read(weir_slice_head(in, len), &s, &err);
        require(r == WEIR_PG_MORE || r == whole);
    }
    return 0;
}
