/* frame.h - frames: COBS between delimiters, a type byte of 0x80 or above, a CRC (protocol.md 2).
 *
 * In:  one received byte, at most one verdict.  Out: one frame into one buffer. */
#ifndef IPFI_FRAME_H
#define IPFI_FRAME_H

#include "ipfi/ipfi.h"

typedef enum {
    IPFI_RX_PENDING = 0, /* nothing yet, idle delimiters and text included                 */
    IPFI_RX_FRAME,       /* content[0 .. length) is a frame; ask ipfi_frame_length         */
    IPFI_RX_NOISE,       /* a delimiter ended bytes that are no frame                      */
    IPFI_RX_OVERSIZED    /* the frame was longer than the buffer and was dropped whole     */
} ipfi_rx_verdict_t;

/* The session's checksum: the bit number in FRAME-6.  It begins from the session's `confirm`, that of a
 * handshake frame from 0 (FRAME-10). */
enum { IPFI_PROFILE_CRC16 = 0, IPFI_PROFILE_CRC32 = 1 };

static inline bool ipfi_is_crc32(uint8_t profile)
{
    return IPFI_WITH_CRC32 && profile == IPFI_PROFILE_CRC32;
}

void ipfi_decoder_init(ipfi_decoder_t *decoder, uint8_t *content, uint16_t size);
ipfi_rx_verdict_t ipfi_decode_byte(ipfi_decoder_t *decoder, uint8_t byte);
/* Takes bytes that can only be the inside of a frame, the sooner; how many. */
size_t ipfi_decode_inside(ipfi_decoder_t *decoder, const uint8_t *bytes, size_t size);
/* After IPFI_RX_FRAME: how long it is without its checksum, of this profile; 0: it does not hold. */
uint16_t ipfi_frame_length(const ipfi_decoder_t *decoder, uint8_t profile, uint32_t confirm);

void ipfi_encoder_init(ipfi_encoder_t *encoder, uint8_t *bytes, uint16_t size);
void ipfi_encoder_clear(ipfi_encoder_t *encoder);
/* These four return the encoder: one call after the other then needs neither a register nor an address. */
ipfi_encoder_t *ipfi_encode_begin(ipfi_encoder_t *encoder, bool lone_zero, uint8_t type);
ipfi_encoder_t *ipfi_encode_u8(ipfi_encoder_t *encoder, uint8_t byte);
ipfi_encoder_t *ipfi_encode_u16(ipfi_encoder_t *encoder, uint16_t number);
ipfi_encoder_t *ipfi_encode_u32(ipfi_encoder_t *encoder, uint32_t number);
/* Of the content so far, behind what has given `crc`. */
uint32_t ipfi_encoded_crc32(const ipfi_encoder_t *encoder, uint32_t crc);
void ipfi_encode_bytes(ipfi_encoder_t *encoder, const uint8_t *bytes, size_t size);
void ipfi_encode_end(ipfi_encoder_t *encoder, uint8_t profile, uint32_t confirm);
void ipfi_encode_text(ipfi_encoder_t *encoder, const char *text, size_t size);

/* Little-endian numbers inside a frame or message. */
uint16_t ipfi_u16_at(const uint8_t *bytes);
uint32_t ipfi_u32_at(const uint8_t *bytes);

#endif
