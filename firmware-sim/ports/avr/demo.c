/* demo.c - a small program of its own: what a person would write first on an Arduino Uno.
 *
 * The lamp is B5 (the Uno's own), the button D2 to ground.  make build/avr/demo.elf; docs/sizes.md has its cost. */
#include "chip.h"
#include "sizes.h"

#include <avr/io.h>

enum {
    PAYLOAD = 32, /* bytes of a DATA frame: the longest fits the ring, whatever else arrives */
    WINDOW = 2,
    STREAM = 80,
    CALLS = 2,
    VALUE = 40,
    LOSSY = 16,
    BLINKS_MAX = 100,
    HOST_PROCEDURE = 50, /* the host's procedure that `ask` calls */
    HOST_PATIENCE_MS = 5000
};
#define BAUD 115200

static ipfi_wire_t wire;
uint8_t chip_ring_bytes[BOARD_RING];
ipfi_ring_t chip_ring;
static bool line_is_full; /* the UART did not take all that there is to send: no time to sleep */

static void switch_lamp(bool on)
{
    if (on) {
        PORTB |= _BV(PORTB5);
    } else {
        PORTB &= (uint8_t)~_BV(PORTB5);
    }
}

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

/* ---- 2: a call that is answered later ---- */

static ipfi_ticket_t blinker;
static uint8_t changes_left; /* of the lamp */
static uint16_t period_ms, changed_ms;

IPFI_DESCRIBE(blink_text, "blink", "(times: u8, ms: u16) -> None", "Blink the lamp; answer when that is over.");
static ipfi_verdict_t blink(ipfi_call_t *call)
{
    if (call->phase != IPFI_BEGIN) { /* over, cancelled, or the host has gone */
        changes_left = 0;
        return IPFI_DONE;
    }
    const uint32_t times = ipfi_read_u32(&call->args);
    const uint32_t ms = ipfi_read_u32(&call->args);
    if (!ipfi_read_end(&call->args) || times == 0 || times > BLINKS_MAX || ms > UINT16_MAX) { return IPFI_BAD_ARGUMENTS; }
    if (changes_left != 0) { return ipfi_fail(call, IPFI_ERROR_LIMIT, NULL, 0); }
    changes_left = (uint8_t)(2 * times);
    period_ms = (uint16_t)ms;
    changed_ms = (uint16_t)chip_millis();
    blinker = ipfi_ticket(call);
    return IPFI_LATER;
}

static void go_on_blinking(void)
{
    if (changes_left == 0 || (uint16_t)(chip_millis() - changed_ms) < period_ms) { return; }
    changed_ms = (uint16_t)(changed_ms + period_ms);
    changes_left--;
    switch_lamp(changes_left % 2 != 0);
    if (changes_left != 0) { return; }
    ipfi_call_t *const call = ipfi_ticket_call(&wire, blinker);
    if (call != NULL) { ipfi_resume(call); }
}

/* ---- 3: a stream; state.u32 holds how many, and which is next ---- */

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

/* ---- 4: a call that calls the host back ---- */

static ipfi_outcall_t asking;
static ipfi_ticket_t asker;
static ipfi_outcome_t outcome_of_asking;

static void asked(ipfi_wire_t *own, ipfi_outcall_t *out, ipfi_outcome_t outcome)
{
    ipfi_call_t *const call = ipfi_ticket_call(own, asker);
    (void)out;
    if (call == NULL || outcome == IPFI_OUT_VALUE) { return; }
    outcome_of_asking = outcome;
    ipfi_resume(call);
}

/* The host's procedure gets our arguments; its answer is collected behind them, in this call's own memory,
 * and leaves from there. */
static ipfi_verdict_t begin_asking(ipfi_call_t *call)
{
    size_t size;
    const uint8_t *const name = call->args.at;
    (void)ipfi_read_str(&call->args, &size);
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    asking.done = asked;
    asking.args = name;
    asking.args_size = (uint16_t)(call->args.at - name);
    asking.answer = call->answer.at;
    asking.answer_size = (uint16_t)(call->answer.end - call->answer.at);
    asker = ipfi_ticket(call);
    if (!ipfi_outcall_start(call->wire, &asking, HOST_PROCEDURE, chip_millis(), HOST_PATIENCE_MS)) {
        return ipfi_fail(call, IPFI_ERROR_LIMIT, NULL, 0); /* it is being asked, or takes no calls */
    }
    return IPFI_LATER;
}

IPFI_DESCRIBE(ask_text, "ask", "(text: str) -> any", "Call the host's procedure 50 with the text; answer what it returns.");
static ipfi_verdict_t ask(ipfi_call_t *call)
{
    if (call->phase == IPFI_BEGIN) { return begin_asking(call); }
    if (call->phase == IPFI_END) {
        ipfi_outcall_cancel(call->wire, &asking);
        return IPFI_DONE;
    }
    if (outcome_of_asking != IPFI_OUT_ANSWERED) { return ipfi_fail(call, IPFI_ERROR_RAISED, NULL, 0); }
    return ipfi_answer_from(call, asking.answer, asking.answer_length);
}

/* ---- 5: how much of the RAM was ever in use ---- */

IPFI_DESCRIBE(memory_text, "memory", "() -> list[u32]", "Return bytes of static data, and of stack at the deepest.");
static ipfi_verdict_t memory(ipfi_call_t *call)
{
    if (!ipfi_read_end(&call->args)) { return IPFI_BAD_ARGUMENTS; }
    ipfi_write_array(&call->answer, 2);
    ipfi_write_u32(&call->answer, chip_static_data());
    ipfi_write_u32(&call->answer, chip_stack_used());
    return IPFI_DONE;
}

/* ---- 32: the host switches the lamp; 33: the host hears of the button ---- */

IPFI_DESCRIBE(lamp_text, "lamp", "(on: bool)", "Switch the lamp.");
static ipfi_verdict_t lamp(ipfi_call_t *call)
{
    const bool on = ipfi_read_bool(&call->args);
    if (ipfi_read_end(&call->args)) { switch_lamp(on); }
    return IPFI_DONE;
}

enum { BUTTON = 33 };
static bool was_pressed, press_is_owed;
static uint16_t presses;

IPFI_DESCRIBE(button_text, "button", "(presses: u16)", "The button was pressed, for the how-manieth time.");
static void look_at_button(void)
{
    uint8_t args[3];
    const bool is_pressed = (PIND & _BV(PIND2)) == 0;
    if (is_pressed && !was_pressed) {
        presses++;
        press_is_owed = true;
    }
    was_pressed = is_pressed;
    if (!press_is_owed) { return; }
    ipfi_writer_t writer = ipfi_writer(args, sizeof args);
    ipfi_write_u32(&writer, presses);
    press_is_owed = !ipfi_emit(&wire, BUTTON, args, ipfi_written(&writer)); /* no room: again next time */
}

static const ipfi_procedure_t table[] IPFI_FLASH = {
    { 1, IPFI_UNARY, add_text, add, NULL },
    { 2, IPFI_UNARY, blink_text, blink, NULL },
    { 3, IPFI_STREAM, count_text, count, NULL },
    { 4, IPFI_UNARY, ask_text, ask, NULL },
    { 5, IPFI_UNARY, memory_text, memory, NULL },
    { 32, IPFI_EVENT_HANDLED, lamp_text, lamp, NULL },
    { BUTTON, IPFI_EVENT_EMITTED, button_text, NULL, NULL },
};

/* ---- the port ---- */

void chip_received(uint8_t byte)
{
    ipfi_ring_put(&chip_ring, byte);
}

void chip_lost_a_byte(void)
{
    chip_ring.overruns++;
}

static uint32_t port_now_ms(void *context)
{
    (void)context;
    return chip_millis();
}

static size_t port_read(void *context, uint8_t *to, size_t max)
{
    (void)context;
    return ipfi_ring_take(&chip_ring, to, max);
}

static size_t port_write(void *context, const uint8_t *from, size_t size)
{
    size_t taken = 0;
    (void)context;
    while (taken < size && chip_uart_can_send()) { chip_uart_send(from[taken++]); }
    line_is_full = taken < size;
    return taken;
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

static const ipfi_port_t port = { NULL, port_now_ms, port_read, port_write, port_entropy, port_boot_cause };

IPFI_BUFFERS(buffers, PAYLOAD, WINDOW, STREAM, CALLS, VALUE, LOSSY);

const ipfi_config_t demo_config = {
    IPFI_USE_BUFFERS(buffers), IPFI_SERVE(table), .port = &port, .frame_payload = PAYLOAD, .window = WINDOW,
    .ring = BOARD_RING - 1, .crc_profiles = IPFI_CRC_16, .us_per_byte = 10000000 / BAUD, .stream_credit = VALUE / 16,
};

int main(void)
{
    ipfi_event_t event;
    ipfi_ring_init(&chip_ring, chip_ring_bytes, BOARD_RING);
    DDRB |= _BV(DDB5);
    PORTD |= _BV(PORTD2); /* pull-up */
    chip_start();
    ipfi_start(&wire, &demo_config);
    for (;;) {
        ipfi_poll(&wire);
        go_on_blinking();
        look_at_button();
        while (ipfi_next_event(&wire, &event)) {
            if (event.kind == IPFI_EVENT_DOWN) { switch_lamp(false); } /* the host has gone */
        }
        if (!line_is_full) { chip_idle(&chip_ring); }
    }
}
