/* poll.c - the receive ring, and the five verbs behind one function. */
#include "ipfi/ipfi.h"

void ipfi_ring_init(ipfi_ring_t *ring, volatile uint8_t *bytes, IPFI_RING_INDEX size)
{
    ring->bytes = bytes;
    ring->size = size;
    ring->head = 0;
    ring->tail = 0;
    ring->overruns = 0;
}

size_t ipfi_ring_take(ipfi_ring_t *ring, uint8_t *to, size_t max)
{
    size_t taken = 0;
    IPFI_RING_INDEX tail = ring->tail;
    for (; taken < max && tail != ring->head; taken++) {
        to[taken] = ring->bytes[tail++];
        if (tail == ring->size) { tail = 0; }
    }
    ring->tail = tail;
    return taken;
}

void ipfi_start(ipfi_wire_t *wire, const ipfi_config_t *config)
{
    const ipfi_port_t *const port = config->port;
    ipfi_init(wire, config, port->entropy(port->context), port->boot_cause(port->context));
    ipfi_open(wire, port->now_ms(port->context));
}

/* Bytes that waited when the poll began: a line that never falls silent must not keep us here. */
enum { STEP = 16, STEPS = 16 };

static void receive(ipfi_wire_t *wire, const ipfi_port_t *port)
{
    uint8_t bytes[STEP];
    for (uint8_t step = 0; step < STEPS; step++) {
        const size_t size = port->read(port->context, bytes, sizeof bytes);
        ipfi_receive(wire, bytes, size, port->now_ms(port->context));
        if (size < sizeof bytes) { return; }
    }
}

static void send(ipfi_wire_t *wire, const ipfi_port_t *port)
{
    const uint8_t *bytes;
    size_t size;
    while ((size = ipfi_peek_tx(wire, &bytes, port->now_ms(port->context))) != 0) {
        const size_t taken = port->write(port->context, bytes, size);
        ipfi_tx_taken(wire, taken);
        if (taken < size) { return; }
    }
}

void ipfi_poll(ipfi_wire_t *wire)
{
    const ipfi_port_t *const port = ipfi_config_of(wire)->port;
    receive(wire, port);
    const uint32_t now_ms = port->now_ms(port->context);
#if IPFI_FOR_SPEED
    const bool is_time = (uint8_t)now_ms != wire->looked_ms; /* a busy line is polled many times in a millisecond */
    wire->looked_ms = (uint8_t)now_ms;
    if (is_time)
#endif
    { ipfi_on_deadline(wire, now_ms); }
    send(wire, port);
}
