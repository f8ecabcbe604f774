/* sizes.h - the demonstration on an RV32 with 16 KiB of RAM: frames of middle size, a long checksum. */
enum {
    BOARD_PAYLOAD = 128, /* bytes of a DATA frame */
    BOARD_WINDOW = 4,
    BOARD_STREAM = 512,
    BOARD_CALLS = 4,
    BOARD_VALUE = 256,
    BOARD_LOSSY = 128,
    BOARD_RING = 512,
    BOARD_CRC = IPFI_CRC_16 | IPFI_CRC_32,
    BOARD_SLEEPERS = 4,
    BOARD_CALLBACKS = 2
};
#define BOARD_BAUD 115200
