/* refusals.c - Errors for calls that have no slot, and tombstones (CALL-6, CALL-7). */
#include "link.h"
#include "wire.h"

static bool is_free(const ipfi_refusal_t *refusal)
{
    return refusal->code == 0 && !refusal->draining;
}

void ipfi_refuse(ipfi_wire_t *wire, ipfi_error_t code)
{
    IPFI_COUNT(wire, calls_refused);
    for (ipfi_refusal_t *refusal = wire->refusals; refusal < wire->refusals + IPFI_REFUSALS; refusal++) {
        if (!is_free(refusal)) { continue; }
        refusal->procedure = wire->parser.procedure;
        refusal->call = wire->parser.call;
        refusal->code = (uint8_t)code;
        refusal->draining = ipfi_parser_terminator(&wire->parser) != IPFI_COMPLETE;
        ipfi_refusals_fill(wire);
        return;
    }
    /* The other end is far beyond what it was told that we take.  To forget one of its calls would be
     * silence, or worse: the end of its arguments would look like a new call. */
    ipfi_link_lose(wire, IPFI_DOWN_CORRUPTED, true);
}

/* A Call (its head is in wire->parser) or (`ends`) the last of it for a pair that was refused: dropped, not
 * answered again. */
bool ipfi_refusal_drains(ipfi_wire_t *wire, bool ends)
{
    for (ipfi_refusal_t *refusal = wire->refusals; refusal < wire->refusals + IPFI_REFUSALS; refusal++) {
        if (!refusal->draining || refusal->procedure != wire->parser.procedure || refusal->call != wire->parser.call) { continue; }
        if (ends) { refusal->draining = false; }
        return true;
    }
    return false;
}

/* Error payload: code, may-have-executed (never: it was refused), message. */
#if IPFI_FOR_SPEED
IPFI_NOT_INLINE /* it is seldom needed, and its registers would be saved each time */
#endif
static bool send_error(ipfi_wire_t *wire, ipfi_refusal_t *refusal)
{
    const uint8_t payload[3] = { refusal->code, 0xC2, 0xA0 };
    const ipfi_message_t error = { IPFI_TYPE_ERROR, IPFI_COMPLETE, refusal->procedure, refusal->call,
                                   payload, sizeof payload };
    if (!ipfi_message_send(wire, &error)) { return false; }
    refusal->code = 0;
    return true;
}

void ipfi_refusals_fill(ipfi_wire_t *wire)
{
    for (ipfi_refusal_t *refusal = wire->refusals; refusal < wire->refusals + IPFI_REFUSALS; refusal++) {
        if (refusal->code != 0 && !send_error(wire, refusal)) { return; }
    }
}
