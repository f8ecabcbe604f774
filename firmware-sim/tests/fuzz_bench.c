/* fuzz_bench.c - the ends, the line between them, and what must hold whatever came in. */
#include "fuzz_bench.h"

#include "frame.h"
#include "link.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 64, MOST_BYTES = 1 << 20, TIME_STEPS = 2000, SHOUT = 40 };
enum { SMALL = 1, CRC16_ONLY = 2, HOST = 4, ACTIVE = 8 };

board_t target, partner;
fuzz_call_t fuzz_calls[FUZZ_CALLS];
uint32_t fuzz_now_ms;

static const uint16_t speeds_us[4] = { 0, 87, 1042, 33333 }; /* unknown, 115200, 9600 and 300 baud */

/* A broken promise is a crash: that is what libFuzzer keeps the input of. */
static void must(bool holds)
{
    if (!holds) { abort(); }
}

/* ---- a host's table ---- */

IPFI_DESCRIBE(tick_text, "tick", "(count: u32, uptime_ms: u32)", "");
IPFI_DESCRIBE(shout_text, "shout", "(text: str) -> str", "");

static ipfi_verdict_t on_tick(ipfi_call_t *call)
{
    (void)ipfi_read_u32(&call->args);
    (void)ipfi_read_u32(&call->args);
    return IPFI_DONE;
}

static ipfi_verdict_t shout(ipfi_call_t *call)
{
    size_t size;
    const char *const text = ipfi_read_str(&call->args, &size);
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    ipfi_write_str(&call->answer, text, size);
    return IPFI_DONE;
}

static const ipfi_procedure_t host_table[] IPFI_FLASH = {
    { SHOUT, IPFI_UNARY, shout_text, shout, NULL },
    { BOARD_TICK, IPFI_EVENT_HANDLED, tick_text, on_tick, NULL },
};

/* ---- the two ends ---- */

static void make_host(board_t *end)
{
    end->config.table = host_table;
    end->config.table_length = sizeof host_table / sizeof host_table[0];
    end->config.flags = IPFI_HOST;
    end->config.active = true;
}

/* Each buffer where nothing else is: allocated once, since the inputs are many. */
static uint8_t *apart(uint8_t **kept, size_t size)
{
    if (*kept == NULL) { *kept = malloc(size); }
    must(*kept != NULL);
    return *kept;
}

static void spread_buffers(ipfi_config_t *config, bool is_small)
{
    static uint8_t *kept[2][7];
    uint8_t **const mine = kept[is_small];
    config->rx_frame = apart(&mine[0], config->rx_frame_size);
    config->tx_frame = apart(&mine[1], config->tx_frame_size);
    config->tx_stream = apart(&mine[2], config->tx_stream_size);
    config->values = apart(&mine[3], (size_t)config->value_size * config->calls_length);
    config->lossy = apart(&mine[4], config->lossy_size);
    config->calls = (void *)apart(&mine[5], sizeof *config->calls * config->calls_length);
    config->tx_window = (void *)apart(&mine[6], sizeof *config->tx_window * config->tx_window_length);
}

void fuzz_begin(uint8_t how)
{
    const bool is_host = (how & HOST) != 0;
    fuzz_now_ms = 0xFFFFF000u; /* the clock wraps soon: nothing may depend on it */
    memset(fuzz_calls, 0, sizeof fuzz_calls);
    board_init(&target, (how & SMALL) != 0, 1, IPFI_BOOT_POWER, fuzz_now_ms);
    board_init(&partner, true, 2, IPFI_BOOT_PROGRAM, fuzz_now_ms);
    spread_buffers(&target.config, (how & SMALL) != 0);
    make_host(is_host ? &target : &partner);
    if ((how & ACTIVE) != 0) { target.config.active = true; }
    if ((how & CRC16_ONLY) == 0) { partner.config.crc_profiles = IPFI_CRC_16 | IPFI_CRC_32; }
    partner.config.frame_payload = 16; /* many small frames */
    target.config.us_per_byte = partner.config.us_per_byte = speeds_us[how >> 4 & 3];
    board_restart(&target, IPFI_BOOT_POWER, fuzz_now_ms);
    board_restart(&partner, IPFI_BOOT_PROGRAM, fuzz_now_ms);
}

void fuzz_restart_target(uint8_t boot_cause)
{
    memset(fuzz_calls, 0, sizeof fuzz_calls);
    board_restart(&target, boot_cause, fuzz_now_ms);
}

/* ---- the line ---- */

static size_t carry(board_t *from, board_t *to)
{
    uint8_t bytes[FUZZ_WIRE];
    ipfi_event_t event;
    size_t all = 0;
    for (;;) {
        const size_t size = ipfi_take_tx(&from->wire, bytes, sizeof bytes, fuzz_now_ms);
        if (size == 0) { break; }
        if (to != NULL) { board_receive(to, bytes, size, fuzz_now_ms); }
        all += size;
        must(all < MOST_BYTES); /* it would send for ever */
    }
    while (ipfi_next_event(&from->wire, &event)) { must(event.kind >= IPFI_EVENT_UP && event.kind <= IPFI_EVENT_ECHO); }
    return all;
}

void fuzz_exchange(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        const size_t there = carry(&target, &partner);
        const size_t back = carry(&partner, &target);
        if (there + back == 0) { break; }
    }
}

void fuzz_drain(void)
{
    (void)carry(&target, NULL);
    must(target.wire.link.stream_used <= target.config.tx_stream_size);
    must(target.wire.link.in_flight <= target.config.tx_window_length);
}

void fuzz_give(const uint8_t *bytes, size_t size)
{
    uint8_t *const exact = malloc(size == 0 ? 1 : size); /* a read behind the end is seen */
    must(exact != NULL);
    if (size != 0) { memcpy(exact, bytes, size); }
    board_receive(&target, exact, size, fuzz_now_ms);
    free(exact);
}

size_t fuzz_seal(uint8_t wire[FUZZ_WIRE], const uint8_t *content, size_t size)
{
    const uint8_t type = content[0] | 0x80;
    const bool shakes = type >= IPFI_HELLO && type <= IPFI_READY;
    const ipfi_peer_t *const peer = &target.wire.link.peer;
    ipfi_encoder_t encoder;
    ipfi_encoder_init(&encoder, wire, FUZZ_WIRE);
    ipfi_encode_begin(&encoder, true, type);
    ipfi_encode_bytes(&encoder, content + 1, size - 1);
    ipfi_encode_end(&encoder, shakes ? (uint8_t)IPFI_PROFILE_CRC16 : peer->profile, shakes ? 0 : peer->confirm);
    return encoder.length;
}

void fuzz_give_frame(const uint8_t *content, size_t size)
{
    uint8_t wire[FUZZ_WIRE];
    fuzz_give(wire, fuzz_seal(wire, content, size));
}

/* ---- time ---- */

/* A board that restarts itself forgets its calls, as RAM does. */
static void on_deadline(board_t *end)
{
    const uint32_t reboots = end->reboots;
    board_on_deadline(end, fuzz_now_ms);
    if (end == &target && end->reboots != reboots) { memset(fuzz_calls, 0, sizeof fuzz_calls); }
}

/* What is due is done, and then the next thing is due later. */
static void settle(board_t *end)
{
    uint32_t due_ms = 0;
    for (int i = 0; i < ROUNDS; i++) {
        on_deadline(end);
        (void)carry(end, NULL);
        if (!ipfi_next_deadline_ms(&end->wire, &due_ms) || (int32_t)(due_ms - fuzz_now_ms) > 0) { return; }
    }
    abort(); /* a deadline that stays in the past */
}

void fuzz_pass_time(uint32_t ms)
{
    const uint32_t until_ms = fuzz_now_ms + ms;
    for (int i = 0; i < TIME_STEPS && fuzz_now_ms != until_ms; i++) {
        uint32_t due_ms;
        settle(&target);
        uint32_t next_ms = until_ms;
        if (board_next_deadline_ms(&target, &due_ms) && (int32_t)(due_ms - until_ms) < 0) {
            next_ms = (int32_t)(due_ms - fuzz_now_ms) > 0 ? due_ms : fuzz_now_ms + 1;
        }
        fuzz_now_ms = next_ms;
    }
    fuzz_now_ms = until_ms;
    settle(&target);
    board_on_deadline(&partner, fuzz_now_ms);
}

/* ---- calls of the target's own ---- */

static void done(ipfi_wire_t *wire, ipfi_outcall_t *out, ipfi_outcome_t outcome)
{
    fuzz_call_t *const call = (fuzz_call_t *)out;
    must(wire == &target.wire);
    must(call->runs);
    must(out->answer_length <= out->answer_size);
    if (outcome != IPFI_OUT_VALUE) { call->runs = false; }
}

void fuzz_call(uint16_t procedure, const uint8_t *args, size_t size, uint32_t timeout_ms)
{
    for (int i = 0; i < FUZZ_CALLS; i++) {
        fuzz_call_t *const call = &fuzz_calls[i];
        if (!ipfi_outcall_idle(&call->out)) { continue; }
        if (size > sizeof call->args) { size = sizeof call->args; }
        if (size != 0) { memcpy(call->args, args, size); }
        call->out.done = done;
        call->out.args = call->args;
        call->out.args_size = (uint16_t)size;
        call->out.answer = call->answer;
        call->out.answer_size = (uint16_t)(size % 2 == 0 ? FUZZ_ANSWER : 20);
        call->runs = ipfi_outcall_start(&target.wire, &call->out, procedure, fuzz_now_ms, timeout_ms);
        return;
    }
}

void fuzz_end(void)
{
    ipfi_close(&target.wire);
    for (int i = 0; i < FUZZ_CALLS; i++) { must(!fuzz_calls[i].runs); }
    fuzz_drain();
}
