/* Two wires of the library back to back, on one clock, over a line that damages what passes. */
#include "check.h"
#include "board.h"
#include "message.h"
#include "stream.h"

#include <string.h>

enum { WAITING = 99, LINE = 4096 };
static const uint8_t on[] = { 0xC3 }; /* true, of the lamp */

typedef struct {
    ipfi_wire_t wire;
    ipfi_config_t config;
    IPFI_BUFFERS_TYPE(64, 4, 512, 2, 64, 64) buffers;
    ipfi_outcall_t out;
    uint8_t args[64], answer[8192];
    int outcome;
    uint32_t values, lines, ticks;
} host_t;

static board_t board;
static host_t host;
static uint32_t now_ms;
static uint32_t random_state;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 16) % bound;
}

/* ---- the host ---- */

static ipfi_verdict_t on_tick(ipfi_call_t *call)
{
    host.ticks++;
    return call->phase == IPFI_BEGIN ? IPFI_DONE : IPFI_LATER;
}

static ipfi_verdict_t shout(ipfi_call_t *call)
{
    size_t size;
    const char *const text = ipfi_read_str(&call->args, &size);
    ipfi_write_str(&call->answer, text, size);
    return IPFI_DONE;
}

IPFI_DESCRIBE(tick_text, "tick", "()", "");
IPFI_DESCRIBE(shout_text, "shout", "(text: str) -> str", "");
static const ipfi_procedure_t table[] = {
    { 50, IPFI_UNARY, shout_text, shout, NULL },
    { BOARD_TICK, IPFI_EVENT_HANDLED, tick_text, on_tick, NULL },
};

static void done(ipfi_wire_t *wire, ipfi_outcall_t *out, ipfi_outcome_t outcome)
{
    (void)wire;
    (void)out;
    if (outcome == IPFI_OUT_VALUE) {
        host.values++;
    } else {
        host.outcome = (int)outcome;
    }
}

/* ---- the line ---- */

static void carry(ipfi_wire_t *from, bool to_board, uint32_t damage_per_mille)
{
    uint8_t bytes[LINE];
    const size_t size = ipfi_take_tx(from, bytes, sizeof bytes, now_ms);
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = bytes[i];
        if (random_below(1000) < damage_per_mille) {
            if (random_below(2) == 0) { continue; }
            byte ^= (uint8_t)(1u << random_below(8));
        }
        if (to_board) {
            board_receive(&board, &byte, 1, now_ms);
        } else {
            ipfi_receive(&host.wire, &byte, 1, now_ms);
        }
    }
}

static void run_for(uint32_t duration_ms, uint32_t damage_per_mille)
{
    for (uint32_t i = 0; i < duration_ms; i++, now_ms++) {
        board_on_deadline(&board, now_ms);
        ipfi_on_deadline(&host.wire, now_ms);
        carry(&host.wire, true, damage_per_mille);
        carry(&board.wire, false, damage_per_mille);
    }
}

static void start(bool is_small, uint32_t seed)
{
    random_state = seed;
    now_ms = 0xFFFFFF00u; /* the clock wraps soon */
    board_init(&board, is_small, seed, IPFI_BOOT_POWER, now_ms);
    board.config.crc_profiles = IPFI_CRC_16 | IPFI_CRC_32; /* what must never fail needs the longer checksum */
    board_restart(&board, IPFI_BOOT_POWER, now_ms);
    memset(&host, 0, sizeof host);
    const ipfi_config_t config = {
        IPFI_USE_BUFFERS(host.buffers), IPFI_SERVE(table), .frame_payload = 64, .window = 4,
        .ring = 0xFFFF, .crc_profiles = IPFI_CRC_16 | IPFI_CRC_32, .flags = IPFI_HOST, .active = true,
        .stream_credit = 4, .max_message = sizeof host.answer / 256,
    };
    host.config = config;
    ipfi_init(&host.wire, &host.config, seed * 7u, IPFI_BOOT_PROGRAM);
    ipfi_open(&host.wire, now_ms);
}

static int call(uint16_t procedure, const uint8_t *args, size_t size, uint32_t timeout_ms, uint32_t damage_per_mille)
{
    if (!ipfi_outcall_idle(&host.out)) { return -1; }
    if (size != 0) { memcpy(host.args, args, size); }
    host.outcome = WAITING;
    host.values = 0;
    host.out.done = done;
    host.out.args = host.args;
    host.out.args_size = (uint16_t)size;
    host.out.answer = host.answer;
    host.out.answer_size = sizeof host.answer;
    if (!ipfi_outcall_start(&host.wire, &host.out, procedure, now_ms, timeout_ms)) { return -1; }
    for (uint32_t i = 0; i < timeout_ms + 2000 && host.outcome == WAITING; i++) { run_for(1, damage_per_mille); }
    run_for(200, damage_per_mille);
    return host.outcome;
}

static int call_u32(uint16_t procedure, uint32_t number, uint32_t damage_per_mille)
{
    uint8_t args[8];
    ipfi_writer_t writer = ipfi_writer(args, sizeof args);
    ipfi_write_u32(&writer, number);
    return call(procedure, args, ipfi_written(&writer), 60000, damage_per_mille);
}

/* ---- tests ---- */

static void check_a_session_and_calls(bool is_small, uint32_t seed, uint32_t damage)
{
    ipfi_event_t event;
    start(is_small, seed);
    for (int i = 0; i < 20000 && ipfi_state(&host.wire) != IPFI_ESTABLISHED; i++) { run_for(1, damage); }
    CHECK(ipfi_state(&host.wire) == IPFI_ESTABLISHED);
    CHECK(ipfi_next_event(&host.wire, &event) && event.kind == IPFI_EVENT_UP);
    CHECK(call(0, NULL, 0, 60000, damage) == IPFI_OUT_ANSWERED && host.answer[0] == 42);
    static const uint8_t sum[] = { 40, 2 };
    for (int i = 0; i < 20; i++) { CHECK(call(1, sum, 2, 60000, damage) == IPFI_OUT_ANSWERED && host.answer[0] == 42); }
    CHECK(call_u32(3, 25, damage) == IPFI_OUT_ANSWERED && host.values == 25);
    CHECK(call_u32(5, 3000, damage) == IPFI_OUT_ANSWERED && host.out.answer_length == 3003);
    CHECK(host.answer[3 + 251] == 0 && host.answer[3 + 250] == 250 && host.answer[3002] == 2999 % 251);
    static const uint8_t by_zero[] = { 1, 0 };
    CHECK(call(6, by_zero, 2, 60000, damage) == IPFI_OUT_FAILED && host.answer[0] == IPFI_ERROR_RAISED);
    CHECK(call(99, NULL, 0, 60000, damage) == IPFI_OUT_FAILED && host.answer[0] == IPFI_ERROR_UNKNOWN);
    static const uint8_t callback[] = { 50, 0xA2, 'h', 'i' };
    CHECK(call(8, callback, sizeof callback, 60000, damage) == IPFI_OUT_ANSWERED && memcmp(host.answer, "\xA2hi", 3) == 0);
    CHECK(call_u32(7, 300, damage) == IPFI_OUT_ANSWERED);
    CHECK(call_u32(9, 50, damage) == IPFI_OUT_ANSWERED);
    run_for(1000, damage);
    CHECK(call_u32(9, 0, damage) == IPFI_OUT_ANSWERED && host.ticks >= 19 && host.ticks == board.tick_count);
    CHECK(host.wire.stats.sessions == 1 && board.wire.stats.sessions == 1);
}

static void check_a_timeout_and_a_cancel(void)
{
    uint32_t deadline_ms;
    start(true, 5);
    run_for(100, 0);
    static const uint8_t long_sleep[] = { 0xCD, 0x27, 0x10 };
    CHECK(call(7, long_sleep, 3, 100, 0) == IPFI_OUT_TIMED_OUT); /* the Cancel ends it at the board */
    run_for(100, 0);
    CHECK(ipfi_outcall_idle(&host.out));
    CHECK(board.config.calls[0].stage == 0);
    CHECK(call(0, NULL, 0, 1000, 0) == IPFI_OUT_ANSWERED);
    run_for(15000, 0);
    CHECK(!ipfi_next_deadline_ms(&host.wire, &deadline_ms)); /* protocol.md 3.5: nothing to do, nothing to wait for */
}

/* HS-7, HS-11: a reboot is noticed, calls end, the next session serves. */
static void check_a_reboot(void)
{
    ipfi_event_t event;
    start(true, 9);
    run_for(100, 0);
    CHECK(call(10, NULL, 0, 1000, 0) == IPFI_OUT_ANSWERED);
    run_for(2000, 0);
    CHECK(board.reboots == 1 && ipfi_state(&host.wire) == IPFI_ESTABLISHED);
    CHECK(ipfi_next_event(&host.wire, &event) && event.kind == IPFI_EVENT_UP);
    CHECK(ipfi_next_event(&host.wire, &event) && event.kind == IPFI_EVENT_DOWN && event.detail == IPFI_DOWN_SUPERSEDED);
    CHECK(ipfi_next_event(&host.wire, &event) && event.kind == IPFI_EVENT_UP && event.detail == IPFI_BOOT_SOFTWARE);
    CHECK(call(0, NULL, 0, 1000, 0) == IPFI_OUT_ANSWERED);
}

/* LINK-13: a line that dies. */
static void check_patience(void)
{
    ipfi_event_t event;
    start(true, 3);
    run_for(100, 0);
    CHECK(ipfi_next_event(&host.wire, &event));
    CHECK(call(0, NULL, 0, 60000, 1000) == IPFI_OUT_LOST);
    CHECK(ipfi_next_event(&host.wire, &event) && event.kind == IPFI_EVENT_DOWN && event.detail == IPFI_DOWN_PATIENCE);
    run_for(3000, 0);
    CHECK(ipfi_state(&host.wire) == IPFI_ESTABLISHED); /* LINK-19 */
    ipfi_close(&host.wire);
    run_for(10, 0);
    CHECK(ipfi_state(&host.wire) == IPFI_CLOSED && ipfi_state(&board.wire) == IPFI_LISTENING);
}

/* Arguments larger than RAM: taken as they come, summed up, answered at the end. */
static bool sum_take(ipfi_call_t *call, const uint8_t *part, size_t size)
{
    for (size_t i = 0; i < size; i++) { call->state.u32[0] += part[i]; }
    call->state.u32[1] += (uint32_t)size;
    return call->state.u32[1] <= 5000;
}

static ipfi_verdict_t sum(ipfi_call_t *call)
{
    ipfi_write_u32(&call->answer, call->state.u32[0]);
    return ipfi_read_end(&call->args) ? IPFI_DONE : IPFI_BAD_ARGUMENTS; /* `take` had them all */
}

IPFI_DESCRIBE(sum_text, "sum", "(data: bytes) -> u32", "");
static const ipfi_procedure_t sinks[] = { { 60, IPFI_RAW, sum_text, sum, sum_take } };

static void check_arguments_larger_than_ram(void)
{
    static uint8_t data[6000];
    memset(data, 3, sizeof data);
    start(true, 6);
    board.config.table = sinks;
    board.config.table_length = 1;
    board_restart(&board, IPFI_BOOT_POWER, now_ms);
    run_for(300, 0);
    for (uint16_t size = 4000; size <= 6000; size = (uint16_t)(size + 2000)) {
        host.outcome = WAITING;
        host.out.done = done;
        host.out.args = data;
        host.out.args_size = size;
        host.out.answer = host.answer;
        host.out.answer_size = sizeof host.answer;
        CHECK(ipfi_outcall_start(&host.wire, &host.out, 60, now_ms, 5000));
        run_for(1000, 0);
        CHECK(host.outcome == (size == 4000 ? IPFI_OUT_ANSWERED : IPFI_OUT_FAILED));
        CHECK(size != 4000 || (host.answer[0] == 0xCD && host.answer[1] == 12000 >> 8));
        CHECK(size == 4000 || host.answer[0] == IPFI_ERROR_LIMIT);
        CHECK(ipfi_outcall_idle(&host.out));
    }
    CHECK(host.wire.stats.sessions == 1 && board.wire.stats.bad_messages == 0);
}

/* LINK-14: what the board sends without hearing from us never exceeds our ring (but for one PING). */
static void check_a_ring_of_64_bytes(void)
{
    enum { RING_BYTES = 64, PING_BYTES = 20 };
    uint8_t bytes[LINE];
    start(true, 7);
    host.config.ring = RING_BYTES;
    run_for(300, 0);
    CHECK(ipfi_state(&host.wire) == IPFI_ESTABLISHED);
    CHECK(call_u32(5, 1000, 0) == IPFI_OUT_ANSWERED && host.out.answer_length == 1003);
    CHECK(call_u32(3, 20, 0) == IPFI_OUT_ANSWERED && host.values == 20);
    static const uint8_t args[] = { 0xCD, 0x03, 0xE8 };
    memcpy(host.args, args, sizeof args);
    host.out.args_size = sizeof args;
    CHECK(ipfi_outcall_start(&host.wire, &host.out, 5, now_ms, 5000));
    carry(&host.wire, true, 0);
    CHECK(ipfi_take_tx(&board.wire, bytes, sizeof bytes, now_ms) <= RING_BYTES + PING_BYTES);
}

/* CALL-8: a slot that served again is not the one that a ticket was for. */
static void check_tickets(void)
{
    start(true, 8);
    run_for(100, 0);
    ipfi_call_t *const slot = &board.config.calls[0];
    static const uint8_t long_sleep[] = { 0xCD, 0x27, 0x10 };
    CHECK(call(7, long_sleep, 3, 50, 0) == IPFI_OUT_TIMED_OUT);
    const ipfi_ticket_t old = ipfi_ticket(slot);
    CHECK(ipfi_ticket_call(&board.wire, old) == NULL);
    CHECK(call(7, long_sleep, 3, 50, 0) == IPFI_OUT_TIMED_OUT);
    CHECK(ipfi_ticket(slot) != old && ipfi_ticket_call(&board.wire, old) == NULL);
    CHECK(ipfi_ticket_call(&board.wire, 0xFFFF0001u) == NULL);
}

/* CALL-6: an answer in parts becomes an Error as soon as it is more than the caller takes. */
static void check_an_answer_that_is_too_large(void)
{
    start(true, 9);
    host.config.max_message = 1;
    run_for(100, 0);
    CHECK(call_u32(5, 256 - 2, 0) == IPFI_OUT_ANSWERED && host.out.answer_length == 256);
    CHECK(call_u32(5, 256 - 1, 0) == IPFI_OUT_FAILED);
    CHECK(host.answer[0] == IPFI_ERROR_LIMIT && host.answer[1] == 0xC3); /* it may have been executed */
    CHECK(call_u32(3, 100, 0) == IPFI_OUT_ANSWERED && host.values == 100); /* each value of a stream is small */
    host.config.max_message = 0xFFFF;
    board_restart(&board, IPFI_BOOT_POWER, now_ms);
    run_for(2000, 0);
    CHECK(call_u32(5, 3000, 0) == IPFI_OUT_ANSWERED && host.out.answer_length == 3003);
}

/* EVENT-3: a lossy event between the parts of an answer takes nothing of it. */
static void check_a_lossy_event_within_an_answer(void)
{
    static const uint8_t args[] = { 1, 2 };
    start(false, 10);
    run_for(100, 0);
    for (uint32_t size = 100; size < 1000; size += 100) {
        ipfi_writer_t writer = ipfi_writer(host.args, sizeof host.args);
        ipfi_write_u32(&writer, size);
        host.outcome = WAITING;
        host.out.args_size = (uint16_t)ipfi_written(&writer);
        host.out.args = host.args;
        host.out.answer = host.answer;
        host.out.answer_size = sizeof host.answer;
        host.out.done = done;
        CHECK(ipfi_outcall_start(&host.wire, &host.out, 5, now_ms, 5000));
        for (int i = 0; i < 100 && host.outcome == WAITING; i++) {
            (void)ipfi_emit_lossy(&board.wire, BOARD_TICK, args, sizeof args);
            run_for(1, 0);
        }
        CHECK(host.outcome == IPFI_OUT_ANSWERED && host.answer[host.out.answer_length - 1] == (size - 1) % 251);
        run_for(50, 0);
    }
    CHECK(host.ticks > 9);
}

static void check_lossy_events_and_log(void)
{
    start(true, 4);
    CHECK(!ipfi_emit_lossy(&host.wire, BOARD_LED, on, 1));
    run_for(100, 0);
    CHECK(!board.led && ipfi_emit_lossy(&host.wire, BOARD_LED, on, 1));
    run_for(10, 0);
    CHECK(board.led);
    for (int i = 0; i < 20; i++) { (void)ipfi_log(&host.wire, 1, "twelve bytes", 12); }
    CHECK(host.wire.stats.lossy_dropped > 10);
    run_for(10, 0);
    CHECK(ipfi_flushed(&host.wire));
}

static void say_event(uint8_t ends, uint16_t event, const uint8_t *payload, uint16_t size)
{
    const ipfi_message_t message = { IPFI_TYPE_EVENT, ends, event, 0, payload, size };
    CHECK(ipfi_message_send(&host.wire, &message));
}

/* EVENT-2: parts of two events that come mixed make no event that nobody has sent. */
static void check_an_event_that_another_one_interrupts(void)
{
    start(true, 11);
    run_for(100, 0);
    say_event(IPFI_NONE, 99, NULL, 0); /* nobody handles it */
    say_event(IPFI_COMPLETE, BOARD_LED, on, 1);
    run_for(10, 0);
    CHECK(board.led && board.wire.stats.events_handled == 1 && board.wire.stats.events_dropped == 1);
    say_event(IPFI_NONE, BOARD_LED, on, 0);
    say_event(IPFI_COMPLETE, 99, on, 1);
    run_for(10, 0);
    CHECK(board.wire.stats.events_handled == 1 && board.wire.stats.events_dropped == 3);
}

/* MSG-6: what stood before the bad message has been handed over. */
static void check_an_event_before_a_broken_message(void)
{
    static const uint8_t bad[][8] = { { IPFI_TYPE_CALL, 0x80 }, { IPFI_TYPE_CALL, 0xD0, 0, 0, 255, 255, 255, 255 } };
    for (int i = 0; i < 2; i++) {
        start(true, 12);
        run_for(100, 0);
        say_event(IPFI_COMPLETE, BOARD_LED, on, 1);
        CHECK(ipfi_stream_put(&host.wire, bad[i], sizeof bad[i]));
        say_event(IPFI_COMPLETE, BOARD_LED, on, 1);
        run_for(200, 0);
        CHECK(board.wire.stats.events_handled == 1 && board.wire.stats.bad_messages == 1 && board.wire.stats.sessions == 2);
    }
}

void test_wires(void)
{
    for (uint32_t seed = 1; seed <= 8; seed++) {
        check_a_session_and_calls(seed % 2 == 0, seed, 0);
        check_a_session_and_calls(seed % 2 == 0, seed, 10);
        check_a_session_and_calls(seed % 2 == 0, seed, 15);
    }
    check_a_timeout_and_a_cancel();
    check_a_reboot();
    check_patience();
    check_lossy_events_and_log();
    check_arguments_larger_than_ram();
    check_a_ring_of_64_bytes();
    check_tickets();
    check_an_answer_that_is_too_large();
    check_a_lossy_event_within_an_answer();
    check_an_event_that_another_one_interrupts();
    check_an_event_before_a_broken_message();
}
