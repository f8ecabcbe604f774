/* wire.h - what the parts above the link tell each other: calls, refusals, outcalls, events. */
#ifndef IPFI_WIRE_H
#define IPFI_WIRE_H

#include "message.h"

/* calls.c: calls that we serve */
void ipfi_calls_begin(ipfi_wire_t *wire); /* a Call's head is in wire->parser */
void ipfi_calls_event(ipfi_wire_t *wire); /* an Event's                       */
void ipfi_calls_take(ipfi_wire_t *wire, const uint8_t *bytes, size_t size);
void ipfi_calls_end(ipfi_wire_t *wire);
void ipfi_calls_cancel(ipfi_wire_t *wire, uint32_t procedure, uint32_t index);
void ipfi_calls_grant(ipfi_wire_t *wire, uint32_t procedure, uint32_t index, uint32_t granted);
void ipfi_calls_reset(ipfi_wire_t *wire);
void ipfi_calls_fill(ipfi_wire_t *wire);
bool ipfi_calls_answering(const ipfi_wire_t *wire);
void ipfi_calls_lossy_event(ipfi_wire_t *wire, uint16_t event, const uint8_t *args, size_t size);

/* table.c: the procedures, in flash */
enum { IPFI_ENTRY_NONE = 0xFF, IPFI_ENTRY_DESCRIBE = 0xFE, IPFI_DESCRIBE_INDEX = 0xFFFF };
uint8_t ipfi_table_find(const ipfi_wire_t *wire, uint32_t index, bool event);
void ipfi_table_load(const ipfi_wire_t *wire, uint8_t entry, ipfi_procedure_t *procedure);
uint32_t ipfi_table_hash(const ipfi_config_t *config);

/* refusals.c: Errors for calls that have no slot, and tombstones (CALL-7) */
void ipfi_refuse(ipfi_wire_t *wire, uint32_t procedure, uint32_t call, ipfi_error_t code, bool draining);
bool ipfi_refusal_drains(ipfi_wire_t *wire, uint32_t procedure, uint32_t call, bool ends);
void ipfi_refusals_fill(ipfi_wire_t *wire);

/* outcalls.c: calls of ours */
void ipfi_outcalls_begin(ipfi_wire_t *wire); /* a Response's or Error's head is in wire->parser */
void ipfi_outcalls_take(ipfi_wire_t *wire, const uint8_t *bytes, size_t size);
void ipfi_outcalls_end(ipfi_wire_t *wire);
void ipfi_outcalls_reset(ipfi_wire_t *wire);
void ipfi_outcalls_fill(ipfi_wire_t *wire);
bool ipfi_outcalls_deadline(const ipfi_wire_t *wire, uint32_t *deadline_ms);
void ipfi_outcalls_on_deadline(ipfi_wire_t *wire, uint32_t now_ms);

/* The largest payload of one part (CALL-5). */
uint16_t ipfi_part_size(const ipfi_wire_t *wire, uint32_t left);

#endif
