/* values.c - reading MessagePack (protocol.md 1.1).  Bounds are checked in `take` and nowhere else. */
#include "flash.h"
#include "ipfi/ipfi.h"
#include "memory.h"

/* The size has 32 bits, as on the wire: a size_t of 16 would cut it and believe the rest. */
static const uint8_t *take(ipfi_reader_t *reader, uint32_t size)
{
    if (reader->bad || (size_t)(reader->end - reader->at) < size) {
        reader->bad = true;
        return NULL;
    }
    const uint8_t *const bytes = reader->at;
    reader->at += (size_t)size;
    return bytes;
}

static uint8_t take_u8(ipfi_reader_t *reader)
{
    const uint8_t *const byte = take(reader, 1);
    return byte != NULL ? *byte : 0;
}

static uint32_t take_big_endian(ipfi_reader_t *reader, unsigned size)
{
    uint32_t number = 0;
    for (; size > 0; size--) { number = number << 8 | take_u8(reader); }
    return number;
}

ipfi_reader_t ipfi_reader(const uint8_t *bytes, size_t size)
{
    const ipfi_reader_t reader = { bytes, bytes + size, false };
    return reader;
}

bool ipfi_read_end(const ipfi_reader_t *reader)
{
    return !reader->bad && reader->at == reader->end;
}

/* An integer in two's complement of 64 bits, as two words: chips with 32 bits need no more for most. */
typedef struct {
    uint32_t high, low;
    bool is_signed; /* `high` carries a sign; else the number is not negative */
} integer_t;

static uint32_t sign_of(uint32_t word, unsigned size)
{
    const uint32_t bit = (uint32_t)1 << (8 * size - 1);
    return (word & bit) != 0 ? 0xFFFFFFFFu : 0;
}

static integer_t read_integer(ipfi_reader_t *reader)
{
    integer_t number = { 0, 0, false };
    const uint8_t head = take_u8(reader);
    if (head <= 0x7F) {
        number.low = head;
    } else if (head >= 0xE0) {
        number.low = 0xFFFFFF00u | head;
        number.high = 0xFFFFFFFFu;
        number.is_signed = true;
    } else if (head < 0xCC || head > 0xD3) {
        reader->bad = true;
    } else {
        const unsigned size = 1u << (head & 3); /* cc..cf unsigned, d0..d3 signed: 1, 2, 4, 8 bytes */
        number.is_signed = head >= 0xD0;
        if (size == 8) { number.high = take_big_endian(reader, 4); }
        number.low = take_big_endian(reader, size < 4 ? size : 4);
        if (size < 8 && number.is_signed) {
            number.high = sign_of(number.low, size);
            if (size < 4) { number.low |= number.high << (8 * size); }
        }
    }
    return number;
}

static bool is_negative(const integer_t *number)
{
    return number->is_signed && (number->high & 0x80000000u) != 0;
}

static uint64_t joined(const integer_t *number)
{
    return (uint64_t)number->high << 32 | number->low;
}

uint64_t ipfi_read_u64(ipfi_reader_t *reader)
{
    const integer_t number = read_integer(reader);
    if (is_negative(&number)) { reader->bad = true; }
    return reader->bad ? 0 : joined(&number);
}

int64_t ipfi_read_i64(ipfi_reader_t *reader)
{
    const integer_t number = read_integer(reader);
    if (!number.is_signed && (number.high & 0x80000000u) != 0) { reader->bad = true; }
    return reader->bad ? 0 : (int64_t)joined(&number);
}

uint32_t ipfi_read_u32(ipfi_reader_t *reader)
{
    const integer_t number = read_integer(reader);
    if (number.high != 0) { reader->bad = true; }
    return reader->bad ? 0 : number.low;
}

int32_t ipfi_read_i32(ipfi_reader_t *reader)
{
    const integer_t number = read_integer(reader);
    const uint32_t sign = sign_of(number.low, 4);
    if (number.high != sign || (sign != 0 && !number.is_signed)) { reader->bad = true; }
    return reader->bad ? 0 : (int32_t)number.low;
}

bool ipfi_read_bool(ipfi_reader_t *reader)
{
    const uint8_t head = take_u8(reader);
    if (head != 0xC2 && head != 0xC3) { reader->bad = true; }
    return !reader->bad && head == 0xC3;
}

double ipfi_read_float(ipfi_reader_t *reader)
{
    const uint8_t head = reader->at < reader->end ? *reader->at : 0;
    if (head == 0xCA) {
        float value;
        (void)take_u8(reader);
        const uint32_t bits = take_big_endian(reader, 4);
        memcpy(&value, &bits, sizeof value);
        return reader->bad ? 0 : (double)value;
    }
    if (head == 0xCB && sizeof(double) == 8) {
        double value = 0;
        (void)take_u8(reader);
        const uint64_t high = take_big_endian(reader, 4);
        const uint64_t bits = high << 32 | take_big_endian(reader, 4);
        memcpy(&value, &bits, sizeof value < sizeof bits ? sizeof value : sizeof bits);
        return reader->bad ? 0 : value;
    }
    return (double)ipfi_read_i64(reader);
}

/* The length of a value whose head is `fix | n`, or `first` + 0, 1, 2 with 1, 2, 4 bytes behind it. */
static const uint8_t *read_block(ipfi_reader_t *reader, uint8_t first, size_t *size)
{
    const uint8_t head = take_u8(reader);
    uint32_t length = 0;
    if (first == 0xD9 && (head & 0xE0) == 0xA0) {
        length = head & 0x1F;
    } else if (head >= first && head <= first + 2) {
        length = take_big_endian(reader, 1u << (head - first));
    } else {
        reader->bad = true;
    }
    const uint8_t *const bytes = take(reader, length);
    *size = reader->bad ? 0 : (size_t)length;
    return bytes;
}

const char *ipfi_read_str(ipfi_reader_t *reader, size_t *size)
{
    return (const char *)read_block(reader, 0xD9, size);
}

const uint8_t *ipfi_read_bin(ipfi_reader_t *reader, size_t *size)
{
    return read_block(reader, 0xC4, size);
}

static uint32_t read_count(ipfi_reader_t *reader, uint8_t fix, uint8_t first)
{
    const uint8_t head = take_u8(reader);
    uint32_t count = 0;
    if ((head & 0xF0) == fix) {
        count = head & 0x0F;
    } else if (head == first || head == first + 1) {
        count = take_big_endian(reader, head == first ? 2 : 4);
    } else {
        reader->bad = true;
    }
    return reader->bad ? 0 : count;
}

uint32_t ipfi_read_array(ipfi_reader_t *reader)
{
    return read_count(reader, 0x90, 0xDC);
}

uint32_t ipfi_read_map(ipfi_reader_t *reader)
{
    return read_count(reader, 0x80, 0xDE);
}

bool ipfi_read_nil(ipfi_reader_t *reader)
{
    if (reader->bad || reader->at == reader->end || *reader->at != 0xC0) { return false; }
    reader->at++;
    return true;
}

/* Bytes behind a head that holds no other values: heads 0xC0 to 0xDB.  0xFF: never valid. */
static uint8_t scalar_size(uint8_t head)
{
    static const uint8_t sizes[] IPFI_FLASH = {
        0, 0xFF, 0, 0, 0x81, 0x82, 0x84, 0x91, /* nil, -, false, true, bin 8 16 32, ext 8 (+ type)  */
        0x92, 0x94, 4, 8, 1, 2, 4, 8,          /* ext 16 32, float 32 64, uint 8 16 32 64           */
        1, 2, 4, 8, 2, 3, 5, 9,                /* int 8 16 32 64, fixext 1 2 4 8                    */
        17, 0x81, 0x82, 0x84,                  /* fixext 16, str 8 16 32                            */
    };
    return ipfi_flash_byte(&sizes[head - 0xC0]);
}

static void skip_scalar(ipfi_reader_t *reader)
{
    const uint8_t head = take_u8(reader);
    if (head <= 0x7F || head >= 0xE0) { return; }
    if (head < 0xC0) { /* fixstr; arrays and maps do not come here */
        (void)take(reader, head & 0x1F);
        return;
    }
    const uint8_t size = scalar_size(head);
    if (size == 0xFF) {
        reader->bad = true;
    } else if (size >= 0x80) { /* a length of 1, 2 or 4 bytes; 0x10: one more byte for the type */
        const uint32_t length = take_big_endian(reader, size & 0x07);
        if ((size & 0x10) != 0) { (void)take_u8(reader); }
        (void)take(reader, length);
    } else {
        (void)take(reader, size);
    }
}

static bool is_array(uint8_t head)
{
    return (head & 0xF0) == 0x90 || head == 0xDC || head == 0xDD;
}

static bool is_map(uint8_t head)
{
    return (head & 0xF0) == 0x80 || head == 0xDE || head == 0xDF;
}

const uint8_t *ipfi_read_skip(ipfi_reader_t *reader, size_t *size)
{
    uint32_t left[IPFI_NESTING]; /* values still to come, by level: a stack instead of recursion */
    uint8_t depth = 0;
    const uint8_t *const start = reader->at;
    do {
        while (depth > 0 && left[depth - 1] == 0) { depth--; }
        if (depth > 0) { left[depth - 1]--; }
        const uint8_t head = reader->at < reader->end ? *reader->at : 0;
        if (!is_array(head) && !is_map(head)) {
            skip_scalar(reader);
        } else {
            const uint32_t count = is_array(head) ? ipfi_read_array(reader) : ipfi_read_map(reader);
            if (depth == IPFI_NESTING || count > UINT32_MAX / 2) { /* VAL-4 */
                reader->bad = true;
            } else {
                left[depth++] = is_map(head) ? 2 * count : count;
            }
        }
        while (depth > 0 && left[depth - 1] == 0) { depth--; }
    } while (depth > 0 && !reader->bad);
    *size = reader->bad ? 0 : (size_t)(reader->at - start);
    return start;
}
