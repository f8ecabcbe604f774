/* core.h - clock, reset, noise and sleep of the ATmega328P; what of chip.h needs no UART is there, too. */
#ifndef IPFI_AVR_CORE_H
#define IPFI_AVR_CORE_H

#include "chip.h"

/* Reset cause, noise of the RAM, millisecond clock (timer 0).  Called once, with interrupts off. */
void core_start(void);
/* A millisecond has passed in which the clock's interrupt could not come.  With interrupts off. */
void core_count_ms(void);
/* Sleeps until an interrupt.  Called with interrupts off; they are on afterwards. */
void core_sleep(void);

#endif
