#include "frame.h"

#include "cobs.h"
#include "compiler.h"
#include "crc.h"
#include "memory.h"

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
    restart(decoder);
}

static void append(ipfi_decoder_t *decoder, uint8_t byte)
{
    if (decoder->length < decoder->size) {
        decoder->content[decoder->length++] = byte; /* grows content */
    } else {
        decoder->oversized = true; /* FRAME-7 */
    }
}

static ipfi_rx_verdict_t judge(ipfi_decoder_t *decoder)
{
    const uint8_t mode = decoder->mode;
    restart(decoder);
    if (mode == AT_START || mode == IN_TEXT) { return IPFI_RX_PENDING; } /* FRAME-2, LINK-17 */
    if (mode == AT_SECOND) { return decoder->first < FIRST_TYPE ? IPFI_RX_PENDING : IPFI_RX_NOISE; }
    if (decoder->oversized) { return IPFI_RX_OVERSIZED; }
    return ipfi_cobs_unstuff(decoder) && decoder->content[0] >= FIRST_TYPE ? IPFI_RX_FRAME : IPFI_RX_NOISE; /* FRAME-4 */
}

/* The second byte after a delimiter tells text from a frame (FRAME-8). */
static void second_byte(ipfi_decoder_t *decoder, uint8_t byte)
{
    if (decoder->first >= FIRST_TYPE || byte >= FIRST_TYPE) {
        decoder->mode = IN_FRAME;
        decoder->length = 0;
        decoder->oversized = false;
        append(decoder, byte);
    } else if (decoder->first == NEWLINE) { /* an empty line has ended; this byte starts afresh */
        decoder->first = byte;
    } else {
        decoder->mode = byte == NEWLINE ? AT_START : IN_TEXT;
    }
}

ipfi_rx_verdict_t ipfi_decode_byte(ipfi_decoder_t *decoder, uint8_t byte)
{
    if (byte == 0) { return judge(decoder); } /* FRAME-3: the way out of every state */
    if (decoder->mode == IN_FRAME) {
        append(decoder, byte);
    } else if (decoder->mode == AT_START) {
        decoder->first = byte;
        decoder->mode = AT_SECOND;
    } else if (decoder->mode == AT_SECOND) {
        second_byte(decoder, byte);
    } else if (byte == NEWLINE) {
        decoder->mode = AT_START;
    }
    return IPFI_RX_PENDING;
}

/* Copies bytes by fours, until one of them is zero or less than four are left.  This and what its caller does with the rest
 * grow content, too. */
static inline void copy_to_zero(uint8_t **to, const uint8_t **from, size_t *left)
{
#if IPFI_FOR_SPEED && defined(__AVR__)
    uint8_t fours = (uint8_t)(*left > 0xFF ? 0xFF / 4 : *left / 4); /* what is more comes in the next piece */
    const uint8_t *const begin = *from;
    if (fours == 0) { return; }
    __asm__("1:\t.rept 4\n\tld __tmp_reg__, %a[from]+\n\ttst __tmp_reg__\n\tbreq 2f\n\tst %a[to]+, __tmp_reg__\n\t.endr\n\t"
            "dec %[fours]\n\tbrne 1b\n\trjmp 3f\n2:\tsbiw %[from], 1\n3:"
            : [from] "+x"(*from), [to] "+z"(*to), [fours] "+r"(fours) : : "memory");
    *left -= (size_t)(*from - begin);
#elif IPFI_FOR_SPEED
    uint8_t *t = *to;
    const uint8_t *f = *from;
    for (; *left >= 4; *left -= 4, t += 4, f += 4) {
        if ((t[0] = f[0]) == 0 || (t[1] = f[1]) == 0 || (t[2] = f[2]) == 0 || (t[3] = f[3]) == 0) { break; }
    }
    *to = t;
    *from = f;
#else
    (void)to;
    (void)from;
    (void)left;
#endif
}

size_t ipfi_decode_inside(ipfi_decoder_t *decoder, const uint8_t *bytes, size_t size)
{
    if (decoder->mode != IN_FRAME) { return 0; }
    uint8_t *to = decoder->content + decoder->length;
    const uint16_t room = (uint16_t)(decoder->size - decoder->length);
    size_t left = size < room ? size : room;
    const uint8_t *from = bytes;
    copy_to_zero(&to, &from, &left);
    for (; left > 0 && *from != 0; left--) { *to++ = *from++; }
    decoder->length = (uint16_t)(to - decoder->content);
    return (size_t)(from - bytes);
}

uint16_t ipfi_frame_length(const ipfi_decoder_t *decoder, uint8_t profile, uint32_t confirm)
{
    const uint8_t *const content = decoder->content;
    const uint16_t length = decoder->length;
    uint16_t size = CRC16_SIZE;
    if (ipfi_is_crc32(profile)) {
        size = CRC32_SIZE;
        if (ipfi_crc32_bytes(IPFI_CRC32_START ^ confirm, content, length) != IPFI_CRC32_RESIDUE) { return 0; }
    } else if (ipfi_crc16_bytes((uint16_t)(IPFI_CRC16_START ^ confirm), content, length) != IPFI_CRC16_RESIDUE) {
        return 0;
    }
    return length > size ? (uint16_t)(length - size) : 0;
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
    if (lone_zero) { (void)ipfi_encode_u8(encoder, 0); } /* FRAME-2 */
    (void)ipfi_encode_u8(encoder, 0); /* room for the first code */
    encoder->begin = (uint8_t)encoder->length;
    return ipfi_encode_u8(encoder, type);
}

IPFI_NOT_INLINE ipfi_encoder_t *ipfi_encode_u8(ipfi_encoder_t *encoder, uint8_t byte)
{
    if (encoder->length < encoder->size) {
        encoder->bytes[encoder->length++] = byte; /* this and ipfi_encode_bytes: the only writes that grow the buffer */
    } else {
        encoder->overflow = true;
    }
    return encoder;
}

#if IPFI_FOR_SPEED
/* Where so many bytes go, if there is room for all of them. */
static uint8_t *claim(ipfi_encoder_t *encoder, uint8_t size)
{
    const uint16_t at = encoder->length;
    if (size > (uint16_t)(encoder->size - at)) {
        encoder->overflow = true;
        return NULL;
    }
    encoder->length = (uint16_t)(at + size);
    return encoder->bytes + at;
}

ipfi_encoder_t *ipfi_encode_u16(ipfi_encoder_t *encoder, uint16_t number)
{
    uint8_t *const at = claim(encoder, 2);
    if (at != NULL) {
        at[0] = (uint8_t)number;
        at[1] = (uint8_t)(number >> 8);
    }
    return encoder;
}

ipfi_encoder_t *ipfi_encode_u32(ipfi_encoder_t *encoder, uint32_t number)
{
    uint8_t *const at = claim(encoder, 4);
    if (at != NULL) {
        at[0] = (uint8_t)number;
        at[1] = (uint8_t)(number >> 8);
        at[2] = (uint8_t)(number >> 16);
        at[3] = (uint8_t)(number >> 24);
    }
    return encoder;
}
#else
ipfi_encoder_t *ipfi_encode_u16(ipfi_encoder_t *encoder, uint16_t number)
{
    return ipfi_encode_u8(ipfi_encode_u8(encoder, (uint8_t)number), (uint8_t)(number >> 8));
}

ipfi_encoder_t *ipfi_encode_u32(ipfi_encoder_t *encoder, uint32_t number)
{
    return ipfi_encode_u16(ipfi_encode_u16(encoder, (uint16_t)number), (uint16_t)(number >> 16));
}
#endif

void ipfi_encode_bytes(ipfi_encoder_t *encoder, const uint8_t *bytes, size_t size)
{
    if (size > (size_t)(encoder->size - encoder->length)) {
        encoder->overflow = true;
        return;
    }
    memcpy(encoder->bytes + encoder->length, bytes, size);
    encoder->length = (uint16_t)(encoder->length + size);
}

uint32_t ipfi_encoded_crc32(const ipfi_encoder_t *encoder, uint32_t crc)
{
    return ipfi_crc32_bytes(crc, encoder->bytes + encoder->begin, (size_t)(encoder->length - encoder->begin));
}

void ipfi_encode_end(ipfi_encoder_t *encoder, uint8_t profile, uint32_t confirm)
{
    if (ipfi_is_crc32(profile)) {
        ipfi_encode_u32(encoder, ~ipfi_encoded_crc32(encoder, IPFI_CRC32_START ^ confirm));
    } else {
        const size_t size = (size_t)(encoder->length - encoder->begin);
        const uint16_t start = (uint16_t)(IPFI_CRC16_START ^ confirm);
        const uint16_t crc = ipfi_crc16_bytes(start, encoder->bytes + encoder->begin, size) ^ 0xFFFFu;
        ipfi_encode_u16(encoder, (uint16_t)(crc << 8 | crc >> 8)); /* most significant byte first (FRAME-5) */
    }
    if (!encoder->overflow) { ipfi_cobs_stuff(encoder); }
    ipfi_encode_u8(encoder, 0);
    if (encoder->overflow) { ipfi_encoder_clear(encoder); }
}

void ipfi_encode_text(ipfi_encoder_t *encoder, const char *text, size_t size)
{
    ipfi_encoder_clear(encoder);
    ipfi_encode_bytes(encoder, (const uint8_t *)text, size);
}

/* ---- numbers ---- */

uint16_t ipfi_u16_at(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | (uint16_t)bytes[1] << 8);
}

uint32_t ipfi_u32_at(const uint8_t *bytes)
{
    return (uint32_t)ipfi_u16_at(bytes) | (uint32_t)ipfi_u16_at(bytes + 2) << 16;
}
