/* table.c - the table of procedures and events in flash, and its description (protocol.md 1.5). */
#include "crc.h"
#include "flash.h"
#include "wire.h"

static ipfi_verdict_t describe(ipfi_call_t *call);

static const ipfi_procedure_t describe_entry IPFI_FLASH = { IPFI_DESCRIBE_INDEX, IPFI_STREAM, NULL, describe, NULL };

const ipfi_procedure_t *ipfi_table_entry(const ipfi_config_t *config, uint8_t entry, ipfi_procedure_t *copy)
{
    const ipfi_procedure_t *const from = entry == IPFI_ENTRY_DESCRIBE ? &describe_entry : &config->table[entry];
#ifdef IPFI_FLASH_APART
    IPFI_READ_FLASH(copy, from, sizeof *copy);
    return copy;
#else
    (void)copy;
    return from;
#endif
}

static bool is_event(uint8_t kind)
{
    return kind == IPFI_EVENT_HANDLED || kind == IPFI_EVENT_BOTH;
}

uint8_t ipfi_table_find(const ipfi_wire_t *wire, ipfi_index_t index, bool event)
{
    if (index == IPFI_DESCRIBE_INDEX && !event) { return IPFI_ENTRY_DESCRIBE; }
    for (uint8_t entry = 0; entry < ipfi_config_of(wire)->table_length; entry++) {
        ipfi_procedure_t copy;
#if IPFI_FOR_SPEED && defined(IPFI_FLASH_APART)
        uint16_t its_index; /* two bytes are read sooner than all of it */
        IPFI_READ_FLASH(&its_index, &ipfi_config_of(wire)->table[entry].index, sizeof its_index);
        if (its_index != index) { continue; }
#endif
        const ipfi_procedure_t *const procedure = ipfi_table_entry(ipfi_config_of(wire), entry, &copy);
        if (procedure->index != index || procedure->run == NULL) { continue; }
        if (event ? is_event(procedure->kind) : procedure->kind <= IPFI_RAW) { return entry; }
    }
    return IPFI_ENTRY_NONE;
}

static uint16_t flash_length(const char *text)
{
    uint16_t length = 0;
    while (ipfi_flash_byte(text + length) != 0) { length++; }
    return length;
}

/* The text of an entry has three fields: name, signature, documentation. */
enum { FIELDS = 3 };

static const char *field_text(const char *text, uint8_t field)
{
    for (; field > 0; field--) { text += flash_length(text) + 1; }
    return text;
}

/* DESC-3: never 0, which would stand for "no description". */
uint32_t ipfi_table_hash(const ipfi_config_t *config)
{
    uint32_t crc = IPFI_CRC32_START;
    for (uint8_t entry = 0; entry < config->table_length; entry++) {
        ipfi_procedure_t copy;
        const ipfi_procedure_t *const procedure = ipfi_table_entry(config, entry, &copy);
        const uint8_t head[3] = { (uint8_t)procedure->index, (uint8_t)(procedure->index >> 8), procedure->kind };
        crc = ipfi_crc32_bytes(crc, head, sizeof head);
        const char *const end = field_text(procedure->text, FIELDS);
        for (const char *at = procedure->text; at < end; at++) { crc = ipfi_crc32(crc, ipfi_flash_byte(at)); }
    }
    return crc != 0 ? crc : 1;
}

/* ---- DESC-2: the array [index, kind, name, signature, doc], a piece at a time ---- */

enum { ENTRY = 0, FIELD = 1, OFFSET = 2 }; /* places in call->state.u16 */

static size_t room(const ipfi_writer_t *writer)
{
    return (size_t)(writer->end - writer->at);
}

static void write_field(ipfi_call_t *call, const char *text)
{
    uint16_t *const offset = &call->state.u16[OFFSET];
    const uint16_t length = flash_length(text);
    if (*offset == 0) {
        if (room(&call->answer) < 4) { return; }
        ipfi_write_str_header(&call->answer, length);
    }
    while (*offset < length && room(&call->answer) > 0) {
        const uint8_t byte = ipfi_flash_byte(text + *offset);
        ipfi_write_raw(&call->answer, &byte, 1);
        (*offset)++;
    }
    if (*offset == length) {
        *offset = 0;
        call->state.u16[FIELD]++;
    }
}

static ipfi_verdict_t describe(ipfi_call_t *call)
{
    uint16_t *const state = call->state.u16;
    if (call->phase == IPFI_END) { return IPFI_DONE; }
    if (call->phase == IPFI_BEGIN && !ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    if (state[ENTRY] >= ipfi_config_of(call->wire)->table_length) { return IPFI_DONE; }
    ipfi_procedure_t copy;
    const ipfi_procedure_t *const procedure = ipfi_table_entry(ipfi_config_of(call->wire), (uint8_t)state[ENTRY], &copy);
    if (state[FIELD] == 0) {
        ipfi_write_array(&call->answer, 2 + FIELDS);
        ipfi_write_u32(&call->answer, procedure->index);
        ipfi_write_u32(&call->answer, procedure->kind);
        state[FIELD] = 1;
    }
    uint16_t before;
    do {
        before = state[FIELD];
        write_field(call, field_text(procedure->text, (uint8_t)(before - 1)));
    } while (state[FIELD] != before && state[FIELD] <= FIELDS);
    if (state[FIELD] <= FIELDS) { return IPFI_PART; }
    state[ENTRY]++;
    state[FIELD] = 0;
    return IPFI_YIELD;
}
