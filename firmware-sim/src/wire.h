/* wire.h - what the parts above the link tell each other: calls, refusals, outcalls, events. */
#ifndef IPFI_WIRE_H
#define IPFI_WIRE_H

#include "message.h"

/* calls.c: calls that we serve.  Behind a pointer, so that a device that serves none does not carry it. */
struct ipfi_server {
    void (*init)(ipfi_wire_t *wire);
    void (*begin)(ipfi_wire_t *wire); /* a Call's head is in wire->parser */
    void (*event)(ipfi_wire_t *wire); /* an Event's                       */
    void (*take)(ipfi_wire_t *wire, const uint8_t *bytes, size_t size); /* payload: of a Call, an Event, a Grant */
    void (*end)(ipfi_wire_t *wire);                                     /* of them, and of a Cancel */
#if IPFI_WITH_LOSSY
    void (*lossy)(ipfi_wire_t *wire, const uint8_t *bytes, size_t size);
#endif
    void (*reset)(ipfi_wire_t *wire);
    void (*fill)(ipfi_wire_t *wire);
    bool (*answering)(const ipfi_wire_t *wire);
};

#if IPFI_FOR_SPEED
/* Time alone, or a call of the program's, may have made something to send; else only a frame can. */
bool ipfi_may_send(const ipfi_wire_t *wire);
#endif

void ipfi_calls_run(ipfi_call_t *call, ipfi_phase_t phase);
enum { IPFI_SLOT_FREE = 0, IPFI_SLOT_COLLECTING, IPFI_SLOT_WORKING, IPFI_SLOT_SENDING, IPFI_SLOT_DRAINING };

/* answers.c: what of the answers can leave now */
void ipfi_calls_fill(ipfi_wire_t *wire);
bool ipfi_calls_answering(const ipfi_wire_t *wire);

/* table.c: the procedures, in flash */
enum { IPFI_ENTRY_NONE = 0xFF, IPFI_ENTRY_DESCRIBE = 0xFE };
#define IPFI_DESCRIBE_INDEX 0xFFFFu
uint8_t ipfi_table_find(const ipfi_wire_t *wire, ipfi_index_t index, bool event);
/* The entry where it is; or, where flash cannot be read through a pointer, its copy. */
const ipfi_procedure_t *ipfi_table_entry(const ipfi_config_t *config, uint8_t entry, ipfi_procedure_t *copy);
uint32_t ipfi_table_hash(const ipfi_config_t *config);

/* refusals.c: Errors for calls that have no slot, and tombstones (CALL-7) */
void ipfi_refuse(ipfi_wire_t *wire, ipfi_error_t code); /* the Call whose head is in wire->parser */
bool ipfi_refusal_drains(ipfi_wire_t *wire, bool ends);
void ipfi_refusals_fill(ipfi_wire_t *wire);

/* outcalls.c: calls of ours.  Behind a pointer, so that a device that calls nobody does not carry it. */
struct ipfi_caller {
    void (*begin)(ipfi_wire_t *wire); /* a Response's or Error's head is in wire->parser */
    void (*take)(ipfi_wire_t *wire, const uint8_t *bytes, size_t size);
    void (*end)(ipfi_wire_t *wire);
    void (*reset)(ipfi_wire_t *wire);
    void (*fill)(ipfi_wire_t *wire);
    bool (*deadline)(const ipfi_wire_t *wire, uint32_t *deadline_ms);
    void (*on_deadline)(ipfi_wire_t *wire);
};

/* The largest payload of one part (CALL-5). */
uint16_t ipfi_part_size(const ipfi_wire_t *wire, uint32_t left);

/* Whether the other end takes a value of this size (CALL-6). */
bool ipfi_wire_fits_peer(const ipfi_wire_t *wire, uint32_t size);

#endif
