/* wire.c - joins the layers: the five verbs, and messages to those who handle them. */
#include "wire.h"

#include "frame.h"
#include "link.h"
#include "memory.h"
#include "stream.h"

/* ---- the stream: messages ---- */

static void begin_call(ipfi_wire_t *wire)
{
    const bool whole = ipfi_parser_terminator(&wire->parser) == IPFI_COMPLETE;
    if (ipfi_refusal_drains(wire, whole)) { return; } /* CALL-7 */
    if (ipfi_config_of(wire)->server != NULL) {
        ipfi_config_of(wire)->server->begin(wire);
    } else {
        ipfi_refuse(wire, IPFI_ERROR_NOT_ALLOWED);
    }
}

/* MSG-6: the stream cannot be trusted. */
static void distrust(ipfi_wire_t *wire)
{
    IPFI_COUNT(wire, bad_messages);
    ipfi_link_lose(wire, IPFI_DOWN_CORRUPTED, true);
}

static void begin_message(ipfi_wire_t *wire)
{
    ipfi_parser_t *const parser = &wire->parser;
    wire->target = NULL;
    wire->out_target = NULL;
    if (parser->left > IPFI_SKIP_MAX || ipfi_parser_terminator(parser) == IPFI_INVALID) {
        distrust(wire);
    } else if (parser->huge) {
        parser->type = IPFI_TYPE_TERMINATION; /* of no type that means anything behind its payload */
        IPFI_COUNT(wire, bad_messages);
    } else if (parser->type == IPFI_TYPE_CALL) {
        begin_call(wire);
    } else if (parser->type == IPFI_TYPE_EVENT && ipfi_config_of(wire)->server != NULL) {
        ipfi_config_of(wire)->server->event(wire);
    } else if ((parser->type == IPFI_TYPE_RESPONSE || parser->type == IPFI_TYPE_ERROR) && wire->caller != NULL) {
        wire->caller->begin(wire);
    }
}

static void take_payload(ipfi_wire_t *wire, const uint8_t *bytes, size_t size)
{
    const struct ipfi_server *const server = ipfi_config_of(wire)->server;
    if (wire->out_target != NULL) {
        wire->caller->take(wire, bytes, size);
    } else if (server != NULL) {
        server->take(wire, bytes, size);
    }
}

static void end_message(ipfi_wire_t *wire)
{
    const struct ipfi_server *const server = ipfi_config_of(wire)->server;
    if (wire->out_target != NULL) {
        wire->caller->end(wire);
    } else if (wire->parser.type == IPFI_TYPE_CANCEL && ipfi_refusal_drains(wire, true)) { /* CALL-7 */
    } else if (server != NULL) {
        server->end(wire);
    }
    ipfi_parser_next(&wire->parser);
}

/* Payload, as much as there is, or a byte of a head; how many bytes that were. */
static size_t stream_step(ipfi_wire_t *wire, const uint8_t *bytes, size_t size)
{
    ipfi_parser_t *const parser = &wire->parser;
    if (ipfi_parser_in_payload(parser)) {
        if (size > parser->left) { size = (size_t)parser->left; }
        parser->left -= (uint32_t)size;
        take_payload(wire, bytes, size);
        return size;
    }
#if IPFI_FOR_SPEED
    const size_t head = ipfi_parse_short_head(parser, bytes, size);
    if (head != 0) {
        begin_message(wire);
        return head;
    }
#endif
    const ipfi_parsed_t parsed = ipfi_parse_byte(parser, *bytes);
    if (parsed == IPFI_PARSED_HEAD) {
        begin_message(wire);
    } else if (parsed == IPFI_PARSED_BARE && parser->type == IPFI_TYPE_TERMINATION) {
        distrust(wire); /* on a framed wire BYE says that */
    }
    return 1;
}

void ipfi_wire_stream(ipfi_wire_t *wire, const uint8_t *bytes, size_t size)
{
    while (size > 0 && wire->link.state == IPFI_ESTABLISHED) {
        const size_t used = stream_step(wire, bytes, size);
        bytes += used;
        size -= used;
        const bool over = ipfi_parser_in_payload(&wire->parser) && wire->parser.left == 0;
        if (over && wire->link.state == IPFI_ESTABLISHED) { end_message(wire); }
    }
}

void ipfi_wire_lossy(ipfi_wire_t *wire, const uint8_t *bytes, size_t size)
{
#if IPFI_WITH_LOSSY
    if (ipfi_config_of(wire)->server != NULL) { ipfi_config_of(wire)->server->lossy(wire, bytes, size); }
#else
    (void)bytes;
    (void)size;
    IPFI_COUNT(wire, events_dropped);
#endif
}

/* ---- what the link asks and tells ---- */

/* A power of two, so that the place of the first may simply count on. */
enum { EVENTS = sizeof ((ipfi_wire_t *)0)->events / sizeof (ipfi_event_t) };

void ipfi_wire_happened(ipfi_wire_t *wire, ipfi_event_kind_t kind, uint8_t detail)
{
    ipfi_event_t *const event = &wire->events[(wire->event_first + wire->event_count) % EVENTS];
    event->kind = (uint8_t)kind;
    event->detail = detail;
    if (wire->event_count < EVENTS) {
        wire->event_count++;
    } else {
        wire->event_first++; /* the oldest goes */
    }
}

void ipfi_wire_session_begins(ipfi_wire_t *wire)
{
    ipfi_parser_init(&wire->parser);
    memset(wire->refusals, 0, sizeof wire->refusals);
}

void ipfi_wire_session_ends(ipfi_wire_t *wire, ipfi_down_t why)
{
    if (ipfi_config_of(wire)->server != NULL) { ipfi_config_of(wire)->server->reset(wire); }
    if (wire->caller != NULL) { wire->caller->reset(wire); }
    ipfi_wire_happened(wire, IPFI_EVENT_DOWN, (uint8_t)why);
}

bool ipfi_wire_busy(const ipfi_wire_t *wire)
{
    return wire->outcalls != NULL;
}

void ipfi_wire_fill(ipfi_wire_t *wire)
{
    ipfi_refusals_fill(wire);
    if (wire->caller != NULL) { wire->caller->fill(wire); }
    if (ipfi_config_of(wire)->server != NULL) { ipfi_config_of(wire)->server->fill(wire); }
}

/* ---- opening and closing ---- */

void ipfi_init(ipfi_wire_t *wire, const ipfi_config_t *config, uint32_t nonce, uint8_t boot_cause)
{
    memset(wire, 0, sizeof *wire);
    wire->config = config;
#ifdef IPFI_ONLY_CONFIG
    config = &IPFI_ONLY_CONFIG; /* all of one, whatever was given */
#endif
    wire->link.nonce = nonce;
    wire->link.boot_cause = boot_cause;
    wire->link.floor = (uint16_t)(config->active ? (nonce >> 16 | 1) : 0); /* HS-2: 0, we remember no id */
    wire->link.idle = true;
    wire->link.frame_ms = ipfi_wire_time_ms(wire, ipfi_wire_size(wire, config->frame_payload + 5u));
    ipfi_decoder_init(&wire->decoder, config->rx_frame, config->rx_frame_size);
    ipfi_encoder_init(&wire->encoder, config->tx_frame, config->tx_frame_size);
    if (config->server != NULL) { config->server->init(wire); }
}

void ipfi_open(ipfi_wire_t *wire, uint32_t now_ms)
{
    if (!ipfi_link_go(wire, ipfi_config_of(wire)->active ? IPFI_IN_CONNECT : IPFI_IN_LISTEN)) { return; }
    wire->link.line_free_ms = now_ms;
    ipfi_handshake_start(wire);
}

void ipfi_close(ipfi_wire_t *wire)
{
    const bool was_up = wire->link.state == IPFI_ESTABLISHED;
    wire->link.want = 0;
    wire->link.timer_on = false;
    if (was_up) {
        wire->link.want = IPFI_WANT_BYE;
        wire->link.bye_reason = IPFI_DOWN_CLOSED;
        wire->link.bye_session = wire->link.peer.session;
    }
    (void)ipfi_link_go(wire, IPFI_IN_CLOSE);
    wire->link.pending.session = 0;
    if (was_up) { ipfi_wire_session_ends(wire, IPFI_DOWN_CLOSED); }
}

/* ---- the five verbs ---- */

void ipfi_receive(ipfi_wire_t *wire, const uint8_t *bytes, size_t size, uint32_t now_ms)
{
    wire->link.now_ms = now_ms;
    for (const uint8_t *const end = bytes + size; bytes != end;) {
        if (IPFI_FOR_SPEED) {
            bytes += ipfi_decode_inside(&wire->decoder, bytes, (size_t)(end - bytes));
            if (bytes == end) { return; }
        }
        switch (ipfi_decode_byte(&wire->decoder, *bytes++)) {
        case IPFI_RX_PENDING:
            break;
        case IPFI_RX_FRAME:
            IPFI_NEWS(wire);
            ipfi_link_frame(wire);
            break;
        case IPFI_RX_NOISE:
            IPFI_COUNT(wire, noise);
            break;
        case IPFI_RX_OVERSIZED:
            IPFI_COUNT(wire, oversized);
            break;
        }
    }
    ipfi_link_note_work(wire);
}

size_t ipfi_peek_tx(ipfi_wire_t *wire, const uint8_t **bytes, uint32_t now_ms)
{
    ipfi_encoder_t *const encoder = &wire->encoder;
    wire->link.now_ms = now_ms;
    if (encoder->taken == encoder->length) {
        ipfi_encoder_init(encoder, encoder->bytes, encoder->size);
        if (!ipfi_link_build(wire)) {
            wire->link.idle = true; /* FRAME-2 */
#if IPFI_FOR_SPEED
            wire->has_news = false;
#endif
        }
        ipfi_link_note_work(wire);
    }
    *bytes = encoder->bytes + encoder->taken;
    return (size_t)(encoder->length - encoder->taken);
}

void ipfi_tx_taken(ipfi_wire_t *wire, size_t size)
{
    const size_t left = (size_t)(wire->encoder.length - wire->encoder.taken);
    wire->encoder.taken = (uint16_t)(wire->encoder.taken + (size < left ? size : left));
}

size_t ipfi_take_tx(ipfi_wire_t *wire, uint8_t *to, size_t max, uint32_t now_ms)
{
    size_t taken = 0;
    const uint8_t *bytes;
    while (taken < max) {
        size_t size = ipfi_peek_tx(wire, &bytes, now_ms);
        if (size == 0) { break; }
        if (size > max - taken) { size = max - taken; }
        memcpy(to + taken, bytes, size);
        ipfi_tx_taken(wire, size);
        taken += size;
    }
    return taken;
}

bool ipfi_next_event(ipfi_wire_t *wire, ipfi_event_t *event)
{
    if (wire->event_count == 0) { return false; }
    *event = wire->events[wire->event_first % EVENTS];
    wire->event_first++;
    wire->event_count--;
    return true;
}

bool ipfi_next_deadline_ms(const ipfi_wire_t *wire, uint32_t *deadline_ms)
{
    bool any = ipfi_link_deadline(wire, deadline_ms);
    uint32_t at_ms;
    if (wire->caller != NULL && wire->caller->deadline(wire, &at_ms)) { ipfi_earlier(&any, deadline_ms, at_ms); }
    return any;
}

void ipfi_on_deadline(ipfi_wire_t *wire, uint32_t now_ms)
{
    wire->link.now_ms = now_ms;
    ipfi_link_on_deadline(wire);
    if (wire->caller != NULL) { wire->caller->on_deadline(wire); }
    ipfi_link_note_work(wire);
}

#if IPFI_FOR_SPEED
bool ipfi_may_send(const ipfi_wire_t *wire)
{
    const ipfi_link_t *const link = &wire->link;
    const struct ipfi_server *const server = ipfi_config_of(wire)->server;
    return link->state != IPFI_ESTABLISHED || link->want != 0 || link->stream_used != link->stream_sent
           || ipfi_sender_must_repeat(wire) || ipfi_wire_busy(wire)
#if IPFI_WITH_LOSSY
           || link->lossy_used != 0
#endif
           || (server != NULL && server->answering(wire));
}
#endif

/* ---- queries and one-way messages ---- */

ipfi_state_t ipfi_state(const ipfi_wire_t *wire)
{
    return (ipfi_state_t)wire->link.state;
}

bool ipfi_flushed(const ipfi_wire_t *wire)
{
    if (wire->encoder.taken != wire->encoder.length) { return false; }
    if (wire->link.state != IPFI_ESTABLISHED) { return wire->link.want == 0; }
    if (ipfi_config_of(wire)->server != NULL && ipfi_config_of(wire)->server->answering(wire)) { return false; }
#if IPFI_WITH_LOSSY
    if (wire->link.lossy_used != 0) { return false; }
#endif
    return wire->link.stream_used == 0;
}

bool ipfi_wire_fits_peer(const ipfi_wire_t *wire, uint32_t size)
{
    const uint16_t most = wire->link.peer.max_message;
    return most == IPFI_NO_MESSAGE_LIMIT || size <= (uint32_t)most << 8;
}

bool ipfi_emit(ipfi_wire_t *wire, uint16_t event, const uint8_t *args, size_t size)
{
    if (wire->link.state != IPFI_ESTABLISHED || size > ipfi_config_of(wire)->tx_stream_size
        || !ipfi_wire_fits_peer(wire, (uint32_t)size)) {
        return false;
    }
    const ipfi_message_t message = { IPFI_TYPE_EVENT, IPFI_COMPLETE, event, 0, args, (uint16_t)size };
    return ipfi_message_send(wire, &message);
}

size_t ipfi_print(ipfi_wire_t *wire, const char *text, size_t size)
{
    ipfi_encoder_t *const encoder = &wire->encoder;
    if (encoder->taken != encoder->length) { return 0; }
    const size_t taken = size < encoder->size ? size : encoder->size;
    ipfi_encode_text(encoder, text, taken);
    wire->link.idle = true; /* the next frame flushes an unfinished line */
    return taken;
}
