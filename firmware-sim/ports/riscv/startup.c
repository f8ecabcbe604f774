/* startup.c - the least that an RV32 needs before main: stack, trap vector, .data, .bss. */
#include <stdint.h>

extern uint32_t link_data_start, link_data_end, link_data_load, link_bss_start, link_bss_end;
int main(void);
void reset_handler(void) __attribute__((naked, noreturn, used, section(".reset")));
void start(void) __attribute__((noreturn, used));
void trap_handler(void);

/* The first instruction.  A register that only the linker may use points into .data and .bss. */
void reset_handler(void)
{
    __asm__ volatile(".option push\n"
                     ".option norelax\n"
                     "la gp, link_global_pointer\n"
                     ".option pop\n"
                     "la sp, link_stack_top\n"
                     "la t0, trap_handler\n"
                     "csrw mtvec, t0\n"
                     "j start\n");
}

void start(void)
{
    const uint32_t *from = &link_data_load;
    for (uint32_t *to = &link_data_start; to < &link_data_end; to++) { *to = *from++; }
    for (uint32_t *to = &link_bss_start; to < &link_bss_end; to++) { *to = 0; }
    (void)main();
    for (;;) { }
}
