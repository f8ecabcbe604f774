/* morse.h - what keying and reading of Morse share.  docs/morse.md. */
#ifndef IPFI_MORSE_SHARED_H
#define IPFI_MORSE_SHARED_H

#include "ipfi/morse.h"

enum { IPFI_MORSE_DOT = 1, IPFI_MORSE_DASH = 3, IPFI_MORSE_WORD_GAP = 7 };

/* The digits 0 to F: a 1, then 0 for a dot and 1 for a dash. */
extern const uint8_t ipfi_morse_digits[16];

/* Marks and gaps of VVV and the word gap behind it, in units (MORSE-6). */
uint8_t ipfi_morse_preamble_units(uint8_t place);

/* The next byte of the whitening of a frame (MORSE-5); position is 0 where a frame begins. */
uint8_t ipfi_morse_whiten(uint16_t *state, uint16_t *position);

bool ipfi_morse_queue_put(ipfi_morse_queue_t *queue, uint8_t byte);
bool ipfi_morse_queue_take(ipfi_morse_queue_t *queue, uint8_t *byte);

#endif
