/* board.h - the demonstration board: its procedures and timers, as pure code on an argument clock.
 *
 * sim/main.c puts it behind a pseudo-terminal; sim/lockstep.c hands it to a test; sim/chip_main.c runs it
 * on a microcontroller (BOARD_ON_CHIP), whose port says in sizes.h how much of everything there is. */
#ifndef IPFI_BOARD_H
#define IPFI_BOARD_H

#include "ipfi/ipfi.h"

#ifdef BOARD_ON_CHIP
#include "sizes.h"
#else
enum { BOARD_SLEEPERS = 32, BOARD_CALLBACKS = 32 };
#endif
enum { BOARD_TICK = 32, BOARD_LED = 33 };

typedef struct {
    ipfi_outcall_t out;
    ipfi_ticket_t ticket;
} board_callback_t;

typedef struct {
    ipfi_ticket_t ticket;
    uint32_t due_ms;
    bool used;
} board_sleeper_t;

#ifndef BOARD_ON_CHIP
typedef IPFI_BUFFERS_TYPE(64, 2, 192, 4, 256, 128) board_small_t;
typedef IPFI_BUFFERS_TYPE(1024, 16, 32768, 32, 8192, 4096) board_large_t;
#endif

/* What the board's procedures ask of what they run on.  NULL: nothing of the kind. */
typedef struct {
    void (*stall)(uint32_t ms, bool deaf); /* keeps the processor busy for so long; deaf: interrupts, too */
    uint16_t (*overruns)(void); /* bytes that were lost on their way to the library */
    uint16_t (*static_data)(void); /* bytes */
    uint16_t (*stack_used)(void);  /* bytes, at the deepest */
} board_chip_t;

typedef struct {
    ipfi_wire_t wire;
    const board_chip_t *chip; /* or NULL */
    uint32_t now_ms; /* as of the last verb: handlers read it */
    uint32_t booted_ms;
    uint32_t tick_period_ms, tick_due_ms, tick_count;
    uint32_t reboot_due_ms;
    uint32_t pace_ms; /* the main loop serves the line as rarely as that */
    bool reboots_soon;
    bool led;
    board_sleeper_t sleepers[BOARD_SLEEPERS];
    board_callback_t callbacks[BOARD_CALLBACKS];
#ifndef BOARD_ON_CHIP
    ipfi_config_t config;
    uint32_t nonce;
    uint32_t reboots;
    union {
        board_small_t small;
        board_large_t large;
    } buffers;
#endif
} board_t;

/* measures.c */
extern const char board_counters_text[] IPFI_FLASH, board_stall_text[] IPFI_FLASH, board_pace_text[] IPFI_FLASH,
    board_checksum_text[] IPFI_FLASH;
ipfi_verdict_t board_counters(ipfi_call_t *call);
ipfi_verdict_t board_stall(ipfi_call_t *call);
ipfi_verdict_t board_pace(ipfi_call_t *call);
ipfi_verdict_t board_checksum(ipfi_call_t *call);
bool board_take_for_checksum(ipfi_call_t *call, const uint8_t *part, size_t size);

/* procedures.c */
enum { BOARD_TABLE_LENGTH = 19 };
extern const ipfi_procedure_t board_table[BOARD_TABLE_LENGTH];

static inline board_t *board_of(const ipfi_call_t *call)
{
    return call->wire->config->user;
}

/* True if the call's arguments are one number. */
static inline bool board_read_u32(ipfi_call_t *call, uint32_t *value)
{
    *value = ipfi_read_u32(&call->args);
    return ipfi_read_end(&call->args);
}

/* The board's own state, as after a power-on; the wire is the caller's to start. */
void board_begin(board_t *board, uint32_t now_ms);
/* Whether it is time to restart, after the answer that promised it. */
bool board_reboot_due(const board_t *board);
void board_run_timers(board_t *board, uint32_t now_ms);

#ifndef BOARD_ON_CHIP
/* Buffers as on a microcontroller (small), or as a desktop would have them. */
void board_init(board_t *board, bool is_small, uint32_t nonce, uint8_t boot_cause, uint32_t now_ms);
/* Starts anew, as after a reset; buffers and settings stay. */
void board_restart(board_t *board, uint8_t boot_cause, uint32_t now_ms);

/* The wire's verbs with the board's own timers. */
void board_receive(board_t *board, const uint8_t *bytes, size_t size, uint32_t now_ms);
bool board_next_deadline_ms(const board_t *board, uint32_t *deadline_ms);
void board_on_deadline(board_t *board, uint32_t now_ms);
#endif

#endif
