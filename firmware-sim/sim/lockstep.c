/* lockstep.c - the C core for a test in another language, on that test's clock.
 *
 * One end is a board (the demonstration's procedures) or a host (calls them).  The memory is the
 * caller's: ipfi_lockstep_size bytes, aligned as malloc would. */
#include "board.h"

#include <string.h>

enum { CALLS = 16, ARGS = 1024, ANSWER = 32768, TICKS = 1024, TWICE = 40 };
enum { UNUSED = 0, RUNNING, ENDED };

typedef struct {
    ipfi_outcall_t out; /* first: a pointer to it is a pointer to this */
    uint8_t args[ARGS], answer[ANSWER];
    uint32_t values;    /* of a stream */
    uint8_t stage;
    uint8_t outcome;
} lockstep_call_t;

typedef struct {
    board_t board;
    lockstep_call_t calls[CALLS];
    uint32_t ticks, ticks_out_of_order, last_tick;
    bool is_host;
} lockstep_t;

size_t ipfi_lockstep_size(void);
void ipfi_lockstep_init(lockstep_t *end, bool is_host, bool is_small, uint32_t nonce, uint32_t us_per_byte, uint32_t now_ms);
void ipfi_lockstep_restart(lockstep_t *end, uint32_t nonce, uint32_t now_ms);
void ipfi_lockstep_receive(lockstep_t *end, const uint8_t *bytes, size_t size, uint32_t now_ms);
size_t ipfi_lockstep_take_tx(lockstep_t *end, uint8_t *to, size_t max, uint32_t now_ms);
int ipfi_lockstep_next_event(lockstep_t *end);
int64_t ipfi_lockstep_next_deadline_ms(const lockstep_t *end);
void ipfi_lockstep_on_deadline(lockstep_t *end, uint32_t now_ms);
int ipfi_lockstep_state(const lockstep_t *end);
uint32_t ipfi_lockstep_confirm(const lockstep_t *end);
int ipfi_lockstep_call(lockstep_t *end, uint16_t procedure, const uint8_t *args, size_t size, uint32_t timeout_ms, uint32_t now_ms);
int ipfi_lockstep_outcome(const lockstep_t *end, int call);
size_t ipfi_lockstep_answer(lockstep_t *end, int call, uint8_t *to, size_t max);
uint32_t ipfi_lockstep_values(const lockstep_t *end, int call);
void ipfi_lockstep_cancel(lockstep_t *end, int call);
bool ipfi_lockstep_emit(lockstep_t *end, uint16_t event, const uint8_t *args, size_t size, bool lossy);
void ipfi_lockstep_close(lockstep_t *end);
void ipfi_lockstep_stats(const lockstep_t *end, ipfi_stats_t *stats);
uint32_t ipfi_lockstep_ticks(const lockstep_t *end, bool out_of_order);
int ipfi_lockstep_next_state(int state, int input);
int ipfi_link_next_state(int state, int input);

/* ---- a host's own table ---- */

IPFI_DESCRIBE(tick_text, "tick", "(count: u32, uptime_ms: u32)", "Counts the board's ticks.");
static ipfi_verdict_t on_tick(ipfi_call_t *call)
{
    lockstep_t *const end = call->wire->config->user;
    const uint32_t count = ipfi_read_u32(&call->args);
    if (end->ticks != 0 && count != end->last_tick + 1) { end->ticks_out_of_order++; }
    end->last_tick = count;
    end->ticks++;
    return IPFI_DONE;
}

IPFI_DESCRIBE(twice_text, "twice", "(text: str) -> list[str]", "Return the text, twice.");
static ipfi_verdict_t twice(ipfi_call_t *call)
{
    size_t size;
    const char *const text = ipfi_read_str(&call->args, &size);
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    ipfi_write_array(&call->answer, 2);
    ipfi_write_str(&call->answer, text, size);
    ipfi_write_str(&call->answer, text, size);
    return IPFI_DONE;
}

static const ipfi_procedure_t host_table[] IPFI_FLASH = {
    { TWICE, IPFI_UNARY, twice_text, twice, NULL },
    { BOARD_TICK, IPFI_EVENT_HANDLED, tick_text, on_tick, NULL },
};

/* ---- life ---- */

size_t ipfi_lockstep_size(void)
{
    return sizeof(lockstep_t);
}

void ipfi_lockstep_init(lockstep_t *end, bool is_host, bool is_small, uint32_t nonce, uint32_t us_per_byte, uint32_t now_ms)
{
    memset(end, 0, sizeof *end);
    board_init(&end->board, is_small, nonce, IPFI_BOOT_POWER, now_ms);
    end->is_host = is_host;
    end->board.config.us_per_byte = us_per_byte;
    if (is_host) {
        end->board.config.table = host_table;
        end->board.config.table_length = sizeof host_table / sizeof host_table[0];
        end->board.config.flags = IPFI_HOST;
        end->board.config.active = true;
        end->board.config.user = end;
        end->board.config.max_message = ANSWER / 256;
    }
    board_restart(&end->board, IPFI_BOOT_POWER, now_ms);
}

void ipfi_lockstep_restart(lockstep_t *end, uint32_t nonce, uint32_t now_ms)
{
    end->board.nonce = nonce;
    memset(end->calls, 0, sizeof end->calls);
    board_restart(&end->board, IPFI_BOOT_WATCHDOG, now_ms);
}

/* ---- the five verbs ---- */

void ipfi_lockstep_receive(lockstep_t *end, const uint8_t *bytes, size_t size, uint32_t now_ms)
{
    board_receive(&end->board, bytes, size, now_ms);
}

size_t ipfi_lockstep_take_tx(lockstep_t *end, uint8_t *to, size_t max, uint32_t now_ms)
{
    end->board.now_ms = now_ms;
    return ipfi_take_tx(&end->board.wire, to, max, now_ms);
}

int ipfi_lockstep_next_event(lockstep_t *end)
{
    ipfi_event_t event;
    return ipfi_next_event(&end->board.wire, &event) ? event.kind << 8 | event.detail : -1;
}

int64_t ipfi_lockstep_next_deadline_ms(const lockstep_t *end)
{
    uint32_t deadline_ms;
    return board_next_deadline_ms(&end->board, &deadline_ms) ? (int64_t)deadline_ms : -1;
}

void ipfi_lockstep_on_deadline(lockstep_t *end, uint32_t now_ms)
{
    board_on_deadline(&end->board, now_ms);
}

/* ---- calls ---- */

static void done(ipfi_wire_t *wire, ipfi_outcall_t *out, ipfi_outcome_t outcome)
{
    lockstep_call_t *const call = (lockstep_call_t *)out;
    (void)wire;
    if (outcome == IPFI_OUT_VALUE) {
        call->values++;
        return;
    }
    call->stage = ENDED;
    call->outcome = (uint8_t)outcome;
}

int ipfi_lockstep_call(lockstep_t *end, uint16_t procedure, const uint8_t *args, size_t size, uint32_t timeout_ms, uint32_t now_ms)
{
    for (int i = 0; i < CALLS && size <= ARGS; i++) {
        lockstep_call_t *const call = &end->calls[i];
        if (call->stage != UNUSED || !ipfi_outcall_idle(&call->out)) { continue; }
        if (size != 0) { memcpy(call->args, args, size); }
        call->values = 0;
        call->out.done = done;
        call->out.args = call->args;
        call->out.args_size = (uint16_t)size;
        call->out.answer = call->answer;
        call->out.answer_size = ANSWER;
        if (!ipfi_outcall_start(&end->board.wire, &call->out, procedure, now_ms, timeout_ms)) { return -1; }
        call->stage = RUNNING;
        return i;
    }
    return -1;
}

int ipfi_lockstep_outcome(const lockstep_t *end, int call)
{
    return end->calls[call].stage == ENDED ? end->calls[call].outcome : -1;
}

/* Hands over the answer and lets the place be used again. */
size_t ipfi_lockstep_answer(lockstep_t *end, int call, uint8_t *to, size_t max)
{
    lockstep_call_t *const ended = &end->calls[call];
    const size_t size = ended->out.answer_length < max ? ended->out.answer_length : max;
    memcpy(to, ended->answer, size);
    ended->stage = UNUSED;
    return size;
}

uint32_t ipfi_lockstep_values(const lockstep_t *end, int call)
{
    return end->calls[call].values;
}

void ipfi_lockstep_cancel(lockstep_t *end, int call)
{
    ipfi_outcall_cancel(&end->board.wire, &end->calls[call].out);
}

/* ---- the rest ---- */

int ipfi_lockstep_state(const lockstep_t *end)
{
    return (int)ipfi_state(&end->board.wire);
}

uint32_t ipfi_lockstep_confirm(const lockstep_t *end)
{
    return end->board.wire.link.peer.confirm;
}

bool ipfi_lockstep_emit(lockstep_t *end, uint16_t event, const uint8_t *args, size_t size, bool lossy)
{
    return lossy ? ipfi_emit_lossy(&end->board.wire, event, args, size) : ipfi_emit(&end->board.wire, event, args, size);
}

void ipfi_lockstep_close(lockstep_t *end)
{
    ipfi_close(&end->board.wire);
}

void ipfi_lockstep_stats(const lockstep_t *end, ipfi_stats_t *stats)
{
#if IPFI_WITH_COUNTERS
    *stats = end->board.wire.stats;
#else
    (void)end;
    memset(stats, 0, sizeof *stats);
#endif
}

uint32_t ipfi_lockstep_ticks(const lockstep_t *end, bool out_of_order)
{
    return out_of_order ? end->ticks_out_of_order : end->ticks;
}

int ipfi_lockstep_next_state(int state, int input)
{
    return ipfi_link_next_state(state, input);
}
