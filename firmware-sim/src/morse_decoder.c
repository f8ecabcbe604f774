/* morse_decoder.c - the times of edges in, bytes out.  docs/morse.md. */
#include "morse.h"

#include "memory.h"

enum {
    FRACTION = 256,     /* of a tick */
    SHORT_GAIN = 64,    /* an error moves the unit by a 64th of it, ... */
    LONG_GAIN = 16,     /* ... of a dash or character gap by a 16th ... */
    BIAS_GAIN = 128,    /* ... and the bias by a 128th                  */
    NUMBER_LIMIT = 512, /* 8 elements and the 1 in front                */
    NO_HALF = 0xFF,
    SHAPE = IPFI_MORSE_TRAINING - 1, /* intervals of VVV without the word gap        */
    SUM_SQUARES = 63,                /* of their units                               */
    SUM_SIGNED = 3,                  /* marks less gaps                              */
    DETERMINANT = 1440,              /* of the least squares: 63 * 23 - 3 * 3        */
    WORST_FIT = 72 /* mean error of a preamble, in 256ths of a unit: a deviation of 0.35 */
};

/* ---- looking for a preamble ---- */

void ipfi_morse_decoder_init(ipfi_morse_decoder_t *decoder, ipfi_morse_alphabet_t alphabet,
                             uint16_t unit_ticks)
{
    memset(decoder, 0, sizeof *decoder);
    decoder->alphabet = (uint8_t)alphabet;
    decoder->unit = (uint32_t)unit_ticks * FRACTION;
}

static void search(ipfi_morse_decoder_t *decoder)
{
    decoder->tracking = false;
    decoder->recent_count = 0;
}

/* Interval number `place` of the 24 remembered ones, the oldest first. */
static uint32_t recent(const ipfi_morse_decoder_t *decoder, uint8_t place)
{
    uint8_t at = (uint8_t)(decoder->recent_count + place);
    return decoder->recent[at % IPFI_MORSE_TRAINING];
}

static int32_t scaled(int32_t sum)
{
    return sum / DETERMINANT * FRACTION + sum % DETERMINANT * FRACTION / DETERMINANT;
}

/* Least squares of interval = unit * units + sign * bias over a preamble (MORSE-6). */
static bool fit(ipfi_morse_decoder_t *decoder)
{
    int32_t along = 0, across = 0;
    for (uint8_t i = 0; i < SHAPE; i++) {
        int32_t ticks = (int32_t)recent(decoder, i);
        along += ticks * ipfi_morse_preamble_units(i);
        across += (i & 1) == 0 ? ticks : -ticks;
    }
    int32_t unit = SHAPE * along - SUM_SIGNED * across;
    int32_t bias = SUM_SQUARES * across - SUM_SIGNED * along;
    if (unit < (int32_t)IPFI_MORSE_LEAST_TICKS * DETERMINANT) {
        return false;
    }
    decoder->unit = (uint32_t)scaled(unit);
    decoder->bias = scaled(bias);
    int32_t most = (int32_t)(decoder->unit / 5 * 3);
    return decoder->unit <= IPFI_MORSE_MOST_TICKS * FRACTION && decoder->bias < most && -decoder->bias < most;
}

static bool is_preamble(ipfi_morse_decoder_t *decoder)
{
    uint32_t last = recent(decoder, SHAPE);
    for (uint8_t i = 0; i < SHAPE; i++) { /* so that no sum below can overflow */
        if (recent(decoder, i) > 4 * IPFI_MORSE_MOST_TICKS || recent(decoder, i) >= last) {
            return false;
        }
    }
    if (last > 10 * IPFI_MORSE_MOST_TICKS || !fit(decoder)) {
        return false;
    }
    uint32_t unit = decoder->unit, errors = 0;
    for (uint8_t i = 0; i <= SHAPE; i++) {
        int32_t length = (int32_t)(recent(decoder, i) * FRACTION);
        length += (i & 1) == 0 ? -decoder->bias : decoder->bias;
        bool dash = length >= (int32_t)(2 * unit), is_long = length >= (int32_t)(5 * unit);
        if (i == SHAPE) {
            return is_long && length < (int32_t)(10 * unit) && errors / SHAPE < WORST_FIT * (unit / FRACTION);
        }
        if (is_long || dash != (ipfi_morse_preamble_units(i) == IPFI_MORSE_DASH)) {
            return false;
        }
        int32_t error = length - (int32_t)(ipfi_morse_preamble_units(i) * unit);
        errors += (uint32_t)(error < 0 ? -error : error);
    }
    return false;
}

static void begin_reading(ipfi_morse_decoder_t *decoder)
{
    uint32_t most = decoder->unit / 3, least = decoder->unit / 6; /* MORSE-8 */
    uint32_t dots = decoder->noise >= 51 ? 0 : decoder->unit - decoder->unit / FRACTION * decoder->noise * 5;
    decoder->spike = dots > most ? most : dots < least ? least : dots;
    decoder->tracking = decoder->is_first = true;
    decoder->inverted = !decoder->high;
    decoder->number = 1;
    decoder->half = NO_HALF;
    decoder->position = 0;
    decoder->worst = FRACTION;
    decoder->off = 0;
    decoder->count = 0;
    decoder->counters.preambles++;
}

/* ---- reading a frame ---- */

static void end_frame(ipfi_morse_decoder_t *decoder, bool whole)
{
    if (!ipfi_morse_queue_put(&decoder->queue, 0)) {
        decoder->queue.bytes[(uint8_t)(decoder->queue.tail - 1) % IPFI_MORSE_QUEUE] = 0;
        whole = false; /* the main loop was too slow */
    }
    if (decoder->count != 0) {
        uint32_t mean = decoder->off / decoder->count;
        decoder->noise = (uint8_t)((decoder->noise * 3u + (mean > 255 ? 255 : mean)) / 4);
    }
    decoder->counters.margin = whole ? (uint16_t)decoder->worst : 0;
    if (whole) {
        decoder->counters.frames++;
    } else {
        decoder->counters.damaged++;
    }
    search(decoder);
}

/* The value of a character, or -1. */
static int16_t value_of(const ipfi_morse_decoder_t *decoder)
{
    uint16_t number = decoder->number;
    if (decoder->alphabet == IPFI_MORSE_COMPACT) {
        return number >= 256 && number < NUMBER_LIMIT ? (int16_t)(number - 256) : -1;
    }
    for (uint8_t i = 0; i < 16; i++) {
        if (ipfi_morse_digits[i] == number) {
            return i;
        }
    }
    return -1;
}

static bool end_character(ipfi_morse_decoder_t *decoder)
{
    int16_t value = value_of(decoder);
    decoder->number = 1;
    if (value < 0) {
        return false;
    }
    if (decoder->alphabet == IPFI_MORSE_COMPACT) {
        value = (int16_t)(value ^ ipfi_morse_whiten(&decoder->white, &decoder->position));
    } else if (decoder->half == NO_HALF) {
        decoder->half = (uint8_t)value;
        return true;
    } else {
        value = (int16_t)(decoder->half << 4 | value);
        decoder->half = NO_HALF;
    }
    return value != 0 && ipfi_morse_queue_put(&decoder->queue, (uint8_t)value);
}

static void finish(ipfi_morse_decoder_t *decoder)
{
    bool whole = decoder->number == 1 || end_character(decoder);
    end_frame(decoder, whole && decoder->half == NO_HALF);
}

/* Follow the sender: what an interval deviates moves unit and bias (MORSE-7). */
static void follow(ipfi_morse_decoder_t *decoder, int32_t length, bool mark)
{
    int32_t unit = (int32_t)decoder->unit;
    bool is_long = length >= 2 * unit;
    int32_t error = length - (is_long ? 3 * unit : unit);
    int32_t near = is_long ? length - 2 * unit : 2 * unit - length;
    if (is_long && 5 * unit - length < near) {
        near = 5 * unit - length;
    }
    uint32_t margin = (uint32_t)near / (decoder->unit / FRACTION);
    uint32_t off = (uint32_t)(error < 0 ? -error : error) / (decoder->unit / FRACTION);
    decoder->worst = margin < decoder->worst ? margin : decoder->worst;
    decoder->off += off;
    decoder->count++;
    decoder->unit = (uint32_t)(unit + error / (is_long ? LONG_GAIN : SHORT_GAIN));
    decoder->bias += (mark ? error : -error) / BIAS_GAIN;
}

static void read_interval(ipfi_morse_decoder_t *decoder)
{
    bool mark = decoder->high != decoder->inverted;
    uint32_t ticks = decoder->end - decoder->start;
    int32_t length = 0, unit = (int32_t)decoder->unit;
    bool too_long = ticks > 8 * IPFI_MORSE_MOST_TICKS;
    if (!too_long) {
        length = (int32_t)(ticks * FRACTION) + (mark ? -decoder->bias : decoder->bias);
        too_long = length >= 5 * unit;
    }
    if (too_long && mark) {
        end_frame(decoder, false);
    } else if (too_long) {
        finish(decoder);
    } else {
        bool is_long = length >= 2 * unit;
        follow(decoder, length, mark);
        if (mark) {
            decoder->number = (uint16_t)(decoder->number << 1 | (is_long ? 1 : 0));
        }
        if ((!mark && is_long && !end_character(decoder)) || decoder->number >= NUMBER_LIMIT
            || decoder->unit < IPFI_MORSE_LEAST_TICKS * (uint32_t)FRACTION
            || decoder->unit > IPFI_MORSE_MOST_TICKS * FRACTION / 2 * 3) {
            end_frame(decoder, false);
        }
    }
}

void ipfi_morse_edge(ipfi_morse_decoder_t *decoder, uint32_t ticks, bool high)
{
    bool level = decoder->has_end ? !decoder->high : decoder->high;
    if (decoder->has_start && high == level) {
        decoder->counters.lost_edges++;
        ipfi_morse_forget(decoder);
    }
    if (!decoder->has_start) {
        decoder->start = ticks;
        decoder->has_start = true;
        decoder->high = high;
    } else if (!decoder->tracking) {
        decoder->recent[decoder->recent_count % IPFI_MORSE_TRAINING] = ticks - decoder->start;
        decoder->recent_count = (uint8_t)(decoder->recent_count + 1);
        if (decoder->recent_count >= 2 * IPFI_MORSE_TRAINING) {
            decoder->recent_count = IPFI_MORSE_TRAINING;
        }
        decoder->start = ticks;
        decoder->high = high;
        if (decoder->recent_count >= IPFI_MORSE_TRAINING && is_preamble(decoder)) {
            begin_reading(decoder);
        }
    } else if (!decoder->has_end) {
        decoder->end = ticks;
        decoder->has_end = true;
    } else if ((ticks - decoder->end) < decoder->spike / FRACTION) {
        decoder->has_end = false;
        decoder->counters.glitches++;
    } else if (decoder->is_first && decoder->end - decoder->start < decoder->spike / FRACTION) {
        decoder->start = ticks; /* a glitch in the word gap behind the preamble */
        decoder->has_end = false;
        decoder->counters.glitches++;
    } else {
        decoder->is_first = false;
        read_interval(decoder);
        decoder->start = decoder->end;
        decoder->end = ticks;
        decoder->high = !decoder->high;
        if (!decoder->tracking) { /* both intervals may belong to the next preamble */
            decoder->recent[0] = decoder->end - decoder->start;
            decoder->recent_count = 1;
            decoder->start = decoder->end;
            decoder->has_end = false;
            decoder->high = !decoder->high;
        }
    }
}

void ipfi_morse_silence(ipfi_morse_decoder_t *decoder, uint32_t ticks)
{
    if (!decoder->tracking) {
        return;
    }
    uint32_t last = decoder->has_end ? decoder->end : decoder->start;
    uint32_t bias = (uint32_t)(decoder->bias < 0 ? -decoder->bias : decoder->bias);
    if (ticks - last < (5 * decoder->unit + bias) / FRACTION + 1 || (ticks - last) >> 31 != 0) {
        return;
    }
    if (decoder->has_end) {
        read_interval(decoder);
        decoder->high = !decoder->high;
        decoder->has_end = false;
    }
    if (decoder->tracking && decoder->high != decoder->inverted) {
        end_frame(decoder, false); /* the key is held down */
    } else if (decoder->tracking) {
        finish(decoder);
    }
    decoder->has_start = false;
}

void ipfi_morse_forget(ipfi_morse_decoder_t *decoder)
{
    if (decoder->tracking) {
        end_frame(decoder, false);
    }
    search(decoder);
    decoder->has_start = decoder->has_end = false;
}

bool ipfi_morse_take(ipfi_morse_decoder_t *decoder, uint8_t *byte)
{
    return ipfi_morse_queue_take(&decoder->queue, byte);
}
