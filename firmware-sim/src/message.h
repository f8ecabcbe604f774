/* message.h - ipfiBuF messages inside the stream (protocol.md 1). */
#ifndef IPFI_MESSAGE_H
#define IPFI_MESSAGE_H

#include "ipfi/ipfi.h"

typedef enum {
    IPFI_TYPE_TERMINATION = 0, IPFI_TYPE_CALL, IPFI_TYPE_RESPONSE, IPFI_TYPE_END_OF_INPUT, IPFI_TYPE_EVENT,
    IPFI_TYPE_ERROR, IPFI_TYPE_CANCEL, IPFI_TYPE_GRANT
} ipfi_type_t;

enum { IPFI_NONE = 0x00, IPFI_CHUNK = 0x40, IPFI_INVALID = 0x80, IPFI_COMPLETE = 0xC0 }; /* MSG-2 */
enum { IPFI_MESSAGE_HEAD_MAX = 14 }; /* type, flag, three numbers of at most 32 bits */
#define IPFI_SKIP_MAX ((uint32_t)16 * 1024 * 1024) /* MSG-6 */

typedef struct {
    uint8_t type;
    uint8_t terminator;
    ipfi_index_t procedure;
    ipfi_index_t call;
    const uint8_t *payload;
    uint16_t size;
} ipfi_message_t;

/* Writes type, flag and numbers with the smallest widths (MSG-3); returns how many bytes. */
size_t ipfi_message_head(uint8_t to[IPFI_MESSAGE_HEAD_MAX], const ipfi_message_t *message);
/* Puts a message into the stream; false, and nothing of it, if there is no room. */
bool ipfi_message_send(ipfi_wire_t *wire, const ipfi_message_t *message);

typedef enum {
    IPFI_PARSED_PART = 0, /* more bytes are needed                                            */
    IPFI_PARSED_BARE,     /* a message without a body: Termination, EndOfInput                */
    IPFI_PARSED_HEAD      /* `left` bytes of payload follow; the caller counts them down      */
} ipfi_parsed_t;

enum { IPFI_AT_TYPE = 0, IPFI_AT_FLAG, IPFI_AT_PROCEDURE, IPFI_AT_CALL, IPFI_AT_LENGTH, IPFI_IN_PAYLOAD };

void ipfi_parser_init(ipfi_parser_t *parser);
ipfi_parsed_t ipfi_parse_byte(ipfi_parser_t *parser, uint8_t byte);

#if IPFI_FOR_SPEED
/* The most frequent head at once, if it is the next and all there: its numbers have one byte each, the call has one or two.  Its size, or 0. */
size_t ipfi_parse_short_head(ipfi_parser_t *parser, const uint8_t *bytes, size_t size);
#endif

static inline bool ipfi_parser_in_payload(const ipfi_parser_t *parser)
{
    return parser->stage == IPFI_IN_PAYLOAD;
}

static inline void ipfi_parser_next(ipfi_parser_t *parser) /* the payload is over */
{
    parser->stage = IPFI_AT_TYPE;
}

static inline uint8_t ipfi_parser_terminator(const ipfi_parser_t *parser)
{
    return parser->flag & 0xC0;
}

#endif
