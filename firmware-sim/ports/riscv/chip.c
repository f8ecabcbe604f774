/* chip.c - an RV32 with a 16550 UART: the machine virt of QEMU.
 *
 * Addresses are those of QEMU's documentation and device tree of `virt`; the UART is an NS16550A (its data
 * sheet, section 8), interrupts come through a PLIC (RISC-V Platform-Level Interrupt Controller 1.0) and the
 * millisecond from the CLINT (ACLINT 1.0). */
#include "chip.h"
#include "sizes.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define REGISTER_8(address) (*(volatile uint8_t *)(uintptr_t)(address))

/* CLINT: 10 MHz */
#define TIME_LOW REGISTER(0x0200BFF8u)
#define TIME_HIGH REGISTER(0x0200BFFCu)
#define TIMER_LOW REGISTER(0x02004000u)
#define TIMER_HIGH REGISTER(0x02004004u)
enum { TICKS_PER_MS = 10000 };

/* PLIC, context 0: machine mode of hart 0 */
#define PLIC_PRIORITY_UART REGISTER(0x0C000000u + 4 * UART_IRQ)
#define PLIC_ENABLE REGISTER(0x0C002000u)
#define PLIC_THRESHOLD REGISTER(0x0C200000u)
#define PLIC_CLAIM REGISTER(0x0C200004u)

#define UART_DATA REGISTER_8(0x10000000u)
#define UART_INTERRUPT_ENABLE REGISTER_8(0x10000001u)
#define UART_FIFO_CONTROL REGISTER_8(0x10000002u)
#define UART_LINE_CONTROL REGISTER_8(0x10000003u)
#define UART_LINE_STATUS REGISTER_8(0x10000005u)
enum { LINE_8N1 = 3, LINE_DIVISOR = 0x80 };
enum { FIFO_ON_AND_EMPTY = 7 };
enum { STATUS_RECEIVED = 1, STATUS_OVERRUN = 2, STATUS_CAN_SEND = 0x20 };
enum { UART_CLOCK_HZ = 3686400 };

/* The test device: writing 0x7777 resets the machine.  RTC: nanoseconds since 1970. */
#define RESET_DEVICE REGISTER(0x00100000u)
enum { RESET_MACHINE = 0x7777 };
#define CLOCK_LOW REGISTER(0x00101000u)

/* Privileged architecture, 3.1: mstatus, mie, mcause */
#define MIE_TIMER (1u << 7)
#define MIE_EXTERNAL (1u << 11)
#define MSTATUS_MIE 8u
#define CAUSE_TIMER 0x80000007u
#define CAUSE_EXTERNAL 0x8000000Bu

extern uint32_t link_stack_top, link_stack_bottom, link_data_start;

/* RAM that the start-up code leaves alone; it survives a reset. */
static struct {
    uint32_t mark, boots, asked;
} memory __attribute__((section(".noinit")));
#define MARK 0x49504649u
#define PAINT 0xC5C5C5C5u

void trap_handler(void) __attribute__((interrupt("machine"), aligned(4)));

static volatile uint32_t milliseconds;
static uint64_t next_tick;
static uint8_t boot_cause;

static void set_timer(uint64_t at)
{
    TIMER_HIGH = UINT32_MAX; /* not in between */
    TIMER_LOW = (uint32_t)at;
    TIMER_HIGH = (uint32_t)(at >> 32);
}

static void receive(void)
{
    const uint32_t source = PLIC_CLAIM; /* clears it first; a byte that comes now asks again */
    for (uint8_t status; ((status = UART_LINE_STATUS) & STATUS_RECEIVED) != 0;) {
        if ((status & STATUS_OVERRUN) != 0) { chip_lost_a_byte(); }
        chip_received(UART_DATA);
    }
    PLIC_CLAIM = source;
}

void trap_handler(void)
{
    uint32_t cause;
    __asm__ volatile("csrr %0, mcause" : "=r"(cause));
    if (cause == CAUSE_TIMER) {
        milliseconds++;
        next_tick += TICKS_PER_MS;
        set_timer(next_tick);
    } else if (cause == CAUSE_EXTERNAL) {
        receive();
    } else { /* a fault: start anew, as a watchdog would see to */
        RESET_DEVICE = RESET_MACHINE;
    }
}

/* The machine does not say why it starts: what is left in RAM does. */
static uint8_t cause_of_reset(void)
{
    const bool survived = memory.mark == MARK;
    const bool asked = survived && memory.asked != 0;
    memory.mark = MARK;
    memory.asked = 0;
    memory.boots++;
    if (!survived) { return IPFI_BOOT_POWER; }
    return asked ? IPFI_BOOT_SOFTWARE : IPFI_BOOT_PIN;
}

static void start_uart(void)
{
    const uint32_t divisor = UART_CLOCK_HZ / 16 / BOARD_BAUD;
    UART_LINE_CONTROL = LINE_DIVISOR | LINE_8N1;
    UART_DATA = (uint8_t)divisor;
    UART_INTERRUPT_ENABLE = (uint8_t)(divisor >> 8);
    UART_LINE_CONTROL = LINE_8N1;
    UART_FIFO_CONTROL = FIFO_ON_AND_EMPTY;
    UART_INTERRUPT_ENABLE = 1; /* bytes received */
    PLIC_PRIORITY_UART = 1;
    PLIC_ENABLE = 1u << UART_IRQ;
    PLIC_THRESHOLD = 0;
}

static void paint_stack(void)
{
    uint32_t here;
    for (volatile uint32_t *word = &link_stack_bottom; word < &here; word++) { *word = PAINT; }
}

void chip_start(void)
{
    paint_stack();
    boot_cause = cause_of_reset();
    start_uart();
    next_tick = ((uint64_t)TIME_HIGH << 32 | TIME_LOW) + TICKS_PER_MS;
    set_timer(next_tick);
    __asm__ volatile("csrs mie, %0" ::"r"(MIE_TIMER | MIE_EXTERNAL));
    __asm__ volatile("csrs mstatus, %0" ::"r"(MSTATUS_MIE));
}

uint32_t chip_millis(void)
{
    return milliseconds;
}

void chip_stall_deaf(uint32_t ms)
{
    const uint32_t start = TIME_LOW;
    __asm__ volatile("csrc mstatus, %0" ::"r"(MSTATUS_MIE) : "memory");
    while (TIME_LOW - start < ms * TICKS_PER_MS) { }
    __asm__ volatile("csrs mstatus, %0" ::"r"(MSTATUS_MIE) : "memory"); /* the missed ticks follow one by one */
}

bool chip_uart_can_send(void)
{
    return (UART_LINE_STATUS & STATUS_CAN_SEND) != 0;
}

void chip_uart_send(uint8_t byte)
{
    UART_DATA = byte;
}

uint32_t chip_number(void)
{
    return CLOCK_LOW ^ memory.boots << 24;
}

uint8_t chip_boot_cause(void)
{
    return boot_cause;
}

void chip_reboot(void)
{
    memory.asked = 1;
    RESET_DEVICE = RESET_MACHINE;
    for (;;) { }
}

void chip_idle(const ipfi_ring_t *ring)
{
    __asm__ volatile("csrc mstatus, %0" ::"r"(MSTATUS_MIE) : "memory"); /* a byte that comes now still ends the sleep */
    if (chip_may_sleep(ring)) { __asm__ volatile("wfi" ::: "memory"); }
    __asm__ volatile("csrs mstatus, %0" ::"r"(MSTATUS_MIE) : "memory");
}

uint16_t chip_stack_used(void)
{
    const volatile uint32_t *word = &link_stack_bottom;
    while (*word == PAINT) { word++; }
    return (uint16_t)((uintptr_t)&link_stack_top - (uintptr_t)word);
}

uint16_t chip_static_data(void)
{
    return (uint16_t)((uintptr_t)&link_stack_bottom - (uintptr_t)&link_data_start);
}
