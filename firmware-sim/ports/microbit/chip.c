/* chip.c - Nordic nRF51822 (Cortex-M0) of the BBC micro:bit, its USB serial port: the machine microbit of QEMU.
 *
 * Register names and bits are those of the nRF51 Series Reference Manual; the chapter is named at each
 * block.  The chip has no SysTick, so TIMER0 counts microseconds and wakes the processor each millisecond. */
#include "chip.h"
#include "core.h"
#include "memory.h"
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
#define UART_ERROR REGISTER(0x40002124u)
#define UART_ERRORS REGISTER(0x40002480u)
#define UART_INTERRUPTS REGISTER(0x40002304u)
#define UART_ENABLE REGISTER(0x40002500u)
#define UART_PIN_TX REGISTER(0x4000250Cu)
#define UART_PIN_RX REGISTER(0x40002514u)
#define UART_RX REGISTER(0x40002518u)
#define UART_TX REGISTER(0x4000251Cu)
#define UART_BAUD REGISTER(0x40002524u)
enum { ERROR_OVERRUN = 1 };
enum { UART_INTERRUPT_RX = 1 << 2, UART_INTERRUPT_TX = 1 << 7, UART_INTERRUPT_ERROR = 1 << 9, UART_ON = 4, BAUD_115200 = 0x01D7E000, BAUD_1000000 = 0x10000000 };
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
enum { SEND_RING = IPFI_FOR_SPEED ? 128 : 32 }; /* a power of two: an index is cut to size */
static uint8_t send_bytes[SEND_RING];
static volatile uint8_t send_head, send_tail;
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
    const uint32_t tail = send_tail;
    if (tail == send_head) {
        is_sending = false;
    } else {
        UART_TX = send_bytes[tail];
        send_tail = (uint8_t)((tail + 1) % SEND_RING);
    }
}

/* Sending, and errors.  One thing at a time: what is left brings the interrupt again, and no loop needs registers that
 * would have to be saved. */
static void __attribute__((used)) other_interrupt(void)
{
    if (UART_TX_READY != 0) {
        UART_TX_READY = 0;
        send_next();
    } else {
        if ((UART_ERRORS & ERROR_OVERRUN) != 0) { chip_ring.overruns++; }
        UART_ERRORS = UART_ERRORS; /* writing a one clears it */
        UART_ERROR = 0;
    }
}

#if IPFI_FOR_SPEED
/* ipfi_ring_put(&chip_ring, UART_RX) by hand, in 40 cycles where gcc's takes 60.  The four registers that it uses are
 * saved by the processor.  The place at `head` is always free: it is known later whether the ring has room. */
__attribute__((naked)) void uart_handler(void)
{
    __asm__ volatile(".syntax unified\n\t"
        "ldr r3, =0x40002108\n\t" /* UART_RX_READY */
        "ldr r2, [r3]\n\t"
        "cmp r2, #0\n\t"
        "beq 4f\n\t"
        "movs r2, #0\n\t"
        "str r2, [r3]\n\t" /* before reading, which moves the next byte up and sets it again */
        "ldr r3, =0x40002518\n\t" /* UART_RX */
        "ldr r2, [r3]\n\t"
        "ldr r3, =chip_ring\n\t"
        "ldrh r1, [r3, %[head]]\n\t"
        "ldr r0, =chip_ring_bytes\n\t"
        "strb r2, [r0, r1]\n\t"
        "cmp r2, #0\n\t"
        "beq 3f\n"
        "0:\tadds r1, #1\n\t"
        "ldr r0, =%c[size]\n\t"
        "cmp r1, r0\n\t"
        "beq 2f\n"
        "1:\tldrh r0, [r3, %[tail]]\n\t"
        "cmp r0, r1\n\t"
        "beq 5f\n\t"
        "strh r1, [r3, %[head]]\n\t"
        "bx lr\n"
        "2:\tmovs r1, #0\n\t"
        "b 1b\n"
        "3:\tldr r0, =chip_saw_delimiter\n\t"
        "movs r2, #1\n\t"
        "strb r2, [r0]\n\t"
        "b 0b\n"
        "4:\tldr r3, =other_interrupt\n\t"
        "bx r3\n"
        "5:\tldrh r0, [r3, %[overruns]]\n\t"
        "adds r0, #1\n\t"
        "strh r0, [r3, %[overruns]]\n\t"
        "bx lr\n\t"
        ".ltorg" ::[head] "i"(offsetof(ipfi_ring_t, head)), [tail] "i"(offsetof(ipfi_ring_t, tail)),
        [overruns] "i"(offsetof(ipfi_ring_t, overruns)), [size] "i"(BOARD_RING));
}
#else
void uart_handler(void)
{
    if (UART_RX_READY != 0) {
        UART_RX_READY = 0; /* before reading, which moves the next byte up and sets it again */
        chip_received((uint8_t)UART_RX);
    } else {
        other_interrupt();
    }
}
#endif

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
    UART_INTERRUPTS = UART_INTERRUPT_RX | UART_INTERRUPT_TX | UART_INTERRUPT_ERROR;
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

static uint8_t room_to_send(void)
{
    return (uint8_t)(send_tail - send_head - 1) % SEND_RING;
}

/* Beginning and end keep the bytes, which are not volatile, before the head that tells of them. */
static void sent_up_to(uint8_t head)
{
    __asm__ volatile("cpsid i" ::: "memory");
    send_head = head;
    if (!is_sending) {
        is_sending = true;
        send_next();
    }
    __asm__ volatile("cpsie i" ::: "memory");
}

#if IPFI_FOR_SPEED
enum { BLOCK = SEND_RING / 2 }; /* what is worth a round of the main loop */

bool chip_uart_can_send(void)
{
    return room_to_send() >= BLOCK;
}

size_t chip_uart_write(const uint8_t *from, size_t size)
{
    const uint8_t room = room_to_send();
    if (room < BLOCK && room < size) { return 0; }
    const uint8_t taken = size < room ? (uint8_t)size : room;
    const uint8_t head = send_head, to_end = (uint8_t)(SEND_RING - head);
    const uint8_t first = taken < to_end ? taken : to_end;
    memcpy(send_bytes + head, from, first);
    memcpy(send_bytes, from + first, (size_t)(taken - first));
    if (taken != 0) { sent_up_to((uint8_t)(head + taken) % SEND_RING); }
    return taken;
}

uint8_t chip_millis_now(void)
{
    return (uint8_t)chip_millis();
}
#else
bool chip_uart_can_send(void)
{
    return room_to_send() != 0;
}

void chip_uart_send(uint8_t byte)
{
    send_bytes[send_head] = byte;
    sent_up_to((uint8_t)(send_head + 1) % SEND_RING);
}
#endif

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
