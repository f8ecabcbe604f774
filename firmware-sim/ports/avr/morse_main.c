/* morse_main.c - a program that is called, and calls, in Morse: two pins in place of a UART.
 *
 * make build/avr/morse-ALPHABET-WPM.elf; docs/morse.md has the wiring. */
#include "core.h"
#include "morse_line.h"

#include <avr/interrupt.h>
#include <avr/io.h>

enum {
    PAYLOAD = 32, /* bytes of a DATA frame: a second of compact Morse at 1200 words a minute */
    WINDOW = 2,
    STREAM = 80,
    CALLS = 1,
    VALUE = 24,
    LOSSY = 8,
    MEAN_UNITS = MORSE_ALPHABET == IPFI_MORSE_ITU ? 29 : 26, /* of a byte, MORSE-2 and MORSE-3 */
    HOST_TWICE = 64 /* the host's procedure that `ask` calls */
};
#define UNIT_US (1200000ul / MORSE_WPM)
#define US_PER_BYTE (UNIT_US * MEAN_UNITS)
#define HOST_PATIENCE_MS (60ul * UNIT_US) /* 60,000 units: forty full frames */

static ipfi_wire_t wire;

/* ---- 1: a call ---- */

IPFI_DESCRIBE(add_text, "add", "(a: u32, b: u32) -> u32", "Add two numbers, wrapping at 2**32.");
static ipfi_verdict_t add(ipfi_call_t *call)
{
    const uint32_t a = ipfi_read_u32(&call->args);
    const uint32_t b = ipfi_read_u32(&call->args);
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    ipfi_write_u32(&call->answer, a + b);
    return IPFI_DONE;
}

/* ---- 2: a stream; state.u32 holds how many, and which is next ---- */

IPFI_DESCRIBE(count_text, "count", "(n: u32) -> stream[u32]", "Stream 0 to n-1.");
static ipfi_verdict_t count(ipfi_call_t *call)
{
    uint32_t *const end = &call->state.u32[0], *const next = &call->state.u32[1];
    if (call->phase == IPFI_END) { return IPFI_DONE; }
    if (call->phase == IPFI_BEGIN) {
        *end = ipfi_read_u32(&call->args);
        if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    }
    if (*next == *end) { return IPFI_DONE; }
    ipfi_write_u32(&call->answer, (*next)++);
    return IPFI_YIELD;
}

/* ---- 3: a call that calls the host back; one at a time, since one call is served at a time ---- */

static ipfi_outcall_t asking;
static ipfi_ticket_t asker;
static uint8_t question[5], reply[5]; /* a u32 each */
static ipfi_outcome_t reply_outcome;

static void asked(ipfi_wire_t *own, ipfi_outcall_t *out, ipfi_outcome_t outcome)
{
    ipfi_call_t *const call = ipfi_ticket_call(own, asker);
    (void)out;
    if (call == NULL || outcome == IPFI_OUT_VALUE) { return; }
    reply_outcome = outcome;
    ipfi_resume(call);
}

static ipfi_verdict_t begin_asking(ipfi_call_t *call)
{
    const uint32_t number = ipfi_read_u32(&call->args);
    ipfi_writer_t args = ipfi_writer(question, sizeof question);
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    ipfi_write_u32(&args, number);
    asker = ipfi_ticket(call);
    asking = (ipfi_outcall_t){ .done = asked, .args = question, .args_size = (uint16_t)ipfi_written(&args),
                               .answer = reply, .answer_size = sizeof reply };
    if (!ipfi_outcall_start(call->wire, &asking, HOST_TWICE, chip_millis(), HOST_PATIENCE_MS)) {
        return ipfi_fail(call, IPFI_ERROR_RAISED, "", 0); /* the host takes no calls */
    }
    return IPFI_LATER;
}

IPFI_DESCRIBE(ask_text, "ask", "(n: u32) -> u32", "Call the host's procedure 64 with n; answer one more.");
static ipfi_verdict_t ask(ipfi_call_t *call)
{
    if (call->phase == IPFI_BEGIN) { return begin_asking(call); }
    if (call->phase == IPFI_END) {
        ipfi_outcall_cancel(call->wire, &asking);
        return IPFI_DONE;
    }
    ipfi_reader_t reader = ipfi_reader(reply, asking.answer_length);
    const uint32_t number = ipfi_read_u32(&reader);
    if (reply_outcome != IPFI_OUT_ANSWERED || !ipfi_read_end(&reader)) {
        return ipfi_fail(call, IPFI_ERROR_RAISED, "", 0);
    }
    ipfi_write_u32(&call->answer, number + 1);
    return IPFI_DONE;
}

/* ---- 32 and 33: the host switches the lamp (B5), and hears that it was switched ---- */

enum { LAMP_IS = 33 };
static bool lamp_told = true; /* the host knows */

IPFI_DESCRIBE(lamp_text, "lamp", "(on: bool)", "Switch the lamp.");
static ipfi_verdict_t lamp(ipfi_call_t *call)
{
    const bool on = ipfi_read_bool(&call->args);
    if (!ipfi_read_end(&call->args)) { return IPFI_DONE; }
    if (on) { /* one instruction each: the interrupt that keys B1 may come at any time */
        PORTB |= _BV(PORTB5);
    } else {
        PORTB &= (uint8_t)~_BV(PORTB5);
    }
    lamp_told = false;
    return IPFI_DONE;
}

IPFI_DESCRIBE(lamp_is_text, "lamp_is", "(on: bool)", "The lamp was switched.");
static void tell_of_the_lamp(void)
{
    uint8_t args[1];
    if (lamp_told) { return; }
    ipfi_writer_t writer = ipfi_writer(args, sizeof args);
    ipfi_write_bool(&writer, (PORTB & _BV(PORTB5)) != 0);
    lamp_told = ipfi_emit(&wire, LAMP_IS, args, sizeof args); /* no room: again next time */
}

/* ---- 4: how much of the RAM was ever in use ---- */

IPFI_DESCRIBE(memory_text, "memory", "() -> u32", "Return bytes of static data and of stack that were ever in use.");
static ipfi_verdict_t memory(ipfi_call_t *call)
{
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    ipfi_write_u32(&call->answer, (uint32_t)chip_static_data() + chip_stack_used());
    return IPFI_DONE;
}

static const ipfi_procedure_t table[] IPFI_FLASH = {
    { 1, IPFI_UNARY, add_text, add, NULL },
    { 2, IPFI_STREAM, count_text, count, NULL },
    { 3, IPFI_UNARY, ask_text, ask, NULL },
    { 4, IPFI_UNARY, memory_text, memory, NULL },
    { 32, IPFI_EVENT_HANDLED, lamp_text, lamp, NULL },
    { LAMP_IS, IPFI_EVENT_EMITTED, lamp_is_text, NULL, NULL },
};

/* ---- the port ---- */

static uint32_t port_now_ms(void *context)
{
    (void)context;
    return chip_millis();
}

static uint32_t port_entropy(void *context)
{
    (void)context;
    return chip_number();
}

static uint8_t port_boot_cause(void *context)
{
    (void)context;
    return chip_boot_cause();
}

static const ipfi_port_t port = {
    NULL, port_now_ms, morse_line_read, morse_line_write, port_entropy, port_boot_cause,
};

IPFI_BUFFERS(buffers, PAYLOAD, WINDOW, STREAM, CALLS, VALUE, LOSSY);

static const ipfi_config_t config = {
    IPFI_USE_BUFFERS(buffers), IPFI_SERVE(table), .port = &port, .frame_payload = PAYLOAD, .window = WINDOW,
    .ring = 0xFFFF, /* a byte takes longer than any poll: none is ever lost for want of room */
    .crc_profiles = IPFI_CRC_16 | IPFI_CRC_32, .us_per_byte = US_PER_BYTE,
    .stream_credit = 1,
};

int main(void)
{
    ipfi_event_t event;
    core_start();
    DDRB |= _BV(DDB5);
    morse_line_start(MORSE_ALPHABET, MORSE_LINE_UNIT_TICKS(MORSE_WPM));
    sei();
    ipfi_start(&wire, &config);
    for (;;) {
        ipfi_poll(&wire);
        tell_of_the_lamp();
        while (ipfi_next_event(&wire, &event)) { /* nothing to tidy up when the host leaves */ }
        morse_line_idle();
    }
}
