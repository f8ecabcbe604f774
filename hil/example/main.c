/* main.c - a thermostat: a firmware of one's own, tested by test_thermostat.py.
 *
 * The port and the main loop are those of docs/porting.md; host.c or your chip brings chip_...(). */
#include "ipfi/ipfi.h"

uint32_t chip_millis(void);
bool chip_uart_can_send(void);
void chip_uart_send(uint8_t byte);
uint32_t chip_number(void);
void uart_received(uint8_t byte);

enum { RING = 256, BAUD = 115200, TOO_WARM = 32 };

static volatile uint8_t ring_bytes[RING];
static ipfi_ring_t ring;

static int32_t celsius = 20, limit = 60;
static bool warned;

void uart_received(uint8_t byte)
{
    ipfi_ring_put(&ring, byte);
}

/* ---- the port ---- */

static uint32_t port_now_ms(void *context)
{
    (void)context;
    return chip_millis();
}

static size_t port_read(void *context, uint8_t *to, size_t max)
{
    return ipfi_ring_take(context, to, max);
}

static size_t port_write(void *context, const uint8_t *from, size_t size)
{
    size_t taken = 0;
    (void)context;
    while (taken < size && chip_uart_can_send()) { chip_uart_send(from[taken++]); }
    return taken;
}

static uint32_t port_entropy(void *context)
{
    (void)context;
    return chip_number() ^ chip_millis();
}

static uint8_t port_boot_cause(void *context)
{
    (void)context;
    return IPFI_BOOT_UNKNOWN;
}

static const ipfi_port_t port = {
    &ring, port_now_ms, port_read, port_write, port_entropy, port_boot_cause,
};

/* ---- what it does ---- */

IPFI_DESCRIBE(temperature_text, "temperature", "() -> i32", "The temperature in degrees Celsius.");
static ipfi_verdict_t temperature(ipfi_call_t *call)
{
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    ipfi_write_i32(&call->answer, celsius);
    return IPFI_DONE;
}

IPFI_DESCRIBE(set_limit_text, "set_limit", "(celsius: i32) -> None", "Warn above this temperature.");
static ipfi_verdict_t set_limit(ipfi_call_t *call)
{
    const int32_t wanted = ipfi_read_i32(&call->args);
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    if (wanted < -40 || wanted > 125) { return ipfi_fail(call, IPFI_ERROR_RAISED, "the sensor ends there", 21); }
    limit = wanted;
    return IPFI_DONE;
}

IPFI_DESCRIBE(get_limit_text, "get_limit", "() -> i32", "The limit in force.");
static ipfi_verdict_t get_limit(ipfi_call_t *call)
{
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    ipfi_write_i32(&call->answer, limit);
    return IPFI_DONE;
}

/* For tests: in place of a candle under the sensor. */
IPFI_DESCRIBE(simulate_text, "simulate", "(celsius: i32) -> None", "Let the sensor read this.");
static ipfi_verdict_t simulate(ipfi_call_t *call)
{
    const int32_t wanted = ipfi_read_i32(&call->args);
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    celsius = wanted;
    return IPFI_DONE;
}

IPFI_DESCRIBE(too_warm_text, "too_warm", "(celsius: i32)", "Once, when the limit is passed.");
static void look_at_the_sensor(ipfi_wire_t *wire)
{
    uint8_t args[5];
    if (celsius <= limit) {
        warned = false;
    } else if (!warned) {
        ipfi_writer_t writer = ipfi_writer(args, sizeof args);
        ipfi_write_i32(&writer, celsius);
        warned = ipfi_emit(wire, TOO_WARM, args, ipfi_written(&writer)); /* no room: again next time */
    }
}

static const ipfi_procedure_t table[] IPFI_FLASH = {
    { 1, IPFI_UNARY, temperature_text, temperature, NULL },
    { 2, IPFI_UNARY, set_limit_text, set_limit, NULL },
    { 3, IPFI_UNARY, get_limit_text, get_limit, NULL },
    { 4, IPFI_UNARY, simulate_text, simulate, NULL },
    { TOO_WARM, IPFI_EVENT_EMITTED, too_warm_text, NULL, NULL },
};

IPFI_BUFFERS(buffers, 64, 2, 192, 3, 64, 64);

static const ipfi_config_t config = {
    IPFI_USE_BUFFERS(buffers), IPFI_SERVE(table), .port = &port, .frame_payload = 64, .window = 2,
    .ring = RING - 1, .crc_profiles = IPFI_CRC_16, .us_per_byte = 10000000 / BAUD,
};

int main(void)
{
    static ipfi_wire_t wire;
    ipfi_event_t event;
    ipfi_ring_init(&ring, ring_bytes, RING);
    ipfi_start(&wire, &config);
    for (;;) {
        ipfi_poll(&wire);
        look_at_the_sensor(&wire);
        while (ipfi_next_event(&wire, &event)) { /* nothing to tidy up when the host leaves */ }
    }
}
