/* Messages: heads in all widths (protocol.md 1). */
#include "check.h"
#include "message.h"

#include <stdlib.h>
#include <string.h>

static bool parse_head(ipfi_parser_t *parser, const uint8_t *bytes, size_t size)
{
    ipfi_parser_init(parser);
    for (size_t i = 0; i < size; i++) {
        const ipfi_parsed_t parsed = ipfi_parse_byte(parser, bytes[i]);
        if (parsed != IPFI_PARSED_PART) { return i + 1 == size; }
    }
    return false;
}

/* The examples of protocol.md 1 and of the reference's vectors. */
static void check_examples(void)
{
    ipfi_parser_t parser;
    static const uint8_t add[] = { 0x01, 0xC0, 0x01, 0x00, 0x02 };
    static const uint8_t wide[] = { 0x01, 0xC5, 0, 0, 1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x01 };
    static const uint8_t huge[] = { 0x01, 0xF0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0x80 };
    CHECK(parse_head(&parser, add, sizeof add));
    CHECK(parser.type == IPFI_TYPE_CALL && parser.procedure == 1 && parser.call == 0 && parser.left == 2);
    CHECK(ipfi_parser_terminator(&parser) == IPFI_COMPLETE && !parser.huge);
    CHECK(parse_head(&parser, wide, sizeof wide));
    CHECK(parser.procedure == 65536 && parser.call == 0xFFFFFFFFu && parser.left == 1);
    CHECK(parse_head(&parser, huge, sizeof huge));
    CHECK(parser.left == UINT32_MAX && parser.left > IPFI_SKIP_MAX);
}

static void check_bare_types(void)
{
    ipfi_parser_t parser;
    ipfi_parser_init(&parser);
    CHECK(ipfi_parse_byte(&parser, IPFI_TYPE_END_OF_INPUT) == IPFI_PARSED_BARE);
    CHECK(ipfi_parse_byte(&parser, IPFI_TYPE_TERMINATION) == IPFI_PARSED_BARE);
    CHECK(ipfi_parse_byte(&parser, IPFI_TYPE_CALL) == IPFI_PARSED_PART);
}

/* MSG-3: what we write is read back, and is as short as it can be. */
static void check_round_trips(void)
{
    static const uint32_t numbers[] = { 0, 1, 255, 256, 65535, 65536, 0xFFFFFFFFu };
    static const size_t widths[] = { 1, 1, 1, 2, 2, 4, 4 };
    for (size_t p = 0; p < 7; p++) {
        for (size_t c = 0; c < 7; c++) {
            for (size_t l = 0; l < 5; l++) {
                uint8_t head[IPFI_MESSAGE_HEAD_MAX];
                ipfi_parser_t parser;
                const ipfi_message_t message = { IPFI_TYPE_EVENT, IPFI_CHUNK, numbers[p], numbers[c], NULL,
                                                 (uint16_t)numbers[l] };
                const size_t size = ipfi_message_head(head, &message);
                CHECK(size == 2 + widths[p] + widths[c] + widths[l]);
                CHECK(parse_head(&parser, head, size));
                CHECK(parser.procedure == numbers[p] && parser.call == numbers[c] && parser.left == numbers[l]);
                CHECK(parser.type == IPFI_TYPE_EVENT && ipfi_parser_terminator(&parser) == IPFI_CHUNK);
            }
        }
    }
}

#if IPFI_FOR_SPEED
/* A head at once says what it says byte by byte, and nothing behind what has come is read: ASan sees that. */
static unsigned check_cut(const uint8_t *bytes, size_t cut, size_t head)
{
    uint8_t *const exact = malloc(cut == 0 ? 1 : cut);
    if (exact == NULL) { abort(); }
    memcpy(exact, bytes, cut);
    ipfi_parser_t parser, slow;
    ipfi_parser_init(&parser);
    const size_t used = ipfi_parse_short_head(&parser, exact, cut);
    CHECK(used == 0 || (used == head && used <= cut));
    if (used != 0) {
        CHECK(parse_head(&slow, bytes, head));
        CHECK(parser.procedure == slow.procedure && parser.call == slow.call && parser.left == slow.left);
        CHECK(parser.type == slow.type && parser.flag == slow.flag && parser.stage == slow.stage);
    }
    free(exact);
    return used != 0 ? 1 : 0;
}

static void check_short_heads(void)
{
    static const uint32_t numbers[] = { 0, 1, 255, 256, 65535, 65536 };
    enum { PAYLOAD = 3 };
    unsigned at_once = 0;
    for (size_t p = 0; p < 6; p++) {
        for (size_t c = 0; c < 6; c++) {
            for (size_t l = 0; l < 4; l++) {
                uint8_t bytes[IPFI_MESSAGE_HEAD_MAX + PAYLOAD] = { 0 };
                const ipfi_message_t message = { IPFI_TYPE_CALL, IPFI_COMPLETE, numbers[p], numbers[c], NULL,
                                                 (uint16_t)numbers[l] };
                const size_t head = ipfi_message_head(bytes, &message);
                for (size_t cut = 0; cut <= head + PAYLOAD; cut++) { at_once += check_cut(bytes, cut, head); }
            }
        }
    }
    CHECK(at_once > 0);
}
#endif

void test_messages(void)
{
#if IPFI_FOR_SPEED
    check_short_heads();
#endif
    check_examples();
    check_bare_types();
    check_round_trips();
}
