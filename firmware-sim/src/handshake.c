/* handshake.c - how a session begins (protocol.md 3.3). */
#include "crc.h"
#include "frame.h"
#include "link.h"
#include "memory.h"

enum { VERSION = 1, PARAMETERS = 29, HELLO_SIZE = 32, HELLO_ACK_SIZE = 41, REFUSE_SIZE = 7, READY_SIZE = 8, HANDSHAKE_WIRE = 82 };
enum { REFUSED_VERSION = 1, REFUSED_PARAMETERS = 2 };
enum { READIES = 6, ECHOES = 3, INTERVAL_MS = 250, SLOWEST = 4 }; /* SLOWEST: in first intervals (HS-1) */

/* ---- session ids on a circle (HS-2) ---- */

static uint16_t after(uint16_t session)
{
    return session == 0xFFFF ? 1 : (uint16_t)(session + 1);
}

/* A floor of 0 is that of an end that remembers no id.  On the antipode the larger one is taken. */
IPFI_NOT_INLINE static uint16_t later_floor(uint16_t a, uint16_t b)
{
    if (a == 0 || b == 0) { return (uint16_t)(a | b); }
    return (uint16_t)(a - b) < 0x8000u + (a >> 15) ? a : b;
}

/* ---- intervals (HS-1) ---- */

IPFI_NOT_INLINE static uint32_t first_interval_ms(const ipfi_wire_t *wire)
{
    const uint32_t wire_ms = ipfi_wire_time_ms(wire, 2 * HANDSHAKE_WIRE);
    return wire_ms > INTERVAL_MS ? wire_ms : (uint32_t)INTERVAL_MS;
}

static void next_nonce(ipfi_wire_t *wire)
{
    wire->link.nonce += 0x9E3779B9u; /* 2^32 divided by the golden ratio: takes every value, near ones late */
    wire->link.hello_sent = false;
}

void ipfi_handshake_start(ipfi_wire_t *wire)
{
    wire->link.interval_ms = first_interval_ms(wire);
    wire->link.readies = 0;
    wire->link.want |= IPFI_WANT_HELLO; /* HS-1; a passive end once (HS-11) */
}

/* A session or an attempt ended: a new nonce; an active end says HELLO again. */
void ipfi_handshake_retry(ipfi_wire_t *wire)
{
    wire->link.timer_on = false;
    wire->link.readies = 0;
    next_nonce(wire);
    if (wire->link.state == IPFI_CONNECTING) { ipfi_handshake_start(wire); }
}

/* ---- parameters (protocol.md 3.2) ---- */

static uint16_t announced_message(const ipfi_config_t *config)
{
    if (config->max_message != 0) { return config->max_message; }
    if (config->server == NULL) { return IPFI_NO_MESSAGE_LIMIT; } /* only answers come, each with a buffer of its own */
    return (uint16_t)((config->value_size - IPFI_ANSWER_ROOM + 255u) / 256u);
}

static uint8_t served_at_once(const ipfi_config_t *config)
{
    return config->server == NULL ? 0 : (uint8_t)(config->calls_length - 1);
}

static ipfi_encoder_t *put_parameters(const ipfi_wire_t *wire, ipfi_encoder_t *to)
{
    const ipfi_config_t *const config = ipfi_config_of(wire);
    const uint8_t calls = served_at_once(config);
    to = ipfi_encode_u8(to, VERSION);
    to = ipfi_encode_u8(to, (uint8_t)(config->flags | IPFI_FLAG_IN_ORDER | (calls == 0 ? IPFI_TAKES_NO_CALLS : 0)));
    to = ipfi_encode_u8(to, wire->link.boot_cause);
    to = ipfi_encode_u32(to, wire->link.nonce);
    to = ipfi_encode_u16(to, config->frame_payload);
    to = ipfi_encode_u16(to, config->ring);
    to = ipfi_encode_u8(to, config->window);
    to = ipfi_encode_u8(to, IPFI_CRC_16 | (IPFI_WITH_CRC32 ? config->crc_profiles : 0));
    to = ipfi_encode_u16(to, IPFI_EXT_ALL);
    to = ipfi_encode_u32(to, IPFI_CREDIT_AHEAD);
    to = ipfi_encode_u16(to, config->stream_credit);
    to = ipfi_encode_u8(to, calls);
    to = ipfi_encode_u8(to, calls < IPFI_REFUSALS ? calls : IPFI_REFUSALS);
    to = ipfi_encode_u16(to, announced_message(config));
    return ipfi_encode_u32(to, wire->schema);
}

/* HS-10: false if something is outside its range. */
static bool read_parameters(const uint8_t *body, ipfi_peer_t *peer)
{
    peer->flags = body[1];
    peer->boot_cause = body[2];
    peer->nonce = ipfi_u32_at(body + 3);
    peer->frame_payload = ipfi_u16_at(body + 7);
    peer->ring = ipfi_u16_at(body + 9);
    peer->window = body[11];
    peer->extensions = body[13];
    peer->credit = ipfi_u32_at(body + 15);
    peer->stream_credit = ipfi_u16_at(body + 19);
    peer->max_calls = body[21];
    peer->max_message = ipfi_u16_at(body + 23);
    return peer->frame_payload >= 16 && peer->frame_payload <= 16384 && peer->window >= 1 && peer->window <= 16
           && peer->ring >= 32 && peer->max_message != 0 && (body[12] & IPFI_CRC_16) != 0;
}

static uint8_t best_profile(const ipfi_config_t *config, uint8_t offered)
{
    return IPFI_WITH_CRC32 && (config->crc_profiles & offered & IPFI_CRC_32) != 0 ? IPFI_PROFILE_CRC32 : IPFI_PROFILE_CRC16;
}

/* ---- responder ---- */

static void refuse(ipfi_wire_t *wire, uint8_t reason, uint32_t nonce)
{
    wire->link.refuse_reason = reason;
    wire->link.refuse_echo = nonce;
    wire->link.want |= IPFI_WANT_REFUSE;
}

/* HS-2, HS-3: a pending session with a new id for every HELLO. */
static void answer(ipfi_wire_t *wire, const ipfi_peer_t *peer, const uint8_t *content)
{
    ipfi_link_t *const link = &wire->link;
    link->pending = *peer;
    link->pending.session = later_floor(ipfi_u16_at(content + 1 + PARAMETERS), link->floor);
    if (link->pending.session == 0) { link->pending.session = 1; }
    link->floor = after(link->pending.session);
    link->pending.profile = best_profile(ipfi_config_of(wire), content[13]);
    link->pending.confirm = ipfi_crc32_bytes(IPFI_CRC32_START, content, HELLO_SIZE);
    link->want |= IPFI_WANT_HELLO_ACK;
}

/* An active end stops trying; a passive one goes on waiting. */
static void give_up(ipfi_wire_t *wire)
{
    if (!ipfi_config_of(wire)->active) { return; }
    wire->link.want = 0;
    wire->link.timer_on = false;
    (void)ipfi_link_go(wire, IPFI_IN_CLOSE);
}

/* HS-9: our own HELLO came back. */
static void own_echo(ipfi_wire_t *wire)
{
    next_nonce(wire);
    if (++wire->link.echoes < ECHOES) { return; }
    wire->link.echoes = 0;
    ipfi_wire_happened(wire, IPFI_EVENT_ECHO, 0);
    give_up(wire);
}

/* HS-8: an attempt of ours is under way, and goes before that of the other end. */
static bool is_trying(const ipfi_link_t *link)
{
    return link->state == IPFI_UNCONFIRMED || link->state == IPFI_CONNECTING;
}

static bool outranks(const ipfi_wire_t *wire, const ipfi_peer_t *peer)
{
    const uint8_t mine = ipfi_config_of(wire)->flags & IPFI_HOST;
    const uint8_t theirs = peer->flags & IPFI_HOST;
    return is_trying(&wire->link) && (mine != theirs ? mine > theirs : wire->link.nonce > peer->nonce);
}

/* HS-8: true if this HELLO loses against our own. */
static bool glare_won(ipfi_wire_t *wire, const ipfi_peer_t *peer)
{
    ipfi_link_t *const link = &wire->link;
    if (!is_trying(link)) { return false; }
    if (!outranks(wire, peer)) {
        link->timer_ms = link->now_ms + 2 * link->interval_ms;
        link->timer_on = true;
        link->want &= (uint8_t)~(IPFI_WANT_HELLO | IPFI_WANT_READY);
        return false;
    }
    if (link->state == IPFI_CONNECTING && ipfi_due(link->now_ms, link->timer_ms - link->interval_ms / 2)) {
        link->want |= IPFI_WANT_HELLO;
    }
    return true;
}

static bool hello(ipfi_wire_t *wire, const uint8_t *content, uint16_t length)
{
    ipfi_peer_t peer;
    if (length != HELLO_SIZE) { return false; } /* HS-10: of later versions, too */
    const bool good = read_parameters(content + 1, &peer);
    const bool same_role = ((peer.flags ^ ipfi_config_of(wire)->flags) & IPFI_HOST) == 0;
    if (content[1] != VERSION || !good) {
        refuse(wire, content[1] != VERSION ? REFUSED_VERSION : REFUSED_PARAMETERS, peer.nonce);
    } else if (same_role && wire->link.hello_sent && peer.nonce == wire->link.nonce) {
        own_echo(wire);
    } else if (!glare_won(wire, &peer)) {
        wire->link.echoes = 0;
        wire->link.only_ready = false; /* HS-5: a READY from now on may be of a new life */
        answer(wire, &peer, content);
    }
    return true;
}

/* HS-5: is this READY of the HELLO_ACK that made this session? */
static bool is_ready_for(const ipfi_peer_t *peer, const uint8_t *content)
{
    return peer->session != 0 && peer->session == ipfi_u16_at(content + 1) && peer->confirm == ipfi_u32_at(content + 4);
}

/* The pending session becomes the live one. */
static bool enter_pending(ipfi_wire_t *wire)
{
    const bool was_up = wire->link.state == IPFI_ESTABLISHED;
    if (outranks(wire, &wire->link.pending) || !ipfi_link_go(wire, IPFI_IN_ENTERED)) { return false; }
    if (was_up) { ipfi_wire_session_ends(wire, IPFI_DOWN_SUPERSEDED); } /* HS-7: the old session dies now */
    wire->link.peer = wire->link.pending;
    wire->link.readies = 0; /* in a session: that of its initiator is not 0 (LINK-15) */
    ipfi_link_enter(wire);
    wire->link.only_ready = true;
    return true;
}

/* HS-5: a session begins, or our answer was lost. */
static bool ready(ipfi_wire_t *wire, const uint8_t *content, uint16_t length)
{
    ipfi_link_t *const link = &wire->link;
    if (length != READY_SIZE) { return false; }
    const bool again = link->state == IPFI_ESTABLISHED && link->only_ready && is_ready_for(&link->peer, content);
    if (!again && (!is_ready_for(&link->pending, content) || !enter_pending(wire))) {
        ipfi_handshake_stray(wire);
        return false;
    }
    link->heard_ms = link->now_ms;
    ipfi_receiver_echoes(wire, content[3]);
    return true;
}

/* ---- initiator ---- */

static bool hello_ack(ipfi_wire_t *wire, const uint8_t *content, uint16_t length)
{
    ipfi_link_t *const link = &wire->link;
    ipfi_peer_t peer;
    if (length != HELLO_ACK_SIZE || content[1] != VERSION || !link->hello_sent) { return false; }
    const uint8_t *const tail = content + 1 + PARAMETERS;
    peer.session = ipfi_u16_at(tail);
    peer.profile = tail[6];
    peer.confirm = ~ipfi_crc32_bytes(link->hello_crc, content, HELLO_ACK_SIZE - 4);
    const bool fits = read_parameters(content + 1, &peer) && ipfi_u32_at(tail + 2) == link->nonce
                      && ipfi_u32_at(tail + 7) == peer.confirm && peer.profile <= best_profile(ipfi_config_of(wire), IPFI_CRC_32)
                      && peer.session != 0
                      && later_floor(peer.session, link->floor) == peer.session; /* HS-4 */
    if (!fits || !ipfi_link_go(wire, IPFI_IN_ANSWERED)) { return false; }
    link->peer = peer;
    link->floor = after(peer.session);
    link->echoes = 0;
    link->readies = 0;
    link->interval_ms = first_interval_ms(wire);
    link->timer_ms = link->now_ms;
    link->want &= (uint8_t)~IPFI_WANT_HELLO;
    link->want |= IPFI_WANT_READY;
    return true;
}

void ipfi_handshake_echoed(ipfi_wire_t *wire, uint8_t echo)
{
    if ((uint8_t)(wire->link.ping - echo) >= wire->link.readies) { /* HS-6: of none of our READYs */
        IPFI_COUNT(wire, strays);
        return;
    }
    if (!ipfi_link_go(wire, IPFI_IN_CONFIRMED)) { return; }
    IPFI_COUNT(wire, frames_received);
    ipfi_link_enter(wire);
}

/* HS-10: the other end does not want us. */
static bool refused(ipfi_wire_t *wire, const uint8_t *content, uint16_t length)
{
    if (length != REFUSE_SIZE || !wire->link.hello_sent || ipfi_u32_at(content + 3) != wire->link.nonce) { return false; }
    if (wire->link.state == IPFI_ESTABLISHED) { return false; }
    ipfi_wire_happened(wire, IPFI_EVENT_REFUSED, content[2]);
    give_up(wire);
    return true;
}

bool ipfi_handshake_frame(ipfi_wire_t *wire, uint16_t length)
{
    const uint8_t *const content = wire->decoder.content;
    switch (content[0]) {
    case IPFI_HELLO:
        return hello(wire, content, length);
    case IPFI_HELLO_ACK:
        return hello_ack(wire, content, length);
    case IPFI_READY:
        return ready(wire, content, length);
    default:
        return refused(wire, content, length);
    }
}

/* HS-11: somebody talks in a session that we do not know; we must have restarted.  The HELLO waits until an
 * interval after the last one is over: it is not left out, for who asks may not ask again for a keepalive. */
void ipfi_handshake_stray(ipfi_wire_t *wire)
{
    ipfi_link_t *const link = &wire->link;
    if (link->state == IPFI_LISTENING) { link->want |= IPFI_WANT_HELLO; }
}

/* ---- timer and sending ---- */

void ipfi_handshake_on_deadline(ipfi_wire_t *wire)
{
    ipfi_link_t *const link = &wire->link;
    const uint32_t most_ms = SLOWEST * first_interval_ms(wire);
    link->timer_on = false;
    if (is_trying(link)) { link->interval_ms += link->interval_ms / 2; }
    if (link->interval_ms > most_ms) { link->interval_ms = most_ms; }
    if (link->state == IPFI_CONNECTING) {
        link->want |= IPFI_WANT_HELLO;
    } else if (link->state == IPFI_UNCONFIRMED && link->readies >= READIES) { /* HS-6 */
        (void)ipfi_link_go(wire, ipfi_config_of(wire)->active ? IPFI_IN_RETRY : IPFI_IN_WAIT);
        link->peer.session = 0;
        ipfi_handshake_retry(wire);
    } else if (link->state == IPFI_UNCONFIRMED) {
        link->want |= IPFI_WANT_READY;
    }
}

IPFI_NOT_INLINE static void start_timer(ipfi_wire_t *wire)
{
    wire->link.timer_ms = wire->link.line_free_ms + wire->link.interval_ms;
    wire->link.timer_on = true;
}

static void build_hello(ipfi_wire_t *wire)
{
    ipfi_encoder_t *to = ipfi_encode_begin(&wire->encoder, true, IPFI_HELLO);
    to = ipfi_encode_u16(put_parameters(wire, to), wire->link.floor);
    wire->link.hello_crc = ipfi_encoded_crc32(to, IPFI_CRC32_START);
    wire->link.hello_sent = true;
    (void)ipfi_link_finish(wire, NULL);
    start_timer(wire);
}

static void build_hello_ack(ipfi_wire_t *wire)
{
    ipfi_peer_t *const pending = &wire->link.pending;
    ipfi_encoder_t *to = ipfi_encode_begin(&wire->encoder, true, IPFI_HELLO_ACK);
    to = put_parameters(wire, to);
    to = ipfi_encode_u16(to, pending->session);
    to = ipfi_encode_u32(to, pending->nonce);
    to = ipfi_encode_u8(to, pending->profile);
    pending->confirm = ~ipfi_encoded_crc32(to, pending->confirm); /* goes on where the HELLO ended: it covers both (HS-3) */
    (void)ipfi_encode_u32(to, pending->confirm);
    (void)ipfi_link_finish(wire, NULL);
}

static void build_refuse(ipfi_wire_t *wire)
{
    ipfi_encoder_t *to = ipfi_encode_begin(&wire->encoder, true, IPFI_REFUSE);
    to = ipfi_encode_u8(to, VERSION);
    to = ipfi_encode_u8(to, wire->link.refuse_reason);
    (void)ipfi_encode_u32(to, wire->link.refuse_echo);
    (void)ipfi_link_finish(wire, NULL);
}

static void build_ready(ipfi_wire_t *wire)
{
    wire->link.readies++;
    wire->link.idle = true; /* a lone zero before it */
    ipfi_encoder_t *const to = ipfi_link_begin(wire, IPFI_READY, ++wire->link.ping);
    (void)ipfi_encode_u32(to, wire->link.peer.confirm);
    (void)ipfi_link_finish(wire, NULL);
    start_timer(wire);
}

static bool is_wanted(ipfi_wire_t *wire, uint8_t want)
{
    const bool is = (wire->link.want & want) != 0;
    wire->link.want &= (uint8_t)~want;
    return is;
}

/* The first of the wanted handshake frames, if any. */
bool ipfi_handshake_build(ipfi_wire_t *wire)
{
    const bool waits = wire->link.timer_on && wire->link.state == IPFI_LISTENING;
    if (is_wanted(wire, IPFI_WANT_HELLO_ACK)) {
        build_hello_ack(wire);
    } else if (is_wanted(wire, IPFI_WANT_REFUSE)) {
        build_refuse(wire);
    } else if (!waits && is_wanted(wire, IPFI_WANT_HELLO)) {
        build_hello(wire);
    } else if (is_wanted(wire, IPFI_WANT_READY)) {
        build_ready(wire);
    } else {
        return false;
    }
    return true;
}
