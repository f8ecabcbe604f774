#include "stream.h"

#include "compiler.h"

IPFI_NOT_INLINE static uint16_t wrapped(const ipfi_wire_t *wire, uint32_t position)
{
    const uint16_t size = ipfi_config_of(wire)->tx_stream_size;
    return (uint16_t)(position >= size ? position - size : position);
}

size_t ipfi_stream_room(const ipfi_wire_t *wire)
{
    return (size_t)(ipfi_config_of(wire)->tx_stream_size - wire->link.stream_used);
}

bool ipfi_stream_put(ipfi_wire_t *wire, const uint8_t *bytes, size_t size)
{
    if (size > ipfi_stream_room(wire)) { return false; }
    uint16_t at = wrapped(wire, (uint32_t)wire->link.stream_start + wire->link.stream_used);
    for (size_t i = 0; i < size; i++) {
        ipfi_config_of(wire)->tx_stream[at] = bytes[i]; /* the only write to tx_stream */
        at = wrapped(wire, at + 1u);
    }
    wire->link.stream_used = (uint16_t)(wire->link.stream_used + size);
    return true;
}

uint8_t ipfi_stream_at(const ipfi_wire_t *wire, uint16_t offset)
{
    return ipfi_config_of(wire)->tx_stream[wrapped(wire, (uint32_t)wire->link.stream_start + offset)];
}

void ipfi_stream_drop(ipfi_wire_t *wire, uint16_t size)
{
    wire->link.stream_start = wrapped(wire, (uint32_t)wire->link.stream_start + size);
    wire->link.stream_used = (uint16_t)(wire->link.stream_used - size);
    wire->link.stream_sent = (uint16_t)(wire->link.stream_sent - size);
}
