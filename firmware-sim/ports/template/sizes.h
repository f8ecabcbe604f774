/* sizes.h - how much of everything the demonstration has on your chip.  These numbers need 1.6 KiB of RAM with a stack of
 * 400 bytes; docs/sizes.md shows what others cost. */
enum {
    BOARD_PAYLOAD = 64, /* bytes of a DATA frame, 16 to 16384: the same each way                       */
    BOARD_WINDOW = 2,   /* frames on their way at once, 1 to 16                                        */
    BOARD_STREAM = 112, /* bytes of answers and events that wait: at least BOARD_PAYLOAD + 32          */
    BOARD_CALLS = 2,    /* calls served at once                                                        */
    BOARD_VALUE = 56,   /* largest arguments of a call; `counters` needs 30, `echo` as long as the text */
    BOARD_LOSSY = 32,   /* bytes of lossy events and log lines that wait                               */
    BOARD_RING = 128,   /* received bytes that the main loop has not looked at: at least 64; at
                           115200 baud 12 for each millisecond that your handlers take                 */
    BOARD_CRC = IPFI_CRC_16, /* | IPFI_CRC_32: two bytes more a frame, and no undetected error         */
    BOARD_SLEEPERS = 2, /* calls of `sleep` at once                                                    */
    BOARD_CALLBACKS = 1 /* calls of `callback` at once                                                 */
};
#define BOARD_BAUD 115200
