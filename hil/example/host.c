/* host.c - a "chip" that is a process of a Linux computer; its UART is a pseudo-terminal.
 *
 * Link it with your firmware in place of your chip's own functions (docs/porting.md, step 2), and your
 * firmware is a target of kind "native": it prints `ready /dev/pts/N` before main(), ends with its
 * standard input, and SIGUSR1 is its reset pin: the program starts anew, the port stays open. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

uint32_t chip_millis(void);
bool chip_uart_can_send(void);
void chip_uart_send(uint8_t byte);
uint32_t chip_number(void);
void uart_received(uint8_t byte);

enum { MASTER = 100, SLAVE = 101, BATCH = 64 }; /* descriptors that stay open over a reset */

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* A reset: the same program from its beginning, with nothing but the two descriptors. */
static void reset_pin(int number)
{
    static char name[] = "/proc/self/exe";
    static char *words[] = { name, NULL };
    (void)number;
    (void)execv(name, words);
    _exit(1);
}

static void open_port(void)
{
    struct termios raw;
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) { fail("no pseudo-terminal"); }
    const int slave = open(ptsname(master), O_RDWR | O_NOCTTY); /* kept: the port outlives its users */
    if (slave < 0 || tcgetattr(slave, &raw) != 0) { fail("no pseudo-terminal"); }
    cfmakeraw(&raw);
    if (tcsetattr(slave, TCSANOW, &raw) != 0 || fcntl(master, F_SETFL, O_NONBLOCK) != 0) { fail("raw mode"); }
    (void)printf("ready %s\n", ptsname(master));
    (void)fflush(stdout);
    if (dup2(master, MASTER) < 0 || dup2(slave, SLAVE) < 0) { fail("dup2"); }
    (void)close(master);
    (void)close(slave);
}

__attribute__((constructor)) static void power_on(void)
{
    const struct sigaction action = { .sa_handler = reset_pin, .sa_flags = SA_NODEFER };
    if (fcntl(MASTER, F_GETFD) < 0) { open_port(); }
    if (sigaction(SIGUSR1, &action, NULL) != 0) { fail("sigaction"); }
}

static void receive(void)
{
    uint8_t bytes[BATCH];
    const ssize_t size = read(MASTER, bytes, sizeof bytes); /* no more than the firmware's ring holds */
    for (ssize_t i = 0; i < size; i++) { uart_received(bytes[i]); }
}

/* The main loop asks for the time again and again: here the "interrupts" happen, and here it rests. */
uint32_t chip_millis(void)
{
    struct timespec now;
    struct pollfd inputs[2] = { { .fd = MASTER, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
    if (poll(inputs, 2, 1) > 0) {
        char nothing;
        if ((inputs[0].revents & POLLIN) != 0) { receive(); }
        if (inputs[1].revents != 0 && read(STDIN_FILENO, &nothing, 1) <= 0) { exit(0); }
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u);
}

bool chip_uart_can_send(void)
{
    struct pollfd output = { .fd = MASTER, .events = POLLOUT };
    return poll(&output, 1, 0) > 0 && (output.revents & POLLOUT) != 0;
}

void chip_uart_send(uint8_t byte)
{
    if (write(MASTER, &byte, 1) != 1 && errno != EAGAIN) { fail("write"); }
}

uint32_t chip_number(void)
{
    return (uint32_t)getpid() * 2654435761u; /* 2^32 / golden ratio: spreads small numbers */
}
