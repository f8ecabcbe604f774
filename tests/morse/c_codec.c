/* Lets Python's tests use the C codec: one call keys a message, one reads a recording. */
#include <stddef.h>

#include "ipfi/morse.h"

static ipfi_morse_decoder_t decoder;

/* Marks and gaps of wire bytes, in units, a mark first; returns how many. */
size_t key(int itu, const uint8_t *wire, size_t size, uint8_t *units, size_t most)
{
    ipfi_morse_keyer_t keyer;
    size_t done = 0, count = 0;
    ipfi_morse_keyer_init(&keyer, itu ? IPFI_MORSE_ITU : IPFI_MORSE_COMPACT);
    while (count < most) {
        while (done < size && ipfi_morse_put(&keyer, wire[done])) {
            done++;
        }
        uint8_t next = ipfi_morse_next(&keyer);
        if (next == 0) {
            break;
        }
        if (((next & IPFI_MORSE_MARK) != 0) != (count % 2 == 0)) {
            return 0; /* marks and gaps do not alternate */
        }
        units[count++] = (uint8_t)(next & ~IPFI_MORSE_MARK);
    }
    return count;
}

void start(int itu, uint16_t unit_ticks)
{
    ipfi_morse_decoder_init(&decoder, itu ? IPFI_MORSE_ITU : IPFI_MORSE_COMPACT, unit_ticks);
}

/* Bytes of a run of edges and the silence after it; returns how many. */
size_t hear(const uint32_t *edges, size_t count, int rising, uint32_t until, uint8_t *wire, size_t most)
{
    size_t size = 0;
    for (size_t i = 0; i <= count; i++) {
        if (i < count) {
            ipfi_morse_edge(&decoder, edges[i], (i % 2 == 0) == (rising != 0));
        } else {
            ipfi_morse_silence(&decoder, until);
        }
        while (size < most && ipfi_morse_take(&decoder, &wire[size])) {
            size++;
        }
    }
    return size;
}

void forget(void)
{
    ipfi_morse_forget(&decoder);
}

const ipfi_morse_counters_t *counters(void)
{
    return &decoder.counters;
}
