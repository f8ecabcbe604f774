/* empty.c - the library with an empty interface on a bare Cortex-M0 (or with -DWITH_A_PROCEDURE, one
 * procedure and all that serves it): what `make size` measures.
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

#ifdef WITH_A_PROCEDURE
IPFI_BUFFERS(buffers, 64, 2, 160, 2, 96, 32);
IPFI_DESCRIBE(add_text, "add", "(a: u32, b: u32) -> u32", "Add two numbers.");

static ipfi_verdict_t add(ipfi_call_t *call)
{
    const uint32_t a = ipfi_read_u32(&call->args);
    const uint32_t b = ipfi_read_u32(&call->args);
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    ipfi_write_u32(&call->answer, a + b);
    return IPFI_DONE;
}

static const ipfi_procedure_t table[] IPFI_FLASH = { { 1, IPFI_UNARY, add_text, add, NULL } };
#else
IPFI_BUFFERS(buffers, 64, 2, 160, 0, 0, 32);
#endif

static const ipfi_config_t config = {
#ifdef WITH_A_PROCEDURE
    IPFI_SERVE(table),
#endif
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
