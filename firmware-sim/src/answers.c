/* answers.c - answers leave in parts, as room and credit allow; streams and large answers are asked for
 * their next piece only when it could leave (protocol.md 1.3). */
#include "link.h"
#include "stream.h"
#include "wire.h"

/* ---- answering later ---- */

ipfi_ticket_t ipfi_ticket(const ipfi_call_t *call)
{
    return call->ticket;
}

ipfi_call_t *ipfi_ticket_call(ipfi_wire_t *wire, ipfi_ticket_t ticket)
{
    for (uint8_t i = 0; i < (uint8_t)(ipfi_config_of(wire)->calls_length - 1); i++) {
        ipfi_call_t *const call = &ipfi_config_of(wire)->calls[i];
        if (call->stage == IPFI_SLOT_WORKING && call->ticket == ticket) { return call; }
    }
    return NULL;
}

void ipfi_resume(ipfi_call_t *call)
{
    if (call->stage == IPFI_SLOT_WORKING) { ipfi_calls_run(call, IPFI_RESUME); }
}

/* ---- what leaves now ---- */

bool ipfi_calls_answering(const ipfi_wire_t *wire)
{
    for (uint8_t i = 0; i < (uint8_t)(ipfi_config_of(wire)->calls_length - 1); i++) {
        if (ipfi_config_of(wire)->calls[i].stage == IPFI_SLOT_SENDING) { return true; }
    }
    return false;
}

uint16_t ipfi_part_size(const ipfi_wire_t *wire, uint32_t left)
{
    uint32_t most = ipfi_config_of(wire)->frame_payload;
    if (most > wire->link.peer.frame_payload) { most = wire->link.peer.frame_payload; }
    if (most < 128) { most = 128; } /* CALL-5 */
    return (uint16_t)(left < most ? left : most);
}

/* How much of the answer may leave now: limits of a part, of the stream's credit, of the room. */
IPFI_NOT_INLINE static uint16_t part_now(const ipfi_wire_t *wire, const ipfi_call_t *call, bool credited)
{
    uint16_t size = ipfi_part_size(wire, call->out_left);
    const size_t room = ipfi_stream_room(wire);
    if (credited) {
        const int32_t credit = (int32_t)(call->granted - call->sent);
        if (credit < (int32_t)size) { size = credit > 0 ? (uint16_t)credit : 0; }
    }
    if (room >= (size_t)size + IPFI_MESSAGE_HEAD_MAX) { return size; }
    if (room < ipfi_config_of(wire)->tx_stream_size / 2u) { return 0; } /* more will be free soon: no crumbs */
    return (uint16_t)(room - IPFI_MESSAGE_HEAD_MAX);
}

IPFI_NOT_INLINE static bool send_part(ipfi_wire_t *wire, ipfi_call_t *call)
{
    const bool credited = call->kind == IPFI_STREAM && call->type == IPFI_TYPE_RESPONSE;
    const uint16_t size = part_now(wire, call, credited);
    if (size == 0 && call->out_left != 0) { return false; }
    const uint8_t ends = size == call->out_left ? call->ends : (uint8_t)IPFI_NONE;
    const ipfi_message_t message = { call->type, ends, call->procedure, call->index, call->out, size };
    if (!ipfi_message_send(wire, &message)) { return false; }
    call->out += size;
    call->out_left = (uint16_t)(call->out_left - size);
    call->sent += size;
    if (call->out_left != 0) { return true; }
    call->owed = false;
    if (call->ends == IPFI_COMPLETE) { call->stage = IPFI_SLOT_FREE; }
    return true;
}

/* One step of one call; false if it cannot go on now. */
static bool advance(ipfi_wire_t *wire, ipfi_call_t *call)
{
    if (call->stage != IPFI_SLOT_SENDING) { return false; }
    if (!call->owed) { /* the handler is asked only when its value could leave */
        if (ipfi_stream_room(wire) < ipfi_config_of(wire)->tx_stream_size / 4u + IPFI_MESSAGE_HEAD_MAX) { return false; }
        if (call->kind == IPFI_STREAM && (int32_t)(call->granted - call->sent) <= 0) { return false; }
        ipfi_calls_run(call, IPFI_RESUME);
        if (call->stage != IPFI_SLOT_SENDING || !call->owed) { return false; }
    }
    return send_part(wire, call);
}

void ipfi_calls_fill(ipfi_wire_t *wire)
{
    const uint8_t count = (uint8_t)(ipfi_config_of(wire)->calls_length - 1);
    uint8_t idle = 0; /* calls in a row that could not go on */
    while (idle < count && wire->link.state == IPFI_ESTABLISHED) {
        if (wire->turn >= count) { wire->turn = 0; }
        idle = advance(wire, &ipfi_config_of(wire)->calls[wire->turn]) ? 0 : (uint8_t)(idle + 1);
        wire->turn++;
    }
}
