/* bare_port.c - the port that the README's firmware leaves to the reader: here standard streams. */
#define _POSIX_C_SOURCE 200809L
#include "ipfi/ipfi.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint32_t now_ms(void *context)
{
    struct timespec now;
    (void)context;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)now.tv_sec * 1000u + (uint32_t)(now.tv_nsec / 1000000);
}

static size_t read_some(void *context, uint8_t *to, size_t max)
{
    struct pollfd line = { .fd = STDIN_FILENO, .events = POLLIN };
    (void)context;
    if (poll(&line, 1, 1) <= 0) { return 0; }
    const ssize_t taken = read(STDIN_FILENO, to, max);
    if (taken <= 0) { exit(0); } /* the test has gone */
    return (size_t)taken;
}

static size_t write_some(void *context, const uint8_t *from, size_t size)
{
    (void)context;
    const ssize_t taken = write(STDOUT_FILENO, from, size);
    return taken < 0 ? 0 : (size_t)taken;
}

static uint32_t entropy(void *context)
{
    return (uint32_t)getpid() ^ now_ms(context);
}

static uint8_t boot_cause(void *context)
{
    (void)context;
    return IPFI_BOOT_PROGRAM;
}

extern const ipfi_port_t port;
const ipfi_port_t port = { NULL, now_ms, read_some, write_some, entropy, boot_cause };
