/* chip.h - what a port of the demonstration gives to sim/chip_main.c: one chip, one UART, one clock.
 *
 * Each function returns at once, except where it says otherwise. */
#ifndef IPFI_CHIP_H
#define IPFI_CHIP_H

#include <stdbool.h>
#include <stdint.h>

#include "ipfi/ipfi.h"

/* Switches UART, clock and receive interrupt on; called once, with interrupts off, leaves them on. */
void chip_start(void);
uint32_t chip_millis(void); /* since the start; may wrap round. From the main loop only. */
#if IPFI_FOR_SPEED
uint8_t chip_millis_now(void); /* the lowest byte of chip_millis, the sooner */
bool chip_uart_can_send(void); /* so much that it is worth while */
size_t chip_uart_write(const uint8_t *from, size_t size); /* how many of these it took: all, or as many as is worth while, or none */
#else
bool chip_uart_can_send(void);
void chip_uart_send(uint8_t byte);
#endif
/* Differs from start to start as well as the chip can. */
uint32_t chip_number(void);
uint8_t chip_boot_cause(void); /* an ipfi_boot_t */
/* Restarts the chip; does not return. */
void chip_reboot(void);
/* Does nothing for so long, with interrupts off, as a chip does while it erases its flash. */
void chip_stall_deaf(uint32_t ms);
/* Sleeps until the next interrupt, at the latest until the clock's next tick, unless the ring has bytes. */
void chip_idle(const ipfi_ring_t *ring);
/* Bytes of stack that were ever in use, and of static data; 0 if nobody knows. */
uint16_t chip_stack_used(void);
uint16_t chip_static_data(void);

/* The port's receive interrupt calls this once for each byte, and the other one where the UART says that
 * it had no room for a byte. */
void chip_received(uint8_t byte);
void chip_lost_a_byte(void);
/* What these two work on, for an interrupt in assembly that does it by itself: a ring of BOARD_RING bytes. */
extern ipfi_ring_t chip_ring;
extern uint8_t chip_ring_bytes[];
#if IPFI_FOR_SPEED
extern volatile bool chip_saw_delimiter; /* a zero byte came since the main loop cleared it */
#endif

/* Asked with interrupts off: nothing has come that the main loop should look at before the next tick. */
static inline bool chip_may_sleep(const ipfi_ring_t *ring)
{
#if IPFI_FOR_SPEED
    (void)ring;
    return !chip_saw_delimiter;
#else
    return ring->head == ring->tail;
#endif
}

#endif
