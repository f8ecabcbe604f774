/* sizes.h - the demonstration on an ATmega328P: all of it, with its stack, within 1.5 of its 2 KiB of RAM; or, with
 * BOARD_BAUD from the Makefile, as much of them as a fast line can use. */
#ifndef BOARD_BAUD
enum {
    BOARD_PAYLOAD = 32, /* bytes of a DATA frame: the longest fits the ring, whatever else arrives */
    BOARD_WINDOW = 2,
    BOARD_STREAM = 80,
    BOARD_CALLS = 2,
    BOARD_VALUE = 40,
    BOARD_LOSSY = 16,
    BOARD_RING = 64,
    BOARD_CRC = IPFI_CRC_16,
    BOARD_SLEEPERS = 2,
    BOARD_CALLBACKS = 1
};
#define BOARD_BAUD 115200 /* more than an enumerator of 16 bits holds */
#else
enum {
    BOARD_PAYLOAD = 64,
    BOARD_WINDOW = 4,
    BOARD_STREAM = 192,
    BOARD_CALLS = 3,
    BOARD_VALUE = 64,
    BOARD_LOSSY = 16,
    BOARD_RING = 254, /* three full frames and an ACK */
    BOARD_CRC = IPFI_CRC_16,
    BOARD_SLEEPERS = 1,
    BOARD_CALLBACKS = 1
};
#endif
