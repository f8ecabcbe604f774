/* flash.h - one byte of a table or text in flash. */
#ifndef IPFI_FLASH_H
#define IPFI_FLASH_H

#include "ipfi/ipfi.h"
#include "memory.h"

static inline uint8_t ipfi_flash_byte(const void *from)
{
#ifdef IPFI_READ_FLASH_BYTE
    return IPFI_READ_FLASH_BYTE(from);
#else
    uint8_t byte;
    IPFI_READ_FLASH(&byte, from, 1);
    return byte;
#endif
}

#endif
