/* runner.h - an ATmega328P on libsimavr whose UART and pins can be reached from other programs.
 *
 * main.c     options, and time: real, or held and advanced by command
 * uart.c     the serial line with the true duration of each byte
 * pins.c     edges out and in, with the cycle of each
 * profile.c  where the cycles go
 * control.c  the protocol of the control socket; README.md describes it
 * sockets.c  the two sockets
 *
 * All cycles are those of the chip's clock since it was switched on; a reset does not set them back. */
#ifndef IPFI_SIMAVR_RUNNER_H
#define IPFI_SIMAVR_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <avr_uart.h>
#include <sim_avr.h>

/* ---- sockets.c ---- */
typedef struct {
    int listener; /* -1: none        */
    int line;     /* -1: nobody came */
    bool is_pty;
    size_t waiting;         /* bytes in out */
    char out[1 << 20];
} channel_t;
bool channel_open(channel_t *channel, const char *address); /* unix:PATH or pty:LINK; says what went wrong */
void channel_send(channel_t *channel, const void *bytes, size_t size); /* drops what nobody reads */
/* Waits for input on either, at most wait_us.  Both results: bytes read, 0 for nothing, -1 for hung up. */
void channels_wait(channel_t *uart, channel_t *control, bool wants_uart, int64_t wait_us, bool ready[2]);
int channel_read(channel_t *channel, void *bytes, size_t size);

/* ---- uart.c ---- */
enum { UART_QUEUE = 1 << 16 };
typedef struct {
    uint64_t cycle; /* when its first bit may begin, or when its last bit has left */
    uint8_t byte;
} timed_byte_t;
typedef struct {
    avr_t *avr;
    avr_uart_t *uart;
    avr_irq_t *irq;
    timed_byte_t in[UART_QUEUE], out[UART_QUEUE];
    uint32_t in_head, in_tail, out_head, out_tail;
    uint64_t in_free, out_free; /* when the line is free again */
    uint64_t overruns;          /* bytes that the chip did not fetch in time */
    void (*left)(uint64_t cycle, uint8_t byte);
} uart_line_t;
bool uart_begin(uart_line_t *line, avr_t *avr, void (*left)(uint64_t cycle, uint8_t byte));
void uart_rearm(uart_line_t *line); /* after a reset, which forgets all timers */
size_t uart_room(const uart_line_t *line);
bool uart_feed(uart_line_t *line, uint64_t not_before, const uint8_t *bytes, size_t size);

/* ---- pins.c ---- */
bool pins_begin(avr_t *avr, void (*edge)(uint64_t cycle, const char *pin, bool level));
void pins_rearm(void);
bool pins_watch(const char *pin);
bool pins_drive(uint64_t cycle, const char *pin, bool level); /* false: no such pin, or too many waiting */

/* ---- profile.c ---- */
void profile_begin(void); /* counts anew */
bool profile_is_on(void);
int profile_step(avr_t *avr); /* runs one instruction; what avr_run returns */
void profile_slept(uint64_t cycles);
void profile_report(void); /* to the control socket; ends the counting */

/* ---- main.c, for control.c ---- */
uint64_t runner_now(void);
void runner_hold(bool held);
void runner_run(uint64_t cycles); /* while held; `done` is reported at the end */
void runner_reset(void);
void runner_quit(void);
bool runner_receive(uint64_t not_before, const uint8_t *bytes, size_t size);
uint64_t runner_overruns(void);

/* ---- control.c ---- */
void control_take(char *line);
void control_report(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
