#include "crc.h"

#include <limits.h>

/* Polynomial 0x1021 without a table: the eight shifts of one byte, folded by hand. */
uint16_t ipfi_crc16_bytes(uint16_t crc, const uint8_t *bytes, size_t size)
{
    const uint8_t *const end = bytes + size;
#if UINT_MAX > 0xFFFF
    uint32_t wide = crc; /* what is above 16 bits does not matter */
    while (bytes != end) {
        uint32_t x = (wide >> 8 ^ *bytes++) & 0xFF;
        x ^= x >> 4;
        wide = wide << 8 ^ x << 12 ^ x << 5 ^ x;
    }
    return (uint16_t)wide;
#else /* the same in bytes and with rotations: the smallest chips have neither wide registers nor fast shifts */
    uint8_t high = (uint8_t)(crc >> 8), low = (uint8_t)crc;
    while (bytes != end) {
        uint8_t x = (uint8_t)(high ^ *bytes++);
        x = (uint8_t)(x ^ x >> 4);
        const uint8_t x4 = (uint8_t)(x << 4 | x >> 4), x5 = (uint8_t)(x4 << 1 | x4 >> 7); /* rotated */
        high = (uint8_t)(low ^ (x4 & 0xF0) ^ (x5 & 0x1F)); /* low, x << 4, x >> 3 */
        low = (uint8_t)(x ^ (x5 & 0xE0));                  /* x, x << 5 */
    }
    return (uint16_t)((uint16_t)high << 8 | low);
#endif
}

/* Bit by bit: a table costs more flash than the time is worth on a serial line. */
uint32_t ipfi_crc32(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (uint8_t bit = 0; bit < 8; bit++) { crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1u))); }
    return crc;
}

uint32_t ipfi_crc32_bytes(uint32_t crc, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) { crc = ipfi_crc32(crc, bytes[i]); }
    return crc;
}
