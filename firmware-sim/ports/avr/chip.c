/* chip.c - ATmega328P at 16 MHz (Arduino Uno), with avr-gcc and avr-libc.
 *
 * Registers are those of the ATmega328P data sheet (DS40002061); the chapter is named at each block.
 * simavr runs it: ports/avr/host. */
#include "chip.h"
#include "sizes.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/wdt.h>
#include <util/atomic.h>
#include <util/delay.h>

/* 19.10: clock / 8 / baud, rounded; 115200 becomes 117647, 2.1 % too fast, which 8N1 tolerates */
enum { BAUD_REGISTER = (F_CPU / 4 / BOARD_BAUD - 1) / 2 };
enum { TICKS_PER_MS = F_CPU / 64 / 1000 };
enum { PAINT = 0xC5 };

/* RAM that the start-up code leaves alone: it survives a reset, and is noise after power-on. */
static struct {
    uint16_t mark;
    uint8_t boots;
    uint8_t asked; /* the firmware itself asked for the reset */
} memory __attribute__((section(".noinit")));
enum { MARK = 0x4950 };
static uint8_t reset_flags __attribute__((section(".noinit")));

static volatile uint32_t milliseconds;
static uint8_t boot_cause;
static uint16_t noise;

extern uint8_t __heap_start; /* first byte behind the variables */

/* 10.8: before main, since a watchdog that fired stays on, with its shortest time. */
void look_at_reset(void) __attribute__((naked, used, section(".init3")));
void look_at_reset(void)
{
    reset_flags = MCUSR;
    MCUSR = 0;
    wdt_disable();
}

ISR(USART_RX_vect)
{
    const uint8_t status = UCSR0A; /* before the data, which moves on */
    const uint8_t byte = UDR0;
    if ((status & _BV(DOR0)) != 0) { chip_lost_a_byte(); }
    chip_received(byte);
}

/* The transmitter holds one byte: the rest waits in a ring of its own, so that the line is busy whatever the
 * main loop does. */
enum { SEND_RING = 16 };
static volatile uint8_t send_bytes[SEND_RING];
static ipfi_ring_t send_ring;

ISR(USART_UDRE_vect)
{
    uint8_t byte;
    if (ipfi_ring_take(&send_ring, &byte, 1) != 0) {
        UDR0 = byte;
    } else {
        UCSR0B = (uint8_t)(UCSR0B & ~_BV(UDRIE0));
    }
}

ISR(TIMER0_COMPA_vect)
{
    milliseconds++;
}

static uint8_t cause_of_reset(void)
{
    const bool survived = memory.mark == MARK;
    const bool asked = survived && memory.asked != 0;
    memory.mark = MARK;
    memory.asked = 0;
    memory.boots++;
    if ((reset_flags & _BV(PORF)) != 0) { return IPFI_BOOT_POWER; }
    if ((reset_flags & _BV(BORF)) != 0) { return IPFI_BOOT_BROWN_OUT; }
    if ((reset_flags & _BV(EXTRF)) != 0) { return IPFI_BOOT_PIN; }
    if (asked) { return IPFI_BOOT_SOFTWARE; }
    return (reset_flags & _BV(WDRF)) != 0 ? IPFI_BOOT_WATCHDOG : IPFI_BOOT_UNKNOWN;
}

/* What the free RAM holds after power-on differs from chip to chip and from time to time; then it is
 * painted, so that chip_stack_used can tell how deep the stack came. */
static void use_free_memory(void)
{
    uint8_t *const top = (uint8_t *)SP;
    for (uint8_t *at = &__heap_start; at < top; at++) {
        noise = (uint16_t)(noise * 31u + *at);
        *at = PAINT;
    }
    noise = (uint16_t)(noise + memory.boots * 0x9E37u); /* a reset changes nothing else */
}

void chip_start(void)
{
    boot_cause = cause_of_reset();
    use_free_memory();
    ipfi_ring_init(&send_ring, send_bytes, SEND_RING);
    /* 19.10 USART0: double speed, 8N1 */
    UCSR0A = _BV(U2X0);
    UBRR0 = BAUD_REGISTER;
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0);
    /* 14.9 Timer 0: clock / 64, from 0 to OCR0A */
    TCCR0A = _BV(WGM01);
    OCR0A = TICKS_PER_MS - 1;
    TIMSK0 = _BV(OCIE0A);
    TCCR0B = _BV(CS01) | _BV(CS00);
    sei();
}

uint32_t chip_millis(void)
{
    uint32_t now_ms;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { now_ms = milliseconds; }
    return now_ms;
}

bool chip_uart_can_send(void)
{
    const uint8_t next = (uint8_t)(send_ring.head + 1);
    return (next == SEND_RING ? 0 : next) != send_ring.tail;
}

void chip_uart_send(uint8_t byte)
{
    ipfi_ring_put(&send_ring, byte);
    UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0) | _BV(UDRIE0);
}

uint32_t chip_number(void)
{
    return (uint32_t)noise << 16 | (uint16_t)(noise ^ TCNT0 ^ (uint16_t)(memory.boots << 8));
}

uint8_t chip_boot_cause(void)
{
    return boot_cause;
}

void chip_reboot(void)
{
    memory.asked = 1;
    cli();
    wdt_enable(WDTO_15MS);
    for (;;) { }
}

void chip_stall_deaf(uint32_t ms)
{
    cli();
    for (; ms > 0; ms--) {
        _delay_ms(1);
        milliseconds++; /* the timer's interrupts are lost but for one */
    }
    sei();
}

void chip_idle(const ipfi_ring_t *ring)
{
    cli();
    if (ring->head == ring->tail) {
        sleep_enable();
        sei(); /* takes effect after the next instruction: no interrupt comes in between */
        sleep_cpu();
        sleep_disable();
    }
    sei();
}

uint16_t chip_stack_used(void)
{
    const uint8_t *at = &__heap_start;
    while (*at == PAINT) { at++; }
    return (uint16_t)(RAMEND + 1 - (uintptr_t)at);
}

uint16_t chip_static_data(void)
{
    return (uint16_t)((uintptr_t)&__heap_start - RAMSTART);
}
