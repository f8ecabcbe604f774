#include "core.h"

#include "chip.h"

#define PAINT 0xC5C5C5C5u

/* ARMv6-M and ARMv7-M Architecture Reference Manuals, B3.2 (system control space) and B3.4 (NVIC) */
#define NVIC_ENABLE REGISTER(0xE000E100u)
#define RESET_CONTROL REGISTER(0xE000ED0Cu) /* AIRCR */
enum { RESET_KEY = 0x05FA0000, RESET_REQUEST = 4 };

extern uint32_t link_stack_top, link_stack_bottom, link_data_start, link_bss_end;

__attribute__((section(".noinit"))) core_memory_t core_memory;

void core_enable_irq(uint8_t irq)
{
    NVIC_ENABLE = 1u << irq;
}

void core_reset(void)
{
    RESET_CONTROL = RESET_KEY | RESET_REQUEST;
    for (;;) { __asm__ volatile("dsb" ::: "memory"); }
}

uint8_t core_count_boot(uint8_t otherwise)
{
    const bool survived = core_memory.mark == CORE_MARK; /* else the power was off */
    uint8_t cause = otherwise;
    if (survived && core_memory.cause != IPFI_BOOT_UNKNOWN) {
        cause = (uint8_t)core_memory.cause;
    } else if (otherwise == IPFI_BOOT_UNKNOWN) {
        cause = survived ? IPFI_BOOT_PIN : IPFI_BOOT_POWER;
    }
    core_memory.mark = CORE_MARK;
    core_memory.boots++; /* noise is as good a start as any */
    core_memory.cause = IPFI_BOOT_UNKNOWN;
    return cause;
}

void chip_reboot(void)
{
    core_memory.cause = IPFI_BOOT_SOFTWARE;
    core_reset();
}

void chip_idle(const ipfi_ring_t *ring)
{
    __asm__ volatile("cpsid i" ::: "memory"); /* a byte that comes now still ends the sleep */
    if (chip_may_sleep(ring)) { __asm__ volatile("wfi" ::: "memory"); }
    __asm__ volatile("cpsie i" ::: "memory");
}

void core_paint_stack(void)
{
    uint32_t here;
    for (volatile uint32_t *word = &link_stack_bottom; word < &here; word++) { *word = PAINT; }
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
