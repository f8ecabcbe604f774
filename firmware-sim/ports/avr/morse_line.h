/* morse_line.h - two pins of the ATmega328P as a Morse line, full duplex.
 *
 * Keyed is B1 (pin 9 of an Uno), by an interrupt of timer 1 a unit.  Heard is ICP1 (B0, pin 8): the timer
 * itself notes the tick of each edge, so edges are exact whatever the interrupts do. */
#ifndef IPFI_AVR_MORSE_LINE_H
#define IPFI_AVR_MORSE_LINE_H

#include <stddef.h>

#include "ipfi/morse.h"

/* A tick is 4 us.  Words a minute from 5 (240 ms a unit) on. */
#define MORSE_LINE_TICKS_PER_S (F_CPU / 64)
#define MORSE_LINE_UNIT_TICKS(wpm) (MORSE_LINE_TICKS_PER_S * 6 / 5 / (wpm))

/* Called once, with interrupts off. */
void morse_line_start(ipfi_morse_alphabet_t alphabet, uint16_t unit_ticks);

/* The port's read and write (ipfi_port_t).  Reading also decodes what was heard: call it at least every
 * 32 edges, and 4 units apart at most. */
size_t morse_line_read(void *context, uint8_t *to, size_t max);
size_t morse_line_write(void *context, const uint8_t *from, size_t size);

/* Sleeps until the next interrupt, if nothing was heard that is not read yet. */
void morse_line_idle(void);

#endif
