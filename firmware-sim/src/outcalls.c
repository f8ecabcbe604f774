/* outcalls.c - calls that we make (protocol.md 1.2, 1.3). */
#include "link.h"
#include "memory.h"
#include "wire.h"

/* ABANDONED: `done` was called, but the pair is in use until the terminal answer (CALL-2). */
enum { IDLE = 0, SENDING, WAITING, ABANDONED };

static bool same(const ipfi_outcall_t *out, const ipfi_parser_t *parser)
{
    return out->procedure == parser->procedure && out->index == parser->call;
}

bool ipfi_outcall_idle(const ipfi_outcall_t *out)
{
    return out->stage == IDLE;
}

static void unlink_out(ipfi_wire_t *wire, ipfi_outcall_t *out)
{
    ipfi_outcall_t **at = &wire->outcalls;
    while (*at != NULL && *at != out) { at = &(*at)->next; }
    if (*at != NULL) { *at = out->next; }
    out->stage = IDLE;
}

static void finish(ipfi_wire_t *wire, ipfi_outcall_t *out, ipfi_outcome_t outcome)
{
    const bool told = out->stage == ABANDONED;
    unlink_out(wire, out);
    if (!told) { out->done(wire, out, outcome); }
}

/* We are not interested any more; the other end may still answer. */
static void abandon(ipfi_wire_t *wire, ipfi_outcall_t *out, ipfi_outcome_t outcome)
{
    if (!out->sent) {
        finish(wire, out, outcome);
        return;
    }
    out->stage = ABANDONED;
    out->cancel_owed = true;
    out->done(wire, out, outcome);
}

void ipfi_outcall_cancel(ipfi_wire_t *wire, ipfi_outcall_t *out)
{
    if (out->stage == SENDING || out->stage == WAITING) { abandon(wire, out, IPFI_OUT_CANCELLED); }
}

/* ---- answers ---- */

static void begin_answer(ipfi_wire_t *wire)
{
    for (ipfi_outcall_t *out = wire->outcalls; out != NULL; out = out->next) {
        if (same(out, &wire->parser) && out->sent) {
            wire->out_target = out;
            if (wire->parser.type == IPFI_TYPE_ERROR && !out->failing) { /* it takes the place of what was collected */
                out->failing = true;
                out->answer_length = 0;
            }
            return;
        }
    }
    IPFI_COUNT(wire, bad_messages); /* nobody asked */
}

static void take_answer(ipfi_wire_t *wire, const uint8_t *bytes, size_t size)
{
    ipfi_outcall_t *const out = wire->out_target;
    out->taken += (uint32_t)size;
    if (out->stage == ABANDONED) { return; } /* its buffer may be in other use */
    size_t room = (size_t)(out->answer_size - out->answer_length);
    if (room > size) { room = size; }
    if (room < size) { out->too_large = true; }
    memcpy(out->answer + out->answer_length, bytes, room);
    out->answer_length = (uint16_t)(out->answer_length + room);
}

static void grant(ipfi_wire_t *wire, ipfi_outcall_t *out)
{
    uint8_t payload[5];
    ipfi_writer_t writer = ipfi_writer(payload, sizeof payload);
    const uint32_t granted = out->taken + (uint32_t)ipfi_config_of(wire)->stream_credit * 16;
    ipfi_write_u32(&writer, granted);
    const ipfi_message_t message = { IPFI_TYPE_GRANT, IPFI_COMPLETE, out->procedure, out->index, payload,
                                     (uint16_t)ipfi_written(&writer) };
    if (ipfi_message_send(wire, &message)) { out->granted = granted; }
}

static void stream_value(ipfi_wire_t *wire, ipfi_outcall_t *out)
{
    if (out->stage != ABANDONED && out->answer_length != 0) {
        out->done(wire, out, IPFI_OUT_VALUE);
        out->answer_length = 0;
    }
}

static void end_answer(ipfi_wire_t *wire)
{
    ipfi_outcall_t *const out = wire->out_target;
    const uint8_t terminator = ipfi_parser_terminator(&wire->parser);
    wire->out_target = NULL;
    if (out->failing) {
        if (terminator == IPFI_NONE) { return; } /* CALL-5: more of it follows */
        if (out->stage == SENDING && out->sent) { /* CALL-7: we stop with a Cancel */
            const ipfi_message_t cancel = { IPFI_TYPE_CANCEL, IPFI_COMPLETE, out->procedure, out->index, NULL, 0 };
            (void)ipfi_message_send(wire, &cancel);
        }
        finish(wire, out, IPFI_OUT_FAILED);
    } else if (terminator == IPFI_COMPLETE) {
        finish(wire, out, out->too_large ? IPFI_OUT_TOO_LARGE : IPFI_OUT_ANSWERED);
    } else if (out->too_large && out->stage != ABANDONED) {
        abandon(wire, out, IPFI_OUT_TOO_LARGE);
    } else if (terminator == IPFI_CHUNK) {
        stream_value(wire, out);
    }
}

static void reset(ipfi_wire_t *wire)
{
    while (wire->outcalls != NULL) { finish(wire, wire->outcalls, IPFI_OUT_LOST); }
    wire->out_target = NULL;
}

/* ---- sending ---- */

static bool send_args(ipfi_wire_t *wire, ipfi_outcall_t *out)
{
    const uint16_t left = (uint16_t)(out->args_size - out->args_sent);
    const uint16_t size = ipfi_part_size(wire, left);
    const ipfi_message_t message = { IPFI_TYPE_CALL, size == left ? IPFI_COMPLETE : IPFI_NONE, out->procedure,
                                     out->index, out->args + out->args_sent, size };
    if (!ipfi_message_send(wire, &message)) { return false; }
    out->sent = true;
    out->args_sent = (uint16_t)(out->args_sent + size);
    if (out->args_sent == out->args_size) { out->stage = WAITING; }
    return true;
}

static bool send_cancel(ipfi_wire_t *wire, ipfi_outcall_t *out)
{
    const ipfi_message_t message = { IPFI_TYPE_CANCEL, IPFI_COMPLETE, out->procedure, out->index, NULL, 0 };
    if (!ipfi_message_send(wire, &message)) { return false; }
    out->cancel_owed = false;
    return true;
}

static bool grant_is_due(const ipfi_wire_t *wire, const ipfi_outcall_t *out)
{
    const uint32_t credit = (uint32_t)ipfi_config_of(wire)->stream_credit * 16;
    return out->stage == WAITING && out->taken != 0 && out->taken + credit - out->granted > credit / 2;
}

static void fill(ipfi_wire_t *wire)
{
    uint8_t served = 0; /* CALL-6: how many the other end has to serve at once */
    for (ipfi_outcall_t *out = wire->outcalls; out != NULL; out = out->next) {
        if (++served > wire->link.peer.max_calls) { return; }
        if (out->cancel_owed && !send_cancel(wire, out)) { return; }
        while (out->stage == SENDING) { /* the next one waits: one call at a time is incomplete */
            if (!send_args(wire, out)) { return; }
        }
        if (grant_is_due(wire, out)) { grant(wire, out); }
    }
}

/* ---- deadlines ---- */

static bool next_deadline(const ipfi_wire_t *wire, uint32_t *deadline_ms)
{
    bool any = false;
    for (const ipfi_outcall_t *out = wire->outcalls; out != NULL; out = out->next) {
        if (out->stage != ABANDONED) { ipfi_earlier(&any, deadline_ms, out->deadline_ms); }
    }
    return any;
}

static void on_deadline(ipfi_wire_t *wire)
{
    ipfi_outcall_t *out = wire->outcalls;
    while (out != NULL) {
        if (out->stage != ABANDONED && ipfi_due(wire->link.now_ms, out->deadline_ms)) {
            abandon(wire, out, IPFI_OUT_TIMED_OUT);
            out = wire->outcalls; /* `done` may have started or ended others */
        } else {
            out = out->next;
        }
    }
}

/* ---- starting ---- */

static const struct ipfi_caller caller = {
    begin_answer, take_answer, end_answer, reset, fill, next_deadline, on_deadline,
};

static bool index_in_use(const ipfi_wire_t *wire, uint16_t procedure, uint16_t index)
{
    for (const ipfi_outcall_t *out = wire->outcalls; out != NULL; out = out->next) {
        if (out->procedure == procedure && out->index == index) { return true; }
    }
    return false;
}

bool ipfi_outcall_start(ipfi_wire_t *wire, ipfi_outcall_t *out, uint16_t procedure, uint32_t now_ms,
                        uint32_t timeout_ms)
{
    const bool refused = (wire->link.peer.flags & IPFI_TAKES_NO_CALLS) != 0;
    if (wire->link.state != IPFI_ESTABLISHED || refused || !ipfi_outcall_idle(out)) { return false; }
    while (index_in_use(wire, procedure, wire->next_call)) { wire->next_call++; }
    out->procedure = procedure;
    out->index = wire->next_call++;
    out->args_sent = 0;
    out->answer_length = 0;
    out->taken = 0;
    out->granted = (uint32_t)ipfi_config_of(wire)->stream_credit * 16;
    out->deadline_ms = now_ms + timeout_ms;
    out->sent = out->too_large = out->failing = out->cancel_owed = false;
    out->stage = SENDING;
    out->next = NULL;
    wire->caller = &caller;
    ipfi_outcall_t **end = &wire->outcalls; /* at the end: calls start in order */
    while (*end != NULL) { end = &(*end)->next; }
    *end = out;
    return true;
}
