#include "board.h"

#include "memory.h"

static bool is_due(uint32_t now_ms, uint32_t at_ms)
{
    return (int32_t)(now_ms - at_ms) >= 0;
}

void board_begin(board_t *board, uint32_t now_ms)
{
    memset(board->sleepers, 0, sizeof board->sleepers);
    memset(board->callbacks, 0, sizeof board->callbacks);
    board->tick_period_ms = board->tick_count = board->pace_ms = 0;
    board->reboots_soon = board->led = false;
    board->now_ms = board->booted_ms = now_ms;
}

static void emit_tick(board_t *board)
{
    uint8_t args[10];
    ipfi_writer_t writer = ipfi_writer(args, sizeof args);
    ipfi_write_u32(&writer, board->tick_count);
    ipfi_write_u32(&writer, board->now_ms - board->booted_ms);
    if (ipfi_emit(&board->wire, BOARD_TICK, args, ipfi_written(&writer))) { board->tick_count++; }
}

static void wake_sleepers(board_t *board)
{
    for (size_t i = 0; i < BOARD_SLEEPERS; i++) {
        board_sleeper_t *const sleeper = &board->sleepers[i];
        if (!sleeper->used || !is_due(board->now_ms, sleeper->due_ms)) { continue; }
        sleeper->used = false;
        ipfi_call_t *const call = ipfi_ticket_call(&board->wire, sleeper->ticket);
        if (call != NULL) { ipfi_resume(call); }
    }
}

void board_run_timers(board_t *board, uint32_t now_ms)
{
    board->now_ms = now_ms;
    wake_sleepers(board);
    while (board->tick_period_ms != 0 && is_due(now_ms, board->tick_due_ms)) {
        emit_tick(board);
        board->tick_due_ms += board->tick_period_ms;
    }
}

bool board_reboot_due(const board_t *board)
{
    return board->reboots_soon && (ipfi_flushed(&board->wire) || is_due(board->now_ms, board->reboot_due_ms));
}

#ifndef BOARD_ON_CHIP

/* ---- two sizes of board ---- */

static void configure_small(board_t *board)
{
    const ipfi_config_t config = {
        IPFI_USE_BUFFERS(board->buffers.small), .server = &ipfi_server, .table = board_table, .table_length = BOARD_TABLE_LENGTH,
        .frame_payload = 64, .window = 2, .ring = 256, .crc_profiles = IPFI_CRC_16, .stream_credit = 16,
    };
    board->config = config;
}

static void configure_large(board_t *board)
{
    const ipfi_config_t config = {
        IPFI_USE_BUFFERS(board->buffers.large), .server = &ipfi_server, .table = board_table, .table_length = BOARD_TABLE_LENGTH,
        .frame_payload = 1024, .window = 16, .ring = 0xFFFF, .crc_profiles = IPFI_CRC_16 | IPFI_CRC_32,
        .stream_credit = 256,
    };
    board->config = config;
}

void board_init(board_t *board, bool is_small, uint32_t nonce, uint8_t boot_cause, uint32_t now_ms)
{
    memset(board, 0, sizeof *board);
    if (is_small) {
        configure_small(board);
    } else {
        configure_large(board);
    }
    board->config.user = board;
    board->nonce = nonce;
    board_restart(board, boot_cause, now_ms);
}

void board_restart(board_t *board, uint8_t boot_cause, uint32_t now_ms)
{
    board_begin(board, now_ms);
    ipfi_init(&board->wire, &board->config, board->nonce, boot_cause);
    ipfi_open(&board->wire, now_ms);
}

/* ---- verbs ---- */

void board_receive(board_t *board, const uint8_t *bytes, size_t size, uint32_t now_ms)
{
    board->now_ms = now_ms;
    ipfi_receive(&board->wire, bytes, size, now_ms);
}

static void earlier(bool *any, uint32_t *deadline_ms, uint32_t at_ms)
{
    if (!*any || is_due(*deadline_ms, at_ms)) { *deadline_ms = at_ms; }
    *any = true;
}

bool board_next_deadline_ms(const board_t *board, uint32_t *deadline_ms)
{
    bool any = ipfi_next_deadline_ms(&board->wire, deadline_ms);
    if (board->tick_period_ms != 0) { earlier(&any, deadline_ms, board->tick_due_ms); }
    if (board->reboots_soon) {
        earlier(&any, deadline_ms, ipfi_flushed(&board->wire) ? board->now_ms : board->reboot_due_ms);
    }
    for (size_t i = 0; i < BOARD_SLEEPERS; i++) {
        if (board->sleepers[i].used) { earlier(&any, deadline_ms, board->sleepers[i].due_ms); }
    }
    return any;
}

void board_on_deadline(board_t *board, uint32_t now_ms)
{
    board->now_ms = now_ms;
    ipfi_on_deadline(&board->wire, now_ms);
    board_run_timers(board, now_ms);
    if (board_reboot_due(board)) {
        board->reboots++;
        board->nonce = board->nonce * 69069u + 1u;
        board_restart(board, IPFI_BOOT_SOFTWARE, now_ms);
    }
}

#endif
