/* fuzz_receive.c - libFuzzer: any bytes into a wire, before and inside of a session (clang only).
 *
 * The first byte chooses the end (fuzz_begin); bit 6: there is a session before the bytes come; bit 7: they
 * come one at a time, a millisecond apart. */
#include "frame.h"
#include "fuzz_bench.h"
#include "link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IN_A_SESSION = 0x40, ONE_AT_A_TIME = 0x80 };

/* A session frame in an input is sealed for no session (FRAME-10), or all that stands behind a changed handshake would
 * be noise.  Returns the bytes of one that is sealed for the target's, 0 if these bytes are none. */
static size_t sealed(uint8_t wire[FUZZ_WIRE], const uint8_t *bytes, size_t size)
{
    uint8_t content[FUZZ_WIRE];
    ipfi_decoder_t decoder;
    ipfi_decoder_init(&decoder, content, sizeof content);
    for (size_t i = 0; i < size; i++) {
        if (ipfi_decode_byte(&decoder, bytes[i]) != IPFI_RX_FRAME || content[0] < IPFI_DATA) { continue; }
        uint16_t length = ipfi_frame_length(&decoder, IPFI_PROFILE_CRC16, 0);
        if (length == 0) { length = ipfi_frame_length(&decoder, IPFI_PROFILE_CRC32, 0); }
        return length == 0 ? 0 : fuzz_seal(wire, content, length);
    }
    return 0;
}

static void give(const uint8_t *bytes, size_t size, bool is_slow)
{
    if (!is_slow) {
        fuzz_give(bytes, size);
        fuzz_drain();
        return;
    }
    for (size_t i = 0; i < size; i++) {
        fuzz_give(bytes + i, 1);
        fuzz_pass_time(1);
    }
}

/* Frame by frame: what the target says to one of them is said before the next one comes. */
static void give_frames(const uint8_t *bytes, size_t size, bool is_slow)
{
    uint8_t wire[FUZZ_WIRE];
    size_t start = 0;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0 && i + 1 < size) { continue; }
        const size_t length = sealed(wire, bytes + start, i + 1 - start);
        if (length != 0) {
            give(wire, length, is_slow);
        } else {
            give(bytes + start, i + 1 - start, is_slow);
        }
        start = i + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) { return 0; }
    fuzz_begin(data[0]);
    if ((data[0] & IN_A_SESSION) != 0) { fuzz_exchange(); }
    give_frames(data + 1, size - 1, (data[0] & ONE_AT_A_TIME) != 0);
    fuzz_drain();
    fuzz_pass_time(7000); /* beyond patience */
    fuzz_end();
    return 0;
}
