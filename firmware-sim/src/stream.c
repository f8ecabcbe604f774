#include "stream.h"

#include "compiler.h"
#include "frame.h"
#include "memory.h"

IPFI_NOT_INLINE static uint16_t wrapped(const ipfi_wire_t *wire, uint32_t position)
{
    const uint16_t size = ipfi_config_of(wire)->tx_stream_size;
    return (uint16_t)(position >= size ? position - size : position);
}

size_t ipfi_stream_room(const ipfi_wire_t *wire)
{
    return (size_t)(ipfi_config_of(wire)->tx_stream_size - wire->link.stream_used);
}

/* Of so many bytes from a position on, those that lie before the ring's end. */
static uint16_t before_end(const ipfi_wire_t *wire, uint16_t at, uint16_t size)
{
    const uint16_t left = (uint16_t)(ipfi_config_of(wire)->tx_stream_size - at);
    return size < left ? size : left;
}

bool ipfi_stream_put(ipfi_wire_t *wire, const uint8_t *bytes, size_t size)
{
    if (size > ipfi_stream_room(wire)) { return false; }
    if (size == 0) { return true; } /* `bytes` may be NULL */
    uint8_t *const stream = ipfi_config_of(wire)->tx_stream;
    const uint16_t at = wrapped(wire, (uint32_t)wire->link.stream_start + wire->link.stream_used);
    IPFI_NEWS(wire);
    const uint16_t first = before_end(wire, at, (uint16_t)size);
    memcpy(stream + at, bytes, first); /* the only writes to tx_stream */
    memcpy(stream, bytes + first, size - first);
    wire->link.stream_used = (uint16_t)(wire->link.stream_used + size);
    return true;
}

void ipfi_stream_encode(const ipfi_wire_t *wire, ipfi_encoder_t *to, uint16_t offset, uint16_t size)
{
    const uint8_t *const stream = ipfi_config_of(wire)->tx_stream;
    const uint16_t at = wrapped(wire, (uint32_t)wire->link.stream_start + offset);
    const uint16_t first = before_end(wire, at, size);
    ipfi_encode_bytes(to, stream + at, first);
    ipfi_encode_bytes(to, stream, (size_t)(size - first));
}

void ipfi_stream_drop(ipfi_wire_t *wire, uint16_t size)
{
    wire->link.stream_start = wrapped(wire, (uint32_t)wire->link.stream_start + size);
    wire->link.stream_used = (uint16_t)(wire->link.stream_used - size);
    wire->link.stream_sent = (uint16_t)(wire->link.stream_sent - size);
}
