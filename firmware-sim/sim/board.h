/* board.h - the demonstration board: its procedures and timers, as pure code on an argument clock.
 *
 * sim/main.c puts it behind a pseudo-terminal; sim/lockstep.c hands it to a test. */
#ifndef IPFI_BOARD_H
#define IPFI_BOARD_H

#include "ipfi/ipfi.h"

enum { BOARD_CALLS_MAX = 32, BOARD_TICK = 32, BOARD_LED = 33 };

typedef struct {
    ipfi_outcall_t out;
    ipfi_ticket_t ticket;
} board_callback_t;

typedef struct {
    ipfi_ticket_t ticket;
    uint32_t due_ms;
    bool used;
} board_sleeper_t;

typedef IPFI_BUFFERS_TYPE(64, 2, 192, 4, 256, 128) board_small_t;
typedef IPFI_BUFFERS_TYPE(1024, 16, 32768, BOARD_CALLS_MAX, 8192, 4096) board_large_t;

typedef struct {
    ipfi_wire_t wire;
    ipfi_config_t config;
    uint32_t nonce;
    uint32_t now_ms; /* as of the last verb: handlers read it */
    uint32_t booted_ms;
    uint32_t tick_period_ms, tick_due_ms, tick_count;
    uint32_t reboot_due_ms;
    uint32_t reboots;
    bool reboots_soon;
    bool led;
    board_sleeper_t sleepers[BOARD_CALLS_MAX];
    board_callback_t callbacks[BOARD_CALLS_MAX];
    union {
        board_small_t small;
        board_large_t large;
    } buffers;
} board_t;

/* procedures.c */
extern const ipfi_procedure_t board_table[];
extern const uint8_t board_table_length;

/* Buffers as on a microcontroller (small), or as a desktop would have them. */
void board_init(board_t *board, bool is_small, uint32_t nonce, uint8_t boot_cause, uint32_t now_ms);
/* Starts anew, as after a reset; buffers and settings stay. */
void board_restart(board_t *board, uint8_t boot_cause, uint32_t now_ms);

/* The wire's verbs with the board's own timers. */
void board_receive(board_t *board, const uint8_t *bytes, size_t size, uint32_t now_ms);
bool board_next_deadline_ms(const board_t *board, uint32_t *deadline_ms);
void board_on_deadline(board_t *board, uint32_t now_ms);

#endif
