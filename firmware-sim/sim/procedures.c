/* procedures.c - what the demonstration board offers. */
#include "board.h"

#include "memory.h"

enum { CALLBACK_TIMEOUT_MS = 30000, REBOOT_PATIENCE_MS = 500 };

/* Messages stay in flash, too; one at a time is copied for the library, which reads RAM. */
enum { MESSAGE_MAX = 48 };
#define MESSAGE(variable, text) static const char variable[MESSAGE_MAX] IPFI_FLASH = text
static ipfi_verdict_t fail_with(ipfi_call_t *call, ipfi_error_t code, const char *message)
{
    char text[MESSAGE_MAX];
    size_t size = 0;
    IPFI_READ_FLASH(text, message, sizeof text);
    while (text[size] != '\0') { size++; }
    return ipfi_fail(call, code, text, size);
}

static ipfi_verdict_t fail(ipfi_call_t *call, const char *message)
{
    return fail_with(call, IPFI_ERROR_RAISED, message);
}

/* ---- 0 to 2: one value in, one value out ---- */

IPFI_DESCRIBE(magic_text, "magic", "() -> u32", "Return 42.");
static ipfi_verdict_t magic(ipfi_call_t *call)
{
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    ipfi_write_u32(&call->answer, 42);
    return IPFI_DONE;
}

IPFI_DESCRIBE(add_text, "add", "(a: u32, b: u32) -> u32", "Add two numbers, wrapping at 2**32.");
static ipfi_verdict_t add(ipfi_call_t *call)
{
    const uint32_t a = ipfi_read_u32(&call->args);
    const uint32_t b = ipfi_read_u32(&call->args);
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    ipfi_write_u32(&call->answer, a + b);
    return IPFI_DONE;
}

IPFI_DESCRIBE(echo_text, "echo", "(text: str) -> str", "Return the text.");
static ipfi_verdict_t echo(ipfi_call_t *call)
{
    size_t size;
    const uint8_t *const value = call->args.at;
    (void)ipfi_read_str(&call->args, &size);
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    return ipfi_answer_from(call, value, (size_t)(call->args.at - value)); /* no copy: the argument is the answer */
}

/* ---- 3: a stream; state.u32 holds how many, and which is next ---- */

IPFI_DESCRIBE(sequence_text, "sequence", "(n: u32) -> stream[str]", "Stream \"item 0\" to \"item n-1\".");
/* Not printf: that would double the flash of a small chip. */
static void write_item(ipfi_writer_t *answer, uint32_t number)
{
    char text[15] = "item "; /* the largest number has ten digits */
    char *at = text + sizeof text;
    size_t size = 5;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (at < text + sizeof text) { text[size++] = *at++; }
    ipfi_write_str(answer, text, size);
}

static ipfi_verdict_t sequence(ipfi_call_t *call)
{
    if (call->phase == IPFI_END) { return IPFI_DONE; }
    if (call->phase == IPFI_BEGIN) {
        if (!board_read_u32(call, &call->state.u32[0])) { return IPFI_BAD_ARGUMENTS; }
    }
    if (call->state.u32[1] == call->state.u32[0]) { return IPFI_DONE; }
    write_item(&call->answer, call->state.u32[1]++);
    return IPFI_YIELD;
}

/* ---- 4: raw bytes, changed where they lie ---- */

IPFI_DESCRIBE(reverse_text, "reverse", "(data: bytes) -> bytes", "Return the bytes in reverse order (raw).");
static ipfi_verdict_t reverse(ipfi_call_t *call)
{
    size_t size;
    uint8_t *const bytes = ipfi_raw_args(call, &size);
    for (size_t i = 0; i < size / 2; i++) {
        const uint8_t byte = bytes[i];
        bytes[i] = bytes[size - 1 - i];
        bytes[size - 1 - i] = byte;
    }
    return ipfi_answer_from(call, bytes, size);
}

/* ---- 5: an answer far larger than RAM, a part at a time ---- */

enum { BLOB_MODULUS = 251 };

IPFI_DESCRIBE(blob_text, "blob", "(n: u32) -> bytes", "Return n bytes; byte i is i % 251.");
static ipfi_verdict_t blob(ipfi_call_t *call)
{
    uint32_t *const left = &call->state.u32[0];
    uint32_t *const next = &call->state.u32[1]; /* i % 251 */
    if (call->phase == IPFI_END) { return IPFI_DONE; }
    if (call->phase == IPFI_BEGIN) {
        if (!board_read_u32(call, left)) { return IPFI_BAD_ARGUMENTS; }
        ipfi_write_bin_header(&call->answer, *left);
    }
    while (*left > 0 && call->answer.at < call->answer.end) {
        const uint8_t byte = (uint8_t)*next;
        ipfi_write_raw(&call->answer, &byte, 1);
        *next = *next + 1 == BLOB_MODULUS ? 0 : *next + 1;
        (*left)--;
    }
    return *left == 0 ? IPFI_DONE : IPFI_PART;
}

/* ---- 6: errors ---- */

MESSAGE(by_zero, "division by zero");
MESSAGE(too_large, "the quotient does not fit in 64 bits");
IPFI_DESCRIBE(divide_text, "divide", "(a: i64, b: i64) -> i64", "Divide, towards zero; fails on zero.");
static ipfi_verdict_t divide(ipfi_call_t *call)
{
    const int64_t a = ipfi_read_i64(&call->args);
    const int64_t b = ipfi_read_i64(&call->args);
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    if (b == 0) { return fail(call, by_zero); }
    if (a == INT64_MIN && b == -1) { return fail(call, too_large); }
    ipfi_write_i64(&call->answer, a / b);
    return IPFI_DONE;
}

/* ---- 7: answered later ---- */

MESSAGE(many_sleepers, "too many sleepers");
IPFI_DESCRIBE(sleep_text, "sleep", "(ms: u32) -> u32", "Answer ms after that many milliseconds.");
static ipfi_verdict_t sleep_ms(ipfi_call_t *call)
{
    board_t *const board = board_of(call);
    if (call->phase == IPFI_END) {
        board->sleepers[call->state.u32[1]].used = false;
        return IPFI_DONE;
    }
    if (call->phase == IPFI_RESUME) {
        ipfi_write_u32(&call->answer, call->state.u32[0]);
        return IPFI_DONE;
    }
    if (!board_read_u32(call, &call->state.u32[0])) { return IPFI_BAD_ARGUMENTS; }
    for (uint32_t i = 0; i < BOARD_SLEEPERS; i++) {
        board_sleeper_t *const sleeper = &board->sleepers[i];
        if (sleeper->used) { continue; }
        call->state.u32[1] = i;
        sleeper->used = true;
        sleeper->ticket = ipfi_ticket(call);
        sleeper->due_ms = board->now_ms + call->state.u32[0];
        return IPFI_LATER;
    }
    return fail_with(call, IPFI_ERROR_LIMIT, many_sleepers);
}

/* ---- 8: calls the host ---- */

MESSAGE(host_failed, "the host answered with an error");
MESSAGE(host_slow, "the host did not answer in time");
MESSAGE(host_long, "the host's answer is too large");
MESSAGE(host_ended, "the call of the host ended");
MESSAGE(host_closed, "the host takes no calls");
MESSAGE(many_callbacks, "too many callbacks");

static void callback_done(ipfi_wire_t *wire, ipfi_outcall_t *out, ipfi_outcome_t outcome)
{
    board_callback_t *const callback = out->user;
    ipfi_call_t *const call = ipfi_ticket_call(wire, callback->ticket);
    if (call == NULL || outcome == IPFI_OUT_VALUE) { return; }
    call->state.u16[1] = (uint16_t)outcome;
    ipfi_resume(call);
}

/* The host's Error: its message becomes ours. */
static ipfi_verdict_t callback_failed(ipfi_call_t *call, const board_callback_t *callback)
{
    size_t size = 0;
    ipfi_reader_t error = ipfi_reader(callback->out.answer, callback->out.answer_length);
    (void)ipfi_read_u32(&error);
    (void)ipfi_read_bool(&error);
    const char *const text = ipfi_read_str(&error, &size);
    if (error.bad || size == 0) { return fail(call, host_failed); }
    return ipfi_fail(call, IPFI_ERROR_RAISED, text, size);
}

static ipfi_verdict_t callback_answer(ipfi_call_t *call, const board_callback_t *callback)
{
    switch ((ipfi_outcome_t)call->state.u16[1]) {
    case IPFI_OUT_ANSWERED:
        return ipfi_answer_from(call, callback->out.answer, callback->out.answer_length);
    case IPFI_OUT_FAILED:
        return callback_failed(call, callback);
    case IPFI_OUT_TIMED_OUT:
        return fail(call, host_slow);
    case IPFI_OUT_TOO_LARGE:
        return fail(call, host_long);
    case IPFI_OUT_VALUE:
    case IPFI_OUT_CANCELLED:
    case IPFI_OUT_LOST:
        break;
    }
    return fail(call, host_ended);
}

/* The host's procedure gets the text from our arguments; its answer is collected behind them, in this
 * call's own memory, and leaves from there. */
static ipfi_verdict_t callback_begin(ipfi_call_t *call)
{
    board_t *const board = board_of(call);
    const uint32_t procedure = ipfi_read_u32(&call->args);
    const uint8_t *const text = call->args.at;
    size_t size;
    (void)ipfi_read_str(&call->args, &size);
    if (!ipfi_read_end(&call->args) || procedure > UINT16_MAX) { return IPFI_BAD_ARGUMENTS; }
    for (uint16_t i = 0; i < BOARD_CALLBACKS; i++) {
        board_callback_t *const callback = &board->callbacks[i];
        if (!ipfi_outcall_idle(&callback->out)) { continue; }
        callback->ticket = ipfi_ticket(call);
        callback->out.done = callback_done;
        callback->out.user = callback;
        callback->out.args = text;
        callback->out.args_size = (uint16_t)(call->args.at - text);
        callback->out.answer = call->answer.at;
        callback->out.answer_size = (uint16_t)(call->answer.end - call->answer.at);
        call->state.u16[0] = i;
        if (!ipfi_outcall_start(call->wire, &callback->out, (uint16_t)procedure, board->now_ms, CALLBACK_TIMEOUT_MS)) {
            return fail(call, host_closed);
        }
        return IPFI_LATER;
    }
    return fail_with(call, IPFI_ERROR_LIMIT, many_callbacks);
}

IPFI_DESCRIBE(callback_text, "callback", "(procedure: u16, text: str) -> any", "Call the host's procedure with the text.");
static ipfi_verdict_t callback(ipfi_call_t *call)
{
    board_callback_t *const calling = &board_of(call)->callbacks[call->state.u16[0]];
    switch ((ipfi_phase_t)call->phase) {
    case IPFI_BEGIN:
        return callback_begin(call);
    case IPFI_RESUME:
        return callback_answer(call, calling);
    case IPFI_END: /* this call's memory is no longer ours: stop collecting into it */
        ipfi_outcall_cancel(call->wire, &calling->out);
        break;
    }
    return IPFI_DONE;
}

/* ---- 9: events ---- */

IPFI_DESCRIBE(start_ticks_text, "start_ticks", "(period_ms: u32) -> None", "Emit tick every period_ms; 0 stops.");
static ipfi_verdict_t start_ticks(ipfi_call_t *call)
{
    board_t *const board = board_of(call);
    uint32_t period_ms;
    if (!board_read_u32(call, &period_ms)) { return IPFI_BAD_ARGUMENTS; }
    board->tick_period_ms = period_ms;
    board->tick_due_ms = board->now_ms + period_ms;
    return IPFI_DONE;
}

IPFI_DESCRIBE(tick_text, "tick", "(count: u32, uptime_ms: u32)", "Emitted while ticks are on.");

/* ---- 10: restart after the answer has left ---- */

IPFI_DESCRIBE(reboot_text, "reboot", "() -> None", "Restart the board.");
static ipfi_verdict_t reboot(ipfi_call_t *call)
{
    board_t *const board = board_of(call);
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    board->reboots_soon = true;
    board->reboot_due_ms = board->now_ms + REBOOT_PATIENCE_MS;
    return IPFI_DONE;
}

/* ---- 11: raw text on the line; run again until the line took it all ---- */

IPFI_DESCRIBE(say_text, "say", "(text: str) -> None", "Print the text on the line, between frames.");
static ipfi_verdict_t say(ipfi_call_t *call)
{
    size_t size;
    if (call->phase == IPFI_END) { return IPFI_DONE; }
    ipfi_reader_t args = ipfi_reader(call->args.at, (size_t)(call->args.end - call->args.at));
    const char *const text = ipfi_read_str(&args, &size);
    if (!ipfi_read_end(&args)) { return IPFI_BAD_ARGUMENTS; }
    uint16_t *const printed = &call->state.u16[0]; /* the text lies in memory of `value_size` */
    if (*printed < size) { *printed = (uint16_t)(*printed + ipfi_print(call->wire, text + *printed, size - *printed)); }
    if (*printed == size) { *printed = (uint16_t)(*printed + ipfi_print(call->wire, "\n", 1)); }
    return *printed > size ? IPFI_DONE : IPFI_PART;
}

/* ---- 12, 33: the lamp ---- */

IPFI_DESCRIBE(led_text, "led", "() -> bool", "Whether the lamp is on.");
static ipfi_verdict_t led(ipfi_call_t *call)
{
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    ipfi_write_bool(&call->answer, board_of(call)->led);
    return IPFI_DONE;
}

IPFI_DESCRIBE(set_led_text, "led", "(on: bool)", "Switch the lamp.");
static ipfi_verdict_t set_led(ipfi_call_t *call)
{
    const bool on = ipfi_read_bool(&call->args);
    if (ipfi_read_end(&call->args)) { board_of(call)->led = on; }
    return IPFI_DONE;
}

/* ---- 13 to 16 are in measures.c ---- */

const ipfi_procedure_t board_table[BOARD_TABLE_LENGTH] IPFI_FLASH = {
    { 0, IPFI_UNARY, magic_text, magic, NULL },
    { 1, IPFI_UNARY, add_text, add, NULL },
    { 2, IPFI_UNARY, echo_text, echo, NULL },
    { 3, IPFI_STREAM, sequence_text, sequence, NULL },
    { 4, IPFI_RAW, reverse_text, reverse, NULL },
    { 5, IPFI_UNARY, blob_text, blob, NULL },
    { 6, IPFI_UNARY, divide_text, divide, NULL },
    { 7, IPFI_UNARY, sleep_text, sleep_ms, NULL },
    { 8, IPFI_UNARY, callback_text, callback, NULL },
    { 9, IPFI_UNARY, start_ticks_text, start_ticks, NULL },
    { 10, IPFI_UNARY, reboot_text, reboot, NULL },
    { 11, IPFI_UNARY, say_text, say, NULL },
    { 12, IPFI_UNARY, led_text, led, NULL },
    { 13, IPFI_UNARY, board_counters_text, board_counters, NULL },
    { 14, IPFI_UNARY, board_stall_text, board_stall, NULL },
    { 15, IPFI_UNARY, board_pace_text, board_pace, NULL },
    { 16, IPFI_RAW, board_checksum_text, board_checksum, board_take_for_checksum },
    { BOARD_TICK, IPFI_EVENT_EMITTED, tick_text, NULL, NULL },
    { BOARD_LED, IPFI_EVENT_HANDLED, set_led_text, set_led, NULL },
};
