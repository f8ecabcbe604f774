/* end.c - the C library as one end of a simulated wire: its handlers tell Python what they saw.
 *
 * What happens is appended to a log that Python reads after every verb; what the status holds is
 * refreshed after every verb, so that Python need not ask.  tests/simulation/core.py is the other half. */
#include "ipfi/ipfi.h"

#include <stddef.h>
#include <string.h>

enum { SLOTS = 64, ARGS = 2048, ANSWER = 8192, LOG = 1 << 18, TX = 1 << 16, CALLS = 33, VALUE = 4112 };
enum { WORK = 1, FLOW = 2, NEWS = 40 };
enum { AT_ONCE = 0, LATER, NEVER, FAILS, CALLS_BACK }; /* what a handler is told to do: plan.py */
enum { HEAD = 9 }; /* tag u32, behaviour u8, size u16, count u16 */

typedef enum { /* what the log tells */
    CALLED = 1, STOPPED, NEWS_CAME, ENDED, VALUE_CAME, HAPPENED, OVERFLOW
} entry_t;

typedef struct {
    uint32_t log_used, due, due_ms, state, tx_used, idle_calls, bad, flushed;
} status_t;

typedef struct {
    ipfi_outcall_t out; /* first: a pointer to it is a pointer to this */
    uint8_t args[ARGS], answer[ANSWER];
    bool used;
} slot_t;

typedef struct {
    status_t status;
    uint8_t log[LOG], tx[TX];
    ipfi_wire_t wire;
    ipfi_config_t config;
    slot_t slots[SLOTS];
    bool fail_next;
    ipfi_tx_frame_t window[16];
    ipfi_call_t calls[CALLS];
    uint8_t rx_frame[2048], tx_frame[2048], tx_stream[1 << 15], values[CALLS * VALUE], lossy[4096];
} end_t;

size_t simulation_size(void);
size_t simulation_log_at(void);
size_t simulation_tx_at(void);
void simulation_init(end_t *end, const uint32_t *how);
void simulation_receive(end_t *end, const uint8_t *bytes, size_t size, uint32_t now_ms);
void simulation_take_tx(end_t *end, size_t max, uint32_t now_ms);
void simulation_on_deadline(end_t *end, uint32_t now_ms);
int simulation_call(end_t *end, uint16_t procedure, const uint8_t *args, size_t size, uint32_t timeout_ms, uint32_t now_ms);
void simulation_cancel(end_t *end, int slot);
void simulation_resume(end_t *end, uint32_t ticket, bool fails);
bool simulation_emit(end_t *end, const uint8_t *args, size_t size, bool lossy);
void simulation_close(end_t *end);
void simulation_clear_log(end_t *end);
uint32_t simulation_seen(int state, int input);
void simulation_transition(int state, int input);

/* ---- transitions that were taken ---- */

static uint32_t seen[IPFI_ESTABLISHED + 1][8];

void simulation_transition(int state, int input)
{
    seen[state][input]++;
}

uint32_t simulation_seen(int state, int input)
{
    return seen[state][input];
}

/* ---- the log ---- */

static void note(end_t *end, entry_t kind, uint32_t a, uint32_t b, const uint8_t *bytes, size_t size)
{
    const uint32_t head[4] = { (uint32_t)kind, a, b, (uint32_t)size };
    if (end->status.log_used + sizeof head + size > LOG) {
        end->status.bad = OVERFLOW;
        return;
    }
    uint8_t *const at = end->log + end->status.log_used;
    memcpy(at, head, sizeof head);
    if (size != 0) { memcpy(at + sizeof head, bytes, size); }
    end->status.log_used += (uint32_t)(sizeof head + size);
}

void simulation_clear_log(end_t *end)
{
    end->status.log_used = 0;
}

static void after(end_t *end)
{
    ipfi_event_t event;
    while (ipfi_next_event(&end->wire, &event)) { note(end, HAPPENED, event.kind, event.detail, NULL, 0); }
    end->status.due = ipfi_next_deadline_ms(&end->wire, &end->status.due_ms);
    end->status.state = (uint32_t)ipfi_state(&end->wire);
    end->status.flushed = ipfi_flushed(&end->wire);
}

/* ---- what the procedures do ---- */

static uint32_t number(const uint8_t *at, int size)
{
    uint32_t value = 0;
    for (int i = size; i-- > 0;) { value = value << 8 | at[i]; }
    return value;
}

/* Byte i of answer or value `count` of call `tag`; truth.py knows the same. */
static uint8_t expected(uint32_t tag, uint32_t count, uint32_t i)
{
    return (uint8_t)(i < 4 ? tag >> (8 * i) : i < 6 ? count >> (8 * (i - 4)) : tag + count + 31 * i);
}

/* Writes the rest of one value, as far as there is room; state.u16[1] counts its bytes. */
static bool write_value(ipfi_call_t *call, uint32_t tag, uint32_t count, uint32_t size)
{
    uint16_t *const done = &call->state.u16[1];
    while (*done < size && call->answer.at < call->answer.end) {
        const uint8_t byte = expected(tag, count, *done);
        ipfi_write_raw(&call->answer, &byte, 1);
        (*done)++;
    }
    if (*done < size) { return false; }
    *done = 0;
    return true;
}

static ipfi_verdict_t begin(ipfi_call_t *call, const uint8_t *args, size_t size)
{
    end_t *const end = call->wire->config->user;
    note(end, CALLED, call->procedure, ipfi_ticket(call), args, size);
    if (size < HEAD) { return IPFI_BAD_ARGUMENTS; }
    switch (args[4]) {
    case AT_ONCE:
        return IPFI_DONE;
    case FAILS:
        return call->procedure == FLOW ? IPFI_DONE : ipfi_fail(call, IPFI_ERROR_RAISED, "as told", 7);
    default:
        return IPFI_LATER;
    }
}

static ipfi_verdict_t stopped(ipfi_call_t *call)
{
    note(call->wire->config->user, STOPPED, call->procedure, ipfi_ticket(call), NULL, 0);
    return IPFI_DONE;
}

static ipfi_verdict_t work(ipfi_call_t *call)
{
    size_t size;
    const uint8_t *const args = ipfi_raw_args(call, &size);
    end_t *const end = call->wire->config->user;
    if (call->phase == IPFI_END) { return stopped(call); }
    if (call->phase == IPFI_BEGIN) {
        const ipfi_verdict_t verdict = begin(call, args, size);
        if (verdict != IPFI_DONE) { return verdict; }
    }
    if (end->fail_next) { return ipfi_fail(call, IPFI_ERROR_RAISED, "as told", 7); }
    return write_value(call, number(args, 4), 0, number(args + 5, 2)) ? IPFI_DONE : IPFI_PART;
}

/* state.u16[0] counts values. */
static ipfi_verdict_t flow(ipfi_call_t *call)
{
    size_t size;
    const uint8_t *const args = ipfi_raw_args(call, &size);
    uint16_t *const count = &call->state.u16[0];
    if (call->phase == IPFI_END) { return stopped(call); }
    if (call->phase == IPFI_BEGIN) {
        const ipfi_verdict_t verdict = begin(call, args, size);
        if (verdict != IPFI_DONE) { return verdict; }
    }
    if (*count == number(args + 7, 2)) {
        return args[4] == FAILS ? ipfi_fail(call, IPFI_ERROR_RAISED, "as told", 7) : IPFI_DONE;
    }
    if (!write_value(call, number(args, 4), *count, number(args + 5, 2))) { return IPFI_PART; }
    (*count)++;
    return IPFI_YIELD;
}

static ipfi_verdict_t news(ipfi_call_t *call)
{
    note(call->wire->config->user, NEWS_CAME, 0, 0, call->args.at, (size_t)(call->args.end - call->args.at));
    return IPFI_DONE;
}

IPFI_DESCRIBE(work_text, "work", "(data: bytes) -> bytes", "Does what it is told.");
IPFI_DESCRIBE(flow_text, "flow", "(data: bytes) -> stream[bytes]", "Streams what it is told.");
IPFI_DESCRIBE(news_text, "news", "(data: bytes)", "Is noted.");
static const ipfi_procedure_t table[] IPFI_FLASH = {
    { WORK, IPFI_RAW, work_text, work, NULL },
    { FLOW, IPFI_STREAM, flow_text, flow, NULL },
    { NEWS, IPFI_EVENT_HANDLED, news_text, news, NULL },
};

/* ---- life and the five verbs ---- */

size_t simulation_size(void)
{
    return sizeof(end_t);
}

size_t simulation_log_at(void)
{
    return offsetof(end_t, log);
}

size_t simulation_tx_at(void)
{
    return offsetof(end_t, tx);
}

enum { /* places in `how`: core.py */
    PAYLOAD, WINDOW, RING, CRC, CALL_COUNT, VALUE_SIZE, STREAM_SIZE, US_PER_BYTE, FLAGS, ACTIVE, CREDIT, NONCE, CAUSE, NOW
};

void simulation_init(end_t *end, const uint32_t *how)
{
    const ipfi_config_t config = {
        IPFI_SERVE(table), .window = (uint8_t)how[WINDOW], .crc_profiles = (uint8_t)how[CRC], .flags = (uint8_t)how[FLAGS],
        .active = how[ACTIVE] != 0, .frame_payload = (uint16_t)how[PAYLOAD], .ring = (uint16_t)how[RING],
        .us_per_byte = how[US_PER_BYTE], .stream_credit = (uint16_t)how[CREDIT], .user = end,
        .tx_window = end->window, .tx_window_length = (uint8_t)how[WINDOW], .calls = end->calls,
        .calls_length = (uint8_t)(how[CALL_COUNT] + 1), .rx_frame = end->rx_frame,
        .rx_frame_size = (uint16_t)IPFI_RX_FRAME_SIZE(how[PAYLOAD]), .tx_frame = end->tx_frame,
        .tx_frame_size = (uint16_t)IPFI_TX_FRAME_SIZE(how[PAYLOAD]), .tx_stream = end->tx_stream,
        .tx_stream_size = (uint16_t)how[STREAM_SIZE], .values = end->values, .value_size = (uint16_t)how[VALUE_SIZE],
        .lossy = end->lossy, .lossy_size = 256,
    };
    end->config = config;
    end->fail_next = false;
    memset(&end->status, 0, sizeof end->status);
    for (int i = 0; i < SLOTS; i++) {
        memset(&end->slots[i].out, 0, sizeof end->slots[i].out);
        end->slots[i].used = false;
    }
    ipfi_init(&end->wire, &end->config, how[NONCE], (uint8_t)how[CAUSE]);
    ipfi_open(&end->wire, how[NOW]);
    after(end);
}

void simulation_receive(end_t *end, const uint8_t *bytes, size_t size, uint32_t now_ms)
{
    ipfi_receive(&end->wire, bytes, size, now_ms);
    after(end);
}

void simulation_take_tx(end_t *end, size_t max, uint32_t now_ms)
{
    end->status.tx_used = (uint32_t)ipfi_take_tx(&end->wire, end->tx, max < TX ? max : TX, now_ms);
    after(end);
}

void simulation_on_deadline(end_t *end, uint32_t now_ms)
{
    ipfi_on_deadline(&end->wire, now_ms);
    after(end);
}

void simulation_close(end_t *end)
{
    ipfi_close(&end->wire);
    after(end);
}

/* ---- calls of ours ---- */

static void done(ipfi_wire_t *wire, ipfi_outcall_t *out, ipfi_outcome_t outcome)
{
    end_t *const end = wire->config->user;
    const uint32_t slot = (uint32_t)((slot_t *)out - end->slots);
    if (outcome == IPFI_OUT_VALUE) {
        note(end, VALUE_CAME, slot, 0, out->answer, out->answer_length);
        return;
    }
    note(end, ENDED, slot, (uint32_t)outcome << 8 | out->sent, out->answer, out->answer_length);
    end->slots[slot].used = false;
}

int simulation_call(end_t *end, uint16_t procedure, const uint8_t *args, size_t size, uint32_t timeout_ms, uint32_t now_ms)
{
    for (int i = 0; i < SLOTS && size <= ARGS; i++) {
        slot_t *const slot = &end->slots[i];
        if (slot->used || !ipfi_outcall_idle(&slot->out)) { continue; }
        memcpy(slot->args, args, size);
        slot->out.done = done;
        slot->out.args = slot->args;
        slot->out.args_size = (uint16_t)size;
        slot->out.answer = slot->answer;
        slot->out.answer_size = ANSWER;
        slot->used = ipfi_outcall_start(&end->wire, &slot->out, procedure, now_ms, timeout_ms);
        after(end);
        return slot->used ? i : -1;
    }
    return -2; /* the test asks for too much */
}

void simulation_cancel(end_t *end, int slot)
{
    ipfi_outcall_cancel(&end->wire, &end->slots[slot].out);
    after(end);
}

void simulation_resume(end_t *end, uint32_t ticket, bool fails)
{
    ipfi_call_t *const call = ipfi_ticket_call(&end->wire, ticket);
    end->fail_next = fails;
    if (call != NULL) { ipfi_resume(call); }
    end->fail_next = false;
    after(end);
}

bool simulation_emit(end_t *end, const uint8_t *args, size_t size, bool lossy)
{
    const bool taken = lossy ? ipfi_emit_lossy(&end->wire, NEWS, args, size) : ipfi_emit(&end->wire, NEWS, args, size);
    after(end);
    return taken;
}
