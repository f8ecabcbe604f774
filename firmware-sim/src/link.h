/* link.h - frames in, one ordered stream out, exactly once within a session; and back (protocol.md 3).
 *
 * link.c       the state table, frames by type, which frame is sent next
 * handshake.c  HELLO, HELLO_ACK, REFUSE, READY: how a session begins
 * sender.c     DATA that waits for its acknowledgement
 * receiver.c   DATA that arrives, and what is owed for it
 *
 * The link tells the layer above by the four functions at the end, which wire.c has. */
#ifndef IPFI_LINK_H
#define IPFI_LINK_H

#include "compiler.h"
#include "ipfi/ipfi.h"

enum {
    IPFI_HELLO = 0x81, IPFI_HELLO_ACK, IPFI_REFUSE, IPFI_READY, IPFI_DATA, IPFI_ACK, IPFI_PING,
    IPFI_LOSSY, IPFI_LOG, IPFI_BYE, IPFI_PIECE
};

enum { /* ipfi_link_t.want: frames to be sent as soon as the line takes them */
    IPFI_WANT_BYE = 1, IPFI_WANT_HELLO_ACK = 2, IPFI_WANT_REFUSE = 4, IPFI_WANT_HELLO = 8,
    IPFI_WANT_READY = 16, IPFI_WANT_ACK = 32, IPFI_WANT_ECHO = 64, IPFI_WANT_PING = 128
};

enum { /* extensions, protocol.md 3.2 */
    IPFI_EXT_EVENT = 1, IPFI_EXT_ERROR = 2, IPFI_EXT_CANCEL = 4, IPFI_EXT_GRANT = 8, IPFI_EXT_LOSSY = 16,
    IPFI_EXT_LOG = 32, IPFI_EXT_ALL = IPFI_WITH_LOSSY ? 63 : 15
};

enum { IPFI_FLAG_IN_ORDER = 2 }; /* we receive in order only (LINK-3); the others are in ipfi.h */
#define IPFI_NO_RING_LIMIT 0xFFFFu /* an enumerator is an int, which may have 16 bits */
enum { IPFI_ACK_DELAY_MS = 20, IPFI_RTO_START_MS = 250, IPFI_RTO_ABOVE_DELAY_MS = 10, IPFI_RTO_DOUBLED_MS = 250, IPFI_RTT_MAX_MS = 5000 };
#define IPFI_NO_MESSAGE_LIMIT 0xFFFFu
/* We take every byte at once and keep none, so credit runs far ahead of what has arrived (LINK-7). */
#define IPFI_CREDIT_AHEAD 0x3FFFFFFF
enum { IPFI_KEEPALIVE_MS = 1000, IPFI_PATIENCE_MS = 5000 };
#define IPFI_AHEAD_MAX_MS 0x07FFFFFFu /* 37 hours: nobody hands over more than that ahead of the line */

typedef enum {
    IPFI_IN_LISTEN = 0, /* opened passively                                       */
    IPFI_IN_CONNECT,    /* opened actively                                        */
    IPFI_IN_ANSWERED,   /* a HELLO_ACK was taken                                  */
    IPFI_IN_CONFIRMED,  /* the ACK of our READY came                              */
    IPFI_IN_ENTERED,    /* READY for our pending session came                     */
    IPFI_IN_RETRY,      /* the session or attempt ended; an active end goes on    */
    IPFI_IN_WAIT,       /* the same at a passive end                              */
    IPFI_IN_CLOSE,
    IPFI_INPUTS
} ipfi_input_t;

/* arithmetic on a clock that wraps */
bool ipfi_due(uint32_t now_ms, uint32_t at_ms);
uint32_t ipfi_wire_time_ms(const ipfi_wire_t *wire, uint32_t bytes);
uint32_t ipfi_later_of(uint32_t a_ms, uint32_t b_ms);
void ipfi_earlier(bool *any, uint32_t *deadline_ms, uint32_t at_ms);
uint32_t ipfi_keepalive_ms(const ipfi_wire_t *wire); /* LINK-12, and the longest interval of LINK-15 */

/* link.c */
bool ipfi_link_go(ipfi_wire_t *wire, ipfi_input_t input); /* false: illegal here, nothing changed */
int ipfi_link_next_state(int state, int input);           /* the table itself; -1: illegal        */
IPFI_NOT_INLINE void ipfi_link_frame(ipfi_wire_t *wire);
void ipfi_link_lose(ipfi_wire_t *wire, ipfi_down_t why, bool say_bye);
void ipfi_link_enter(ipfi_wire_t *wire); /* link.peer is the new session */
void ipfi_link_note_work(ipfi_wire_t *wire);
bool ipfi_link_deadline(const ipfi_wire_t *wire, uint32_t *deadline_ms);
void ipfi_link_on_deadline(ipfi_wire_t *wire);
IPFI_NOT_INLINE bool ipfi_link_build(ipfi_wire_t *wire); /* a frame into the encoder */
ipfi_encoder_t *ipfi_link_begin(ipfi_wire_t *wire, uint8_t type, uint8_t first); /* type, session and a byte of a frame */
/* Ends a frame of a session, or without one of the handshake; its wire bytes. */
uint16_t ipfi_link_finish(ipfi_wire_t *wire, const ipfi_peer_t *of);

/* handshake.c */
void ipfi_handshake_start(ipfi_wire_t *wire);
void ipfi_handshake_retry(ipfi_wire_t *wire);
bool ipfi_handshake_frame(ipfi_wire_t *wire, uint16_t length);
void ipfi_handshake_stray(ipfi_wire_t *wire);
void ipfi_handshake_echoed(ipfi_wire_t *wire, uint8_t echo);
void ipfi_handshake_on_deadline(ipfi_wire_t *wire);
bool ipfi_handshake_build(ipfi_wire_t *wire);

/* sender.c */
void ipfi_sender_reset(ipfi_wire_t *wire);
void ipfi_sender_ack(ipfi_wire_t *wire, uint8_t ack, bool repeats, uint16_t sack);
void ipfi_sender_pinged(ipfi_wire_t *wire); /* the echo of our PING */
void ipfi_sender_credit(ipfi_wire_t *wire, uint32_t credit);
bool ipfi_sender_build(ipfi_wire_t *wire);
bool ipfi_sender_deadline(const ipfi_wire_t *wire, uint32_t *deadline_ms);
void ipfi_sender_on_deadline(ipfi_wire_t *wire);
uint32_t ipfi_sender_rto_ms(const ipfi_wire_t *wire);
bool ipfi_sender_must_repeat(const ipfi_wire_t *wire); /* the oldest frame waits for its repetition */
bool ipfi_sender_goes_first(const ipfi_wire_t *wire);  /* and has room now, but not behind an ACK */

/* ring.c: LINK-14; sizes are those of the content, or of the stream bytes in it */
uint16_t ipfi_wire_size(const ipfi_wire_t *wire, uint32_t content); /* at most: lone zero, COBS, content, CRC, delimiter */
IPFI_NOT_INLINE uint16_t ipfi_ring_left(const ipfi_wire_t *wire); /* IPFI_NO_RING_LIMIT: without end */
uint16_t ipfi_ring_fits(uint16_t wire_bytes); /* the longest DATA that leaves one byte: an ACK may go beyond a ring that is not full */
bool ipfi_ring_full(const ipfi_wire_t *wire); /* one ACK or PING may have gone beyond it; then nothing more does */
bool ipfi_ring_has_room(const ipfi_wire_t *wire, uint32_t content);
void ipfi_ring_clear(ipfi_wire_t *wire, uint32_t charge); /* what left before it was read, or lost */
void ipfi_ring_arrived(ipfi_wire_t *wire, const ipfi_tx_frame_t *frame); /* the same of a frame */

/* receiver.c */
/* How long an acknowledgement may wait for company, here and at the other end (LINK-8). */
uint32_t ipfi_ack_delay_ms(const ipfi_wire_t *wire);
void ipfi_receiver_reset(ipfi_wire_t *wire);
void ipfi_receiver_echoes(ipfi_wire_t *wire, uint8_t number);
void ipfi_receiver_data(ipfi_wire_t *wire, uint16_t length);
bool ipfi_receiver_build(ipfi_wire_t *wire); /* ACK or PING */
void ipfi_receiver_acked(ipfi_wire_t *wire);                  /* a DATA frame carried the ack */

/* what the layer above has (wire.c) */
void ipfi_wire_happened(ipfi_wire_t *wire, ipfi_event_kind_t kind, uint8_t detail);
void ipfi_wire_session_begins(ipfi_wire_t *wire);
void ipfi_wire_session_ends(ipfi_wire_t *wire, ipfi_down_t why);
void ipfi_wire_stream(ipfi_wire_t *wire, const uint8_t *bytes, size_t size);
void ipfi_wire_lossy(ipfi_wire_t *wire, const uint8_t *bytes, size_t size);
bool ipfi_wire_busy(const ipfi_wire_t *wire); /* calls of ours are in flight (LINK-12) */
void ipfi_wire_fill(ipfi_wire_t *wire);       /* put what waits into the stream, as far as there is room */

#endif
