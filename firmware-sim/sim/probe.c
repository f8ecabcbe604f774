/* probe.c - single layers of the library for a test in another language: frames, message heads, values. */
#include "frame.h"
#include "message.h"

#include <string.h>

enum { CONTENT_MAX = 20000 };

size_t ipfi_probe_frames(const uint8_t *wire, size_t size, uint16_t capacity, uint8_t *log, size_t max);
size_t ipfi_probe_encode(uint8_t type, const uint8_t *body, size_t size, uint8_t profile, uint32_t confirm, uint8_t *to, uint16_t max);
size_t ipfi_probe_head(const uint8_t *bytes, size_t size, uint32_t numbers[5]);
size_t ipfi_probe_write_head(uint8_t type, uint8_t ends, uint32_t procedure, uint32_t call, uint16_t size, uint8_t *to);
size_t ipfi_probe_skip(const uint8_t *bytes, size_t size);
uint32_t ipfi_probe_checksum(const uint8_t *bytes, size_t size, uint8_t profile, uint32_t confirm);
uint16_t ipfi_crc16_bytes(uint16_t crc, const uint8_t *bytes, size_t size);
uint32_t ipfi_crc32_bytes(uint32_t crc, const uint8_t *bytes, size_t size);

/* One record a verdict: 'F' length (u16) content, checksum included; 'N'; 'O'. */
size_t ipfi_probe_frames(const uint8_t *wire, size_t size, uint16_t capacity, uint8_t *log, size_t max)
{
    static uint8_t content[CONTENT_MAX];
    ipfi_decoder_t decoder = { 0 };
    size_t at = 0;
    const size_t room = capacity + capacity / 254u; /* with its codes */
    ipfi_decoder_init(&decoder, content, room < CONTENT_MAX ? (uint16_t)room : (uint16_t)CONTENT_MAX);
    for (size_t i = 0; i < size; i++) {
        const ipfi_rx_verdict_t verdict = ipfi_decode_byte(&decoder, wire[i]);
        if (verdict == IPFI_RX_PENDING || at + 3u + decoder.length > max) { continue; }
        log[at++] = (uint8_t)(verdict == IPFI_RX_FRAME ? 'F' : verdict == IPFI_RX_NOISE ? 'N' : 'O');
        if (verdict != IPFI_RX_FRAME) { continue; }
        log[at++] = (uint8_t)decoder.length;
        log[at++] = (uint8_t)(decoder.length >> 8);
        memcpy(log + at, content, decoder.length);
        at += decoder.length;
    }
    return at;
}

size_t ipfi_probe_encode(uint8_t type, const uint8_t *body, size_t size, uint8_t profile, uint32_t confirm, uint8_t *to, uint16_t max)
{
    ipfi_encoder_t encoder;
    ipfi_encoder_init(&encoder, to, max);
    ipfi_encode_begin(&encoder, false, type);
    ipfi_encode_bytes(&encoder, body, size);
    ipfi_encode_end(&encoder, profile, confirm);
    return encoder.length;
}

/* Bytes of the head; 0 if it is not complete.  numbers: type, flag, procedure, call, length. */
size_t ipfi_probe_head(const uint8_t *bytes, size_t size, uint32_t numbers[5])
{
    ipfi_parser_t parser;
    ipfi_parser_init(&parser);
    for (size_t i = 0; i < size; i++) {
        if (ipfi_parse_byte(&parser, bytes[i]) == IPFI_PARSED_PART) { continue; }
        numbers[0] = parser.type;
        numbers[1] = parser.flag;
        numbers[2] = parser.huge ? UINT32_MAX : parser.procedure;
        numbers[3] = parser.call;
        numbers[4] = parser.left;
        return i + 1;
    }
    return 0;
}

size_t ipfi_probe_write_head(uint8_t type, uint8_t ends, uint32_t procedure, uint32_t call, uint16_t size, uint8_t *to)
{
    const ipfi_message_t message = { type, ends, procedure, call, NULL, size };
    return ipfi_message_head(to, &message);
}

/* Bytes of the first value; 0 if it is none. */
size_t ipfi_probe_skip(const uint8_t *bytes, size_t size)
{
    ipfi_reader_t reader = ipfi_reader(bytes, size);
    size_t taken;
    (void)ipfi_read_skip(&reader, &taken);
    return taken;
}

uint32_t ipfi_probe_checksum(const uint8_t *bytes, size_t size, uint8_t profile, uint32_t confirm)
{
    if (profile == IPFI_PROFILE_CRC32) { return ipfi_crc32_bytes(0xFFFFFFFFu ^ confirm, bytes, size) ^ 0xFFFFFFFFu; }
    return ipfi_crc16_bytes((uint16_t)(0xFFFFu ^ confirm), bytes, size);
}
