/* memory.c - memcpy and memset for a program that copies much: 4.5 cycles a byte where avr-libc's, which are smaller, take
 * 8, and 2.5 where they take 6.  With -fno-builtin-memset, or the compiler has a loop of its own in their place. */
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t size) __attribute__((naked, used));
void *memset(void *to, int byte, size_t size) __attribute__((naked, used));

/* Eight bytes a round, and then the rest.  to: r24, which is also what is returned; from: r22; size: r20. */
void *memcpy(void *to, const void *from, size_t size)
{
    (void)to;
    (void)from;
    (void)size;
    __asm__ volatile("movw r26, r24\n\t"
        "movw r30, r22\n\t"
        "rjmp 2f\n"
        "1:\t.rept 8\n\t"
        "ld r0, Z+\n\t"
        "st X+, r0\n\t"
        ".endr\n"
        "2:\tsubi r20, 8\n\t"
        "sbci r21, 0\n\t"
        "brcc 1b\n\t"
        "subi r20, lo8(-8)\n\t"
        "rjmp 4f\n"
        "3:\tld r0, Z+\n\t"
        "st X+, r0\n"
        "4:\tsubi r20, 1\n\t"
        "brcc 3b\n\t"
        "ret");
}

/* to: r24, which is also what is returned; byte: r22; size: r20. */
void *memset(void *to, int byte, size_t size)
{
    (void)to;
    (void)byte;
    (void)size;
    __asm__ volatile("movw r26, r24\n\t"
        "rjmp 2f\n"
        "1:\t.rept 8\n\t"
        "st X+, r22\n\t"
        ".endr\n"
        "2:\tsubi r20, 8\n\t"
        "sbci r21, 0\n\t"
        "brcc 1b\n\t"
        "subi r20, lo8(-8)\n\t"
        "rjmp 4f\n"
        "3:\tst X+, r22\n"
        "4:\tsubi r20, 1\n\t"
        "brcc 3b\n\t"
        "ret");
}
