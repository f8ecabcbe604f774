#include "crc.h"

#include "ipfi/ipfi.h"
#include "memory.h"

/* Reflected polynomial 0xEDB88320, four bits at a time: 64 bytes of flash, two steps a byte. */
static const uint32_t crc32_nibbles[16] IPFI_FLASH = {
    0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
    0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
};

uint16_t ipfi_crc16(uint16_t crc, uint8_t byte)
{
    /* Polynomial 0x1021 without a table: the eight shifts of one byte, folded by hand. */
    uint8_t x = (uint8_t)((crc >> 8) ^ byte);
    x = (uint8_t)(x ^ (x >> 4));
    return (uint16_t)((uint32_t)crc << 8 ^ (uint32_t)x << 12 ^ (uint32_t)x << 5 ^ x);
}

static uint32_t crc32_nibble(uint32_t crc)
{
    uint32_t step;
    IPFI_READ_FLASH(&step, &crc32_nibbles[crc & 0x0F], sizeof step);
    return crc >> 4 ^ step;
}

uint32_t ipfi_crc32(uint32_t crc, uint8_t byte)
{
    return crc32_nibble(crc32_nibble(crc ^ byte));
}

uint32_t ipfi_crc32_bytes(uint32_t crc, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) { crc = ipfi_crc32(crc, bytes[i]); }
    return crc;
}
