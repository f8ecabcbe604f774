/* cobs.h - consistent overhead byte stuffing (Cheshire and Baker 1999) of a frame, where it lies. */
#ifndef IPFI_COBS_H
#define IPFI_COBS_H

#include <stdbool.h>
#include <stdint.h>

/* What came between a frame's first code and its delimiter becomes content; how much that is.  Not `whole`: a
 * block lacks bytes. */
uint16_t ipfi_cobs_unstuff(uint8_t code, uint8_t *bytes, uint16_t size, bool *whole);
/* Content with a byte of room before it, both in `size`, becomes a frame without its delimiter; how long that
 * is, or 0 if it is more than `most`. */
uint16_t ipfi_cobs_stuff(uint8_t *bytes, uint16_t size, uint16_t most);

#endif
