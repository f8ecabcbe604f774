/* fuzz_receive.c - libFuzzer: any bytes into a wire, before and inside of a session (clang only).
 *
 * The first byte chooses the end (fuzz_begin); bit 6: there is a session before the bytes come; bit 7: they
 * come one at a time, a millisecond apart. */
#include "fuzz_bench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IN_A_SESSION = 0x40, ONE_AT_A_TIME = 0x80 };

/* Frame by frame: what the target says to one of them is said before the next one comes. */
static void give_frames(const uint8_t *bytes, size_t size)
{
    size_t start = 0;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0 && i + 1 < size) { continue; }
        fuzz_give(bytes + start, i + 1 - start);
        fuzz_drain();
        start = i + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) { return 0; }
    fuzz_begin(data[0]);
    if ((data[0] & IN_A_SESSION) != 0) { fuzz_exchange(); }
    if ((data[0] & ONE_AT_A_TIME) == 0) {
        give_frames(data + 1, size - 1);
    } else {
        for (size_t i = 1; i < size; i++) {
            fuzz_give(data + i, 1);
            fuzz_pass_time(1);
        }
    }
    fuzz_drain();
    fuzz_pass_time(7000); /* beyond patience */
    fuzz_end();
    return 0;
}
