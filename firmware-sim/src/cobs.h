/* cobs.h - consistent overhead byte stuffing (Cheshire and Baker 1999) of a frame, where it lies. */
#ifndef IPFI_COBS_H
#define IPFI_COBS_H

#include "ipfi/ipfi.h"

/* What came between a frame's first code and its delimiter becomes content; false: a block lacks bytes. */
bool ipfi_cobs_unstuff(ipfi_decoder_t *decoder);
/* Content becomes a frame without its delimiter. */
void ipfi_cobs_stuff(ipfi_encoder_t *encoder);

#endif
