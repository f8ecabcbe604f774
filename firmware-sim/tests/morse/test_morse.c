/* Unit tests of the Morse codec, a program of its own: cc ... tests/morse/test_morse.c src/morse*.c */
#include "ipfi/morse.h"

#include <stdio.h>
#include <string.h>

static int failed, passed;
#define CHECK(condition) \
    do { \
        if (condition) { \
            passed++; \
        } else { \
            failed++; \
            (void)printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
        } \
    } while (0)

enum { UNIT = 1000, MOST_EDGES = 4096, MOST_BYTES = 128 };
static const uint8_t frame[] = {0x05, 0x85, 0xA1, 0xB2, 0xFF, 0x01, 0xC0, 0xFE, 0x00};

static uint32_t edges[MOST_EDGES];
static size_t edge_count;
static uint8_t heard[MOST_BYTES];
static size_t heard_count;
static ipfi_morse_decoder_t decoder;

/* The edges of a frame from `now` on; returns when its gap ends. */
static uint32_t key(ipfi_morse_alphabet_t alphabet, uint32_t now, uint32_t unit)
{
    ipfi_morse_keyer_t keyer;
    uint8_t next;
    edge_count = 0;
    ipfi_morse_keyer_init(&keyer, alphabet);
    for (size_t i = 0; i < sizeof frame; i++) {
        CHECK(ipfi_morse_put(&keyer, frame[i]));
    }
    while ((next = ipfi_morse_next(&keyer)) != 0) {
        edges[edge_count++] = now;
        now += (uint32_t)(next & ~IPFI_MORSE_MARK) * unit;
    }
    return now;
}

static void drain(void)
{
    while (heard_count < MOST_BYTES && ipfi_morse_take(&decoder, &heard[heard_count])) {
        heard_count++;
    }
}

static void listen(bool rising)
{
    heard_count = 0;
    for (size_t i = 0; i < edge_count; i++) {
        ipfi_morse_edge(&decoder, edges[i], (i % 2 == 0) == rising);
        drain();
    }
    ipfi_morse_silence(&decoder, edges[edge_count - 1] + 4 * UNIT);
    drain();
}

static bool is_frame(void)
{
    return heard_count == sizeof frame && memcmp(heard, frame, sizeof frame) == 0;
}

static void a_frame_is_read_as_it_was_keyed_in_both_alphabets_from_any_clock(void)
{
    static const uint32_t clocks[] = {700, 1000, 1300, 300, 16};
    for (int alphabet = 0; alphabet < 2; alphabet++) {
        for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
            ipfi_morse_decoder_init(&decoder, (ipfi_morse_alphabet_t)alphabet, UNIT);
            (void)key((ipfi_morse_alphabet_t)alphabet, 5000, clocks[i]);
            listen(true);
            ipfi_morse_silence(&decoder, edges[edge_count - 1] + 100 * UNIT);
            drain();
            CHECK(is_frame());
            CHECK(decoder.counters.frames == 1 && decoder.counters.damaged == 0);
            CHECK(decoder.counters.margin > 240);
        }
    }
}

static void time_may_wrap_round_in_mid_frame(void)
{
    ipfi_morse_decoder_init(&decoder, IPFI_MORSE_COMPACT, UNIT);
    (void)key(IPFI_MORSE_COMPACT, UINT32_MAX - 100 * UNIT, UNIT);
    listen(true);
    CHECK(heard_count == sizeof frame - 2); /* the last byte ends with the frame */
    ipfi_morse_silence(&decoder, edges[edge_count - 1] + 6 * UNIT);
    drain();
    CHECK(is_frame());
}

static void an_inverted_line_is_put_right(void)
{
    ipfi_morse_decoder_init(&decoder, IPFI_MORSE_ITU, UNIT);
    (void)key(IPFI_MORSE_ITU, 0, UNIT);
    listen(false);
    ipfi_morse_silence(&decoder, edges[edge_count - 1] + 6 * UNIT);
    drain();
    CHECK(is_frame() && decoder.inverted);
}

static void a_glitch_is_left_out(void)
{
    ipfi_morse_decoder_init(&decoder, IPFI_MORSE_COMPACT, UNIT);
    (void)key(IPFI_MORSE_COMPACT, 0, UNIT);
    size_t place = 60; /* behind the preamble */
    memmove(&edges[place + 3], &edges[place + 1], (edge_count - place - 1) * sizeof *edges);
    edges[place + 1] = edges[place] + 400;
    edges[place + 2] = edges[place] + 650;
    edge_count += 2;
    listen(true);
    ipfi_morse_silence(&decoder, edges[edge_count - 1] + 6 * UNIT);
    drain();
    CHECK(is_frame() && decoder.counters.glitches == 1);
}

static void a_lost_edge_and_a_held_key_damage_the_frame_and_the_next_is_read(void)
{
    ipfi_morse_decoder_init(&decoder, IPFI_MORSE_COMPACT, UNIT);
    uint32_t now = key(IPFI_MORSE_COMPACT, 0, UNIT);
    for (size_t i = 0; i < edge_count; i++) {
        if (i != 100) {
            ipfi_morse_edge(&decoder, edges[i], i % 2 == 0);
        }
    }
    CHECK(decoder.counters.lost_edges == 1 && decoder.counters.damaged == 1);
    drain();
    (void)key(IPFI_MORSE_COMPACT, now + 100 * UNIT, UNIT);
    edge_count = 101; /* the last one rises */
    listen(true);
    ipfi_morse_silence(&decoder, edges[100] + 6 * UNIT);
    drain();
    CHECK(heard[heard_count - 1] == 0 && decoder.counters.damaged == 2);
    now = key(IPFI_MORSE_COMPACT, now + 2000 * UNIT, UNIT);
    ipfi_morse_edge(&decoder, edges[0] - 50 * UNIT, false);
    listen(true);
    ipfi_morse_silence(&decoder, now);
    drain();
    CHECK(is_frame() && decoder.counters.frames == 1);
}

static void a_main_loop_that_takes_nothing_damages_the_frame_and_nothing_else(void)
{
    ipfi_morse_keyer_t keyer;
    uint32_t now = 0;
    bool high = true;
    uint8_t next, put = 0;
    ipfi_morse_keyer_init(&keyer, IPFI_MORSE_COMPACT);
    ipfi_morse_decoder_init(&decoder, IPFI_MORSE_COMPACT, UNIT);
    while (put < 60 && ipfi_morse_put(&keyer, 7)) {
        put++;
    }
    CHECK(put == IPFI_MORSE_QUEUE);
    for (uint8_t i = 0; i < 2; i++) {
        while ((next = ipfi_morse_next(&keyer)) != 0) {
            ipfi_morse_edge(&decoder, now, high);
            high = !high;
            now += (uint32_t)(next & ~IPFI_MORSE_MARK) * UNIT;
            while (put < 60 && ipfi_morse_put(&keyer, 7)) {
                put++;
            }
        }
    }
    CHECK(decoder.counters.damaged == 1);
    heard_count = 0;
    drain();
    CHECK(heard_count == IPFI_MORSE_QUEUE && heard[heard_count - 1] == 0);
}

static void noise_is_no_frame(void)
{
    uint32_t now = 0, random = 1;
    ipfi_morse_decoder_init(&decoder, IPFI_MORSE_COMPACT, UNIT);
    for (uint32_t i = 0; i < 200000; i++) {
        random = random * 1664525u + 1013904223u;
        now += random >> (i % 5 == 0 ? 8 : 20);
        ipfi_morse_edge(&decoder, now, i % 2 == 0);
        if (i % 16 == 0) {
            ipfi_morse_silence(&decoder, now);
        }
        heard_count = 0;
        drain();
    }
    CHECK(decoder.counters.frames == 0);
}

int main(void)
{
    a_frame_is_read_as_it_was_keyed_in_both_alphabets_from_any_clock();
    time_may_wrap_round_in_mid_frame();
    an_inverted_line_is_put_right();
    a_glitch_is_left_out();
    a_lost_edge_and_a_held_key_damage_the_frame_and_the_next_is_read();
    a_main_loop_that_takes_nothing_damages_the_frame_and_nothing_else();
    noise_is_no_frame();
    (void)printf("%d checks passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
