/* A board behind ipfi_poll: a ring that wraps, a UART that takes a few bytes, a main loop that is polled at random. */
#include "board.h"
#include "check.h"

#include <string.h>

enum { RING = 64, LINE = 2048, PENDING = 99, MOST_TAKEN = 24 };

typedef struct {
    uint8_t bytes[LINE];
    size_t size;
} line_t;

static board_t board;
static ipfi_ring_t ring;
static volatile uint8_t ring_bytes[RING];
static line_t to_board, to_host;
static uint32_t now_ms, random_state;
static bool takes_all; /* the UART, else it takes a few bytes */

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 16) % bound;
}

/* ---- the port ---- */

static uint32_t clock_ms(void *context)
{
    (void)context;
    return now_ms;
}

static size_t read_ring(void *context, uint8_t *to, size_t max)
{
    return ipfi_ring_take(context, to, max);
}

static size_t write_line(void *context, const uint8_t *from, size_t size)
{
    const size_t most = random_below(MOST_TAKEN), room = sizeof to_host.bytes - to_host.size;
    (void)context;
    if (size > most && !takes_all) { size = most; }
    if (size > room) { size = room; }
    memcpy(to_host.bytes + to_host.size, from, size);
    to_host.size += size;
    return size;
}

static uint32_t entropy(void *context)
{
    (void)context;
    return 77;
}

static uint8_t boot_cause(void *context)
{
    (void)context;
    return IPFI_BOOT_POWER;
}

static const ipfi_port_t port = {
    .context = &ring, .now_ms = clock_ms, .read = read_ring, .write = write_line, .entropy = entropy, .boot_cause = boot_cause,
#if IPFI_FOR_SPEED
    .ring = &ring,
#endif
};

/* ---- the host ---- */

static ipfi_wire_t host;
IPFI_BUFFERS(host_buffers, 64, 4, 512, 2, 64, 64);
static const ipfi_config_t host_config = {
    IPFI_USE_BUFFERS(host_buffers), .frame_payload = 64, .window = 4, .ring = 0xFFFF, .crc_profiles = IPFI_CRC_16,
    .flags = IPFI_HOST, .active = true, .stream_credit = 64, .max_message = 4,
};
static ipfi_outcall_t out;
static uint8_t args[64], answer[600];
static int outcome, values;

static void done(ipfi_wire_t *wire, ipfi_outcall_t *call, ipfi_outcome_t how)
{
    (void)wire;
    (void)call;
    if (how == IPFI_OUT_VALUE) {
        values++;
    } else {
        outcome = (int)how;
    }
}

/* A millisecond: what is on the line arrives, in a portion or two, and the board's loop turns now and then. */
static void step(bool is_polled)
{
    ipfi_on_deadline(&host, now_ms);
    to_board.size += ipfi_take_tx(&host, to_board.bytes + to_board.size, sizeof to_board.bytes - to_board.size, now_ms);
    const size_t portion = to_board.size < 20 ? to_board.size : 20;
    for (size_t i = 0; i < portion; i++) { ipfi_ring_put(&ring, to_board.bytes[i]); }
    to_board.size -= portion;
    memmove(to_board.bytes, to_board.bytes + portion, to_board.size);
    if (is_polled) { ipfi_poll(&board.wire); }
    ipfi_receive(&host, to_host.bytes, to_host.size, now_ms);
    to_host.size = 0;
    now_ms++;
}

static void start(uint32_t seed)
{
    random_state = seed;
    takes_all = false;
    now_ms = 0xFFFFFF00u;
    to_board.size = to_host.size = 0;
    ipfi_ring_init(&ring, ring_bytes, sizeof ring_bytes);
    board_init(&board, true, seed, IPFI_BOOT_POWER, now_ms);
    board.config.port = &port;
    board.config.ring = RING - 1;
    memset(&out, 0, sizeof out);
    ipfi_init(&host, &host_config, seed * 7u, IPFI_BOOT_PROGRAM);
    ipfi_open(&host, now_ms);
    ipfi_start(&board.wire, &board.config);
    for (int i = 0; i < 2000 && ipfi_state(&host) != IPFI_ESTABLISHED; i++) { step(random_below(3) == 0); }
    CHECK(ipfi_state(&host) == IPFI_ESTABLISHED);
}

static int call(uint16_t procedure, size_t args_size)
{
    outcome = PENDING;
    values = 0;
    out.done = done;
    out.args = args;
    out.args_size = (uint16_t)args_size;
    out.answer = answer;
    out.answer_size = sizeof answer;
    if (!ipfi_outcall_start(&host, &out, procedure, now_ms, 60000)) { return -1; }
    for (int i = 0; i < 2000 && outcome == PENDING; i++) { step(random_below(3) == 0); }
    return outcome;
}

static void check_calls(uint32_t seed)
{
    static const uint8_t blob_of_500[] = { 0xCD, 500 >> 8, 500 & 0xFF };
    start(seed);
    for (uint8_t i = 0; i < 100; i++) {
        args[0] = i;
        args[1] = 3;
        CHECK(call(1, 2) == IPFI_OUT_ANSWERED && (i > 124 || answer[0] == i + 3));
    }
    memcpy(args, blob_of_500, sizeof blob_of_500);
    CHECK(call(5, sizeof blob_of_500) == IPFI_OUT_ANSWERED && out.answer_length == 503 && answer[502] == 499 % 251);
    args[0] = 50;
    CHECK(call(3, 1) == IPFI_OUT_ANSWERED && values == 50);
}

/* LINK-9: nothing comes that would remind it, and the loop turns as rarely as this. */
static void check_repetition_of_what_was_lost(uint32_t every_ms)
{
    static const uint8_t tick[] = { 1, 2 };
    start(every_ms);
    for (int i = 0; i < 3000; i++) { step(true); } /* idle */
    CHECK(ipfi_emit(&board.wire, BOARD_TICK, tick, sizeof tick));
    uint32_t sent = 0;
    takes_all = true;
    for (uint32_t passed_ms = 0; passed_ms < 4096; passed_ms += every_ms, now_ms += every_ms) { /* the host is gone */
        ipfi_poll(&board.wire);
        if (to_host.size != 0) { sent++; }
        to_host.size = 0;
    }
    CHECK(sent >= 3);
}

void test_poll(void)
{
    for (uint32_t seed = 1; seed <= 20; seed++) { check_calls(seed); }
    check_repetition_of_what_was_lost(1);
    check_repetition_of_what_was_lost(100);
    check_repetition_of_what_was_lost(256);
    check_repetition_of_what_was_lost(1024);
}
