/* sizes.h - the demonstration on a small Cortex-M0: all of it, with its stack, within 2 KiB of RAM; or, with BOARD_BAUD
 * from the Makefile, 4 KiB for a fast line. */
#ifndef BOARD_BAUD
enum {
    BOARD_PAYLOAD = 64, /* bytes of a DATA frame */
    BOARD_WINDOW = 2,
    BOARD_STREAM = 112,
    BOARD_CALLS = 2,
    BOARD_VALUE = 56,
    BOARD_LOSSY = 32,
    BOARD_RING = 128,
    BOARD_CRC = IPFI_CRC_16,
    BOARD_SLEEPERS = 2,
    BOARD_CALLBACKS = 1
};
#define BOARD_BAUD 115200
#else
enum {
    BOARD_PAYLOAD = 128,
    BOARD_WINDOW = 4,
    BOARD_STREAM = 512,
    BOARD_CALLS = 4,
    BOARD_VALUE = 128,
    BOARD_LOSSY = 32,
    BOARD_RING = 640, /* four full frames and an ACK */
    BOARD_CRC = IPFI_CRC_16,
    BOARD_SLEEPERS = 2,
    BOARD_CALLBACKS = 1
};
#endif
