/* startup.c - the least that a Cortex-M needs before main: vectors, .data, .bss.
 *
 * Compile with -DUART_IRQ=n, the number of the UART's interrupt, and -DTIMER_IRQ=n on chips whose
 * millisecond does not come from SysTick. */
#include <stdint.h>

#ifndef UART_IRQ
#define UART_IRQ 0
#endif

extern uint32_t link_stack_top, link_data_start, link_data_end, link_data_load, link_bss_start, link_bss_end;
int main(void);
void reset_handler(void);
void default_handler(void);
void systick_handler(void) __attribute__((weak, alias("default_handler")));
void uart_handler(void) __attribute__((weak, alias("default_handler")));
void timer_handler(void) __attribute__((weak, alias("default_handler")));

void default_handler(void)
{
    for (;;) { }
}

void reset_handler(void)
{
    const uint32_t *from = &link_data_load;
    for (uint32_t *to = &link_data_start; to < &link_data_end; to++) { *to = *from++; }
    for (uint32_t *to = &link_bss_start; to < &link_bss_end; to++) { *to = 0; }
    (void)main();
    for (;;) { }
}

typedef union {
    uint32_t *stack;
    void (*handler)(void);
} vector_t;

enum { SYSTEM_VECTORS = 16 };

__attribute__((section(".vectors"), used)) static const vector_t vectors[] = {
    [0] = { .stack = &link_stack_top },
    [1] = { .handler = reset_handler },
    [2] = { .handler = default_handler },
    [3] = { .handler = default_handler },
    [15] = { .handler = systick_handler },
    [SYSTEM_VECTORS + UART_IRQ] = { .handler = uart_handler },
#ifdef TIMER_IRQ
    [SYSTEM_VECTORS + TIMER_IRQ] = { .handler = timer_handler },
#endif
};
