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
bool chip_uart_can_send(void);
void chip_uart_send(uint8_t byte);
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

#endif
