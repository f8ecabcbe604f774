/* fuzz_session.c - libFuzzer: steps of a life, so that what the input says comes past the checksum (clang only).
 *
 * The first byte chooses the end (fuzz_begin).  Then each step is a byte that says what happens, a length,
 * and so many bytes for it. */
#include "crc.h"
#include "frame.h"
#include "fuzz_bench.h"
#include "link.h"
#include "message.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    STEP_RAW = 0, STEP_FRAME, STEP_STREAM, STEP_MESSAGE, STEP_ACK, STEP_HANDSHAKE, STEP_HELLO_ACK, STEP_STRAY,
    STEP_TIME, STEP_EXCHANGE, STEP_CALL, STEP_CANCEL, STEP_EMIT, STEP_RESET, STEP_PARTNER, STEP_CLOSE, STEPS
};
enum { CONTENT = 700, PARTNER_RESETS = 1, PARTNER_CALLS = 2 };

static uint16_t u16_of(const uint8_t *bytes, size_t size)
{
    return size >= 2 ? ipfi_u16_at(bytes) : (uint16_t)(size == 1 ? bytes[0] : 0);
}

static void put_session(uint8_t *content, uint16_t session)
{
    content[1] = (uint8_t)session;
    content[2] = (uint8_t)(session >> 8);
}

/* ---- frames of the live session ---- */

/* Type and body are the input's, the session and the checksum are right. */
static void give_session_frame(const uint8_t *bytes, size_t size, uint16_t session)
{
    uint8_t content[CONTENT] = { 0 };
    if (size == 0) { return; }
    content[0] = bytes[0] | 0x80;
    put_session(content, session);
    if (size > 1) { memcpy(content + 3, bytes + 1, size - 1); }
    fuzz_give_frame(content, size + 2);
}

/* Bytes of the stream, in the DATA frames that the target waits for; none is larger than it takes. */
static void give_stream(const uint8_t *bytes, size_t size)
{
    uint8_t content[CONTENT] = { IPFI_DATA };
    put_session(content, target.wire.link.peer.session);
    while (size > 0) {
        const size_t part = size < target.config.frame_payload ? size : target.config.frame_payload;
        content[3] = target.wire.link.rx_sequence;
        content[4] = target.wire.link.tx_sequence;
        memcpy(content + 5, bytes, part);
        fuzz_give_frame(content, part + 5);
        bytes += part;
        size -= part;
    }
}

/* A message whose head is in order: type, terminator, procedure, call; the rest is the payload. */
static void give_message(const uint8_t *bytes, size_t size)
{
    uint8_t stream[CONTENT];
    if (size < 4) { return; }
    static const uint16_t procedures[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 32, 33, 40, 99, 0xFFFF };
    const uint8_t ends = (uint8_t)(bytes[1] & 0xC0);
    const ipfi_message_t message = { bytes[0] % 9, ends, procedures[bytes[2] % 18], bytes[3], bytes + 4, (uint16_t)(size - 4) };
    const size_t head = ipfi_message_head(stream, &message);
    memcpy(stream + head, bytes + 4, size - 4);
    give_stream(stream, head + size - 4);
}

/* All that the target has sent arrives; the first byte says how much of it does not. */
static void give_ack(const uint8_t *bytes, size_t size)
{
    uint8_t content[11] = { IPFI_ACK };
    put_session(content, target.wire.link.peer.session);
    content[3] = (uint8_t)(target.wire.link.tx_sequence + target.wire.link.in_flight - (size > 0 ? bytes[0] % 18 : 0));
    content[4] = target.wire.link.ping;
    content[7] = 1; /* 64 KiB more than the smallest credit */
    if (size > 1) { content[8] = bytes[1]; }
    if (size > 3) { memcpy(content + 9, bytes + 2, 2); }
    fuzz_give_frame(content, size > 3 ? 11 : 9);
}

/* ---- handshakes ---- */

/* HELLO, HELLO_ACK or REFUSE as the input has it. */
static void give_handshake(const uint8_t *bytes, size_t size)
{
    uint8_t content[CONTENT];
    if (size == 0) { return; }
    memcpy(content, bytes, size);
    content[0] = (uint8_t)(IPFI_HELLO + bytes[0] % 3);
    fuzz_give_frame(content, size);
}

/* A HELLO_ACK that confirms the target's own HELLO; parameters, session and profile are the input's. */
static void give_hello_ack(const uint8_t *bytes, size_t size)
{
    enum { SIZE = 41, SESSION = 30, ECHO = 32, PROFILE = 36, CONFIRM = 37 };
    static const uint8_t parameters[] = { 1, 0, 1, 1, 2, 3, 4, 64, 0, 255, 255, 4, 3, 63, 0, 255, 255, 0, 0, 16, 0, 8, 4, 255, 255 };
    uint8_t content[SIZE] = { IPFI_HELLO_ACK };
    memcpy(content + 1, parameters, sizeof parameters);
    put_session(content + SESSION - 1, (uint16_t)(target.wire.link.floor + (size > 0 ? bytes[0] % 8 : 0)));
    content[PROFILE] = size > 1 ? bytes[1] : 0;
    if (size > 2) { memcpy(content + 1, bytes + 2, size - 2 < 29 ? size - 2 : 29); }
    for (int i = 0; i < 4; i++) { content[ECHO + i] = (uint8_t)(target.wire.link.nonce >> 8 * i); }
    const uint32_t confirm = ~ipfi_crc32_bytes(target.wire.link.hello_crc, content, CONFIRM);
    for (int i = 0; i < 4; i++) { content[CONFIRM + i] = (uint8_t)(confirm >> 8 * i); }
    fuzz_give_frame(content, SIZE);
}

/* READY for the pending session, or another frame of it. */
static void give_pending(const uint8_t *bytes, size_t size)
{
    enum { READY_SIZE = 8, CONFIRM = 4 };
    const ipfi_peer_t *const pending = &target.wire.link.pending;
    uint8_t content[READY_SIZE] = { IPFI_READY };
    if (size != 2) {
        give_session_frame(bytes, size, pending->session);
        return;
    }
    put_session(content, pending->session);
    content[3] = bytes[1];
    for (int i = 0; i < 4; i++) { content[CONFIRM + i] = (uint8_t)(pending->confirm >> 8 * i); }
    fuzz_give_frame(content, READY_SIZE);
}

/* ---- what the ends do themselves ---- */

static void start_call(const uint8_t *bytes, size_t size)
{
    if (size < 3) { return; }
    fuzz_call(bytes[0], bytes + 3, size - 3, u16_of(bytes + 1, 2));
}

static void emit(const uint8_t *bytes, size_t size)
{
    if (size == 0) { return; }
    if (bytes[0] % 4 == 0) {
        (void)ipfi_emit(&target.wire, BOARD_TICK, bytes, size);
    } else if (bytes[0] % 4 == 1) {
        (void)ipfi_emit_lossy(&target.wire, BOARD_TICK, bytes, size);
    } else if (bytes[0] % 4 == 2) {
        (void)ipfi_log(&target.wire, 1, (const char *)bytes, size);
    } else {
        (void)ipfi_print(&target.wire, (const char *)bytes, size);
    }
}

static void partner_acts(const uint8_t *bytes, size_t size)
{
    if (size == 0 || bytes[0] % 3 == PARTNER_RESETS) {
        board_restart(&partner, IPFI_BOOT_WATCHDOG, fuzz_now_ms);
    } else if (bytes[0] % 3 == PARTNER_CALLS) {
        (void)ipfi_emit(&partner.wire, BOARD_LED, bytes + 1, size - 1);
    } else {
        ipfi_close(&partner.wire);
        ipfi_open(&partner.wire, fuzz_now_ms);
    }
}

static void do_step(uint8_t step, const uint8_t *bytes, size_t size)
{
    switch (step % STEPS) {
    case STEP_RAW: fuzz_give(bytes, size); break;
    case STEP_FRAME: give_session_frame(bytes, size, target.wire.link.peer.session); break;
    case STEP_STREAM: give_stream(bytes, size); break;
    case STEP_MESSAGE: give_message(bytes, size); break;
    case STEP_ACK: give_ack(bytes, size); break;
    case STEP_HANDSHAKE: give_handshake(bytes, size); break;
    case STEP_HELLO_ACK: give_hello_ack(bytes, size); break;
    case STEP_STRAY: give_pending(bytes, size); break;
    case STEP_TIME: fuzz_pass_time(u16_of(bytes, size) % 8192u); break;
    case STEP_EXCHANGE: fuzz_exchange(); break;
    case STEP_CALL: start_call(bytes, size); break;
    case STEP_CANCEL: ipfi_outcall_cancel(&target.wire, &fuzz_calls[u16_of(bytes, size) % FUZZ_CALLS].out); break;
    case STEP_EMIT: emit(bytes, size); break;
    case STEP_RESET: fuzz_restart_target((uint8_t)(size % 7)); break;
    case STEP_PARTNER: partner_acts(bytes, size); break;
    default:
        ipfi_close(&target.wire);
        fuzz_drain();
        ipfi_open(&target.wire, fuzz_now_ms);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) { return 0; }
    fuzz_begin(data[0]);
    if ((data[0] & 0x40) != 0) { fuzz_exchange(); }
    for (size_t at = 1; at + 1 < size;) {
        const uint8_t step = data[at];
        size_t length = data[at + 1];
        at += 2;
        if (length > size - at) { length = size - at; }
        do_step(step, data + at, length);
        if ((step & 0x80) == 0) { fuzz_drain(); } /* else what it says waits */
        at += length;
    }
    fuzz_pass_time(7000);
    fuzz_end();
    return 0;
}
