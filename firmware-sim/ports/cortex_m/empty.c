/* empty.c - the library with an empty interface on a bare Cortex-M0: what `make size` measures.
 *
 * The registers are those of no real chip; what a port consists of is all here. */
#include "ipfi/ipfi.h"

#define UART_DATA (*(volatile uint32_t *)0x40002000u)
#define UART_FREE (*(volatile uint32_t *)0x40002004u)
#define RESET_CAUSE (*(volatile uint32_t *)0x40000400u)
#define CHIP_NUMBER (*(volatile uint32_t *)0x10000060u)

void systick_handler(void);
void uart_handler(void);

enum { BAUD = 115200, US_PER_BYTE = 10000000 / BAUD, RING = 256 };

static volatile uint32_t milliseconds;
static volatile uint8_t ring_bytes[RING];
static ipfi_ring_t ring;

void systick_handler(void) { milliseconds++; }
void uart_handler(void) { ipfi_ring_put(&ring, (uint8_t)UART_DATA); }

static uint32_t port_now_ms(void *context)
{
    (void)context;
    return milliseconds;
}

static size_t port_read(void *context, uint8_t *to, size_t max)
{
    return ipfi_ring_take(context, to, max);
}

static size_t port_write(void *context, const uint8_t *from, size_t size)
{
    size_t taken = 0;
    (void)context;
    while (taken < size && UART_FREE != 0) { UART_DATA = from[taken++]; }
    return taken;
}

static uint32_t port_entropy(void *context)
{
    (void)context;
    return CHIP_NUMBER;
}

static uint8_t port_boot_cause(void *context)
{
    (void)context;
    return (uint8_t)(RESET_CAUSE == 1 ? IPFI_BOOT_POWER : IPFI_BOOT_UNKNOWN);
}

static const ipfi_port_t port = { &ring, port_now_ms, port_read, port_write, port_entropy, port_boot_cause };

IPFI_BUFFERS(buffers, 64, 2, 160, 2, 96, 32);

static const ipfi_config_t config = {
    IPFI_USE_BUFFERS(buffers), .port = &port, .frame_payload = 64, .window = 2, .ring = RING - 1,
    .crc_profiles = IPFI_CRC_16, .us_per_byte = US_PER_BYTE,
};

int main(void)
{
    static ipfi_wire_t wire;
    ipfi_ring_init(&ring, ring_bytes, RING);
    ipfi_start(&wire, &config);
    for (;;) { ipfi_poll(&wire); }
}
