/* stream.h - the ring of stream bytes that wait to be sent or acknowledged. */
#ifndef IPFI_STREAM_H
#define IPFI_STREAM_H

#include "ipfi/ipfi.h"

size_t ipfi_stream_room(const ipfi_wire_t *wire);
/* The caller has asked for room; what does not fit is refused as a whole. */
bool ipfi_stream_put(ipfi_wire_t *wire, const uint8_t *bytes, size_t size);
/* Bytes for a frame, `offset` behind the oldest that is not acknowledged. */
void ipfi_stream_encode(const ipfi_wire_t *wire, ipfi_encoder_t *to, uint16_t offset, uint16_t size);
void ipfi_stream_drop(ipfi_wire_t *wire, uint16_t size);

#endif
