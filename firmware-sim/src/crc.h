/* crc.h - the two checksums of FRAME-5 and FRAME-6. */
#ifndef IPFI_CRC_H
#define IPFI_CRC_H

#include <stddef.h>
#include <stdint.h>

#define IPFI_CRC16_START ((uint16_t)0xFFFF)
#define IPFI_CRC32_START ((uint32_t)0xFFFFFFFF)
/* The registers after data and its own checksum have gone through. */
#define IPFI_CRC16_RESIDUE ((uint16_t)0x1D0F) /* content and complemented CRC together */
#define IPFI_CRC32_RESIDUE ((uint32_t)0xDEBB20E3)

/* CRC-16/IBM-3740: check value of "123456789" is 0x29B1. */
uint16_t ipfi_crc16_bytes(uint16_t crc, const uint8_t *bytes, size_t size);
/* CRC-32/ISO-HDLC: check value 0xCBF43926, after the final inversion, which is the caller's. */
uint32_t ipfi_crc32(uint32_t crc, uint8_t byte);
uint32_t ipfi_crc32_bytes(uint32_t crc, const uint8_t *bytes, size_t size);

#endif
