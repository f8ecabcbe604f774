/* core.h - what all Cortex-M have: interrupt mask, sleep, reset, the stack's depth. */
#ifndef IPFI_CORTEX_M_CORE_H
#define IPFI_CORTEX_M_CORE_H

#include <stdint.h>

/* A register of the chip. */
#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

void core_enable_irq(uint8_t irq); /* of the chip's own, 0 to 31 */
void core_reset(void);             /* SYSRESETREQ; does not return */
/* Fills the unused stack with a pattern that chip_stack_used looks for; once, from main. */
void core_paint_stack(void);

/* RAM that no start-up code touches.  It survives a reset, and is noise (or zero) after power-on. */
typedef struct {
    uint32_t mark;   /* CORE_MARK if the rest is valid */
    uint32_t boots;
    uint32_t cause;  /* what the firmware itself knew of its coming reset; an ipfi_boot_t */
} core_memory_t;
extern core_memory_t core_memory;
enum { CORE_MARK = 0x49504649 };
/* Counts the boot; returns the cause that the firmware left, or what the chip says (`otherwise`), or what
 * follows from the RAM: if it is still there, the power never went. */
uint8_t core_count_boot(uint8_t otherwise);

#endif
