/* core.c - what every program on the ATmega328P at 16 MHz (Arduino Uno) has: clock, reset, noise, sleep.
 *
 * Registers are those of the ATmega328P data sheet (DS40002061); the chapter is named at each block. */
#include "core.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/wdt.h>
#include <util/atomic.h>

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

void core_start(void)
{
    sleep_enable();
    boot_cause = cause_of_reset();
    use_free_memory();
    /* 14.9 Timer 0: clock / 64, from 0 to OCR0A */
    TCCR0A = _BV(WGM01);
    OCR0A = TICKS_PER_MS - 1;
    TIMSK0 = _BV(OCIE0A);
    TCCR0B = _BV(CS01) | _BV(CS00);
}

uint32_t chip_millis(void)
{
    uint32_t now_ms;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { now_ms = milliseconds; }
    return now_ms;
}

#if IPFI_FOR_SPEED
uint8_t chip_millis_now(void)
{
    return *(volatile uint8_t *)&milliseconds; /* one byte needs no block */
}
#endif

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

void core_count_ms(void)
{
    milliseconds++;
}

void core_sleep(void)
{
    sei(); /* takes effect after the next instruction: no interrupt comes in between */
    sleep_cpu();
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
