/* compiler.h - what a compiler is told about the size of code. */
#ifndef IPFI_COMPILER_H
#define IPFI_COMPILER_H

/* For functions whose copies or whose need of registers cost more than the call (measured: docs/sizes.md). */
#if defined(__GNUC__)
#define IPFI_NOT_INLINE __attribute__((noinline))
#else
#define IPFI_NOT_INLINE
#endif

/* What was written before it is written, what is read behind it is read behind it, as far as the compiler goes. */
#if defined(__GNUC__)
#define IPFI_BARRIER() __asm__ volatile("" ::: "memory")
#else
#define IPFI_BARRIER() ((void)0)
#endif

#endif
