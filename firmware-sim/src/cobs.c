#include "cobs.h"

#include "frame.h"
#include "memory.h"

enum { FULL_BLOCK = 0xFF }; /* 254 bytes without an implied zero behind them */

/* A code byte that is no longer needed stands where the zero belongs that it stood for: nothing has to
 * move, except behind a full block, which stands for none. */
bool ipfi_cobs_unstuff(ipfi_decoder_t *decoder)
{
    uint8_t *at = decoder->content, *end = at + decoder->length; /* the first code is elsewhere */
    uint8_t code = decoder->first, rest = (uint8_t)(code - 1);
    while (rest < end - at) {
        const bool was_full = code == FULL_BLOCK;
        at += rest;
        code = *at;
        *at = 0;
        if (was_full) {
            memmove(at, at + 1, (size_t)(--end - at));
            rest = (uint8_t)(code - 1);
        } else {
            rest = code;
        }
    }
    decoder->length = (uint16_t)(end - decoder->content);
    return rest == end - at;
}

#if IPFI_FOR_SPEED
/* The same for content without a full block: a zero where the delimiter will be ends the search. */
static void stuff_short(uint8_t *at, uint8_t *end)
{
    uint8_t *code_at = at - 1;
    *end = 0;
    do {
#if defined(__AVR__)
        __asm__("1:\tld __tmp_reg__, %a[at]+\n\ttst __tmp_reg__\n\tbrne 1b" : [at] "+e"(at) : : "memory");
#else
        while (*at++ != 0) { }
#endif
        *code_at = (uint8_t)(at - 1 - code_at);
        code_at = at - 1;
    } while (code_at != end);
}
#endif

void ipfi_cobs_stuff(ipfi_encoder_t *encoder)
{
    uint8_t *at = encoder->bytes + encoder->begin, *code_at = at - 1, *end = encoder->bytes + encoder->length;
#if IPFI_FOR_SPEED
    if (end - code_at < FULL_BLOCK && encoder->length < encoder->size) {
        stuff_short(at, end);
        return;
    }
#endif
    for (; at != end; at++) {
        if (at - code_at == FULL_BLOCK) { /* a new block is opened only now, so that a frame never ends in an empty one */
            ipfi_encode_u8(encoder, 0);
            if (encoder->overflow) { return; }
            memmove(at + 1, at, (size_t)(end++ - at));
            *at = 0;
        }
        if (*at == 0) {
            *code_at = (uint8_t)(at - code_at);
            code_at = at;
        }
    }
    *code_at = (uint8_t)(at - code_at);
}
