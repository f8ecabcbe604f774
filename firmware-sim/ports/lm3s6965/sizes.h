/* sizes.h - the demonstration on an LM3S6965: a chip with memory to spare, so frames of middle size. */
enum {
    BOARD_PAYLOAD = 256, /* bytes of a DATA frame */
    BOARD_WINDOW = 4,
    BOARD_STREAM = 1024,
    BOARD_CALLS = 8,
    BOARD_VALUE = 512,
    BOARD_LOSSY = 256,
    BOARD_RING = 1024,
    BOARD_CRC = IPFI_CRC_16 | IPFI_CRC_32,
    BOARD_SLEEPERS = 8,
    BOARD_CALLBACKS = 4
};
#define BOARD_BAUD 115200
