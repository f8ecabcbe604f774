/* calls.c - calls that we serve: arguments in, a handler, the beginning of an answer (protocol.md 1.2). */
#include "link.h"
#include "memory.h"
#include "stream.h"
#include "wire.h"

enum { FREE = IPFI_SLOT_FREE, COLLECTING = IPFI_SLOT_COLLECTING, WORKING = IPFI_SLOT_WORKING,
       SENDING = IPFI_SLOT_SENDING, DRAINING = IPFI_SLOT_DRAINING };

/* ---- slots ---- */

IPFI_NOT_INLINE static ipfi_call_t *event_slot(ipfi_wire_t *wire)
{
    return &ipfi_config_of(wire)->calls[ipfi_config_of(wire)->calls_length - 1];
}

static uint8_t slots(const ipfi_wire_t *wire)
{
    return (uint8_t)(ipfi_config_of(wire)->calls_length - 1);
}

static const ipfi_procedure_t *entry_of(const ipfi_call_t *call, ipfi_procedure_t *copy)
{
    return ipfi_table_entry(ipfi_config_of(call->wire), call->entry, copy);
}

static ipfi_call_t *find(ipfi_wire_t *wire, ipfi_index_t procedure, ipfi_index_t index)
{
    for (uint8_t i = 0; i < slots(wire); i++) {
        ipfi_call_t *const call = &ipfi_config_of(wire)->calls[i];
        if (call->stage != FREE && call->index == index && call->procedure == procedure) { return call; }
    }
    return NULL;
}

static uint16_t args_limit(const ipfi_wire_t *wire)
{
    return (uint16_t)(ipfi_config_of(wire)->value_size - IPFI_ANSWER_ROOM);
}

static void claim(ipfi_wire_t *wire, ipfi_call_t *call, uint8_t entry, ipfi_index_t index)
{
    uint8_t *const memory = call->memory;
    memset(call, 0, sizeof *call);
    call->wire = wire;
    call->memory = memory;
    call->ticket = ++wire->last_ticket;
    call->entry = entry;
    call->index = index;
    if (entry != IPFI_ENTRY_NONE) {
        ipfi_procedure_t copy;
        const ipfi_procedure_t *const procedure = entry_of(call, &copy);
        call->procedure = procedure->index;
        call->kind = procedure->kind;
    }
    call->stage = COLLECTING;
    call->type = IPFI_TYPE_RESPONSE;
    call->granted = (uint32_t)wire->link.peer.stream_credit * 16;
}

static ipfi_call_t *claim_free(ipfi_wire_t *wire, uint8_t entry, ipfi_index_t index)
{
    for (uint8_t i = 0; i < slots(wire); i++) {
        ipfi_call_t *const call = &ipfi_config_of(wire)->calls[i];
        if (call->stage == FREE) {
            claim(wire, call, entry, index);
            return call;
        }
    }
    return NULL;
}

/* ---- running handlers ---- */

static void send_out(ipfi_call_t *call, const uint8_t *bytes, size_t size, uint8_t ends)
{
    call->stage = SENDING;
    call->out = bytes;
    call->out_left = (uint16_t)size;
    call->ends = ends;
    call->owed = size != 0 || ends == IPFI_COMPLETE;
    IPFI_NEWS(call->wire);
}

ipfi_verdict_t ipfi_fail(ipfi_call_t *call, ipfi_error_t code, const char *text, size_t size)
{
    enum { HEAD_MAX = 5 };
    const size_t most = (size_t)ipfi_config_of(call->wire)->value_size - HEAD_MAX;
    if (size > most) { size = most; }
    const size_t head = size <= 31 ? 3 : size <= 255 ? 4 : HEAD_MAX;
    if (size != 0) { memmove(call->memory + head, text, size); } /* the text may lie in the arguments */
    ipfi_writer_t writer = ipfi_writer(call->memory, head);
    ipfi_write_u32(&writer, (uint32_t)code);
    ipfi_write_bool(&writer, code == IPFI_ERROR_RAISED || (code == IPFI_ERROR_CANCELLED && call->stage != COLLECTING));
    ipfi_write_str_header(&writer, (uint32_t)size);
    call->type = IPFI_TYPE_ERROR;
    call->asked = false;
    send_out(call, call->memory, head + size, IPFI_COMPLETE);
    return IPFI_FAILED;
}

ipfi_verdict_t ipfi_answer_from(ipfi_call_t *call, const uint8_t *bytes, size_t size)
{
    call->out = bytes;
    call->out_left = (uint16_t)size;
    return IPFI_DONE;
}

uint8_t *ipfi_raw_args(ipfi_call_t *call, size_t *size)
{
    *size = call->collected;
    return call->memory;
}

/* An answer that is too large: the handler has run.  The code before it has one byte. */
enum { EXECUTED = 1, MSGPACK_TRUE = 0xC3 };

IPFI_NOT_INLINE static void settle(ipfi_call_t *call, ipfi_verdict_t verdict)
{
    const uint8_t *out = call->out;
    size_t size = call->out_left;
    call->asked = verdict == IPFI_YIELD || verdict == IPFI_PART;
    if (verdict == IPFI_FAILED || verdict == IPFI_LATER) { return; }
    if (verdict == IPFI_BAD_ARGUMENTS) {
        (void)ipfi_fail(call, IPFI_ERROR_ARGUMENTS, NULL, 0);
        return;
    }
    if (call->answer.full) {
        (void)ipfi_fail(call, IPFI_ERROR_LIMIT, NULL, 0);
        call->memory[EXECUTED] = MSGPACK_TRUE;
        return;
    }
    if (out == NULL) {
        if (verdict == IPFI_DONE && call->kind == IPFI_UNARY && call->sent == 0 && ipfi_written(&call->answer) == 0) {
            ipfi_write_nil(&call->answer); /* VAL-2 */
        }
        out = call->answer.start;
        size = ipfi_written(&call->answer);
    }
    send_out(call, out, size, verdict == IPFI_DONE ? IPFI_COMPLETE : verdict == IPFI_YIELD ? IPFI_CHUNK : IPFI_NONE);
}

static ipfi_verdict_t run(ipfi_call_t *call, ipfi_phase_t phase)
{
    ipfi_procedure_t copy;
    call->phase = (uint8_t)phase;
    call->stage = phase == IPFI_END ? DRAINING : WORKING; /* DRAINING: its ticket is void */
    call->out = NULL;
    call->out_left = 0;
    call->answer = ipfi_writer(call->memory + call->collected,
                               (size_t)(ipfi_config_of(call->wire)->value_size - call->collected));
    return entry_of(call, &copy)->run(call);
}

/* Whether this value is now larger than the other end takes (CALL-6). */
static bool exceeds(ipfi_call_t *call, ipfi_verdict_t verdict)
{
    call->value += call->out != NULL ? call->out_left : (uint32_t)ipfi_written(&call->answer);
    if (!ipfi_wire_fits_peer(call->wire, call->value)) { return true; }
    if (verdict != IPFI_PART) { call->value = 0; }
    return false;
}

void ipfi_calls_run(ipfi_call_t *call, ipfi_phase_t phase)
{
    const ipfi_verdict_t verdict = run(call, phase);
    if (phase == IPFI_END) { return; }
    if (verdict > IPFI_PART || call->answer.full || !exceeds(call, verdict)) {
        settle(call, verdict);
        return;
    }
    if (verdict != IPFI_DONE) { (void)run(call, IPFI_END); }
    (void)ipfi_fail(call, IPFI_ERROR_LIMIT, NULL, 0);
    call->memory[EXECUTED] = MSGPACK_TRUE;
}

/* The call ends from outside: a handler that waits to be run again is told so. */
static void cut_short(ipfi_call_t *call)
{
    const bool waits = call->stage == WORKING || (call->stage == SENDING && call->asked);
    if (waits) { ipfi_calls_run(call, IPFI_END); }
}

/* ---- arguments ---- */

/* Gives a call up before its arguments are complete (CALL-7). */
static void refuse_early(ipfi_wire_t *wire, ipfi_call_t *call, ipfi_error_t code)
{
    call->stage = FREE;
    wire->target = NULL;
    ipfi_refuse(wire, code);
}

static bool is_too_large(const ipfi_wire_t *wire, const ipfi_call_t *call)
{
    ipfi_procedure_t copy;
    return entry_of(call, &copy)->take == NULL && wire->parser.left > (uint32_t)(args_limit(wire) - call->collected);
}

static ipfi_call_t *begin_new(ipfi_wire_t *wire, const ipfi_parser_t *parser)
{
    const uint8_t entry = ipfi_table_find(wire, parser->procedure, false);
    ipfi_error_t code = IPFI_ERROR_LIMIT;
    ipfi_call_t *call = NULL;
    if ((ipfi_config_of(wire)->flags & IPFI_TAKES_NO_CALLS) != 0) {
        code = IPFI_ERROR_NOT_ALLOWED;
    } else if (entry == IPFI_ENTRY_NONE) {
        code = IPFI_ERROR_UNKNOWN;
    } else {
        call = claim_free(wire, entry, parser->call);
    }
    if (call == NULL) { ipfi_refuse(wire, code); }
    return call;
}

static void begin_call(ipfi_wire_t *wire)
{
    const ipfi_parser_t *const parser = &wire->parser;
    ipfi_call_t *call = find(wire, parser->procedure, parser->call);
    if (call != NULL && call->stage != COLLECTING) { /* CALL-2: the pair is in use */
        IPFI_COUNT(wire, bad_messages);
        return;
    }
    if (call == NULL) { call = begin_new(wire, parser); }
    if (call == NULL) { return; }
    wire->target = call;
    if (is_too_large(wire, call)) {
        IPFI_COUNT(wire, bad_messages);
        refuse_early(wire, call, IPFI_ERROR_LIMIT);
    }
}

/* EVENT-2: parts of one Event are not mixed with another's, so one place is enough. */
static void begin_event(ipfi_wire_t *wire)
{
    ipfi_call_t *const call = event_slot(wire);
    if (call->stage != FREE && call->index != wire->parser.procedure) { /* they are: the first one has no end */
        IPFI_COUNT(wire, events_dropped);
        call->stage = FREE;
    }
    if (call->stage == FREE) {
        const uint8_t entry = ipfi_table_find(wire, wire->parser.procedure, true);
        claim(wire, call, entry, wire->parser.procedure); /* an event has no call index: its own stands there */
        if (entry == IPFI_ENTRY_NONE) { call->stage = DRAINING; }
    }
    if (call->stage == COLLECTING && wire->parser.left > (uint32_t)(args_limit(wire) - call->collected)) {
        call->stage = DRAINING;
    }
    wire->target = call;
}

static void take_args(ipfi_wire_t *wire, ipfi_call_t *call, const uint8_t *bytes, size_t size)
{
    if (call->stage != COLLECTING) { return; }
    ipfi_procedure_t copy;
    const ipfi_procedure_t *const procedure = entry_of(call, &copy);
    if (procedure->take != NULL) {
        if (!procedure->take(call, bytes, size)) { refuse_early(wire, call, IPFI_ERROR_LIMIT); }
        return;
    }
    if (size > (size_t)(args_limit(wire) - call->collected)) { return; } /* was checked at the head */
    memcpy(call->memory + call->collected, bytes, size);
    call->collected = (uint16_t)(call->collected + size);
}

static void take(ipfi_wire_t *wire, const uint8_t *bytes, size_t size)
{
    if (wire->target != NULL) {
        take_args(wire, wire->target, bytes, size);
    } else if (wire->parser.type == IPFI_TYPE_GRANT) {
        for (size_t i = 0; i < size && wire->small_length < sizeof wire->small; i++) {
            wire->small[wire->small_length++] = bytes[i];
        }
    }
}

static void end_event(ipfi_wire_t *wire, ipfi_call_t *call)
{
    if (call->stage == COLLECTING) {
        IPFI_COUNT(wire, events_handled);
        ipfi_calls_run(call, IPFI_BEGIN);
    } else {
        IPFI_COUNT(wire, events_dropped);
    }
    call->stage = FREE;
}

static void end_args(ipfi_wire_t *wire, ipfi_call_t *call)
{
    wire->target = NULL;
    if (ipfi_parser_terminator(&wire->parser) != IPFI_COMPLETE) { return; } /* CALL-4 */
    call->args = ipfi_reader(call->memory, call->collected);
    if (call == event_slot(wire)) {
        end_event(wire, call);
    } else {
        IPFI_COUNT(wire, calls_served);
        ipfi_calls_run(call, IPFI_BEGIN);
    }
}

#if IPFI_WITH_LOSSY
/* EVENT-3: exactly one Event message, complete, and nothing behind it. */
static bool is_one_event(const uint8_t *bytes, size_t size)
{
    ipfi_parser_t head;
    size_t at = 0;
    ipfi_parser_init(&head);
    while (at < size && ipfi_parse_byte(&head, bytes[at++]) == IPFI_PARSED_PART) { }
    return head.type == IPFI_TYPE_EVENT && ipfi_parser_terminator(&head) == IPFI_COMPLETE
           && ipfi_parser_in_payload(&head) && head.left == size - at;
}

/* A lossy event goes the way of all messages, past the stream's own parser; a reliable event whose parts are
 * still arriving has the better right to the one place for events. */
static void lossy_event(ipfi_wire_t *wire, const uint8_t *bytes, size_t size)
{
    const ipfi_parser_t stream = wire->parser;
    ipfi_call_t *const target = wire->target;
    ipfi_outcall_t *const out_target = wire->out_target;
    if (!is_one_event(bytes, size) || event_slot(wire)->stage != FREE) {
        IPFI_COUNT(wire, events_dropped);
        return;
    }
    ipfi_parser_init(&wire->parser);
    ipfi_wire_stream(wire, bytes, size);
    wire->parser = stream;
    wire->target = target;
    wire->out_target = out_target;
}
#endif

/* ---- Cancel, Grant, the end of the session ---- */

static void cancel(ipfi_wire_t *wire)
{
    ipfi_call_t *const call = find(wire, wire->parser.procedure, wire->parser.call);
    if (call == NULL) { return; } /* the answer has crossed it */
    if (call->stage != SENDING || call->asked) { /* CALL-8; else the answer is on its way */
        cut_short(call);
        (void)ipfi_fail(call, IPFI_ERROR_CANCELLED, NULL, 0);
    }
}

static void grant(ipfi_wire_t *wire)
{
    ipfi_call_t *const call = find(wire, wire->parser.procedure, wire->parser.call);
    ipfi_reader_t reader = ipfi_reader(wire->small, wire->small_length);
    wire->small_length = 0;
    const uint32_t granted = ipfi_read_u32(&reader);
    if (call != NULL && ipfi_read_end(&reader)) { call->granted = ipfi_later_of(granted, call->granted); } /* STREAM-2 */
}

static void end(ipfi_wire_t *wire)
{
    if (wire->target != NULL) {
        end_args(wire, wire->target);
    } else if (wire->parser.type == IPFI_TYPE_CANCEL) {
        cancel(wire);
    } else if (wire->parser.type == IPFI_TYPE_GRANT) {
        grant(wire);
    }
}

static void reset(ipfi_wire_t *wire)
{
    for (uint8_t i = 0; i < ipfi_config_of(wire)->calls_length; i++) {
        ipfi_call_t *const call = &ipfi_config_of(wire)->calls[i];
        cut_short(call);
        call->stage = FREE;
    }
    wire->target = NULL;
    wire->small_length = 0;
    wire->turn = 0;
}

static void init(ipfi_wire_t *wire)
{
    const ipfi_config_t *const config = ipfi_config_of(wire);
    memset(config->calls, 0, config->calls_length * sizeof config->calls[0]);
    for (uint8_t i = 0; i < config->calls_length; i++) {
        config->calls[i].wire = wire;
        config->calls[i].memory = config->values + (size_t)i * config->value_size;
    }
    wire->schema = ipfi_table_hash(config);
}

const struct ipfi_server ipfi_server = {
    init, begin_call, begin_event, take, end,
#if IPFI_WITH_LOSSY
    lossy_event,
#endif
    reset, ipfi_calls_fill, ipfi_calls_answering,
};
