/* witness.c - a board that notes each execution where a reset cannot reach it.
 *
 *     witness PTY_FD LOG_FD NONCE
 *
 * Both descriptors are inherited.  Before a handler does anything its call's id goes to the log in one
 * write, so the log has the truth even if the process is killed in the middle.  Ends with standard input. */
#define _GNU_SOURCE
#include "ipfi/ipfi.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SLEEPERS = 32, TICK = 32 };

typedef struct {
    ipfi_ticket_t ticket;
    uint32_t due_ms;
    bool used;
} sleeper_t;

static ipfi_wire_t wire;
static sleeper_t sleepers[SLEEPERS];
static int pty_fd, log_fd;
static uint32_t nonce, ticks;
static uint8_t boot_cause = IPFI_BOOT_POWER;
static bool reboots_soon, ticking;

static void note(uint32_t id)
{
    while (write(log_fd, &id, sizeof id) < 0 && errno == EINTR) { }
}

/* ---- procedures ---- */

IPFI_DESCRIBE(mark_text, "mark", "(id: u32) -> u32", "Note the id; answer id + 1.");
static ipfi_verdict_t mark(ipfi_call_t *call)
{
    const uint32_t id = ipfi_read_u32(&call->args);
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    note(id);
    ipfi_write_u32(&call->answer, id + 1);
    return IPFI_DONE;
}

IPFI_DESCRIBE(late_text, "late", "(id: u32, ms: u32) -> u32", "Note the id; answer id + 1 after ms.");
static ipfi_verdict_t late(ipfi_call_t *call)
{
    if (call->phase == IPFI_END) {
        sleepers[call->state.u32[1]].used = false;
        return IPFI_DONE;
    }
    if (call->phase == IPFI_RESUME) {
        ipfi_write_u32(&call->answer, call->state.u32[0] + 1);
        return IPFI_DONE;
    }
    call->state.u32[0] = ipfi_read_u32(&call->args);
    const uint32_t ms = ipfi_read_u32(&call->args);
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    for (uint32_t i = 0; i < SLEEPERS; i++) {
        if (sleepers[i].used) { continue; }
        note(call->state.u32[0]);
        sleepers[i] = (sleeper_t){ ipfi_ticket(call), call->wire->link.now_ms + ms, true };
        call->state.u32[1] = i;
        return IPFI_LATER;
    }
    return ipfi_fail(call, IPFI_ERROR_LIMIT, "too many", 8);
}

IPFI_DESCRIBE(items_text, "items", "(id: u32, n: u32) -> stream[u32]", "Note the id; stream 0 to n-1.");
static ipfi_verdict_t items(ipfi_call_t *call)
{
    if (call->phase == IPFI_END) { return IPFI_DONE; }
    if (call->phase == IPFI_BEGIN) {
        const uint32_t id = ipfi_read_u32(&call->args);
        call->state.u32[0] = ipfi_read_u32(&call->args);
        if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
        note(id);
    }
    if (call->state.u32[1] == call->state.u32[0]) { return IPFI_DONE; }
    ipfi_write_u32(&call->answer, call->state.u32[1]++);
    return IPFI_YIELD;
}

IPFI_DESCRIBE(swallow_text, "swallow", "(data: bytes) -> u32", "Return how many bytes came (raw).");
static bool take(ipfi_call_t *call, const uint8_t *part, size_t size)
{
    (void)part;
    call->state.u32[0] += (uint32_t)size;
    return true;
}

static ipfi_verdict_t swallow(ipfi_call_t *call)
{
    ipfi_write_u32(&call->answer, call->state.u32[0]);
    return IPFI_DONE;
}

IPFI_DESCRIBE(reboot_text, "reboot", "() -> None", "Restart by itself.");
static ipfi_verdict_t reboot(ipfi_call_t *call)
{
    (void)call;
    reboots_soon = true;
    return IPFI_DONE;
}

IPFI_DESCRIBE(ticking_text, "ticking", "(on: bool) -> None", "Emit a tick every millisecond or so.");
static ipfi_verdict_t set_ticking(ipfi_call_t *call)
{
    ticking = ipfi_read_bool(&call->args);
    return ipfi_read_end(&call->args) ? IPFI_DONE : IPFI_BAD_ARGUMENTS;
}

IPFI_DESCRIBE(tick_text, "tick", "(count: u32)", "");

static const ipfi_procedure_t table[] IPFI_FLASH = {
    { 1, IPFI_UNARY, mark_text, mark, NULL },
    { 2, IPFI_UNARY, late_text, late, NULL },
    { 3, IPFI_STREAM, items_text, items, NULL },
    { 4, IPFI_RAW, swallow_text, swallow, take },
    { 5, IPFI_UNARY, reboot_text, reboot, NULL },
    { 6, IPFI_UNARY, ticking_text, set_ticking, NULL },
    { TICK, IPFI_EVENT_EMITTED, tick_text, NULL, NULL },
};

/* ---- the port ---- */

static uint32_t now_ms(void *context)
{
    struct timespec now;
    (void)context;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u);
}

static size_t read_pty(void *context, uint8_t *to, size_t max)
{
    (void)context;
    const ssize_t size = read(pty_fd, to, max);
    return size > 0 ? (size_t)size : 0;
}

static size_t write_pty(void *context, const uint8_t *from, size_t size)
{
    (void)context;
    const ssize_t taken = write(pty_fd, from, size);
    return taken > 0 ? (size_t)taken : 0;
}

static uint32_t entropy(void *context)
{
    (void)context;
    return nonce;
}

static uint8_t why(void *context)
{
    (void)context;
    return boot_cause;
}

static const ipfi_port_t port = { NULL, now_ms, read_pty, write_pty, entropy, why };
IPFI_BUFFERS(buffers, 256, 8, 4096, 16, 256, 256);
static const ipfi_config_t config = {
    IPFI_USE_BUFFERS(buffers), IPFI_SERVE(table), .port = &port, .frame_payload = 256, .window = 8, .ring = 0xFFFF,
    .crc_profiles = IPFI_CRC_16 | IPFI_CRC_32, .stream_credit = 64, .max_message = 0xFFFF,
};

/* ---- life ---- */

static void run_timers(void)
{
    for (uint32_t i = 0; i < SLEEPERS; i++) {
        if (!sleepers[i].used || (int32_t)(now_ms(NULL) - sleepers[i].due_ms) < 0) { continue; }
        sleepers[i].used = false;
        ipfi_call_t *const call = ipfi_ticket_call(&wire, sleepers[i].ticket);
        if (call != NULL) { ipfi_resume(call); }
    }
    if (ticking) {
        uint8_t args[5];
        ipfi_writer_t writer = ipfi_writer(args, sizeof args);
        ipfi_write_u32(&writer, ticks);
        if (ipfi_emit(&wire, TICK, args, ipfi_written(&writer))) { ticks++; }
    }
    if (reboots_soon && ipfi_flushed(&wire)) {
        reboots_soon = ticking = false;
        ticks = 0;
        for (uint32_t i = 0; i < SLEEPERS; i++) { sleepers[i].used = false; }
        nonce = nonce * 69069u + 1u;
        boot_cause = IPFI_BOOT_SOFTWARE;
        ipfi_start(&wire, &config);
    }
}

static int wait_ms(void)
{
    uint32_t due_ms;
    int32_t left_ms = 1000;
    if (ticking || reboots_soon) { return 1; }
    if (ipfi_next_deadline_ms(&wire, &due_ms)) { left_ms = (int32_t)(due_ms - now_ms(NULL)); }
    for (uint32_t i = 0; i < SLEEPERS; i++) {
        if (!sleepers[i].used) { continue; }
        const int32_t mine_ms = (int32_t)(sleepers[i].due_ms - now_ms(NULL));
        if (mine_ms < left_ms) { left_ms = mine_ms; }
    }
    return left_ms < 0 ? 0 : left_ms;
}

static bool input_ended(short happened)
{
    char nothing[64];
    if ((happened & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) == 0) { return false; }
    return read(STDIN_FILENO, nothing, sizeof nothing) <= 0;
}

int main(int count, char **words)
{
    ipfi_event_t event;
    if (count != 4) { return 2; }
    pty_fd = atoi(words[1]);
    log_fd = atoi(words[2]);
    nonce = (uint32_t)strtoul(words[3], NULL, 0);
    (void)fcntl(pty_fd, F_SETFL, O_NONBLOCK);
    ipfi_start(&wire, &config);
    for (;;) {
        const uint8_t *waiting;
        ipfi_poll(&wire);
        run_timers();
        ipfi_poll(&wire);
        while (ipfi_next_event(&wire, &event)) { }
        const bool waits = ipfi_peek_tx(&wire, &waiting, now_ms(NULL)) != 0;
        struct pollfd watched[2] = {
            { .fd = pty_fd, .events = (short)(POLLIN | (waits ? POLLOUT : 0)) },
            { .fd = STDIN_FILENO, .events = POLLIN },
        };
        if (poll(watched, 2, wait_ms()) < 0 && errno != EINTR) { return 1; }
        if (input_ended(watched[1].revents)) { return 0; }
    }
}
