/* What another process hands over: frames, their bodies, a client's record. What is accepted can be
 * walked to its end, and written again gives the same bytes. */
#include "gateway/handover_codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void write_again(const weir_record *r, weir_slice in)
{
    weir_buf out;
    weir_slice a, b;
    weir_record_statement s;
    size_t pos, mark = 0;
    weir_buf_init(&out, 1 << 20);
    require(weir_record_write(&out, r) == 0);
    for (pos = 0; weir_record_next_setting(r->settings, &pos, &a, &b);)
        require(weir_record_write_setting(&out, a, b) == 0);
    require(pos == r->settings.len);
    for (pos = 0; weir_record_next_statement(r->statements, &pos, &s);)
        require(weir_record_write_statement(&out, &s) == 0);
    require(pos == r->statements.len);
    for (pos = 0; weir_record_next_listen(r->listens, &pos, &a);)
        require(weir_record_write_listen(&out, a) == 0);
    require(pos == r->listens.len);
    require(weir_record_open_unread(&out, &mark) == 0);
    require(weir_buf_append(&out, r->unread) == 0);
    weir_record_close_unread(&out, mark);
    require(weir_slice_eq(weir_buf_slice(&out), in));
    weir_buf_fini(&out);
}

static void use_body(const weir_handover_frame *f)
{
    uint32_t number;
    weir_handover_offer offer;
    weir_handover_kind kind;
    weir_slice slice;
    (void)!weir_handover_hello_read(f->body, &number);
    if (weir_handover_offer_read(f->body, &offer) == 0)
        require(offer.version >= WEIR_HANDOVER_VERSION_OLDEST);
    if (weir_handover_listener_read(f->body, &kind, &slice) == 0)
        require(kind < WEIR_HANDOVER_KINDS && slice.len + 1 == f->body.len);
    (void)!weir_handover_verdict_read(f->body, &number);
    if (weir_handover_cancel_read(f->body, &number, &slice) == 0)
        require(slice.len >= 4 && slice.len <= WEIR_HANDOVER_KEY_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_slice in = weir_slice_make(data, size);
    weir_handover_frame f;
    weir_record record;
    if (weir_handover_frame_read(in, &f) == 0) {
        require(f.size <= size && f.body.len + 5 == f.size);
        use_body(&f);
        if (weir_record_read(f.body, &record) == 0)
            write_again(&record, f.body);
    }
    if (weir_record_read(in, &record) == 0)
        write_again(&record, in);
    return 0;
}
