/* chip.c - Nordic nRF51822 (Cortex-M0) of the BBC micro:bit, its USB serial port: the machine microbit of QEMU.
 *
 * Register names and bits are those of the nRF51 Series Reference Manual; the chapter is named at each
 * block.  The chip has no SysTick, so TIMER0 counts microseconds and wakes the processor each millisecond. */
#include "chip.h"
#include "core.h"
#include "sizes.h"

/* 12 Power */
#define RESET_REASON REGISTER(0x40000400u) /* zero after power-on */
enum { REASON_PIN = 1, REASON_WATCHDOG = 2, REASON_SOFTWARE = 4 };

/* 13 Clock */
#define CRYSTAL_START REGISTER(0x40000000u)

/* 20 Random number generator */
#define RANDOM_START REGISTER(0x4000D000u)
#define RANDOM_STOP REGISTER(0x4000D004u)
#define RANDOM_READY REGISTER(0x4000D100u)
#define RANDOM_VALUE REGISTER(0x4000D508u)
enum { RANDOM_MOST_US = 5000 }; /* 167 us a byte is typical */

/* 18 Timer */
#define TIMER_START REGISTER(0x40008000u)
#define TIMER_CAPTURE_1 REGISTER(0x40008044u)
#define TIMER_COMPARED_0 REGISTER(0x40008140u)
#define TIMER_INTERRUPTS REGISTER(0x40008304u)
#define TIMER_MODE REGISTER(0x40008504u)
#define TIMER_BITS REGISTER(0x40008508u)
#define TIMER_PRESCALER REGISTER(0x40008510u)
#define TIMER_CC_0 REGISTER(0x40008540u)
#define TIMER_CC_1 REGISTER(0x40008544u)
enum { TIMER_32_BITS = 3, TIMER_1_MHZ = 4, TIMER_COMPARE_0 = 1 << 16 };

/* 29 UART */
#define UART_START_RX REGISTER(0x40002000u)
#define UART_START_TX REGISTER(0x40002008u)
#define UART_RX_READY REGISTER(0x40002108u)
#define UART_TX_READY REGISTER(0x4000211Cu)
#define UART_ERRORS REGISTER(0x40002480u)
#define UART_INTERRUPTS REGISTER(0x40002304u)
#define UART_ENABLE REGISTER(0x40002500u)
#define UART_PIN_TX REGISTER(0x4000250Cu)
#define UART_PIN_RX REGISTER(0x40002514u)
#define UART_RX REGISTER(0x40002518u)
#define UART_TX REGISTER(0x4000251Cu)
#define UART_BAUD REGISTER(0x40002524u)
enum { ERROR_OVERRUN = 1 };
enum { UART_INTERRUPT_RX = 1 << 2, UART_INTERRUPT_TX = 1 << 7, UART_ON = 4, BAUD_115200 = 0x01D7E000, BAUD_1000000 = 0x10000000 };
enum { PIN_TX = 24, PIN_RX = 25 }; /* the micro:bit's interface chip */

/* 14 GPIO */
#define GPIO_SET REGISTER(0x50000508u)
#define GPIO_DIRECTION_SET REGISTER(0x50000518u)

void timer_handler(void);
void uart_handler(void);

static uint8_t boot_cause;
static uint32_t milliseconds, counted_us;
/* The transmitter holds one byte: the rest waits in a ring of its own, so that the line is busy whatever the
 * main loop does. */
enum { SEND_RING = 32 }; /* a power of two: an index is cut to size */
static volatile uint8_t send_bytes[SEND_RING], send_head, send_tail;
static volatile bool is_sending;

static uint32_t timer_us(void)
{
    TIMER_CAPTURE_1 = 1;
    return TIMER_CC_1;
}

/* Only wakes the processor.  If it comes so late that the next millisecond has passed, it looks again:
 * a compare value in the past would match in an hour. */
void timer_handler(void)
{
    do {
        TIMER_COMPARED_0 = 0;
        TIMER_CC_0 += 1000;
        TIMER_CAPTURE_1 = 1;
    } while ((int32_t)(TIMER_CC_0 - TIMER_CC_1) <= 0);
}

static void send_next(void)
{
    const uint8_t tail = send_tail;
    is_sending = tail != send_head;
    if (is_sending) {
        UART_TX = send_bytes[tail];
        send_tail = (uint8_t)(tail + 1) % SEND_RING;
    }
}

void uart_handler(void)
{
    if (UART_TX_READY != 0) {
        UART_TX_READY = 0;
        send_next();
    }
    while (UART_RX_READY != 0) {
        UART_RX_READY = 0; /* before reading, which moves the next byte up and sets it again */
        chip_received((uint8_t)UART_RX);
    }
    if ((UART_ERRORS & ERROR_OVERRUN) != 0) {
        UART_ERRORS = ERROR_OVERRUN; /* writing a one clears it */
        chip_lost_a_byte();
    }
}

static uint8_t cause_of_reset(void)
{
    const uint32_t reason = RESET_REASON;
    RESET_REASON = reason; /* writing a one clears it */
    if ((reason & REASON_WATCHDOG) != 0) { return IPFI_BOOT_WATCHDOG; }
    if ((reason & REASON_SOFTWARE) != 0) { return IPFI_BOOT_SOFTWARE; }
    return (reason & REASON_PIN) != 0 ? IPFI_BOOT_PIN : IPFI_BOOT_POWER;
}

static void start_uart(void)
{
    GPIO_SET = 1u << PIN_TX; /* idle level before the pin is driven */
    GPIO_DIRECTION_SET = 1u << PIN_TX;
    UART_PIN_TX = PIN_TX;
    UART_PIN_RX = PIN_RX;
    UART_BAUD = BOARD_BAUD == 1000000 ? BAUD_1000000 : BAUD_115200;
    UART_ENABLE = UART_ON;
    UART_INTERRUPTS = UART_INTERRUPT_RX | UART_INTERRUPT_TX;
    UART_START_RX = 1;
    UART_START_TX = 1;
    core_enable_irq(UART_IRQ);
}

static void start_timer(void)
{
    TIMER_MODE = 0;
    TIMER_BITS = TIMER_32_BITS;
    TIMER_PRESCALER = TIMER_1_MHZ;
    TIMER_CC_0 = 1000;
    TIMER_INTERRUPTS = TIMER_COMPARE_0;
    core_enable_irq(TIMER_IRQ);
    TIMER_START = 1;
}

void chip_start(void)
{
    core_paint_stack();
    boot_cause = core_count_boot(cause_of_reset());
    CRYSTAL_START = 1; /* the UART needs its precision; it takes over by itself when it is stable */
    start_uart();
    start_timer();
    __asm__ volatile("cpsie i" ::: "memory");
}

/* The counter's capture register is shared with the interrupt, which leaves the same kind of value there:
 * a little later, never earlier. */
uint32_t chip_millis(void)
{
    const uint32_t now_us = timer_us();
    for (; now_us - counted_us >= 1000; counted_us += 1000) { milliseconds++; }
    return milliseconds;
}

void chip_stall_deaf(uint32_t ms)
{
    const uint32_t start_us = timer_us();
    __asm__ volatile("cpsid i" ::: "memory");
    while (timer_us() - start_us < ms * 1000) { }
    __asm__ volatile("cpsie i" ::: "memory");
}

bool chip_uart_can_send(void)
{
    return (uint8_t)(send_head + 1) % SEND_RING != send_tail;
}

void chip_uart_send(uint8_t byte)
{
    send_bytes[send_head] = byte;
    send_head = (uint8_t)(send_head + 1) % SEND_RING;
    __asm__ volatile("cpsid i" ::: "memory");
    if (!is_sending) { send_next(); }
    __asm__ volatile("cpsie i" ::: "memory");
}

uint32_t chip_number(void)
{
    uint32_t number = 0;
    RANDOM_START = 1;
    for (uint8_t byte = 0; byte < 4; byte++) {
        RANDOM_READY = 0;
        const uint32_t start_us = timer_us();
        while (RANDOM_READY == 0 && timer_us() - start_us < RANDOM_MOST_US) { }
        number = number << 8 | (RANDOM_VALUE & 0xFF);
    }
    RANDOM_STOP = 1;
    return number ^ core_memory.boots;
}

uint8_t chip_boot_cause(void)
{
    return boot_cause;
}
