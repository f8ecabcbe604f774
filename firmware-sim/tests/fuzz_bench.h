/* fuzz_bench.h - what the fuzzers share: one end under test, and an honest end that opens sessions with it.
 *
 * The end under test keeps each of its buffers in memory of its own, of exactly the size that it was told,
 * so that the address sanitizer sees the first byte beyond any of them. */
#ifndef IPFI_FUZZ_BENCH_H
#define IPFI_FUZZ_BENCH_H

#include "board.h"

enum { FUZZ_CALLS = 4, FUZZ_ANSWER = 600, FUZZ_WIRE = 4096 };

typedef struct {
    ipfi_outcall_t out; /* first: a pointer to it is a pointer to this */
    uint8_t args[300];
    uint8_t answer[FUZZ_ANSWER];
    bool runs; /* started, and `done` has not told its end */
} fuzz_call_t;

extern board_t target, partner;
extern fuzz_call_t fuzz_calls[FUZZ_CALLS];
extern uint32_t fuzz_now_ms;

/* The first byte of an input: bit 0 small buffers, bit 1 CRC-16 only, bit 2 the target is the host,
 * bit 3 the target opens too, bits 4 and 5 the speed. */
void fuzz_begin(uint8_t how);
void fuzz_restart_target(uint8_t boot_cause);
/* All that either end has to say, to the other one, until both are silent. */
void fuzz_exchange(void);
/* Bytes to the target; what it says goes nowhere. */
void fuzz_give(const uint8_t *bytes, size_t size);
void fuzz_drain(void);
/* A whole frame with the right checksum, which a session frame has of the target's session; content begins with the
 * type. */
size_t fuzz_seal(uint8_t wire[FUZZ_WIRE], const uint8_t *content, size_t size);
void fuzz_give_frame(const uint8_t *content, size_t size);
void fuzz_pass_time(uint32_t ms);
/* A call that ended may not end again, and after the close none may run. */
void fuzz_call(uint16_t procedure, const uint8_t *args, size_t size, uint32_t timeout_ms);
void fuzz_end(void);

#endif
