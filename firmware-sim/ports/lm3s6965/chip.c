/* chip.c - TI Stellaris LM3S6965 (Cortex-M3), UART0: the machine lm3s6965evb of QEMU.
 *
 * Register names and bits are those of the LM3S6965 data sheet; the chapter is named at each block. */
#include "chip.h"
#include "core.h"
#include "sizes.h"

enum { CLOCK_HZ = 12500000 }; /* 8 MHz crystal, PLL at 200 MHz, divided by 16 */

/* 6 System control */
#define RESET_CAUSE REGISTER(0x400FE05Cu)
#define INTERRUPT_STATUS REGISTER(0x400FE050u)
#define CLOCK_CONFIGURATION REGISTER(0x400FE060u)
#define CLOCK_GATE_1 REGISTER(0x400FE104u)
#define CLOCK_GATE_2 REGISTER(0x400FE108u)
enum { PLL_LOCKED = 1 << 6 };
enum { CLOCK_BYPASS = 1 << 11, CLOCK_PLL_OFF = 1 << 13, CLOCK_DIVIDE = 1 << 22, CLOCK_BY_16 = 15 << 23 };
enum { CLOCK_8_MHZ = 0xE << 6, CLOCK_NO_INTERNAL = 1 << 1 };
enum { GATE_UART0 = 1, GATE_PORT_A = 1 };
enum { CAUSE_PIN = 1, CAUSE_POWER = 2, CAUSE_BROWN_OUT = 4, CAUSE_WATCHDOG = 8, CAUSE_SOFTWARE = 16 };

/* 8 General-purpose inputs and outputs: UART0 is on PA0 and PA1 */
#define PORT_A_ALTERNATE REGISTER(0x40004420u)
#define PORT_A_DIGITAL REGISTER(0x4000451Cu)
enum { UART0_PINS = 3 };

/* 12 UART: an ARM PL011 */
#define UART_DATA REGISTER(0x4000C000u)
#define UART_FLAGS REGISTER(0x4000C018u)
#define UART_BAUD_INTEGER REGISTER(0x4000C024u)
#define UART_BAUD_FRACTION REGISTER(0x4000C028u)
#define UART_LINE REGISTER(0x4000C02Cu)
#define UART_CONTROL REGISTER(0x4000C030u)
#define UART_INTERRUPT_MASK REGISTER(0x4000C038u)
#define UART_INTERRUPT_CLEAR REGISTER(0x4000C044u)
enum { DATA_OVERRUN = 1 << 11 };
enum { FLAG_RX_EMPTY = 1 << 4, FLAG_TX_FULL = 1 << 5 };
enum { LINE_8N1_WITH_FIFO = 3 << 5 | 1 << 4, CONTROL_ON = 1 << 9 | 1 << 8 | 1 };
enum { INTERRUPT_RX = 1 << 4, INTERRUPT_RX_TIMEOUT = 1 << 6 };

/* SysTick: ARMv7-M Architecture Reference Manual, B3.3 */
#define SYSTICK_CONTROL REGISTER(0xE000E010u)
#define SYSTICK_RELOAD REGISTER(0xE000E014u)
#define SYSTICK_VALUE REGISTER(0xE000E018u)
enum { SYSTICK_ON = 7, SYSTICK_COUNTED = 1 << 16 };

void systick_handler(void);
void uart_handler(void);

static volatile uint32_t milliseconds;
static uint8_t boot_cause;
static uint32_t number;

void systick_handler(void)
{
    milliseconds++;
}

/* Clear first, then empty the FIFO: the other way round a byte that comes in between is forgotten. */
void uart_handler(void)
{
    UART_INTERRUPT_CLEAR = INTERRUPT_RX | INTERRUPT_RX_TIMEOUT;
    while ((UART_FLAGS & FLAG_RX_EMPTY) == 0) {
        const uint32_t data = UART_DATA;
        if ((data & DATA_OVERRUN) != 0) { chip_lost_a_byte(); }
        chip_received((uint8_t)data);
    }
}

static uint8_t cause_of_reset(void)
{
    const uint32_t cause = RESET_CAUSE;
    RESET_CAUSE = 0; /* the bits stay until they are cleared */
    if ((cause & CAUSE_POWER) != 0) { return IPFI_BOOT_POWER; }
    if ((cause & CAUSE_BROWN_OUT) != 0) { return IPFI_BOOT_BROWN_OUT; }
    if ((cause & CAUSE_WATCHDOG) != 0) { return IPFI_BOOT_WATCHDOG; }
    if ((cause & CAUSE_SOFTWARE) != 0) { return IPFI_BOOT_SOFTWARE; }
    return (cause & CAUSE_PIN) != 0 ? IPFI_BOOT_PIN : IPFI_BOOT_UNKNOWN;
}

/* The chip has no random numbers: what the RAM held before, and how far the processor gets in two ticks
 * (on silicon that is nearly the same each time; in an emulator it never is). */
static uint32_t gather_number(void)
{
    uint32_t gathered = core_memory.boots * 2654435761u; /* 2^32 / golden ratio: spreads small numbers */
    for (const uint32_t start = milliseconds; milliseconds - start < 3;) { gathered += 2654435761u; }
    return gathered;
}

/* A bounded wait: without a crystal the chip stays on its internal oscillator, and the baud rate is wrong. */
static void start_clock(void)
{
    const uint32_t wanted = CLOCK_8_MHZ | CLOCK_BY_16 | CLOCK_DIVIDE | CLOCK_NO_INTERNAL;
    CLOCK_CONFIGURATION = wanted | CLOCK_BYPASS | CLOCK_PLL_OFF;
    CLOCK_CONFIGURATION = wanted | CLOCK_BYPASS;
    for (uint16_t tries = 0; tries < 50000 && (INTERRUPT_STATUS & PLL_LOCKED) == 0; tries++) { }
    if ((INTERRUPT_STATUS & PLL_LOCKED) != 0) { CLOCK_CONFIGURATION = wanted; }
}

static void start_uart(void)
{
    CLOCK_GATE_1 |= GATE_UART0;
    CLOCK_GATE_2 |= GATE_PORT_A;
    PORT_A_ALTERNATE |= UART0_PINS;
    PORT_A_DIGITAL |= UART0_PINS;
    const uint32_t divisor = (CLOCK_HZ * 4 + BOARD_BAUD / 2) / BOARD_BAUD; /* clock / 16 / baud, in 64ths */
    UART_BAUD_INTEGER = divisor / 64;
    UART_BAUD_FRACTION = divisor % 64;
    /* What a reset of the processor alone left in the FIFO would keep its interrupt from ever coming again. */
    UART_LINE = 0;
    UART_LINE = LINE_8N1_WITH_FIFO;
    UART_INTERRUPT_CLEAR = INTERRUPT_RX | INTERRUPT_RX_TIMEOUT;
    while ((UART_FLAGS & FLAG_RX_EMPTY) == 0) { (void)UART_DATA; }
    UART_INTERRUPT_MASK = INTERRUPT_RX | INTERRUPT_RX_TIMEOUT;
    UART_CONTROL = CONTROL_ON;
    core_enable_irq(UART_IRQ);
}

void chip_start(void)
{
    core_paint_stack();
    boot_cause = core_count_boot(cause_of_reset());
    start_clock();
    start_uart();
    SYSTICK_RELOAD = CLOCK_HZ / 1000 - 1;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = SYSTICK_ON;
    __asm__ volatile("cpsie i" ::: "memory");
    number = gather_number();
}

uint32_t chip_millis(void)
{
    return milliseconds;
}

void chip_stall_deaf(uint32_t ms)
{
    __asm__ volatile("cpsid i" ::: "memory");
    for (; ms > 0; ms--) {
        while ((SYSTICK_CONTROL & SYSTICK_COUNTED) == 0) { } /* reading clears it */
        milliseconds++;
    }
    __asm__ volatile("cpsie i" ::: "memory");
}

bool chip_uart_can_send(void)
{
    return (UART_FLAGS & FLAG_TX_FULL) == 0;
}

void chip_uart_send(uint8_t byte)
{
    UART_DATA = byte;
}

uint32_t chip_number(void)
{
    return number;
}

uint8_t chip_boot_cause(void)
{
    return boot_cause;
}
