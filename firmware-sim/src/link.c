#include "link.h"

#include "flash.h"
#include "frame.h"
#include "memory.h"

enum { SHORTEST = 5 }; /* wire content of a frame: type, session, CRC-16 */

/* The whole machine (docs/protocol.md 3.3): input -> the states in which it is legal, and the next one. */
#define IN(state) (1u << IPFI_##state)
#define TO(state) ((unsigned)IPFI_##state << 5)
static const uint8_t transitions[IPFI_INPUTS] IPFI_FLASH = {
    [IPFI_IN_LISTEN]    = IN(CLOSED) | TO(LISTENING),
    [IPFI_IN_CONNECT]   = IN(CLOSED) | TO(CONNECTING),
    [IPFI_IN_ANSWERED]  = IN(LISTENING) | IN(CONNECTING) | IN(UNCONFIRMED) | TO(UNCONFIRMED),
    [IPFI_IN_CONFIRMED] = IN(UNCONFIRMED) | TO(ESTABLISHED),
    [IPFI_IN_ENTERED]   = IN(LISTENING) | IN(CONNECTING) | IN(UNCONFIRMED) | IN(ESTABLISHED) | TO(ESTABLISHED),
    [IPFI_IN_RETRY]     = IN(UNCONFIRMED) | IN(ESTABLISHED) | TO(CONNECTING),
    [IPFI_IN_WAIT]      = IN(UNCONFIRMED) | IN(ESTABLISHED) | TO(LISTENING),
    [IPFI_IN_CLOSE]     = IN(CLOSED) | IN(LISTENING) | IN(CONNECTING) | IN(UNCONFIRMED) | IN(ESTABLISHED) | TO(CLOSED),
};
#undef IN
#undef TO

int ipfi_link_next_state(int state, int input)
{
    const uint8_t row = ipfi_flash_byte(&transitions[input]);
    return (row >> state & 1) != 0 ? row >> 5 : -1;
}

bool ipfi_link_go(ipfi_wire_t *wire, ipfi_input_t input)
{
    const int next = ipfi_link_next_state(wire->link.state, (int)input);
    if (next < 0) { return false; }
    wire->link.state = (uint8_t)next;
    return true;
}

/* ---- time ---- */

bool ipfi_due(uint32_t now_ms, uint32_t at_ms)
{
    return (int32_t)(now_ms - at_ms) >= 0;
}

uint32_t ipfi_later_of(uint32_t a_ms, uint32_t b_ms)
{
    return ipfi_due(a_ms, b_ms) ? a_ms : b_ms;
}

void ipfi_earlier(bool *any, uint32_t *deadline_ms, uint32_t at_ms)
{
    if (!*any || !ipfi_due(at_ms, *deadline_ms)) { *deadline_ms = at_ms; }
    *any = true;
}

/* Thousandths without a division: 1/1024 + 1/32768 is 0.7 % above 1/1000; rounded up. */
static uint32_t thousandths(uint32_t us)
{
    return us == 0 ? 0 : (us >> 10) + (us >> 15) + 1;
}

/* A byte of a slow line is counted in milliseconds: within 2 %, and no product leaves 32 bits (ipfi.h has the limits). */
uint32_t ipfi_wire_time_ms(const ipfi_wire_t *wire, uint32_t bytes)
{
    const uint32_t us_per_byte = ipfi_config_of(wire)->us_per_byte;
#if IPFI_FOR_SPEED
    if (us_per_byte <= 0xFF && bytes <= 0xFF) { /* a fast line, and not much: 16 bits are enough */
        const uint16_t us = (uint16_t)((uint16_t)bytes * (uint16_t)us_per_byte);
        return us == 0 ? 0 : (uint16_t)((us >> 10) + (us >> 15) + 1);
    }
#endif
    return us_per_byte > 0xFFFF ? bytes * thousandths(us_per_byte) : thousandths(bytes * us_per_byte);
}

/* max(constant, frame times): keepalive and patience (LINK-12, LINK-13). */
IPFI_NOT_INLINE static uint32_t at_least(const ipfi_wire_t *wire, uint32_t constant_ms, uint32_t frame_times)
{
    const uint32_t wire_ms = wire->link.frame_ms * frame_times;
    return wire_ms > constant_ms ? wire_ms : constant_ms;
}

uint32_t ipfi_keepalive_ms(const ipfi_wire_t *wire)
{
    return at_least(wire, IPFI_KEEPALIVE_MS, 20);
}

/* ---- a session's beginning and end ---- */

void ipfi_link_enter(ipfi_wire_t *wire)
{
    ipfi_sender_reset(wire);
    ipfi_receiver_reset(wire);
    wire->link.working = false; /* the times of silence begin with work */
    wire->link.timer_on = false;
    wire->link.pending.session = 0; /* what was offered before is void */
    wire->link.want &= (uint8_t)~(IPFI_WANT_BYE | IPFI_WANT_HELLO | IPFI_WANT_HELLO_ACK | IPFI_WANT_READY | IPFI_WANT_PING);
    wire->link.hello_sent = false;
    IPFI_COUNT(wire, sessions);
    ipfi_wire_session_begins(wire);
    ipfi_wire_happened(wire, IPFI_EVENT_UP, wire->link.peer.boot_cause);
}

/* LINK-19: an active end tries again, a passive one waits. */
void ipfi_link_lose(ipfi_wire_t *wire, ipfi_down_t why, bool say_bye)
{
    const bool was_up = wire->link.state == IPFI_ESTABLISHED;
    if (say_bye && was_up) {
        wire->link.want |= IPFI_WANT_BYE;
        wire->link.bye_reason = (uint8_t)why;
        wire->link.bye_session = wire->link.peer.session;
    }
    wire->link.want &= (uint8_t)~(IPFI_WANT_ACK | IPFI_WANT_ECHO | IPFI_WANT_PING | IPFI_WANT_READY);
    if (ipfi_config_of(wire)->active && why == IPFI_DOWN_CLOSED) {
        (void)ipfi_link_go(wire, IPFI_IN_CLOSE); /* HS-13: reason 0 asks for no new handshake */
    } else {
        (void)ipfi_link_go(wire, ipfi_config_of(wire)->active ? IPFI_IN_RETRY : IPFI_IN_WAIT);
        ipfi_handshake_retry(wire);
    }
    wire->link.peer.session = 0;
    if (was_up) { ipfi_wire_session_ends(wire, why); }
}

/* ---- received frames ---- */

static void stray(ipfi_wire_t *wire)
{
    IPFI_COUNT(wire, strays);
}

/* ACK and PING: both carry `ack`, a number and `credit`; an ACK may have SACK bits behind them. */
static void ack_or_ping(ipfi_wire_t *wire, const uint8_t *content, uint16_t length)
{
    const bool is_ack = content[0] == IPFI_ACK;
    uint16_t sack = 0;
    if (is_ack && length == 11) {
        sack = ipfi_u16_at(content + 9);
    } else if (length != 9) {
        return;
    }
    if (!is_ack) { ipfi_receiver_echoes(wire, content[4]); }
    ipfi_sender_credit(wire, ipfi_u32_at(content + 5));
    const bool echoes = is_ack && wire->link.ping_out && content[4] == wire->link.ping;
    ipfi_sender_ack(wire, content[3], is_ack && !echoes, sack); /* an echo speaks of what left before the PING */
    if (echoes) { ipfi_sender_pinged(wire); }
}

/* A frame of the live session whose checksum held. */
static void live_frame(ipfi_wire_t *wire, uint16_t length)
{
    const uint8_t *const content = wire->decoder.content;
    wire->link.heard_ms = wire->link.now_ms;
    wire->link.only_ready = false;
    const uint8_t type = content[0]; /* LOG and reserved types are dropped; no switch, whose table is larger */
    if (type == IPFI_DATA) {
        ipfi_receiver_data(wire, length);
    } else if (type == IPFI_ACK || type == IPFI_PING) {
        ack_or_ping(wire, content, length);
    } else if (type == IPFI_LOSSY) {
        ipfi_wire_lossy(wire, content + 3, (size_t)(length - 3));
    } else if (type == IPFI_BYE && length == 4) {
        ipfi_link_lose(wire, content[3] <= 3 ? (ipfi_down_t)content[3] : IPFI_DOWN_RESTARTING, false);
    }
}

/* A frame whose checksum held: of the live session, or of the one that waits for its confirmation. */
static void session_frame(ipfi_wire_t *wire, uint16_t length)
{
    const uint8_t *const content = wire->decoder.content;
    if (wire->link.state == IPFI_ESTABLISHED) {
        IPFI_COUNT(wire, frames_received);
        live_frame(wire, length);
    } else if (content[0] == IPFI_ACK && (length == 9 || length == 11)) {
        ipfi_handshake_echoed(wire, content[4]); /* HS-6 */
    } else if (content[0] == IPFI_BYE && length == 4) {
        ipfi_link_lose(wire, IPFI_DOWN_RESTARTING, false);
    }
}

/* LINK-5: what only another session's checksum would fit cannot be checked here (FRAME-10). */
static void foreign_frame(ipfi_wire_t *wire)
{
    stray(wire);
    if (wire->decoder.content[0] <= IPFI_PIECE) { ipfi_handshake_stray(wire); }
}

static void handshake_frame(ipfi_wire_t *wire, uint16_t length)
{
    IPFI_COUNT(wire, frames_received);
    if (!ipfi_handshake_frame(wire, length)) { stray(wire); }
}

void ipfi_link_frame(ipfi_wire_t *wire)
{
    const ipfi_link_t *const link = &wire->link;
    const uint8_t *const content = wire->decoder.content;
    const bool shakes = content[0] <= IPFI_READY && content[0] >= IPFI_HELLO;
    if (link->state == IPFI_CLOSED) { return; }
    if (wire->decoder.length < SHORTEST || content[0] < IPFI_HELLO) {
        IPFI_COUNT(wire, noise);
        return;
    }
    if (!shakes && (link->state < IPFI_UNCONFIRMED || ipfi_u16_at(content + 1) != link->peer.session)) {
        foreign_frame(wire);
        return;
    }
    const uint16_t length = shakes ? ipfi_frame_length(&wire->decoder, IPFI_PROFILE_CRC16, 0)
                                   : ipfi_frame_length(&wire->decoder, link->peer.profile, link->peer.confirm);
    if (length < SHORTEST - 2) {
        IPFI_COUNT(wire, noise);
    } else {
        (shakes ? handshake_frame : session_frame)(wire, length);
    }
}

/* ---- sending ---- */

uint16_t ipfi_link_finish(ipfi_wire_t *wire, const ipfi_peer_t *of)
{
    if (of == NULL) {
        ipfi_encode_end(&wire->encoder, IPFI_PROFILE_CRC16, 0);
    } else {
        ipfi_encode_end(&wire->encoder, of->profile, of->confirm); /* FRAME-10 */
    }
    const uint16_t size = wire->encoder.length;
    ipfi_link_t *const link = &wire->link;
    if (link->line_free_ms - link->now_ms > IPFI_AHEAD_MAX_MS) { link->line_free_ms = link->now_ms; } /* it is past, be it by weeks */
    link->line_free_ms += ipfi_wire_time_ms(wire, size);
    link->idle = false;
    IPFI_COUNT(wire, frames_sent);
    return size;
}

ipfi_encoder_t *ipfi_link_begin(ipfi_wire_t *wire, uint8_t type, uint8_t first)
{
    ipfi_encoder_t *const to = ipfi_encode_begin(&wire->encoder, wire->link.idle, type); /* FRAME-2 */
    return ipfi_encode_u8(ipfi_encode_u16(to, wire->link.peer.session), first);
}

static void build_bye(ipfi_wire_t *wire)
{
    wire->link.want &= (uint8_t)~IPFI_WANT_BYE;
    ipfi_encoder_t *const to = ipfi_encode_begin(&wire->encoder, true, IPFI_BYE);
    (void)ipfi_encode_u8(ipfi_encode_u16(to, wire->link.bye_session), wire->link.bye_reason);
    (void)ipfi_link_finish(wire, &wire->link.peer); /* whose session is over, and which nothing has replaced */
}

bool ipfi_link_build(ipfi_wire_t *wire)
{
    if (wire->link.state == IPFI_ESTABLISHED) { ipfi_wire_fill(wire); } /* runs handlers: first */
    if (wire->encoder.length != 0) { return true; }                     /* one of them printed text */
    if ((wire->link.want & IPFI_WANT_BYE) != 0) {
        build_bye(wire);
        return true;
    }
    if (wire->link.state == IPFI_CLOSED) { return false; }
    if (ipfi_handshake_build(wire)) { return true; }
    if (wire->link.state != IPFI_ESTABLISHED) { return false; }
    return ipfi_receiver_build(wire)
#if IPFI_WITH_LOSSY
           || (wire->build_lossy != NULL && wire->build_lossy(wire))
#endif
           || ipfi_sender_build(wire);
}

/* ---- deadlines ---- */

static bool has_work(const ipfi_wire_t *wire)
{
    return wire->link.state == IPFI_ESTABLISHED
           && (wire->link.in_flight != 0 || wire->link.stream_used != 0 || ipfi_wire_busy(wire));
}

void ipfi_link_note_work(ipfi_wire_t *wire)
{
    const bool works = has_work(wire);
    if (works && !wire->link.working) { /* patience counts from here; older times may be too old to compare */
        wire->link.heard_ms = wire->link.ping_ms = wire->link.now_ms;
    }
    wire->link.working = works;
}

/* When silence calls for a PING; sooner after one that stayed without an answer (LINK-12). */
static uint32_t keepalive_at(const ipfi_wire_t *wire)
{
    const ipfi_link_t *const link = &wire->link;
    const uint32_t interval_ms = ipfi_keepalive_ms(wire);
    return ipfi_later_of(link->heard_ms + interval_ms, link->ping_ms + ipfi_later_of(interval_ms / 8u, ipfi_sender_rto_ms(wire)));
}

bool ipfi_link_deadline(const ipfi_wire_t *wire, uint32_t *deadline_ms)
{
    bool any = false;
    const ipfi_link_t *const link = &wire->link;
    if (link->timer_on) { ipfi_earlier(&any, deadline_ms, link->timer_ms); }
    if (link->state != IPFI_ESTABLISHED) { return any; }
    if (link->unacked != 0) { ipfi_earlier(&any, deadline_ms, link->ack_due_ms); }
    uint32_t at_ms;
    if (ipfi_sender_deadline(wire, &at_ms)) { ipfi_earlier(&any, deadline_ms, at_ms); }
    if (link->working) {
        ipfi_earlier(&any, deadline_ms, keepalive_at(wire));
        ipfi_earlier(&any, deadline_ms, link->heard_ms + at_least(wire, IPFI_PATIENCE_MS, 60));
    }
    return any;
}

void ipfi_link_on_deadline(ipfi_wire_t *wire)
{
    ipfi_link_t *const link = &wire->link;
    if (link->timer_on && ipfi_due(link->now_ms, link->timer_ms)) { ipfi_handshake_on_deadline(wire); }
    if (link->state != IPFI_ESTABLISHED) { return; }
#if IPFI_FOR_SPEED
    const bool is_silent = link->working && link->now_ms - link->heard_ms >= IPFI_KEEPALIVE_MS; /* else no product is needed */
#else
#define is_silent link->working
#endif
    if (is_silent && ipfi_due(link->now_ms, link->heard_ms + at_least(wire, IPFI_PATIENCE_MS, 60))) {
        ipfi_link_lose(wire, IPFI_DOWN_PATIENCE, true); /* LINK-13 */
        return;
    }
    if (link->unacked != 0 && ipfi_due(link->now_ms, link->ack_due_ms)) {
        link->unacked = 0;
        link->want |= IPFI_WANT_ACK;
    }
    ipfi_sender_on_deadline(wire);
    if (is_silent && ipfi_due(link->now_ms, keepalive_at(wire))) {
        link->want |= IPFI_WANT_PING;
        link->ping_ms = link->now_ms;
    }
}
