/* values_write.c - writing MessagePack (protocol.md 1.1).  A value is written whole or not at all. */
#include "ipfi/ipfi.h"
#include "memory.h"

static bool has_room(ipfi_writer_t *writer, size_t size)
{
    if (writer->full || (size_t)(writer->end - writer->at) < size) { writer->full = true; }
    return !writer->full;
}

/* Big-endian, from the last byte to the first: no shift by a variable. */
static void put_number(ipfi_writer_t *writer, uint32_t number, uint8_t size)
{
    uint8_t *at = writer->at + size;
    for (writer->at = at; size > 0; size--) {
        *--at = (uint8_t)number;
        number >>= 8;
    }
}

/* A head byte and a number of `size` bytes: the smallest whole thing that is written. */
static void put(ipfi_writer_t *writer, uint8_t head, uint32_t number, uint8_t size)
{
    if (!has_room(writer, size + 1u)) { return; }
    *writer->at++ = head;
    put_number(writer, number, size);
}

/* The same with eight bytes, apart: on chips of 8 bits every 64-bit argument is 16 bytes of code. */
static void put_wide(ipfi_writer_t *writer, uint8_t head, uint64_t number)
{
    if (!has_room(writer, 9)) { return; }
    *writer->at++ = head;
    put_number(writer, (uint32_t)(number >> 32), 4);
    put_number(writer, (uint32_t)number, 4);
}

ipfi_writer_t ipfi_writer(uint8_t *bytes, size_t size)
{
    const ipfi_writer_t writer = { bytes, bytes, bytes + size, false };
    return writer;
}

size_t ipfi_written(const ipfi_writer_t *writer)
{
    return (size_t)(writer->at - writer->start);
}

void ipfi_write_nil(ipfi_writer_t *writer)
{
    put(writer, 0xC0, 0, 0);
}

void ipfi_write_bool(ipfi_writer_t *writer, bool value)
{
    put(writer, value ? 0xC3 : 0xC2, 0, 0);
}

void ipfi_write_u32(ipfi_writer_t *writer, uint32_t value)
{
    if (value <= 0x7F) {
        put(writer, (uint8_t)value, 0, 0);
    } else if (value <= 0xFF) {
        put(writer, 0xCC, value, 1);
    } else if (value <= 0xFFFF) {
        put(writer, 0xCD, value, 2);
    } else {
        put(writer, 0xCE, value, 4);
    }
}

void ipfi_write_u64(ipfi_writer_t *writer, uint64_t value)
{
    if (value <= UINT32_MAX) {
        ipfi_write_u32(writer, (uint32_t)value);
    } else {
        put_wide(writer, 0xCF, value);
    }
}

void ipfi_write_i32(ipfi_writer_t *writer, int32_t value)
{
    if (value >= 0) {
        ipfi_write_u32(writer, (uint32_t)value);
    } else if (value >= -32) {
        put(writer, (uint8_t)value, 0, 0);
    } else if (value >= INT8_MIN) {
        put(writer, 0xD0, (uint32_t)value, 1);
    } else if (value >= INT16_MIN) {
        put(writer, 0xD1, (uint32_t)value, 2);
    } else {
        put(writer, 0xD2, (uint32_t)value, 4);
    }
}

void ipfi_write_i64(ipfi_writer_t *writer, int64_t value)
{
    if (value >= 0) {
        ipfi_write_u64(writer, (uint64_t)value);
    } else if (value >= INT32_MIN) {
        ipfi_write_i32(writer, (int32_t)value);
    } else {
        put_wide(writer, 0xD3, (uint64_t)value);
    }
}

void ipfi_write_f32(ipfi_writer_t *writer, float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    put(writer, 0xCA, bits, 4);
}

void ipfi_write_f64(ipfi_writer_t *writer, double value)
{
    uint64_t bits = 0;
    if (sizeof value != sizeof bits) { /* chips whose double has 32 bits */
        ipfi_write_f32(writer, (float)value);
        return;
    }
    memcpy(&bits, &value, sizeof value);
    put_wide(writer, 0xCB, bits);
}

static void put_length(ipfi_writer_t *writer, uint8_t first, uint32_t size)
{
    if (size <= 0xFF) {
        put(writer, first, size, 1);
    } else if (size <= 0xFFFF) {
        put(writer, (uint8_t)(first + 1), size, 2);
    } else {
        put(writer, (uint8_t)(first + 2), size, 4);
    }
}

void ipfi_write_str_header(ipfi_writer_t *writer, uint32_t size)
{
    if (size <= 31) {
        put(writer, (uint8_t)(0xA0 | size), 0, 0);
    } else {
        put_length(writer, 0xD9, size);
    }
}

void ipfi_write_bin_header(ipfi_writer_t *writer, uint32_t size)
{
    put_length(writer, 0xC4, size);
}

void ipfi_write_raw(ipfi_writer_t *writer, const uint8_t *bytes, size_t size)
{
    if (size == 0 || !has_room(writer, size)) { return; }
    memcpy(writer->at, bytes, size);
    writer->at += size;
}

/* Head and bytes together, or neither. */
static void put_block(ipfi_writer_t *writer, bool is_text, const uint8_t *bytes, size_t size)
{
    uint8_t *const before = writer->at;
    if (is_text) {
        ipfi_write_str_header(writer, (uint32_t)size);
    } else {
        ipfi_write_bin_header(writer, (uint32_t)size);
    }
    ipfi_write_raw(writer, bytes, size);
    if (writer->full) { writer->at = before; }
}

void ipfi_write_str(ipfi_writer_t *writer, const char *text, size_t size)
{
    put_block(writer, true, (const uint8_t *)text, size);
}

void ipfi_write_bin(ipfi_writer_t *writer, const uint8_t *bytes, size_t size)
{
    put_block(writer, false, bytes, size);
}

static void put_count(ipfi_writer_t *writer, uint8_t fix, uint8_t first, uint32_t count)
{
    if (count <= 15) {
        put(writer, (uint8_t)(fix | count), 0, 0);
    } else if (count <= 0xFFFF) {
        put(writer, first, count, 2);
    } else {
        put(writer, (uint8_t)(first + 1), count, 4);
    }
}

void ipfi_write_array(ipfi_writer_t *writer, uint32_t count)
{
    put_count(writer, 0x90, 0xDC, count);
}

void ipfi_write_map(ipfi_writer_t *writer, uint32_t pairs)
{
    put_count(writer, 0x80, 0xDE, pairs);
}
