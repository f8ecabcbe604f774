/* memory.c - the four functions that a compiler may call, for projects without a C library.
 *
 * Compile with -fno-tree-loop-distribute-patterns, or a compiler may turn each loop into a call of the
 * function that it is in. */
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

void *memcpy(void *to, const void *from, size_t size)
{
    unsigned char *t = to;
    const unsigned char *f = from;
#if IPFI_FOR_SPEED
    for (; size >= 8; size -= 8, t += 8, f += 8) { /* bytes: what is copied seldom lies alike */
        t[0] = f[0], t[1] = f[1], t[2] = f[2], t[3] = f[3];
        t[4] = f[4], t[5] = f[5], t[6] = f[6], t[7] = f[7];
    }
#endif
    while (size-- > 0) { *t++ = *f++; }
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    if (t <= f) { return memcpy(to, from, size); }
    while (size-- > 0) { t[size] = f[size]; }
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    unsigned char *t = to;
#if IPFI_FOR_SPEED
    const unsigned char b = (unsigned char)byte;
    for (; size >= 8; size -= 8, t += 8) { t[0] = b, t[1] = b, t[2] = b, t[3] = b, t[4] = b, t[5] = b, t[6] = b, t[7] = b; }
#endif
    while (size-- > 0) { *t++ = (unsigned char)byte; }
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *x = a;
    const unsigned char *y = b;
    for (; size > 0; size--, x++, y++) {
        if (*x != *y) { return *x < *y ? -1 : 1; }
    }
    return 0;
}
