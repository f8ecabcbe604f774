/* stream.h - the ring of stream bytes that wait to be sent or acknowledged. */
#ifndef IPFI_STREAM_H
#define IPFI_STREAM_H

#include "ipfi/ipfi.h"

size_t ipfi_stream_room(const ipfi_wire_t *wire);
/* The caller has asked for room; what does not fit is refused as a whole. */
bool ipfi_stream_put(ipfi_wire_t *wire, const uint8_t *bytes, size_t size);
/* One byte, `offset` behind the oldest that is not acknowledged. */
uint8_t ipfi_stream_at(const ipfi_wire_t *wire, uint16_t offset);
void ipfi_stream_drop(ipfi_wire_t *wire, uint16_t size);

#endif
