/* compiler.h - what a compiler is told about the size of code. */
#ifndef IPFI_COMPILER_H
#define IPFI_COMPILER_H

/* For functions whose copies or whose need of registers cost more than the call (measured: docs/sizes.md). */
#if defined(__GNUC__)
#define IPFI_NOT_INLINE __attribute__((noinline))
#else
#define IPFI_NOT_INLINE
#endif

#endif
