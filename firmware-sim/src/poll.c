/* poll.c - the receive ring, and the five verbs behind one function. */
#include "compiler.h"
#include "wire.h"

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

#if IPFI_FOR_SPEED
/* What waited when the poll began, where it lies: at most two pieces. */
static void receive_from_ring(ipfi_wire_t *wire, ipfi_ring_t *ring, uint32_t now_ms)
{
    const IPFI_RING_INDEX head = ring->head;
    IPFI_RING_INDEX tail = ring->tail;
    IPFI_BARRIER(); /* the bytes before `head` are written, and are no longer looked at as volatile */
    while (tail != head) {
        const IPFI_RING_INDEX end = head > tail ? head : ring->size;
        ipfi_receive(wire, (const uint8_t *)ring->bytes + tail, (size_t)(end - tail), now_ms);
        IPFI_BARRIER();
        tail = ring->tail = end == ring->size ? 0 : end;
    }
}
#endif

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

static void send(ipfi_wire_t *wire, const ipfi_port_t *port, uint32_t now_ms)
{
    const uint8_t *bytes;
    size_t size;
    while ((size = ipfi_peek_tx(wire, &bytes, now_ms)) != 0) {
        const size_t taken = port->write(port->context, bytes, size);
        ipfi_tx_taken(wire, taken);
        if (taken < size) { return; }
        now_ms = port->now_ms(port->context);
    }
}

#if IPFI_FOR_SPEED
/* A busy line is polled many times in a millisecond: this is not, and a function of its own saves its own registers. */
IPFI_NOT_INLINE static bool on_millisecond(ipfi_wire_t *wire, uint32_t now_ms)
{
    wire->looked_ms = (uint16_t)now_ms;
    ipfi_on_deadline(wire, now_ms);
    return ipfi_may_send(wire);
}
#endif

void ipfi_poll(ipfi_wire_t *wire)
{
    const ipfi_port_t *const port = ipfi_config_of(wire)->port;
#if IPFI_FOR_SPEED
    uint32_t now_ms = port->now_ms(port->context);
    if (port->ring != NULL) {
        receive_from_ring(wire, port->ring, now_ms);
    } else {
        receive(wire, port);
    }
    if (wire->has_news) { now_ms = port->now_ms(port->context); } /* a handler may have taken its time */
#else
    receive(wire, port);
    const uint32_t now_ms = port->now_ms(port->context);
#endif
#if IPFI_FOR_SPEED
    const bool may_send = (uint16_t)now_ms != wire->looked_ms && on_millisecond(wire, now_ms);
    if (!may_send && !wire->has_news && wire->encoder.taken == wire->encoder.length) { return; }
#else
    ipfi_on_deadline(wire, now_ms);
#endif
    send(wire, port, now_ms);
}
