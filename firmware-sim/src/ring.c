/* ring.c - what was handed over and may be unread, against the other end's ring (protocol.md, LINK-14). */
#include "frame.h"
#include "link.h"

enum { DATA_AROUND = 5 + 4 + 3 }; /* head of a DATA frame, CRC-32; COBS and two delimiters */

uint16_t ipfi_wire_size(const ipfi_wire_t *wire, uint32_t content)
{
    const uint32_t crc = ipfi_is_crc32(wire->link.peer.profile) ? 4 : 2;
    const uint32_t stuffed = content + crc;
    return (uint16_t)(stuffed + (stuffed >> 7) + 3); /* COBS adds 1 in 254: more than enough */
}

uint16_t ipfi_ring_left(const ipfi_wire_t *wire)
{
    const uint16_t ring = wire->link.peer.ring;
    if (ring == IPFI_NO_RING_LIMIT) { return ring; }
    const uint32_t charged = wire->link.handed - wire->link.cleared;
    return charged < ring ? (uint16_t)(ring - charged) : 0;
}

uint16_t ipfi_ring_fits(uint16_t wire_bytes)
{
    const uint16_t around = (uint16_t)(DATA_AROUND + 1 + (wire_bytes >> 7));
    return wire_bytes > around ? (uint16_t)(wire_bytes - around) : 0;
}

bool ipfi_ring_full(const ipfi_wire_t *wire)
{
    return ipfi_ring_left(wire) == 0;
}

bool ipfi_ring_has_room(const ipfi_wire_t *wire, uint32_t content)
{
    return ipfi_wire_size(wire, content) <= ipfi_ring_left(wire);
}

IPFI_NOT_INLINE void ipfi_ring_clear(ipfi_wire_t *wire, uint32_t charge)
{
    wire->link.cleared = ipfi_later_of(charge, wire->link.cleared);
#if IPFI_WITH_LOSSY
    wire->link.lossy_waits = false; /* until it is tried again */
#endif
}

/* Of a repeated frame a copy may be built and wait for the port: that one has not left. */
void ipfi_ring_arrived(ipfi_wire_t *wire, const ipfi_tx_frame_t *frame)
{
    const ipfi_encoder_t *const waits = &wire->encoder;
    if (frame->tries != 1 && waits->taken != waits->length && !ipfi_due(wire->link.handed - waits->length, frame->charge)) { return; }
    ipfi_ring_clear(wire, frame->charge);
}
