/* main.c - ipfi-simavr: switches the chip on and lets its time pass.
 *
 *     ipfi-simavr --uart unix:PATH --control unix:PATH [--hold] [--seed N] [--wired] board.elf
 *
 * Time follows the clock on the wall (if the machine keeps up), or is held and passes by command.  With --wired the UART
 * belongs to the control socket, where its bytes have cycles.  Ends when the control socket's peer has left. */
#define _GNU_SOURCE
#include "runner.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sim_elf.h>

enum { FREQUENCY_HZ = 16000000 };
enum { BEAT = FREQUENCY_HZ / 10000 }; /* how often the sockets are looked at: each 100 us of the chip's time */
enum { SLIP_NS = 100000000 };         /* further behind than this: the time is lost and not made up for */
enum { WAIT_MOST_US = 200000 };

typedef struct {
    const char *firmware, *uart, *control;
    uint32_t seed;
    bool held, wired;
} options_t;

static avr_t *avr;
static uart_line_t uart_line;
static channel_t uart, control;
static bool is_held, is_wired;
static volatile sig_atomic_t stopping;
static uint64_t grant_end; /* of the `run` under way; 0: none */
static uint64_t start_cycle;
static int64_t start_ns; /* start_cycle was at this time of the wall clock */

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void keep_time_from_here(void)
{
    start_cycle = avr->cycle;
    start_ns = now_ns();
}

/* ---- for control.c ---- */

uint64_t runner_now(void) { return avr->cycle; }
uint64_t runner_overruns(void) { return uart_line.overruns; }
void runner_quit(void) { stopping = 1; }

void runner_hold(bool held)
{
    is_held = held;
    keep_time_from_here();
}

void runner_run(uint64_t cycles)
{
    is_held = true;
    grant_end = avr->cycle + cycles;
}

/* The reset pin: the RAM stays. */
void runner_reset(void)
{
    avr_reset(avr);
    avr_regbit_setto(avr, avr->reset_flags.porf, 0);
    avr_regbit_setto(avr, avr->reset_flags.extrf, 1);
}

bool runner_receive(uint64_t not_before, const uint8_t *bytes, size_t size)
{
    return is_wired && uart_feed(&uart_line, not_before, bytes, size);
}

void control_report(const char *format, ...)
{
    char line[256];
    va_list values;
    va_start(values, format);
    const int size = vsnprintf(line, sizeof line, format, values);
    va_end(values);
    if (size > 0) { channel_send(&control, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1); }
}

/* ---- from the chip ---- */

static void byte_left(uint64_t cycle, uint8_t byte)
{
    if (is_wired) {
        control_report("tx %" PRIu64 " %02x\n", cycle, byte);
    } else {
        channel_send(&uart, &byte, 1);
    }
}

static void edge(uint64_t cycle, const char *pin, bool level)
{
    control_report("edge %" PRIu64 " %s %d\n", cycle, pin, level);
}

/* A chip that sleeps jumps to its next timer.  This one keeps the jumps short. */
static avr_cycle_count_t beat(avr_t *chip, avr_cycle_count_t when, void *context)
{
    (void)context;
    (void)chip;
    return when + BEAT;
}

static avr_cycle_count_t grant_ends(avr_t *chip, avr_cycle_count_t when, void *context)
{
    (void)chip;
    (void)when;
    (void)context;
    return 0;
}

static void was_reset(avr_io_t *io)
{
    (void)io;
    uart_rearm(&uart_line);
    pins_rearm();
    avr_cycle_timer_register(avr, BEAT, beat, NULL);
    if (grant_end > avr->cycle) { avr_cycle_timer_register(avr, grant_end - avr->cycle, grant_ends, NULL); }
    control_report("reset %" PRIu64 "\n", avr->cycle);
}

/* simavr would sleep in real time here; we do that ourselves. */
static void asleep(avr_t *chip, avr_cycle_count_t cycles)
{
    (void)chip;
    profile_slept(cycles + 1);
}

/* ---- time ---- */

static struct {
    char text[65536];
    size_t size;
} commands;

/* One after the other; those behind a `run` wait for its end. */
static void take_commands(void)
{
    char *end;
    while (grant_end == 0 && (end = memchr(commands.text, '\n', commands.size)) != NULL) {
        *end = '\0';
        control_take(commands.text);
        commands.size -= (size_t)(end + 1 - commands.text);
        memmove(commands.text, end + 1, commands.size);
    }
}

/* True if the control socket has something. */
static bool look_at_uart(int64_t wait_us)
{
    bool ready[2];
    uint8_t bytes[4096];
    channels_wait(&uart, &control, !is_wired && uart_room(&uart_line) >= sizeof bytes, wait_us, ready);
    if (ready[0]) {
        const int got = channel_read(&uart, bytes, sizeof bytes);
        if (got > 0) { (void)uart_feed(&uart_line, 0, bytes, (size_t)got); }
    }
    return ready[1];
}

static void look_at_sockets(int64_t wait_us)
{
    if (!look_at_uart(wait_us)) { return; }
    const int got = channel_read(&control, commands.text + commands.size, sizeof commands.text - commands.size);
    if (got < 0) { stopping = 1; } /* whoever started us has gone */
    if (got > 0) { commands.size += (size_t)got; }
    take_commands();
    if (commands.size == sizeof commands.text) { commands.size = 0; } /* a line without an end */
}

static bool step(uint64_t until)
{
    while (avr->cycle < until) {
        avr->run_cycle_limit = until - avr->cycle;
        const int state = profile_is_on() ? profile_step(avr) : avr_run(avr);
        if (state == cpu_Done || state == cpu_Crashed) {
            (void)fprintf(stderr, "ipfi-simavr: the chip has stopped (state %d) at cycle %" PRIu64 "\n", state, avr->cycle);
            return false;
        }
    }
    return true;
}

static bool run_grant(void)
{
    avr_cycle_timer_register(avr, grant_end - avr->cycle, grant_ends, NULL);
    while (grant_end > avr->cycle) {
        const uint64_t most = avr->cycle + FREQUENCY_HZ / 1000; /* what is reported must not pile up */
        if (!step(grant_end < most ? grant_end : most)) { return false; }
        (void)look_at_uart(0);
    }
    grant_end = 0;
    control_report("done %" PRIu64 " %" PRIu64 "\n", avr->cycle, uart_line.overruns);
    return true;
}

static void wait_for_the_wall_clock(void)
{
    const int64_t ahead_ns = (int64_t)((avr->cycle - start_cycle) * 1000 / (FREQUENCY_HZ / 1000000)) - (now_ns() - start_ns);
    if (ahead_ns < -SLIP_NS) { keep_time_from_here(); }
    const int64_t wait_us = ahead_ns > 200000 ? ahead_ns / 1000 : 0; /* shorter waits last longer than asked for */
    look_at_sockets(wait_us < WAIT_MOST_US ? wait_us : WAIT_MOST_US);
}

static bool live(void)
{
    while (stopping == 0) {
        if (grant_end != 0) {
            if (!run_grant()) { return false; }
            take_commands();
        } else if (is_held) {
            look_at_sockets(WAIT_MOST_US);
        } else {
            if (!step(avr->cycle + BEAT)) { return false; }
            wait_for_the_wall_clock();
        }
    }
    return true;
}

/* ---- beginning ---- */

static bool switch_on(const options_t *options)
{
    static avr_io_t module = { .kind = "ipfi", .reset = was_reset };
    elf_firmware_t firmware;
    memset(&firmware, 0, sizeof firmware);
    if (elf_read_firmware(options->firmware, &firmware) != 0) { return false; }
    avr = avr_make_mcu_by_name("atmega328p");
    if (avr == NULL || avr_init(avr) != 0) { return false; }
    firmware.frequency = FREQUENCY_HZ;
    avr_load_firmware(avr, &firmware);
    avr->frequency = FREQUENCY_HZ;
    avr->sleep = asleep;
    uint32_t noise = options->seed * 2654435761u + 1;
    for (uint32_t at = (uint32_t)avr->ioend + 1; at <= avr->ramend; at++) { /* what a RAM holds after power-on */
        noise = noise * 1664525u + 1013904223u;
        avr->data[at] = (uint8_t)(noise >> 24);
    }
    if (!uart_begin(&uart_line, avr, byte_left) || !pins_begin(avr, edge)) { return false; }
    avr_register_io(avr, &module);
    avr_cycle_timer_register(avr, BEAT, beat, NULL);
    return true;
}

static void stop(int number)
{
    (void)number;
    stopping = 1;
}

static bool read_options(int count, char **words, options_t *options)
{
    for (int i = 1; i < count; i++) {
        const bool has_value = i + 1 < count;
        if (strcmp(words[i], "--hold") == 0) {
            options->held = true;
        } else if (strcmp(words[i], "--wired") == 0) {
            options->wired = true;
        } else if (strcmp(words[i], "--uart") == 0 && has_value) {
            options->uart = words[++i];
        } else if (strcmp(words[i], "--control") == 0 && has_value) {
            options->control = words[++i];
        } else if (strcmp(words[i], "--seed") == 0 && has_value) {
            options->seed = (uint32_t)strtoul(words[++i], NULL, 0);
        } else if (words[i][0] != '-' && options->firmware == NULL) {
            options->firmware = words[i];
        } else {
            return false;
        }
    }
    return options->firmware != NULL && options->uart != NULL && options->control != NULL;
}

int main(int count, char **words)
{
    options_t options = { .seed = (uint32_t)now_ns() };
    if (!read_options(count, words, &options)) {
        (void)fputs("usage: ipfi-simavr --uart unix:PATH|pty:LINK --control unix:PATH [--hold] [--seed N] [--wired] board.elf\n", stderr);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGTERM, stop);
    (void)signal(SIGINT, stop);
    if (!switch_on(&options)) {
        (void)fprintf(stderr, "ipfi-simavr: %s cannot be run\n", options.firmware);
        return 1;
    }
    if (!channel_open(&uart, options.uart) || !channel_open(&control, options.control)) { return 1; }
    is_held = options.held;
    is_wired = options.wired;
    keep_time_from_here();
    return live() ? 0 : 1;
}
