#include "frame.h"

#include "cobs.h"
#include "crc.h"

/* Where the decoder is between two delimiters (FRAME-8). */
enum { AT_START = 0, AT_SECOND, IN_FRAME, IN_TEXT };
enum { NEWLINE = 0x0A, FIRST_TYPE = 0x80 };
enum { CRC16_SIZE = 2, CRC32_SIZE = 4 };

/* ---- receiving ---- */

static void restart(ipfi_decoder_t *decoder)
{
    decoder->mode = AT_START;
}

void ipfi_decoder_init(ipfi_decoder_t *decoder, uint8_t *content, uint16_t size)
{
    decoder->content = content;
    decoder->size = size;
    ipfi_cobs_decode_restart(decoder);
    restart(decoder);
}

static ipfi_rx_verdict_t judge(ipfi_decoder_t *decoder)
{
    const uint8_t mode = decoder->mode;
    restart(decoder);
    if (mode == AT_START || mode == IN_TEXT) { return IPFI_RX_PENDING; } /* FRAME-2, LINK-17 */
    if (mode == AT_SECOND) { return decoder->first < FIRST_TYPE ? IPFI_RX_PENDING : IPFI_RX_NOISE; }
    if (decoder->oversized) { return IPFI_RX_OVERSIZED; }
    if (!ipfi_cobs_complete(decoder) || decoder->length == 0) { return IPFI_RX_NOISE; }
    return decoder->content[0] >= FIRST_TYPE ? IPFI_RX_FRAME : IPFI_RX_NOISE; /* FRAME-4 */
}

/* The second byte after a delimiter tells text from a frame (FRAME-8). */
static void second_byte(ipfi_decoder_t *decoder, uint8_t byte)
{
    if (decoder->first >= FIRST_TYPE || byte >= FIRST_TYPE) {
        decoder->mode = IN_FRAME;
        ipfi_cobs_decode_restart(decoder);
        ipfi_cobs_decode(decoder, decoder->first);
        ipfi_cobs_decode(decoder, byte);
    } else if (decoder->first == NEWLINE) { /* an empty line has ended; this byte starts afresh */
        decoder->first = byte;
    } else {
        decoder->mode = byte == NEWLINE ? AT_START : IN_TEXT;
    }
}

ipfi_rx_verdict_t ipfi_decode_byte(ipfi_decoder_t *decoder, uint8_t byte)
{
    if (byte == 0) { return judge(decoder); } /* FRAME-3: the way out of every state */
    switch (decoder->mode) {
    case AT_START:
        decoder->first = byte;
        decoder->mode = AT_SECOND;
        break;
    case AT_SECOND:
        second_byte(decoder, byte);
        break;
    case IN_TEXT:
        if (byte == NEWLINE) { decoder->mode = AT_START; }
        break;
    default:
        ipfi_cobs_decode(decoder, byte);
        break;
    }
    return IPFI_RX_PENDING;
}

uint16_t ipfi_frame_length(const ipfi_decoder_t *decoder, uint8_t profile)
{
    uint16_t size = 0;
    if (profile != IPFI_PROFILE_CRC16 && decoder->crc32 == IPFI_CRC32_RESIDUE) { size = CRC32_SIZE; }
    if (profile != IPFI_PROFILE_CRC32 && decoder->crc16 == IPFI_CRC16_RESIDUE) { size = CRC16_SIZE; }
    return size != 0 && decoder->length > size ? (uint16_t)(decoder->length - size) : 0;
}

/* ---- sending ---- */

void ipfi_encoder_init(ipfi_encoder_t *encoder, uint8_t *bytes, uint16_t size)
{
    encoder->bytes = bytes;
    encoder->size = size;
    ipfi_encoder_clear(encoder);
}

void ipfi_encoder_clear(ipfi_encoder_t *encoder)
{
    encoder->length = 0;
    encoder->taken = 0;
    encoder->overflow = false;
}

ipfi_encoder_t *ipfi_encode_begin(ipfi_encoder_t *encoder, bool lone_zero, uint8_t type)
{
    ipfi_encoder_clear(encoder);
    encoder->crc16 = IPFI_CRC16_START;
    encoder->crc32 = IPFI_CRC32_START;
    if (lone_zero) { ipfi_cobs_emit(encoder, 0); } /* FRAME-2 */
    ipfi_cobs_encode_begin(encoder);
    return ipfi_encode_u8(encoder, type);
}

ipfi_encoder_t *ipfi_encode_u8(ipfi_encoder_t *encoder, uint8_t byte)
{
    encoder->crc16 = ipfi_crc16(encoder->crc16, byte);
    encoder->crc32 = ipfi_crc32(encoder->crc32, byte);
    ipfi_cobs_encode(encoder, byte);
    return encoder;
}

ipfi_encoder_t *ipfi_encode_u16(ipfi_encoder_t *encoder, uint16_t number)
{
    return ipfi_encode_u8(ipfi_encode_u8(encoder, (uint8_t)number), (uint8_t)(number >> 8));
}

ipfi_encoder_t *ipfi_encode_u32(ipfi_encoder_t *encoder, uint32_t number)
{
    return ipfi_encode_u16(ipfi_encode_u16(encoder, (uint16_t)number), (uint16_t)(number >> 16));
}

void ipfi_encode_bytes(ipfi_encoder_t *encoder, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) { ipfi_encode_u8(encoder, bytes[i]); }
}

void ipfi_encode_end(ipfi_encoder_t *encoder, uint8_t profile)
{
    if (profile == IPFI_PROFILE_CRC32) {
        ipfi_encode_u32(encoder, encoder->crc32 ^ 0xFFFFFFFFu);
    } else {
        const uint16_t crc = encoder->crc16 ^ 0xFFFFu; /* complemented, most significant byte first (FRAME-5) */
        ipfi_encode_u8(encoder, (uint8_t)(crc >> 8));
        ipfi_encode_u8(encoder, (uint8_t)crc);
    }
    ipfi_cobs_encode_end(encoder);
    if (encoder->overflow) { ipfi_encoder_clear(encoder); }
}

void ipfi_encode_text(ipfi_encoder_t *encoder, const char *text, size_t size)
{
    ipfi_encoder_clear(encoder);
    for (size_t i = 0; i < size; i++) { ipfi_cobs_emit(encoder, (uint8_t)text[i]); }
    encoder->overflow = false; /* what did not fit was not taken */
}

/* ---- numbers ---- */

uint16_t ipfi_u16_at(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | (uint16_t)(bytes[1] << 8));
}

uint32_t ipfi_u32_at(const uint8_t *bytes)
{
    return (uint32_t)ipfi_u16_at(bytes) | (uint32_t)ipfi_u16_at(bytes + 2) << 16;
}
