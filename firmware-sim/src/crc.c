#include "crc.h"

uint16_t ipfi_crc16(uint16_t crc, uint8_t byte)
{
    /* Polynomial 0x1021 without a table: the eight shifts of one byte, folded by hand. */
    uint8_t x = (uint8_t)((crc >> 8) ^ byte);
    x = (uint8_t)(x ^ (x >> 4));
    return (uint16_t)((uint32_t)crc << 8 ^ (uint32_t)x << 12 ^ (uint32_t)x << 5 ^ x);
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
