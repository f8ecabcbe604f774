/* sender.c - DATA frames that wait for their acknowledgement (protocol.md 3.4). */
#include "frame.h"
#include "link.h"
#include "memory.h"
#include "stream.h"

enum { SACKED = 1, AGAIN = 2 };
enum { CUT_MIN = 32, CUT_START = 64, CLEAN_RUN = 16 };
enum { DATA_HEAD = 5, SMALLEST_CUT = 16, TRIES_MAX = 255, DOUBLINGS_MAX = 3, PROBE_MAX = 5 };

/* ---- frame size (LINK-16) ---- */

IPFI_NOT_INLINE static uint16_t least(uint16_t a, uint16_t b)
{
    return a < b ? a : b;
}

static uint16_t largest_cut(const ipfi_wire_t *wire)
{
    const ipfi_peer_t *const peer = &wire->link.peer;
    const uint16_t most = least(least(ipfi_config_of(wire)->frame_payload, peer->frame_payload), ipfi_ring_fits(peer->ring));
    uint16_t slow = 16384; /* halved until it lasts 50 ms: no division */
    while (slow > 64 && ipfi_wire_time_ms(wire, slow) > 50) { slow /= 2; }
    return least(most, slow);
}

static void frame_lost(ipfi_wire_t *wire)
{
    ipfi_link_t *const link = &wire->link;
    IPFI_COUNT(wire, retransmissions);
    if (link->clean < CLEAN_RUN && link->cut / 2 >= CUT_MIN) { link->cut /= 2; } /* the second in a short time */
    link->clean = 0;
}

static void frame_clean(ipfi_wire_t *wire)
{
    ipfi_link_t *const link = &wire->link;
    if (++link->clean < 2 * CLEAN_RUN) { return; }
    link->clean = CLEAN_RUN;
    link->cut = least((uint16_t)(link->cut * 2), largest_cut(wire));
}

void ipfi_sender_reset(ipfi_wire_t *wire)
{
    ipfi_link_t *const link = &wire->link;
    link->tx_sequence = 0;
    link->in_flight = 0;
    link->backoff = 0;
    link->probe_shift = 0;
    link->acked_offset = 0;
    link->handed = link->cleared = link->ping_charge = link->evidence = 0;
    link->repeated = false;
    link->ping_out = false;
    link->have_rtt = false;
    link->srtt8 = link->rttvar4 = 0;
    link->stream_start = link->stream_used = link->stream_sent = 0;
#if IPFI_WITH_LOSSY
    link->lossy_start = link->lossy_used = 0;
    link->lossy_last = link->lossy_waits = false;
#endif
    link->clean = CLEAN_RUN;
    link->cut = least(CUT_START, largest_cut(wire));
}

/* ---- round-trip time (LINK-9) ---- */

static void sample_rtt(ipfi_link_t *link, uint32_t left_ms)
{
    uint32_t rtt_ms = ipfi_due(link->now_ms, left_ms) ? link->now_ms - left_ms : 0;
    if (rtt_ms > IPFI_RTT_MAX_MS) { rtt_ms = IPFI_RTT_MAX_MS; }
    const uint16_t rtt = (uint16_t)rtt_ms;
    if (!link->have_rtt) {
        link->have_rtt = true;
        link->srtt8 = (uint16_t)(rtt * 8u);
        link->rttvar4 = (uint16_t)(rtt * 2u);
        return;
    }
    const uint16_t mean = link->srtt8 / 8;
    const uint16_t off = (uint16_t)(mean > rtt ? mean - rtt : rtt - mean);
    link->rttvar4 = (uint16_t)(link->rttvar4 - link->rttvar4 / 4 + off);
    link->srtt8 = (uint16_t)(link->srtt8 - mean + rtt);
}

uint32_t ipfi_sender_rto_ms(const ipfi_wire_t *wire)
{
    const ipfi_link_t *const link = &wire->link;
    uint32_t rto_ms = 2u * ipfi_ack_delay_ms(wire);
    if (rto_ms < IPFI_RTO_START_MS) { rto_ms = IPFI_RTO_START_MS; }
    if (link->have_rtt) {
        rto_ms = link->srtt8 / 8u + (link->rttvar4 > 10 ? link->rttvar4 : 10u); /* 4 x RTTVAR is rttvar4 */
        const uint32_t least_ms = ipfi_ack_delay_ms(wire) + IPFI_RTO_ABOVE_DELAY_MS; /* LINK-9 */
        if (rto_ms < least_ms) { rto_ms = least_ms; }
    }
    const uint32_t doubled_ms = rto_ms << link->backoff;
    if (rto_ms < IPFI_RTO_DOUBLED_MS) { rto_ms = doubled_ms < IPFI_RTO_DOUBLED_MS ? doubled_ms : IPFI_RTO_DOUBLED_MS; }
    return rto_ms + ipfi_wire_time_ms(wire, wire->link.handed - wire->link.cleared);
}

/* ---- acknowledgements ---- */

/* LINK-10: what was handed over up to here has arrived or is lost. */
static void note_evidence(ipfi_link_t *link, uint32_t charge)
{
    link->evidence = ipfi_later_of(charge, link->evidence);
}

IPFI_NOT_INLINE static void drop_front(ipfi_wire_t *wire, uint8_t count)
{
    ipfi_link_t *const link = &wire->link;
    ipfi_tx_frame_t *const frames = ipfi_config_of(wire)->tx_window;
    uint16_t bytes = 0;
    bool clean = true; /* a frame that waited for a repetition is no round trip to learn from */
    for (uint8_t i = 0; i < count; i++) {
        bytes = (uint16_t)(bytes + frames[i].length);
        ipfi_ring_arrived(wire, &frames[i]);
        if (frames[i].tries == 1 && (frames[i].marks & SACKED) == 0) {
            frame_clean(wire);
        } else {
            clean = false;
        }
    }
    if (clean) { /* Karn */
        sample_rtt(link, frames[count - 1].left_ms);
        note_evidence(link, frames[count - 1].charge);
    }
    link->in_flight = (uint8_t)(link->in_flight - count);
    memmove(frames, frames + count, link->in_flight * sizeof frames[0]);
    link->tx_sequence = (uint8_t)(link->tx_sequence + count);
    link->acked_offset += bytes;
    link->backoff = 0;
    link->probe_shift = 0;
    ipfi_stream_drop(wire, bytes);
}

static void mark_all(ipfi_wire_t *wire)
{
    for (uint8_t i = 0; i < wire->link.in_flight; i++) {
        ipfi_tx_frame_t *const frame = &ipfi_config_of(wire)->tx_window[i];
        if ((frame->marks & SACKED) == 0) { frame->marks |= AGAIN; }
    }
}

/* LINK-10: what was handed over before something that arrived, and has not arrived itself, is lost. */
static void mark_lost(ipfi_wire_t *wire)
{
    for (uint8_t i = 0; i < wire->link.in_flight; i++) {
        ipfi_tx_frame_t *const frame = &ipfi_config_of(wire)->tx_window[i];
        if ((frame->marks & (SACKED | AGAIN)) != 0 || ipfi_due(frame->charge, wire->link.evidence)) { continue; }
        if ((wire->link.peer.flags & IPFI_FLAG_IN_ORDER) != 0) {
            mark_all(wire); /* the other end kept nothing that was behind it */
            return;
        }
        frame->marks |= AGAIN;
    }
}

static void take_sack(ipfi_wire_t *wire, uint16_t sack)
{
    for (uint8_t i = 1; i < wire->link.in_flight; i++) { /* bit 0 is the frame behind the oldest (LINK-3) */
        ipfi_tx_frame_t *const frame = &ipfi_config_of(wire)->tx_window[i];
        if ((sack >> (i - 1) & 1) == 0 || (frame->marks & SACKED) != 0) { continue; }
        frame->marks = SACKED;
        wire->link.backoff = 0;
        ipfi_ring_arrived(wire, frame);
        if (frame->tries == 1) { note_evidence(&wire->link, frame->charge); }
    }
}

void ipfi_sender_ack(ipfi_wire_t *wire, uint8_t ack, bool repeats, uint16_t sack)
{
    ipfi_link_t *const link = &wire->link;
    const ipfi_tx_frame_t *const oldest = &ipfi_config_of(wire)->tx_window[0];
    const uint8_t news = (uint8_t)(ack - link->tx_sequence);
    if (news > link->in_flight) { return; } /* stale, or nonsense */
    if (news != 0) {
        drop_front(wire, news);
    } else if (repeats && (link->peer.flags & IPFI_FLAG_IN_ORDER) != 0
               && ipfi_due(link->now_ms, oldest->left_ms + link->srtt8 / 8u)) {
        mark_all(wire); /* nothing is under way that would change this ACK */
    }
    take_sack(wire, sack);
    mark_lost(wire);
}

void ipfi_sender_pinged(ipfi_wire_t *wire)
{
    ipfi_link_t *const link = &wire->link;
    link->ping_out = false;
    link->backoff = 0; /* LINK-11 */
    ipfi_ring_clear(wire, link->ping_charge);
    note_evidence(link, link->ping_charge);
    sample_rtt(link, link->ping_ms);
    mark_lost(wire);
}

void ipfi_sender_credit(ipfi_wire_t *wire, uint32_t credit)
{
    ipfi_peer_t *const peer = &wire->link.peer;
    peer->credit = ipfi_later_of(credit, peer->credit); /* LINK-7: never goes back */
}

/* ---- sending ---- */


/* Bytes for a new frame; 0 if none may be sent now. */
static uint16_t new_cut(const ipfi_wire_t *wire)
{
    const ipfi_link_t *const link = &wire->link;
    const uint16_t waits = (uint16_t)(link->stream_used - link->stream_sent);
    if (waits == 0) { return 0; }
    const uint32_t credit = link->peer.credit - (link->acked_offset + link->stream_sent); /* never below 0 */
    uint16_t size = least(waits, link->cut);
    if (credit < size) { size = (uint16_t)credit; } /* LINK-7 */
    if (size == 0 || link->in_flight >= least(ipfi_config_of(wire)->tx_window_length, link->peer.window)) { return 0; } /* LINK-6 */
    const uint16_t fits = ipfi_ring_fits(ipfi_ring_left(wire));
    return fits >= least(size, SMALLEST_CUT) ? least(size, fits) : 0; /* no crumbs */
}

static void send_frame(ipfi_wire_t *wire, uint8_t place, uint16_t offset)
{
    ipfi_link_t *const link = &wire->link;
    ipfi_tx_frame_t *const frame = &ipfi_config_of(wire)->tx_window[place];
    if (frame->tries > 0) { link->idle = true; } /* a lone zero before a repetition (FRAME-2) */
    ipfi_encoder_t *const to = ipfi_link_begin(wire, IPFI_DATA, (uint8_t)(link->tx_sequence + place));
    (void)ipfi_encode_u8(to, link->rx_sequence);
    ipfi_stream_encode(wire, to, offset, frame->length);
    link->repeated = frame->tries > 0;
    if (link->repeated) { frame_lost(wire); }
    if (frame->tries < TRIES_MAX) { frame->tries++; }
    frame->marks &= (uint8_t)~AGAIN;
    link->handed += ipfi_link_finish(wire, &link->peer);
    frame->left_ms = link->line_free_ms;
    frame->charge = link->handed;
#if IPFI_WITH_LOSSY
    link->lossy_last = false;
#endif
    ipfi_receiver_acked(wire);
}

bool ipfi_sender_must_repeat(const ipfi_wire_t *wire)
{
    return wire->link.in_flight != 0 && (ipfi_config_of(wire)->tx_window[0].marks & AGAIN) != 0;
}

/* How much of the ring is left beside a repetition; below 0 if it does not fit. */
IPFI_NOT_INLINE static int32_t room_beside(const ipfi_wire_t *wire, const ipfi_tx_frame_t *frame)
{
    return (int32_t)ipfi_ring_left(wire) - ipfi_wire_size(wire, (uint32_t)DATA_HEAD + frame->length);
}

/* LINK-14: else the ACKs that the other end's PINGs ask for could take its room again and again. */
bool ipfi_sender_goes_first(const ipfi_wire_t *wire)
{
    enum { ACK_WIRE = 16 }; /* 9 bytes of content, CRC-32, COBS, two delimiters */
    return ipfi_sender_must_repeat(wire) && (uint32_t)room_beside(wire, ipfi_config_of(wire)->tx_window) < ACK_WIRE;
}

/* The first frame that waits for its repetition, and where its bytes begin; none: how many are under way. */
static uint8_t to_repeat(const ipfi_wire_t *wire, uint16_t *offset)
{
    const ipfi_tx_frame_t *const frames = ipfi_config_of(wire)->tx_window;
    uint8_t place = 0;
    for (*offset = 0; place < wire->link.in_flight && (frames[place].marks & AGAIN) == 0; place++) {
        *offset = (uint16_t)(*offset + frames[place].length);
    }
    return place;
}

/* LINK-10: a repetition that no new frame follows is followed by a PING. */
static bool ask_for_fate(ipfi_wire_t *wire)
{
    ipfi_link_t *const link = &wire->link;
    if (!link->repeated || link->ping_out || link->in_flight == 0) { return false; }
    link->repeated = false;
    if ((ipfi_config_of(wire)->tx_window[0].tries & 3) == 3) { return false; } /* out of step with a line that loses in step */
    link->want |= IPFI_WANT_PING;
    return ipfi_receiver_build(wire);
}

bool ipfi_sender_build(ipfi_wire_t *wire)
{
    ipfi_link_t *const link = &wire->link;
    uint16_t offset, size = 0; /* nothing new takes the room of a repetition that waits */
    const uint8_t again = to_repeat(wire, &offset);
    if (again == link->in_flight) {
        size = new_cut(wire);
    } else if (room_beside(wire, &ipfi_config_of(wire)->tx_window[again]) >= 0) {
        send_frame(wire, again, offset);
        return true;
    }
    if (size == 0) { return ask_for_fate(wire); }
    if (link->in_flight == 0 && link->peer.ring == IPFI_NO_RING_LIMIT) {
        link->cleared = link->handed; /* ACKs, which nothing clears, are waited for no longer (LINK-9) */
    }
    ipfi_tx_frame_t *const frame = &ipfi_config_of(wire)->tx_window[link->in_flight];
    memset(frame, 0, sizeof *frame);
    frame->length = size;
    offset = link->stream_sent;
    link->stream_sent = (uint16_t)(link->stream_sent + size);
    link->in_flight++;
    send_frame(wire, (uint8_t)(link->in_flight - 1), offset);
    return true;
}

/* ---- deadlines ---- */

static uint32_t probe_ms(const ipfi_wire_t *wire)
{
    const uint8_t shift = wire->link.probe_shift;
    uint32_t interval_ms = ipfi_sender_rto_ms(wire) << (shift != 0 ? shift - 1 : 0);
    const uint32_t keepalive_ms = ipfi_keepalive_ms(wire);
    if (interval_ms > keepalive_ms) { interval_ms = keepalive_ms; }
    return wire->link.readies == 0 ? interval_ms : interval_ms + interval_ms / 4; /* the initiator: never in step */
}

/* Something waits for credit or the ring, and nothing is under way that may let it go. */
static bool is_blocked(const ipfi_wire_t *wire)
{
#if IPFI_WITH_LOSSY
    if (wire->link.lossy_waits) { return true; }
#endif
    return wire->link.stream_used != 0 && new_cut(wire) == 0;
}

bool ipfi_sender_deadline(const ipfi_wire_t *wire, uint32_t *deadline_ms)
{
    const ipfi_link_t *const link = &wire->link;
    const ipfi_tx_frame_t *const first = &ipfi_config_of(wire)->tx_window[0];
    if (link->in_flight != 0) {
        const bool repeats = ipfi_sender_must_repeat(wire);
        if (repeats && room_beside(wire, first) >= 0) { return false; } /* it goes at once */
        *deadline_ms = (repeats ? link->line_free_ms : first->left_ms) + ipfi_sender_rto_ms(wire);
        return true;
    }
    /* LINK-15: nothing may go, or data waits, and nothing that is on its way will change it */
    const bool full = ipfi_ring_full(wire);
    if (!full && ((link->want & IPFI_WANT_PING) != 0 || !is_blocked(wire))) { return false; }
    *deadline_ms = (link->peer.ring == IPFI_NO_RING_LIMIT ? link->ping_ms : link->line_free_ms) + probe_ms(wire);
    if (!full && link->probe_shift == 0) { *deadline_ms = link->now_ms; } /* the first one only: or two ends ask in step, for ever */
    return true;
}

/* LINK-14: a frame whose time has run out was lost, and all before it was read or lost, but what left since then may
 * still wait to be read.  Who waits for room alone waits until all of it is that old. */
void ipfi_sender_on_deadline(ipfi_wire_t *wire)
{
    ipfi_link_t *const link = &wire->link;
    ipfi_tx_frame_t *const first = &ipfi_config_of(wire)->tx_window[0];
    uint32_t at_ms;
#if IPFI_FOR_SPEED
    enum { LEAST_RTO_MS = IPFI_ACK_DELAY_MS + IPFI_RTO_ABOVE_DELAY_MS }; /* LINK-9: to see that it is too early takes no products */
    if (link->in_flight != 0 && (first->marks & AGAIN) == 0 && !ipfi_due(link->now_ms, first->left_ms + LEAST_RTO_MS)) { return; }
#endif
    if (!ipfi_sender_deadline(wire, &at_ms) || !ipfi_due(link->now_ms, at_ms)) { return; }
    if (link->in_flight == 0) {
        const bool at_once = link->probe_shift == 0 && !ipfi_ring_full(wire);
        link->want |= IPFI_WANT_PING; /* LINK-15 */
        if (link->probe_shift < PROBE_MAX) { link->probe_shift++; }
        if (at_once) { return; }
    }
    const bool all = link->in_flight == 0 || (first->marks & AGAIN) != 0;
    ipfi_ring_clear(wire, all ? link->handed : first->charge);
    if (link->in_flight == 0) { return; }
    if (link->backoff < DOUBLINGS_MAX) { link->backoff++; }
    link->ping_out = false; /* it is given up (LINK-11) */
    first->marks = AGAIN; /* a SACK that said it had come was damaged: it would have been acknowledged */
    if ((link->peer.flags & IPFI_FLAG_IN_ORDER) != 0) { mark_all(wire); } /* LINK-11 */
}
