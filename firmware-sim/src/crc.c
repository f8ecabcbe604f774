#include "crc.h"

#include "ipfi/options.h"

#include <limits.h>

#if UINT_MAX <= 0xFFFF && defined(__AVR_HAVE_MUL__)
/* The next byte: x = high ^ byte; x ^= x >> 4; then low ^ x << 4 ^ x >> 3 is the new high, x ^ x << 5 the new low, so that
 * the two have changed places.  The products with 16 and 32 hold what is shifted to both sides. */
#define CRC16_STEP(high, low) \
    "ld __tmp_reg__, %a[bytes]+\n\teor " high ", __tmp_reg__\n\t" \
    "mul " high ", %[by16]\n\teor " high ", r1\n\t" \
    "mul " high ", %[by16]\n\teor " low ", r0\n\t" \
    "mul " high ", %[by32]\n\teor " low ", r1\n\teor " high ", r0\n\t"
#endif

#if UINT_MAX > 0xFFFF && IPFI_FOR_SPEED
/* What becomes of each upper byte; a row from the 16 of its lower half. */
#define X(n) ((n) ^ (n) >> 4)
#define ENTRY(n) (uint16_t)(X(n) << 12 ^ X(n) << 5 ^ X(n))
#define FOUR(n) ENTRY(n), ENTRY((n) + 1), ENTRY((n) + 2), ENTRY((n) + 3)
#define ROW(n) FOUR(n), FOUR((n) + 4), FOUR((n) + 8), FOUR((n) + 12)
static const uint16_t table[256] = {
    ROW(0x00), ROW(0x10), ROW(0x20), ROW(0x30), ROW(0x40), ROW(0x50), ROW(0x60), ROW(0x70),
    ROW(0x80), ROW(0x90), ROW(0xA0), ROW(0xB0), ROW(0xC0), ROW(0xD0), ROW(0xE0), ROW(0xF0)
};
#endif

/* Polynomial 0x1021 without a table: the eight shifts of one byte, folded by hand. */
uint16_t ipfi_crc16_bytes(uint16_t crc, const uint8_t *bytes, size_t size)
{
    const uint8_t *const end = bytes + size;
#if UINT_MAX > 0xFFFF && IPFI_FOR_SPEED
    uint32_t wide = crc; /* what is above 16 bits does not matter */
    for (; size >= 4; size -= 4, bytes += 4) {
        wide = wide << 8 ^ table[(wide >> 8 & 0xFF) ^ bytes[0]];
        wide = wide << 8 ^ table[(wide >> 8 & 0xFF) ^ bytes[1]];
        wide = wide << 8 ^ table[(wide >> 8 & 0xFF) ^ bytes[2]];
        wide = wide << 8 ^ table[(wide >> 8 & 0xFF) ^ bytes[3]];
    }
    while (bytes != end) { wide = wide << 8 ^ table[(wide >> 8 & 0xFF) ^ *bytes++]; }
    return (uint16_t)wide;
#elif UINT_MAX > 0xFFFF
    uint32_t wide = crc; /* what is above 16 bits does not matter */
    while (bytes != end) {
        uint32_t x = (wide >> 8 ^ *bytes++) & 0xFF;
        x ^= x >> 4;
        wide = wide << 8 ^ x << 12 ^ x << 5 ^ x;
    }
    return (uint16_t)wide;
#elif defined(__AVR_HAVE_MUL__)
    /* The same with the multiplier, in 13 cycles a byte and those of the loop. */
    uint8_t high = (uint8_t)(crc >> 8), low = (uint8_t)crc;
    const uint8_t by16 = 16, by32 = 32;
    while (IPFI_FOR_SPEED && size >= 4) {
        uint8_t fours = (uint8_t)(size > 0xFF ? 0xFF / 4 : size / 4);
        size -= (size_t)fours * 4;
        __asm__("1:\t" CRC16_STEP("%[high]", "%[low]") CRC16_STEP("%[low]", "%[high]") CRC16_STEP("%[high]", "%[low]")
                CRC16_STEP("%[low]", "%[high]") "dec %[fours]\n\tbrne 1b\n\tclr __zero_reg__"
                : [high] "+r"(high), [low] "+r"(low), [bytes] "+e"(bytes), [fours] "+r"(fours)
                : [by16] "r"(by16), [by32] "r"(by32) : "r0", "memory");
    }
    while (bytes != end) {
        __asm__(CRC16_STEP("%[high]", "%[low]") "clr __zero_reg__"
                : [high] "+r"(high), [low] "+r"(low), [bytes] "+e"(bytes) : [by16] "r"(by16), [by32] "r"(by32) : "r0", "memory");
        const uint8_t swapped = high;
        high = low;
        low = swapped;
    }
    return (uint16_t)((uint16_t)high << 8 | low);
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
