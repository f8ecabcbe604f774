/* memory.h - the four functions that a C compiler may call by itself even without a C library.
 *
 * Declared here because a bare compiler has no string.h; ports/cortex_m/memory.c has them for projects
 * without a C library. */
#ifndef IPFI_MEMORY_H
#define IPFI_MEMORY_H

#include <stddef.h>

#if defined(__AVR__)
#include <string.h>
#else
void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
#endif

#endif
