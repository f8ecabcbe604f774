/* lossy.c - LOSSY and LOG frames: a short queue that drops its oldest entry (LINK-20). */
#include "frame.h"
#include "link.h"
#include "message.h"

#if IPFI_WITH_LOSSY

/* An entry in the queue: frame type, level or 0, length (u16), bytes. */
enum { ENTRY_HEAD = 4 };

IPFI_NOT_INLINE static uint16_t wrapped(const ipfi_wire_t *wire, uint32_t position)
{
    const uint16_t size = ipfi_config_of(wire)->lossy_size;
    return (uint16_t)(position >= size ? position - size : position);
}

static uint8_t at(const ipfi_wire_t *wire, uint16_t offset)
{
    return ipfi_config_of(wire)->lossy[wrapped(wire, (uint32_t)wire->link.lossy_start + offset)];
}

static void put(ipfi_wire_t *wire, const uint8_t *bytes, size_t size)
{
    ipfi_link_t *const link = &wire->link;
    for (size_t i = 0; i < size && link->lossy_used < ipfi_config_of(wire)->lossy_size; i++) {
        ipfi_config_of(wire)->lossy[wrapped(wire, (uint32_t)link->lossy_start + link->lossy_used)] = bytes[i];
        link->lossy_used++;
    }
}

static uint16_t entry_size(const ipfi_wire_t *wire)
{
    return (uint16_t)(at(wire, 2) | (uint16_t)at(wire, 3) << 8);
}

static void drop_oldest(ipfi_wire_t *wire)
{
    const uint16_t size = (uint16_t)(ENTRY_HEAD + entry_size(wire));
    wire->link.lossy_start = wrapped(wire, (uint32_t)wire->link.lossy_start + size);
    wire->link.lossy_used = (uint16_t)(wire->link.lossy_used - size);
}

static bool build(ipfi_wire_t *wire)
{
    ipfi_link_t *const link = &wire->link;
    if (link->lossy_used == 0) { return false; }
    if (link->lossy_last && link->stream_used != link->stream_sent) { return false; } /* every second frame */
    const uint16_t size = entry_size(wire);
    link->lossy_waits = !ipfi_ring_has_room(wire, size + 4u);
    if (link->lossy_waits || ipfi_sender_must_repeat(wire)) { return false; }
    const uint8_t type = at(wire, 0);
    uint16_t next = type == IPFI_LOG ? 1 : ENTRY_HEAD; /* a level comes first, or at once the bytes, of which an event has some */
    ipfi_encoder_t *to = ipfi_link_begin(wire, type, at(wire, next));
    next = type == IPFI_LOG ? ENTRY_HEAD : ENTRY_HEAD + 1;
    for (; next < ENTRY_HEAD + size; next++) { to = ipfi_encode_u8(to, at(wire, next)); }
    drop_oldest(wire);
    link->handed += ipfi_link_finish(wire, &link->peer);
    link->lossy_last = true;
    link->probe_shift = 0; /* what waited has gone */
    return true;
}

static bool queue(ipfi_wire_t *wire, uint8_t type, uint8_t level, size_t size)
{
    const size_t room = (size_t)ENTRY_HEAD + size;
    const uint16_t mine = ipfi_config_of(wire)->frame_payload, theirs = wire->link.peer.frame_payload;
    const uint16_t most = mine < theirs ? mine : theirs;
    if (wire->link.state != IPFI_ESTABLISHED || size > most || room > ipfi_config_of(wire)->lossy_size
        || ipfi_wire_size(wire, (uint32_t)size + 4u) > wire->link.peer.ring) { /* it would wait for ever */
        IPFI_COUNT(wire, lossy_dropped);
        return false;
    }
    while ((size_t)(ipfi_config_of(wire)->lossy_size - wire->link.lossy_used) < room) {
        drop_oldest(wire);
        IPFI_COUNT(wire, lossy_dropped);
    }
    const uint8_t head[ENTRY_HEAD] = { type, level, (uint8_t)size, (uint8_t)(size >> 8) };
    put(wire, head, sizeof head);
    wire->build_lossy = build;
    return true;
}

bool ipfi_emit_lossy(ipfi_wire_t *wire, uint16_t event, const uint8_t *args, size_t size)
{
    uint8_t head[IPFI_MESSAGE_HEAD_MAX];
    const ipfi_message_t message = { IPFI_TYPE_EVENT, IPFI_COMPLETE, event, 0, args, (uint16_t)size };
    const size_t head_size = ipfi_message_head(head, &message);
    const size_t payload = ipfi_config_of(wire)->frame_payload;
    if ((wire->link.peer.extensions & IPFI_EXT_LOSSY) == 0 || size > payload
        || !queue(wire, IPFI_LOSSY, 0, head_size + size)) {
        return false;
    }
    put(wire, head, head_size);
    put(wire, args, size);
    return true;
}

bool ipfi_log(ipfi_wire_t *wire, uint8_t level, const char *text, size_t size)
{
    if ((wire->link.peer.extensions & IPFI_EXT_LOG) == 0 || !queue(wire, IPFI_LOG, level, size)) { return false; }
    put(wire, (const uint8_t *)text, size);
    return true;
}

#else

bool ipfi_emit_lossy(ipfi_wire_t *wire, uint16_t event, const uint8_t *args, size_t size)
{
    (void)wire;
    (void)event;
    (void)args;
    (void)size;
    return false;
}

bool ipfi_log(ipfi_wire_t *wire, uint8_t level, const char *text, size_t size)
{
    (void)wire;
    (void)level;
    (void)text;
    (void)size;
    return false;
}

#endif
