/* measures.c - procedures 13 to 16 of the demonstration: for tests of the line and of the chip. */
#include "board.h"

/* As IPFI_DESCRIBE, for a table in another file. */
#define BOARD_TEXT(variable, name, signature, doc) \
    const char variable[] IPFI_FLASH = name "\0" signature "\0" doc

/* In this order: frames received, frames sent, retransmissions, noise, duplicates, sessions; bytes lost before the
 * library, of static data, of stack.  docs/guide/cli.md has it, too. */
BOARD_TEXT(board_counters_text, "counters", "() -> list[u32]", "Return what link and chip have counted.");
ipfi_verdict_t board_counters(ipfi_call_t *call)
{
#if IPFI_WITH_COUNTERS
    const ipfi_stats_t *const stats = &call->wire->stats;
#else
    static const ipfi_stats_t none;
    const ipfi_stats_t *const stats = &none;
#endif
    const board_chip_t *const chip = board_of(call)->chip;
    const bool counts = chip != NULL && chip->overruns != NULL;
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    ipfi_write_array(&call->answer, 9); /* at most 46 bytes */
    ipfi_write_u32(&call->answer, stats->frames_received);
    ipfi_write_u32(&call->answer, stats->frames_sent);
    ipfi_write_u32(&call->answer, stats->retransmissions);
    ipfi_write_u32(&call->answer, stats->noise);
    ipfi_write_u32(&call->answer, stats->duplicates);
    ipfi_write_u32(&call->answer, stats->sessions);
    ipfi_write_u32(&call->answer, counts ? chip->overruns() : 0);
    ipfi_write_u32(&call->answer, counts ? chip->static_data() : 0);
    ipfi_write_u32(&call->answer, counts ? chip->stack_used() : 0);
    return IPFI_DONE;
}

BOARD_TEXT(board_stall_text, "stall", "(ms: u32, deaf: bool) -> None", "Keep the processor busy for so long; deaf: without interrupts.");
ipfi_verdict_t board_stall(ipfi_call_t *call)
{
    const board_chip_t *const chip = board_of(call)->chip;
    const uint32_t ms = ipfi_read_u32(&call->args);
    const bool deaf = ipfi_read_bool(&call->args);
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    if (chip != NULL) { chip->stall(ms, deaf); }
    return IPFI_DONE;
}

BOARD_TEXT(board_pace_text, "pace", "(ms: u32) -> None", "Serve the line every ms only; 0 ends that.");
ipfi_verdict_t board_pace(ipfi_call_t *call)
{
    uint32_t ms;
    if (!board_read_u32(call, &ms)) { return IPFI_BAD_ARGUMENTS; }
    board_of(call)->pace_ms = ms;
    return IPFI_DONE;
}

/* The arguments never lie in memory as a whole. */
enum { HASH = 0, HASH_IS_BEGUN = 1 };
bool board_take_for_checksum(ipfi_call_t *call, const uint8_t *part, size_t size)
{
    uint32_t *const hash = &call->state.u32[HASH];
    if (call->state.u32[HASH_IS_BEGUN] == 0) { *hash = 2166136261u; } /* FNV-1a, 32 bits */
    call->state.u32[HASH_IS_BEGUN] = 1;
    for (size_t i = 0; i < size; i++) { *hash = (*hash ^ part[i]) * 16777619u; }
    return true;
}

BOARD_TEXT(board_checksum_text, "checksum", "(data: bytes) -> bytes", "Return the FNV-1a hash of the bytes (raw; 4 bytes, the lowest first).");
ipfi_verdict_t board_checksum(ipfi_call_t *call)
{
    (void)board_take_for_checksum(call, NULL, 0); /* no bytes have a hash, too */
    const uint32_t hash = call->state.u32[HASH];
    const uint8_t bytes[4] = { (uint8_t)hash, (uint8_t)(hash >> 8), (uint8_t)(hash >> 16), (uint8_t)(hash >> 24) };
    ipfi_write_raw(&call->answer, bytes, sizeof bytes);
    return IPFI_DONE;
}
