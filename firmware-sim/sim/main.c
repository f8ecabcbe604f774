/* main.c - the simulated board as a process behind a pseudo-terminal.
 *
 *     ipfi-board [--link PATH] [--seed N] [--nonce N] [--small]
 *
 * Prints `ready /dev/pts/N` and serves until its standard input ends or SIGTERM comes.
 * SIGUSR1 is its reset pin: everything is forgotten, and what had not left is gone. */
#define _GNU_SOURCE
#include "board.h"
#include "pty.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 65536 };

typedef struct {
    const char *link;
    uint32_t nonce;
    bool is_small;
    bool has_nonce;
} options_t;

static volatile sig_atomic_t asked_to_stop;
static int reset_wire[2]; /* a pipe: what comes out of it resets the board, also just before poll() */

static void stop(int number)
{
    (void)number;
    asked_to_stop = 1;
}

static void reset_pin(int number)
{
    const int kept = errno;
    (void)number;
    if (write(reset_wire[1], "", 1) < 0) { /* full: resets enough wait already */ }
    errno = kept;
}

static uint32_t clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u);
}

/* ---- options ---- */

static int usage(void)
{
    (void)fputs("usage: ipfi-board [--link PATH] [--seed N] [--nonce N] [--small]\n", stderr);
    return 2;
}

static uint32_t mix(uint32_t seed)
{
    seed = (seed ^ seed >> 16) * 0x45D9F3Bu;
    seed = (seed ^ seed >> 16) * 0x45D9F3Bu;
    return seed ^ seed >> 16;
}

static bool read_number(const char *text, uint32_t *number)
{
    char *end;
    errno = 0;
    const unsigned long value = strtoul(text, &end, 0);
    *number = (uint32_t)value;
    return errno == 0 && *text != '\0' && *end == '\0' && value <= UINT32_MAX;
}

static bool read_options(int count, char **words, options_t *options)
{
    for (int i = 1; i < count; i++) {
        uint32_t number;
        const char *const value = i + 1 < count ? words[i + 1] : NULL;
        if (strcmp(words[i], "--small") == 0) {
            options->is_small = true;
            continue;
        }
        if (value == NULL) { return false; }
        if (strcmp(words[i], "--link") == 0) {
            options->link = value;
        } else if (strcmp(words[i], "--seed") == 0 && read_number(value, &number)) {
            if (!options->has_nonce) { options->nonce = mix(number + 1); }
        } else if (strcmp(words[i], "--nonce") == 0 && read_number(value, &number)) {
            options->nonce = number;
            options->has_nonce = true;
        } else {
            return false;
        }
        i++;
    }
    return true;
}

/* ---- serving ---- */

static struct {
    uint8_t bytes[4096]; /* many frames in one write */
    size_t start, end;
} unsent;

/* Sends until the pty is full; true if something still waits. */
static bool send_all(board_t *board, int master)
{
    for (;;) {
        if (unsent.start == unsent.end) {
            unsent.start = 0;
            unsent.end = ipfi_take_tx(&board->wire, unsent.bytes, sizeof unsent.bytes, clock_ms());
            if (unsent.end == 0) { return false; }
        }
        const ssize_t written = write(master, unsent.bytes + unsent.start, unsent.end - unsent.start);
        if (written <= 0) { return true; }
        unsent.start += (size_t)written;
    }
}

static void reset(board_t *board)
{
    char pulses[64];
    if (read(reset_wire[0], pulses, sizeof pulses) <= 0) { return; }
    unsent.start = unsent.end = 0;
    board->nonce = mix(board->nonce + 1);
    board_restart(board, IPFI_BOOT_PIN, clock_ms());
}

static void receive_all(board_t *board, int master)
{
    static uint8_t batch[BATCH];
    const ssize_t size = read(master, batch, sizeof batch);
    if (size > 0) { board_receive(board, batch, (size_t)size, clock_ms()); }
}

static int wait_ms(const board_t *board)
{
    uint32_t deadline_ms;
    if (!board_next_deadline_ms(board, &deadline_ms)) { return -1; }
    const int32_t left_ms = (int32_t)(deadline_ms - clock_ms());
    return left_ms > 0 ? left_ms : 0;
}

/* Standard input carries nothing; its end is the end of whoever started us. */
static bool input_ended(short happened)
{
    char nothing[64];
    if ((happened & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) == 0) { return false; }
    return read(STDIN_FILENO, nothing, sizeof nothing) <= 0;
}

/* A process has no interrupts: it is always deaf. */
static void stall(uint32_t ms, bool deaf)
{
    (void)deaf;
    const struct timespec wait = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
    (void)nanosleep(&wait, NULL);
}

static void serve(board_t *board, const pty_t *pty)
{
    while (!asked_to_stop) {
        ipfi_event_t event;
        if (board->pace_ms != 0) { stall(board->pace_ms, true); }
        board_on_deadline(board, clock_ms());
        const bool waits = send_all(board, pty->master);
        while (ipfi_next_event(&board->wire, &event)) { /* the demonstration has no use for them */ }
        struct pollfd watched[3] = {
            { .fd = pty->master, .events = (short)(POLLIN | (waits ? POLLOUT : 0)) },
            { .fd = STDIN_FILENO, .events = POLLIN },
            { .fd = reset_wire[0], .events = POLLIN },
        };
        if (poll(watched, 3, wait_ms(board)) < 0) {
            if (errno == EINTR) { continue; } /* what poll() left in watched says nothing */
            return;
        }
        if (input_ended(watched[1].revents)) { return; }
        if ((watched[2].revents & POLLIN) != 0) { reset(board); }
        if ((watched[0].revents & POLLIN) != 0) { receive_all(board, pty->master); }
    }
}

static void watch(int number, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler; /* no SA_RESTART: poll returns */
    (void)sigaction(number, &action, NULL);
}

/* ---- the link to the pty ---- */

static bool leads_to(const char *link, const char *path)
{
    char target[PATH_MAX];
    const ssize_t size = readlink(link, target, sizeof target - 1);
    if (size < 0) { return false; }
    target[size] = '\0';
    return strcmp(target, path) == 0;
}

/* Replaces a link, which may be that of a board that was killed; a file of somebody's is no link. */
static bool make_link(const char *path, const char *link)
{
    struct stat there;
    if (lstat(link, &there) == 0 && S_ISLNK(there.st_mode)) { (void)unlink(link); }
    return symlink(path, link) == 0;
}

static void remove_link(const char *path, const char *link)
{
    if (leads_to(link, path)) { (void)unlink(link); }
}

static const board_chip_t chip = { .stall = stall };

int main(int count, char **words)
{
    static board_t board;
    pty_t pty;
    options_t options = { .nonce = mix((uint32_t)getpid() ^ clock_ms() << 12) };
    if (!read_options(count, words, &options)) { return usage(); }
    if (pipe(reset_wire) != 0 || fcntl(reset_wire[0], F_SETFL, O_NONBLOCK) != 0 || fcntl(reset_wire[1], F_SETFL, O_NONBLOCK) != 0) {
        perror("ipfi-board: no pipe");
        return 1;
    }
    watch(SIGTERM, stop);
    watch(SIGINT, stop);
    watch(SIGUSR1, reset_pin);
    if (!pty_open(&pty)) {
        perror("ipfi-board: no pseudo-terminal");
        return 1;
    }
    if (options.link != NULL && !make_link(pty.path, options.link)) {
        perror("ipfi-board: --link");
        return 1;
    }
    board_init(&board, options.is_small, options.nonce, IPFI_BOOT_PROGRAM, clock_ms());
    board.chip = &chip;
    (void)printf("ready %s\n", pty.path);
    (void)fflush(stdout);
    serve(&board, &pty);
    if (options.link != NULL) { remove_link(pty.path, options.link); }
    pty_close(&pty);
    return 0;
}
