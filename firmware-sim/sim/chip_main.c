/* chip_main.c - the demonstration board on a microcontroller: the ring, the port, the main loop.
 *
 * chip.h is what a chip adds; sizes.h of its port says how much of everything there is. */
#include "board.h"
#include "chip.h"

IPFI_BUFFERS(buffers, BOARD_PAYLOAD, BOARD_WINDOW, BOARD_STREAM, BOARD_CALLS, BOARD_VALUE, BOARD_LOSSY);
uint8_t chip_ring_bytes[BOARD_RING];
ipfi_ring_t chip_ring;
#if IPFI_FOR_SPEED
volatile bool chip_saw_delimiter;
#endif
static board_t board;
static bool line_is_full; /* the UART did not take all that there is to send: no time to sleep */

void chip_received(uint8_t byte)
{
#if IPFI_FOR_SPEED
    if (byte == 0) { chip_saw_delimiter = true; }
#endif
    ipfi_ring_put(&chip_ring, byte);
}

void chip_lost_a_byte(void)
{
    chip_ring.overruns++;
}

static uint32_t port_now_ms(void *context)
{
    (void)context;
    board.now_ms = chip_millis(); /* handlers read it there */
    return board.now_ms;
}

static size_t port_read(void *context, uint8_t *to, size_t max)
{
    return ipfi_ring_take(context, to, max);
}

static size_t port_write(void *context, const uint8_t *from, size_t size)
{
    size_t taken = 0;
    (void)context;
#if IPFI_FOR_SPEED
    taken = chip_uart_write(from, size);
#else
    while (taken < size && chip_uart_can_send()) { chip_uart_send(from[taken++]); }
#endif
    line_is_full = taken < size;
    return taken;
}

static uint32_t port_entropy(void *context)
{
    (void)context;
    return chip_number();
}

static uint8_t port_boot_cause(void *context)
{
    (void)context;
    return chip_boot_cause();
}

static const ipfi_port_t port = {
    &chip_ring, port_now_ms, port_read, port_write, port_entropy, port_boot_cause,
#if IPFI_FOR_SPEED
    &chip_ring,
#endif
};

#ifndef IPFI_ONLY_CONFIG
static
#endif
const ipfi_config_t board_config = {
    IPFI_USE_BUFFERS(buffers), .server = &ipfi_server, .table = board_table, .table_length = BOARD_TABLE_LENGTH,
    .port = &port, .user = &board, .frame_payload = BOARD_PAYLOAD, .window = BOARD_WINDOW, .ring = BOARD_RING - 1,
    .crc_profiles = BOARD_CRC, .us_per_byte = 10000000 / BOARD_BAUD, .stream_credit = BOARD_VALUE / 16,
};

static bool has_passed(uint32_t since_ms, uint32_t ms)
{
    return chip_millis() - since_ms >= ms;
}

static void stall(uint32_t ms, bool deaf)
{
    if (deaf) {
        chip_stall_deaf(ms);
        return;
    }
    const uint32_t since_ms = chip_millis();
    while (!has_passed(since_ms, ms)) { }
}

static uint16_t overruns(void)
{
    return chip_ring.overruns;
}

static const board_chip_t chip = { stall, overruns, chip_static_data, chip_stack_used };

#if IPFI_FOR_SPEED
/* A frame is complete, or the line takes what waits for it: less is not worth a poll before the millisecond is over,
 * in which the ring must not fill. */
static bool is_worth_a_poll(void)
{
    return chip_saw_delimiter || (line_is_full && chip_uart_can_send());
}

/* A busy line is polled many times in a millisecond; all else is looked at once in it. */
static void wait_for_news(void)
{
    static uint8_t seen_ms;
    for (;;) {
        const uint8_t now_ms = chip_millis_now();
        if (now_ms != seen_ms) {
            seen_ms = now_ms;
            return;
        }
        if (!is_worth_a_poll()) {
            chip_idle(&chip_ring);
        } else if (board.pace_ms == 0) {
            chip_saw_delimiter = false;
            ipfi_poll(&board.wire);
        }
    }
}
#endif

int main(void)
{
    ipfi_event_t event;
    uint32_t polled_ms = 0;
    ipfi_ring_init(&chip_ring, chip_ring_bytes, BOARD_RING);
    chip_start();
    board.chip = &chip;
    board_begin(&board, chip_millis());
    ipfi_start(&board.wire, &board_config);
    for (;;) {
#if IPFI_FOR_SPEED
        wait_for_news();
#endif
        if (has_passed(polled_ms, board.pace_ms)) {
            polled_ms = chip_millis();
            ipfi_poll(&board.wire);
        }
        board_run_timers(&board, chip_millis());
        if (board_reboot_due(&board)) { chip_reboot(); }
        while (ipfi_next_event(&board.wire, &event)) { /* the demonstration has no use for them */ }
        if (!IPFI_FOR_SPEED && !line_is_full) { chip_idle(&chip_ring); }
    }
}
