#include "cobs.h"

#include "memory.h"

enum { FULL_BLOCK = 0xFF }; /* 254 bytes without an implied zero behind them */

/* A code byte that is no longer needed stands where the zero belongs that it stood for: nothing has to
 * move, except behind a full block, which stands for none. */
uint16_t ipfi_cobs_unstuff(uint8_t code, uint8_t *bytes, uint16_t size, bool *whole)
{
    uint16_t at = 0;
    for (;;) {
        at = (uint16_t)(at + code - 1);
        if (at >= size) { break; }
        const bool was_full = code == FULL_BLOCK;
        code = bytes[at];
        if (was_full) {
            size--;
            memmove(bytes + at, bytes + at + 1, (size_t)(size - at));
        } else {
            bytes[at++] = 0;
        }
    }
    *whole = at == size;
    return size;
}

uint16_t ipfi_cobs_stuff(uint8_t *bytes, uint16_t size, uint16_t most)
{
    uint8_t *code_at = bytes, *at = bytes, *end = bytes + size;
    uint8_t code = 1;
    while (++at != end) {
        if (code == FULL_BLOCK) { /* a new block is opened only now, so that a frame never ends in an empty one */
            if (end == bytes + most) { return 0; }
            memmove(at + 1, at, (size_t)(end++ - at));
            *at = 0;
        }
        if (*at != 0) {
            code++;
        } else {
            *code_at = code;
            code_at = at;
            code = 1;
        }
    }
    *code_at = code;
    return (uint16_t)(end - bytes);
}
