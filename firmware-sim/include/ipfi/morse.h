/* morse.h - wire bytes as dots and dashes on one pin, and back.
 *
 * docs/morse.md is the specification (numbers such as MORSE-8 are its requirements).  Nothing here
 * touches hardware or knows the time: a timer and an edge interrupt of yours do.
 *
 *     timer        -> ipfi_morse_next       (how the pin is to stand, and for how many units)
 *     edge         -> ipfi_morse_edge       (when, and whether the pin is high now)
 *     timer        -> ipfi_morse_silence    (nothing came until now: a long gap ends a frame)
 *     main loop    -> ipfi_morse_put        (a byte of ipfi_take_tx)
 *                     ipfi_morse_take       (a byte for ipfi_receive)
 *
 * A tick is what you count time in: any length, 16 to 65535 of them in a unit.  Counters may wrap round.
 * One producer and one consumer may share a keyer or a decoder without a lock if a byte is stored in
 * one access: ipfi_morse_put and ipfi_morse_take in the main loop, the rest in interrupts of one level. */
#ifndef IPFI_MORSE_H
#define IPFI_MORSE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    IPFI_MORSE_QUEUE = 32,     /* bytes between interrupt and main loop; a power of two      */
    IPFI_MORSE_TRAINING = 24,  /* marks and gaps of a training preamble, its word gap included */
    IPFI_MORSE_LEAST_TICKS = 16, /* in a unit */
    IPFI_MORSE_MARK = 0x80 /* of what ipfi_morse_next returns: the pin is to be high          */
};

#define IPFI_MORSE_MOST_TICKS UINT32_C(65535) /* in a unit */

typedef enum { IPFI_MORSE_COMPACT, IPFI_MORSE_ITU } ipfi_morse_alphabet_t;

typedef struct {
    uint8_t bytes[IPFI_MORSE_QUEUE];
    volatile uint8_t head, tail; /* next to take, next to put; they count on and wrap at 256 */
} ipfi_morse_queue_t;

typedef struct {
    ipfi_morse_queue_t queue; /* wire bytes to key                                    */
    uint8_t alphabet;
    uint8_t preamble; /* intervals of the preamble that were keyed            */
    uint8_t elements; /* of the character in hand: a 1, then 1 for a dash     */
    uint8_t bit;      /* of elements, of the next mark; 0: the character ends */
    uint8_t second;   /* ITU: the other digit of the byte, plus 16; else 0    */
    bool in_frame, in_gap;
    uint16_t position, white;
} ipfi_morse_keyer_t;

typedef struct {
    uint16_t preambles;  /* each begins a frame                                   */
    uint16_t frames;     /* read to their end                                     */
    uint16_t damaged;    /* broken off                                            */
    uint16_t glitches;   /* shorter than a third of a unit, left out              */
    uint16_t lost_edges; /* two edges in the same direction                       */
    uint16_t margin;     /* of the last frame: distance of the worst mark or gap to its
                          * threshold, in 256ths of a unit; 256 is perfect        */
} ipfi_morse_counters_t;

typedef struct {
    ipfi_morse_queue_t queue;         /* wire bytes read                               */
    ipfi_morse_counters_t counters;
    uint32_t start, end;              /* of the interval in hand; the end may be a glitch's */
    uint32_t recent[IPFI_MORSE_TRAINING];
    uint32_t unit, spike;             /* in 256ths of a tick                           */
    int32_t bias;                     /* marks are longer by so much, in 256ths        */
    uint32_t worst, off;              /* of this frame: least margin, sum of errors    */
    uint16_t count, number, position, white;
    uint8_t alphabet, recent_count, half, noise; /* noise: mean error, in 256ths of a unit */
    bool has_start, has_end, high, inverted, tracking, is_first;
} ipfi_morse_decoder_t;

/* ---- keying ---- */

void ipfi_morse_keyer_init(ipfi_morse_keyer_t *keyer, ipfi_morse_alphabet_t alphabet);

/* Queue a wire byte; false: there is no room.  A 0x00 ends a frame (MORSE-4).  Keep at least one byte
 * ahead of the keyer: where the next byte of a frame is missing, the frame breaks off. */
bool ipfi_morse_put(ipfi_morse_keyer_t *keyer, uint8_t byte);

/* What comes next: units, plus IPFI_MORSE_MARK if they are a mark.  0: nothing to key, ask again later. */
uint8_t ipfi_morse_next(ipfi_morse_keyer_t *keyer);

/* ---- reading ---- */

/* unit_ticks is only where the search begins: a preamble tells the true one (MORSE-6). */
void ipfi_morse_decoder_init(ipfi_morse_decoder_t *decoder, ipfi_morse_alphabet_t alphabet,
                             uint16_t unit_ticks);

/* An edge at a time in ticks; high: the level behind it. */
void ipfi_morse_edge(ipfi_morse_decoder_t *decoder, uint32_t ticks, bool high);

/* No edge came until now.  Call it at least every 4 units while a frame is being read. */
void ipfi_morse_silence(ipfi_morse_decoder_t *decoder, uint32_t ticks);

/* Edges were lost (a queue of yours ran over), or this end talks on the same line: drop the frame. */
void ipfi_morse_forget(ipfi_morse_decoder_t *decoder);

/* The next wire byte; false: there is none. */
bool ipfi_morse_take(ipfi_morse_decoder_t *decoder, uint8_t *byte);

#endif
