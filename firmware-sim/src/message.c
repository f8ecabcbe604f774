#include "message.h"

#include "compiler.h"
#include "link.h"
#include "memory.h"
#include "stream.h"

/* ---- writing ---- */

/* The width code of MSG-1, and the number behind it. */
static uint8_t put_number(uint8_t *to, size_t *at, uint32_t number)
{
    const uint8_t code = number <= 0xFF ? 0 : number <= 0xFFFF ? 2 : 1;
    const uint8_t width = code == 0 ? 1 : code == 2 ? 2 : 4;
    for (uint8_t i = 0; i < width; i++) {
        to[(*at)++] = (uint8_t)number;
        number >>= 8;
    }
    return code;
}

size_t ipfi_message_head(uint8_t to[IPFI_MESSAGE_HEAD_MAX], const ipfi_message_t *message)
{
    size_t size = 2;
    const uint8_t procedure = put_number(to, &size, message->procedure);
    const uint8_t call = put_number(to, &size, message->call);
    const uint8_t length = put_number(to, &size, message->size);
    to[0] = message->type;
    to[1] = (uint8_t)(message->terminator | length << 4 | call << 2 | procedure);
    return size;
}

bool ipfi_message_send(ipfi_wire_t *wire, const ipfi_message_t *message)
{
    uint8_t head[IPFI_MESSAGE_HEAD_MAX];
    const uint8_t type = message->type;
    if (type >= IPFI_TYPE_EVENT && (wire->link.peer.extensions >> (type - IPFI_TYPE_EVENT) & 1) == 0) {
        return type != IPFI_TYPE_EVENT; /* MSG-7: the other end would not understand it; who emits is told */
    }
    const size_t size = ipfi_message_head(head, message);
    if (size + message->size > ipfi_stream_room(wire)) { return false; }
    return ipfi_stream_put(wire, head, size) && ipfi_stream_put(wire, message->payload, message->size);
}

/* ---- reading ---- */

void ipfi_parser_init(ipfi_parser_t *parser)
{
    memset(parser, 0, sizeof *parser);
}

static uint8_t width(const ipfi_parser_t *parser)
{
    const uint8_t shift = (uint8_t)(2 * (parser->stage - IPFI_AT_PROCEDURE));
    const uint8_t code = parser->flag >> shift & 3;
    return (uint8_t)(1u << (code >> 1 | (code & 1) << 1)); /* codes 0, 2, 1, 3 are 1, 2, 4, 8 bytes (MSG-1) */
}

/* One byte of one of the three numbers, which all grow in `left`; what passes their bits is remembered as such (MSG-4). */
static void number_byte(ipfi_parser_t *parser, uint8_t byte)
{
    if (parser->at < 4) {
        parser->left |= (uint32_t)byte << (8 * parser->at);
    } else if (byte != 0) {
        parser->left = UINT32_MAX;
        parser->huge = true; /* a length is refused before that is asked */
    }
    if (++parser->at < width(parser)) { return; }
    parser->at = 0;
    if (parser->stage++ == IPFI_AT_LENGTH) { return; }
    if (parser->left > (ipfi_index_t)-1) { parser->huge = true; }
    parser->procedure = parser->call; /* the first number moves on when the second one comes */
    parser->call = (ipfi_index_t)parser->left;
    parser->left = 0;
}

#if IPFI_FOR_SPEED
size_t ipfi_parse_short_head(ipfi_parser_t *parser, const uint8_t *bytes, size_t size)
{
    enum { SHORT_HEAD = 5, WIDTHS = 0x3F, CALL_OF_TWO = 0x08 }; /* MSG-1 */
    if (parser->stage != IPFI_AT_TYPE || size <= SHORT_HEAD) { return 0; }
    const uint8_t widths = bytes[1] & WIDTHS;
    const bool is_wide = widths == CALL_OF_TWO; /* from its 257th on */
    if ((widths != 0 && !is_wide) || bytes[0] == IPFI_TYPE_TERMINATION || bytes[0] == IPFI_TYPE_END_OF_INPUT) { return 0; }
    parser->type = bytes[0];
    parser->flag = bytes[1];
    parser->procedure = bytes[2];
    parser->call = bytes[3];
    if (is_wide) {
        parser->call |= (ipfi_index_t)bytes[4] << 8;
        bytes++;
    }
    parser->left = bytes[4];
    parser->huge = false;
    parser->at = 0;
    parser->stage = IPFI_IN_PAYLOAD;
    return is_wide ? SHORT_HEAD + 1 : SHORT_HEAD;
}
#endif

ipfi_parsed_t ipfi_parse_byte(ipfi_parser_t *parser, uint8_t byte)
{
    if (parser->stage == IPFI_AT_TYPE) {
        ipfi_parser_init(parser);
        parser->type = byte;
        if (byte == IPFI_TYPE_TERMINATION || byte == IPFI_TYPE_END_OF_INPUT) { return IPFI_PARSED_BARE; }
        parser->stage = IPFI_AT_FLAG;
        return IPFI_PARSED_PART;
    }
    if (parser->stage == IPFI_AT_FLAG) {
        parser->flag = byte;
        parser->stage = IPFI_AT_PROCEDURE;
        return IPFI_PARSED_PART;
    }
    number_byte(parser, byte);
    return parser->stage == IPFI_IN_PAYLOAD ? IPFI_PARSED_HEAD : IPFI_PARSED_PART;
}
