/* cobs.h - consistent overhead byte stuffing (Cheshire and Baker 1999), a byte at a time. */
#ifndef IPFI_COBS_H
#define IPFI_COBS_H

#include "ipfi/ipfi.h"

void ipfi_cobs_decode_restart(ipfi_decoder_t *decoder);
void ipfi_cobs_decode(ipfi_decoder_t *decoder, uint8_t byte); /* not for the delimiter */
bool ipfi_cobs_complete(const ipfi_decoder_t *decoder);       /* a delimiter may come now */

void ipfi_cobs_encode_begin(ipfi_encoder_t *encoder);
void ipfi_cobs_encode(ipfi_encoder_t *encoder, uint8_t byte);
void ipfi_cobs_encode_end(ipfi_encoder_t *encoder); /* with the delimiter */
void ipfi_cobs_emit(ipfi_encoder_t *encoder, uint8_t byte); /* as it is, unstuffed */

#endif
