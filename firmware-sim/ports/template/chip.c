/* chip.c - a port to fill in: copy this folder, replace what says REPLACE, build the demonstration.
 *
 *     gcc-for-your-chip -std=c99 -Os -DBOARD_ON_CHIP -Iinclude -Isrc -Isim -Iports -Iports/yours \
 *         src/[a-z]*.c sim/board.c sim/measures.c sim/procedures.c sim/chip_main.c ports/yours/chip.c ...
 *
 * That runs the demonstration, which the conformance suite tests (docs/hil.md).  Your own firmware needs less:
 * docs/porting.md.  lm3s6965/chip.c has a UART with FIFOs, microbit/chip.c one without, avr/chip.c is for eight bits. */
#include "chip.h"
#include "sizes.h"

/* REPLACE: the registers of your chip, with the chapter of its manual.  Here they are variables, so that
 * this file compiles anywhere; a test does. */
static volatile uint32_t uart_data, uart_status, uart_interrupts, timer_control, reset_cause;
enum { STATUS_RECEIVED = 1, STATUS_OVERRUN = 2, STATUS_CAN_SEND = 4 };
enum { INTERRUPT_RECEIVED = 1, INTERRUPT_CAN_SEND = 2 };
enum { CAUSE_POWER = 1, CAUSE_PIN = 2, CAUSE_WATCHDOG = 4, CAUSE_SOFTWARE = 8 };

void uart_interrupt(void);
void timer_interrupt(void);

static volatile uint32_t milliseconds;
static uint8_t boot_cause;
static uint32_t number;

/* ---- interrupts: as short as they are here ---- */

/* REPLACE the names by those of your vector table.
 * If the UART wants its flag cleared, do that before you read the data: a byte that comes in between would
 * be forgotten the other way round.  Read until nothing is left. */
void uart_interrupt(void)
{
    uint32_t status;
    while (((status = uart_status) & STATUS_RECEIVED) != 0) {
        if ((status & STATUS_OVERRUN) != 0) { chip_lost_a_byte(); }
        chip_received((uint8_t)uart_data);
        uart_status = 0; /* REPLACE: real hardware does this by itself when the data is read */
    }
}

void timer_interrupt(void)
{
    milliseconds++; /* a chip that reads 32 bits in several steps needs care in chip_millis: see avr/chip.c */
}

/* ---- start ---- */

/* What the reset register says.  Clear it, or the next start reads the same. */
static uint8_t cause_of_reset(void)
{
    const uint32_t cause = reset_cause;
    reset_cause = 0;
    if ((cause & CAUSE_POWER) != 0) { return IPFI_BOOT_POWER; }
    if ((cause & CAUSE_WATCHDOG) != 0) { return IPFI_BOOT_WATCHDOG; }
    if ((cause & CAUSE_SOFTWARE) != 0) { return IPFI_BOOT_SOFTWARE; }
    return (cause & CAUSE_PIN) != 0 ? IPFI_BOOT_PIN : IPFI_BOOT_UNKNOWN;
}

void chip_start(void)
{
    boot_cause = cause_of_reset();
    /* REPLACE: clock; pins; UART: BOARD_BAUD, 8N1, FIFOs emptied (a reset may leave bytes in them), receive
     * interrupt on; timer: an interrupt each millisecond; interrupts of the processor on. */
    uart_interrupts = INTERRUPT_RECEIVED;
    timer_control = 1;
    /* REPLACE: a random number generator, else an ADC's noise, else what the RAM held at power-on.  A number
     * that is always the same works, too, but two ends of equal role must differ (HS-9). */
    number = 12345;
}

uint32_t chip_millis(void)
{
    return milliseconds;
}

uint32_t chip_number(void)
{
    return number;
}

uint8_t chip_boot_cause(void)
{
    return boot_cause;
}

/* ---- sending ---- */

/* With a FIFO of some bytes this is all there is.  Without one, a main loop that looks at the line every few
 * milliseconds leaves it idle in between: put the byte into a ring that an interrupt empties (microbit, avr). */
bool chip_uart_can_send(void)
{
    return (uart_status & STATUS_CAN_SEND) != 0;
}

void chip_uart_send(uint8_t byte)
{
    uart_data = byte;
}

/* ---- resets, rest ---- */

/* REPLACE: the chip's own reset, or a watchdog that is left to expire.  A jump to the first instruction
 * leaves peripherals as they are; that works if chip_start sets up all of them. */
void chip_reboot(void)
{
    for (;;) { }
}

/* Only for tests of lost bytes: without it, return at once. */
void chip_stall_deaf(uint32_t ms)
{
    (void)ms;
}

/* REPLACE: interrupts off, sleep if the ring is empty, interrupts on.  Processors that sleep (WFI) wake for an
 * interrupt that is masked, so no byte is missed in between.  To leave it empty costs power, nothing else. */
void chip_idle(const ipfi_ring_t *ring)
{
    (void)ring;
}

/* For docs/sizes.md; 0 if you do not paint your stack. */
uint16_t chip_stack_used(void)
{
    return 0;
}

uint16_t chip_static_data(void)
{
    return 0;
}
