/* receiver.c - DATA that arrives in order, and the acknowledgement owed for it (protocol.md 3.4). */
#include "frame.h"
#include "link.h"

enum { DATA_HEAD = 5 };


void ipfi_receiver_reset(ipfi_wire_t *wire)
{
    wire->link.rx_sequence = 0;
    wire->link.received_offset = 0;
    wire->link.announced = IPFI_CREDIT_AHEAD;
    wire->link.unacked = 0;
    wire->link.echo = 0;
    wire->link.ack_doubled = false;
    wire->link.only_ready = false;
    wire->link.want &= (uint8_t)~(IPFI_WANT_ACK | IPFI_WANT_ECHO);
}

/* A PING or READY: answered at once (LINK-8). */
void ipfi_receiver_echoes(ipfi_wire_t *wire, uint8_t number)
{
    wire->link.echo = number;
    wire->link.want |= IPFI_WANT_ACK | IPFI_WANT_ECHO;
}

uint32_t ipfi_ack_delay_ms(const ipfi_wire_t *wire)
{
    enum { SMALL_FRAME = 77 }; /* 64 bytes of stream and what is around them (LINK-8) */
    const uint32_t slow_ms = 2u * ipfi_wire_time_ms(wire, SMALL_FRAME);
    return slow_ms > IPFI_ACK_DELAY_MS ? slow_ms : (uint32_t)IPFI_ACK_DELAY_MS;
}

/* LINK-8: two frames, or 20 ms (two frame times on a slow line) after the first; but a sender that has
 * no room for a second one must not wait for us. */
static void owe_ack(ipfi_wire_t *wire)
{
    enum { AROUND = 16 }; /* head, checksum, delimiters, what COBS adds */
    ipfi_link_t *const link = &wire->link;
    const ipfi_config_t *const config = ipfi_config_of(wire);
    const bool takes_two = config->window > 1 && config->ring >= 2u * (config->frame_payload + AROUND);
    if (link->unacked == 0) { link->ack_due_ms = link->now_ms + ipfi_ack_delay_ms(wire); }
    if (++link->unacked >= 2 || !takes_two) {
        link->unacked = 0;
        link->want |= IPFI_WANT_ACK;
    }
}

void ipfi_receiver_data(ipfi_wire_t *wire, uint16_t length)
{
    ipfi_link_t *const link = &wire->link;
    const uint8_t *const content = wire->decoder.content;
    if (length <= DATA_HEAD) { return; }
    const uint16_t size = (uint16_t)(length - DATA_HEAD);
    const uint8_t ahead = (uint8_t)(content[3] - link->rx_sequence);
    ipfi_sender_ack(wire, content[4], false, 0);
    if (ahead != 0 && ahead < ipfi_config_of(wire)->window) { /* we keep none of these (flag bit 1) */
        IPFI_COUNT(wire, ahead);
        link->want |= IPFI_WANT_ACK;
    } else if (ahead != 0) { /* LINK-4 */
        IPFI_COUNT(wire, duplicates);
        link->ack_doubled = !link->ack_doubled;
        if (link->ack_doubled) { link->want |= IPFI_WANT_ACK; }
    } else {
        link->rx_sequence++;
        link->received_offset += size;
        link->ack_doubled = false;
        owe_ack(wire);
        ipfi_wire_stream(wire, content + DATA_HEAD, size);
    }
}

/* A DATA frame carried the acknowledgement; credit and echo it cannot carry. */
void ipfi_receiver_acked(ipfi_wire_t *wire)
{
    ipfi_link_t *const link = &wire->link;
    link->unacked = 0;
    if (link->received_offset + IPFI_CREDIT_AHEAD - link->announced < IPFI_CREDIT_AHEAD / 2
        && (link->want & IPFI_WANT_ECHO) == 0) {
        link->want &= (uint8_t)~IPFI_WANT_ACK;
    }
}

/* LINK-14: when the ring fills with frames that nothing clears, an ACK goes out as a PING. */
static bool ack_as_ping(const ipfi_wire_t *wire)
{
    const ipfi_link_t *const link = &wire->link;
    return link->peer.ring != IPFI_NO_RING_LIMIT && link->in_flight == 0
           && (link->handed - link->cleared) * 2 > link->peer.ring;
}

bool ipfi_receiver_build(ipfi_wire_t *wire)
{
    ipfi_link_t *const link = &wire->link;
    if ((link->want & (IPFI_WANT_ACK | IPFI_WANT_PING)) == 0 || ipfi_ring_full(wire)) { return false; } /* LINK-14 */
    if (ipfi_sender_goes_first(wire)) { return false; }
    const bool is_ping = (link->want & IPFI_WANT_ECHO) == 0
                         && ((link->want & IPFI_WANT_PING) != 0 || ack_as_ping(wire));
    const uint8_t done = is_ping ? IPFI_WANT_PING : IPFI_WANT_ECHO;
    link->want &= (uint8_t)~(done | IPFI_WANT_ACK); /* a PING carries `ack` and `credit` as well */
    link->unacked = 0;
    link->announced = link->received_offset + IPFI_CREDIT_AHEAD;
    ipfi_encoder_t *const to = ipfi_link_begin(wire, is_ping ? IPFI_PING : IPFI_ACK, link->rx_sequence);
    (void)ipfi_encode_u32(ipfi_encode_u8(to, is_ping ? ++link->ping : link->echo), link->announced);
    link->handed += ipfi_link_finish(wire, &link->peer);
    if (is_ping) {
        link->ping_out = true;
        link->ping_charge = link->handed;
        link->ping_ms = link->line_free_ms;
    }
    return true;
}
