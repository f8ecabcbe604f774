/* Frames: COBS, checksums, resynchronisation, text (protocol.md 2). */
#include "check.h"
#include "crc.h"
#include "frame.h"

#include <string.h>

enum { SIZE = 600 };
static const uint32_t SESSION = 0x89ABCDEF; /* its `confirm` (FRAME-10) */

static size_t build(uint8_t *to, uint8_t type, const uint8_t *body, size_t size, uint8_t profile)
{
    uint8_t buffer[SIZE + 16];
    ipfi_encoder_t encoder;
    ipfi_encoder_init(&encoder, buffer, sizeof buffer);
    ipfi_encode_begin(&encoder, false, type);
    ipfi_encode_bytes(&encoder, body, size);
    ipfi_encode_end(&encoder, profile, SESSION);
    memcpy(to, buffer, encoder.length);
    return encoder.length;
}

static ipfi_rx_verdict_t feed(ipfi_decoder_t *decoder, const uint8_t *bytes, size_t size)
{
    ipfi_rx_verdict_t last = IPFI_RX_PENDING;
    for (size_t i = 0; i < size; i++) { last = ipfi_decode_byte(decoder, bytes[i]); }
    return last;
}

static ipfi_rx_verdict_t feed_text(ipfi_decoder_t *decoder, const char *text)
{
    return feed(decoder, (const uint8_t *)text, strlen(text));
}

/* FRAME-5, FRAME-6 */
static void check_values_of_the_checksums(void)
{
    static const char digits[] = "123456789";
    CHECK(ipfi_crc16_bytes(IPFI_CRC16_START, (const uint8_t *)digits, 9) == 0x29B1);
    CHECK((ipfi_crc32_bytes(IPFI_CRC32_START, (const uint8_t *)digits, 9) ^ 0xFFFFFFFFu) == 0xCBF43926u);
}

/* FRAME-1: every length around the edges of a COBS block, with and without zeros */
static void check_round_trips(uint8_t profile)
{
    uint8_t body[SIZE], wire[SIZE + 16], content[SIZE + 16];
    ipfi_decoder_t decoder;
    ipfi_decoder_init(&decoder, content, sizeof content);
    for (size_t size = 0; size < 530; size++) {
        for (size_t i = 0; i < size; i++) { body[i] = (uint8_t)(size % 3 == 0 ? i % 7 : i % 255 + 1); }
        const size_t length = build(wire, 0x85, body, size, profile);
        CHECK(memchr(wire, 0, length) == wire + length - 1);
        CHECK(feed(&decoder, wire, length) == IPFI_RX_FRAME);
        CHECK(ipfi_frame_length(&decoder, profile, SESSION) == size + 1);
        CHECK(ipfi_frame_length(&decoder, profile, SESSION ^ 1) == 0);
        CHECK(content[0] == 0x85 && memcmp(content + 1, body, size) == 0);
    }
}

static void check_every_flipped_bit_is_seen(uint8_t profile)
{
    uint8_t wire[64], content[64];
    static const uint8_t body[] = { 1, 0, 7, 9, 0, 0, 255 };
    ipfi_decoder_t decoder;
    ipfi_decoder_init(&decoder, content, sizeof content);
    const size_t length = build(wire, 0x86, body, sizeof body, profile);
    for (size_t bit = 0; bit < (length - 1) * 8; bit++) {
        wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
        const bool is_frame = feed(&decoder, wire, length) == IPFI_RX_FRAME;
        CHECK(!is_frame || ipfi_frame_length(&decoder, profile, SESSION) == 0);
        wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
        (void)ipfi_decode_byte(&decoder, 0);
    }
}

/* FRAME-7 */
static void check_a_long_frame_is_dropped_whole(void)
{
    uint8_t body[SIZE] = { 0 }, wire[SIZE + 16], content[32];
    ipfi_decoder_t decoder;
    ipfi_decoder_init(&decoder, content, sizeof content);
    CHECK(feed(&decoder, wire, build(wire, 0x85, body, 29, IPFI_PROFILE_CRC16)) == IPFI_RX_FRAME);
    CHECK(feed(&decoder, wire, build(wire, 0x85, body, 30, IPFI_PROFILE_CRC16)) == IPFI_RX_OVERSIZED);
    CHECK(feed(&decoder, wire, build(wire, 0x85, body, 500, IPFI_PROFILE_CRC16)) == IPFI_RX_OVERSIZED);
    CHECK(feed(&decoder, wire, build(wire, 0x85, body, 5, IPFI_PROFILE_CRC16)) == IPFI_RX_FRAME);
}

/* FRAME-8, LINK-17 */
static void check_text_is_no_frame_and_no_noise(void)
{
    uint8_t wire[64], content[64];
    static const uint8_t body[] = { 1, 2, 3, 4, 5, 6 };
    ipfi_decoder_t decoder;
    ipfi_decoder_init(&decoder, content, sizeof content);
    const size_t length = build(wire, 0x86, body, sizeof body, IPFI_PROFILE_CRC16); /* code 0x0A, a newline */
    CHECK(wire[0] == 0x0A);
    CHECK(feed_text(&decoder, "booting...\n") == IPFI_RX_PENDING);
    CHECK(feed(&decoder, wire, length) == IPFI_RX_FRAME);
    CHECK(feed_text(&decoder, "\n") == IPFI_RX_PENDING);
    CHECK(feed_text(&decoder, "\nend") == IPFI_RX_PENDING);
    CHECK(ipfi_decode_byte(&decoder, 0) == IPFI_RX_PENDING);
    CHECK(feed(&decoder, wire, length) == IPFI_RX_FRAME);
    CHECK(feed_text(&decoder, "\xC3\xBC is no plain text") == IPFI_RX_PENDING);
    CHECK(ipfi_decode_byte(&decoder, 0) == IPFI_RX_NOISE);
    CHECK(feed(&decoder, wire, length) == IPFI_RX_FRAME);
}

static void check_an_encoder_without_room_sends_nothing(void)
{
    uint8_t buffer[8];
    static const uint8_t body[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    ipfi_encoder_t encoder;
    ipfi_encoder_init(&encoder, buffer, sizeof buffer);
    ipfi_encode_begin(&encoder, true, 0x85);
    ipfi_encode_bytes(&encoder, body, sizeof body);
    ipfi_encode_end(&encoder, IPFI_PROFILE_CRC16, 0);
    CHECK(encoder.length == 0);
}

void test_frames(void)
{
    check_values_of_the_checksums();
    check_round_trips(IPFI_PROFILE_CRC16);
    check_round_trips(IPFI_PROFILE_CRC32);
    check_every_flipped_bit_is_seen(IPFI_PROFILE_CRC16);
    check_every_flipped_bit_is_seen(IPFI_PROFILE_CRC32);
    check_a_long_frame_is_dropped_whole();
    check_text_is_no_frame_and_no_noise();
    check_an_encoder_without_room_sends_nothing();
}
