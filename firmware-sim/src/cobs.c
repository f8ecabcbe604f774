#include "cobs.h"

#include "compiler.h"
#include "crc.h"

enum { FULL_BLOCK = 0xFF }; /* 254 bytes without an implied zero behind them */

/* ---- decoding ---- */

static void append(ipfi_decoder_t *decoder, uint8_t byte)
{
    if (decoder->length >= decoder->size) {
        decoder->oversized = true; /* FRAME-7 */
        return;
    }
    decoder->content[decoder->length++] = byte; /* the only write to content */
    decoder->crc16 = ipfi_crc16(decoder->crc16, byte);
    decoder->crc32 = ipfi_crc32(decoder->crc32, byte);
}

void ipfi_cobs_decode_restart(ipfi_decoder_t *decoder)
{
    decoder->length = 0;
    decoder->code = 0;
    decoder->left = 0;
    decoder->oversized = false;
    decoder->crc16 = IPFI_CRC16_START;
    decoder->crc32 = IPFI_CRC32_START;
}

void ipfi_cobs_decode(ipfi_decoder_t *decoder, uint8_t byte)
{
    if (decoder->left != 0) {
        append(decoder, byte);
        decoder->left--;
        return;
    }
    if (decoder->code != 0 && decoder->code != FULL_BLOCK) {
        append(decoder, 0); /* the zero that the previous block stood for */
    }
    decoder->code = byte;
    decoder->left = (uint8_t)(byte - 1);
}

bool ipfi_cobs_complete(const ipfi_decoder_t *decoder)
{
    return decoder->code != 0 && decoder->left == 0;
}

/* ---- encoding ---- */

void ipfi_cobs_emit(ipfi_encoder_t *encoder, uint8_t byte)
{
    if (encoder->length >= encoder->size) {
        encoder->overflow = true;
        return;
    }
    encoder->bytes[encoder->length++] = byte; /* the only write that grows the buffer */
}

IPFI_NOT_INLINE static void open_block(ipfi_encoder_t *encoder)
{
    encoder->code_at = encoder->length;
    encoder->code = 1;
    ipfi_cobs_emit(encoder, 0); /* the code, known when the block ends */
}

static void close_block(ipfi_encoder_t *encoder)
{
    if (encoder->code_at < encoder->size) { encoder->bytes[encoder->code_at] = encoder->code; }
}

void ipfi_cobs_encode_begin(ipfi_encoder_t *encoder)
{
    open_block(encoder);
}

void ipfi_cobs_encode(ipfi_encoder_t *encoder, uint8_t byte)
{
    if (encoder->code == FULL_BLOCK) { /* opened only now, so that a frame never ends in an empty block */
        close_block(encoder);
        open_block(encoder);
    }
    if (byte == 0) {
        close_block(encoder);
        open_block(encoder);
        return;
    }
    ipfi_cobs_emit(encoder, byte);
    encoder->code++;
}

void ipfi_cobs_encode_end(ipfi_encoder_t *encoder)
{
    close_block(encoder);
    ipfi_cobs_emit(encoder, 0);
}
