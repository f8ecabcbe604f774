/* chip.c - the "chip" of docs/porting.md for a test: its UART is standard input and output. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

uint32_t chip_millis(void);
bool chip_uart_can_send(void);
void chip_uart_send(uint8_t byte);
uint32_t chip_number(void);
void uart_received(uint8_t byte);

/* The main loop asks for the time again and again: that is where this chip's "interrupt" happens. */
uint32_t chip_millis(void)
{
    struct timespec now;
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    uint8_t bytes[64];
    if (poll(&input, 1, 0) > 0) {
        const ssize_t size = read(STDIN_FILENO, bytes, sizeof bytes);
        if (size <= 0) { exit(0); }
        for (ssize_t i = 0; i < size; i++) { uart_received(bytes[i]); }
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u);
}

bool chip_uart_can_send(void)
{
    return true;
}

void chip_uart_send(uint8_t byte)
{
    if (write(STDOUT_FILENO, &byte, 1) != 1) { exit(1); }
}

uint32_t chip_number(void)
{
    return 12345;
}
