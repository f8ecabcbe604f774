/* fuzz_receive.c - libFuzzer: any bytes into a board that has a session (make fuzz; clang only).
 *
 * The first byte of the input chooses the board's size.  What follows are pieces: a length, then that many
 * bytes, given as they are (odd length) or as the content of a frame with a valid checksum (even). */
#include "board.h"
#include "frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static board_t board;
static uint32_t now_ms;

static void drain(void)
{
    uint8_t out[512];
    while (ipfi_take_tx(&board.wire, out, sizeof out, now_ms) != 0) { }
}

static void give_frame(const uint8_t *content, size_t size)
{
    uint8_t wire[600];
    ipfi_encoder_t encoder;
    ipfi_encoder_init(&encoder, wire, sizeof wire);
    ipfi_encode_begin(&encoder, true, content[0] | 0x80);
    ipfi_encode_bytes(&encoder, content + 1, size - 1);
    ipfi_encode_end(&encoder, IPFI_PROFILE_CRC16);
    board_receive(&board, wire, encoder.length, now_ms);
}

static void open_session(void)
{
    static const uint8_t hello[] = { 0x81, 1, 1, 6, 1, 2, 3, 4, 64, 0, 255, 255, 4, 1, 63, 0, 255, 255, 255, 63,
                                     16, 0, 8, 4, 255, 255, 0, 0, 0, 0, 1, 0 };
    static const uint8_t ready[] = { 0x84, 1, 0, 1 };
    give_frame(hello, sizeof hello);
    drain();
    give_frame(ready, sizeof ready);
    drain();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) { return 0; }
    now_ms = 0;
    board_init(&board, (data[0] & 1) != 0, 1, IPFI_BOOT_POWER, now_ms);
    board.config.crc_profiles = IPFI_CRC_16;
    board_restart(&board, IPFI_BOOT_POWER, now_ms);
    open_session();
    for (size_t at = 1; at < size;) {
        size_t length = data[at++];
        if (length > size - at) { length = size - at; }
        if (length % 2 == 1 || length == 0) {
            board_receive(&board, data + at, length, now_ms);
        } else {
            give_frame(data + at, length);
        }
        at += length;
        now_ms += (uint32_t)length;
        board_on_deadline(&board, now_ms);
        drain();
    }
    return 0;
}
