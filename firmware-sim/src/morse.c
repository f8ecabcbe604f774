/* morse.c - bytes in, marks and gaps out.  docs/morse.md. */
#include "morse.h"

#include "memory.h"

#define WHITENING_START 0xACE1u /* MORSE-5 */
#define WHITENING_TAPS 0xB400u
enum { WHITENING_BYTES = 1024, CHARACTER_GAP = 3 };

const uint8_t ipfi_morse_digits[16] = {63, 47, 39, 35, 33, 32, 48, 56, 60, 62, 5, 24, 26, 12, 2, 18};

/* Dots and their gaps, but of 8 intervals the 7th, a dash, and the 8th, the gap behind the letter. */
uint8_t ipfi_morse_preamble_units(uint8_t place)
{
    if (place == IPFI_MORSE_TRAINING - 1) {
        return IPFI_MORSE_WORD_GAP;
    }
    return (place & 7) >= 6 ? IPFI_MORSE_DASH : IPFI_MORSE_DOT;
}

uint8_t ipfi_morse_whiten(uint16_t *state, uint16_t *position)
{
    if (*position % WHITENING_BYTES == 0) {
        *state = WHITENING_START;
    }
    uint8_t mask = (uint8_t)(*state & 0xFF);
    for (uint8_t i = 0; i < 8; i++) {
        *state = (uint16_t)((*state >> 1) ^ ((*state & 1) != 0 ? WHITENING_TAPS : 0u));
    }
    (*position)++;
    return mask;
}

/* ---- queue ---- */

bool ipfi_morse_queue_put(ipfi_morse_queue_t *queue, uint8_t byte)
{
    uint8_t tail = queue->tail;
    if ((uint8_t)(tail - queue->head) >= IPFI_MORSE_QUEUE) {
        return false;
    }
    queue->bytes[tail % IPFI_MORSE_QUEUE] = byte;
    queue->tail = (uint8_t)(tail + 1);
    return true;
}

bool ipfi_morse_queue_take(ipfi_morse_queue_t *queue, uint8_t *byte)
{
    uint8_t head = queue->head;
    if (head == queue->tail) {
        return false;
    }
    *byte = queue->bytes[head % IPFI_MORSE_QUEUE];
    queue->head = (uint8_t)(head + 1);
    return true;
}

/* ---- keying ---- */

void ipfi_morse_keyer_init(ipfi_morse_keyer_t *keyer, ipfi_morse_alphabet_t alphabet)
{
    memset(keyer, 0, sizeof *keyer);
    keyer->alphabet = (uint8_t)alphabet;
}

bool ipfi_morse_put(ipfi_morse_keyer_t *keyer, uint8_t byte)
{
    return ipfi_morse_queue_put(&keyer->queue, byte);
}

static void load(ipfi_morse_keyer_t *keyer, uint8_t elements, uint8_t first)
{
    keyer->elements = elements;
    keyer->bit = first;
    while (first == 0x20 && keyer->bit > elements) { /* a digit: skip to the 1 in front */
        keyer->bit = (uint8_t)(keyer->bit >> 1);
    }
    if (first == 0x20) {
        keyer->bit = (uint8_t)(keyer->bit >> 1);
    }
}

/* Load the next character of the frame; false: the frame ends here. */
static bool load_next(ipfi_morse_keyer_t *keyer)
{
    uint8_t byte;
    if (keyer->second != 0) {
        load(keyer, ipfi_morse_digits[keyer->second & 15], 0x20);
        keyer->second = 0;
        return true;
    }
    if (!ipfi_morse_queue_take(&keyer->queue, &byte) || byte == 0) {
        return false;
    }
    if (keyer->alphabet == IPFI_MORSE_ITU) {
        load(keyer, ipfi_morse_digits[byte >> 4], 0x20);
        keyer->second = (uint8_t)(16 + (byte & 15));
    } else {
        load(keyer, (uint8_t)(byte ^ ipfi_morse_whiten(&keyer->white, &keyer->position)), 0x80);
    }
    return true;
}

static bool begin_frame(ipfi_morse_keyer_t *keyer)
{
    ipfi_morse_queue_t *queue = &keyer->queue;
    while (queue->head != queue->tail && queue->bytes[queue->head % IPFI_MORSE_QUEUE] == 0) {
        queue->head++; /* delimiters between frames */
    }
    keyer->in_frame = queue->head != queue->tail;
    keyer->in_gap = false;
    keyer->preamble = 0;
    keyer->position = 0;
    return keyer->in_frame;
}

uint8_t ipfi_morse_next(ipfi_morse_keyer_t *keyer)
{
    if (!keyer->in_frame && !begin_frame(keyer)) {
        return 0;
    }
    if (keyer->preamble < IPFI_MORSE_TRAINING) {
        uint8_t place = keyer->preamble++;
        uint8_t units = ipfi_morse_preamble_units(place);
        if (place == IPFI_MORSE_TRAINING - 1) {
            keyer->in_frame = load_next(keyer);
        }
        return (uint8_t)(units | ((place & 1) == 0 ? IPFI_MORSE_MARK : 0));
    }
    if (!keyer->in_gap) {
        keyer->in_gap = true;
        return (uint8_t)(((keyer->elements & keyer->bit) != 0 ? IPFI_MORSE_DASH : IPFI_MORSE_DOT) | IPFI_MORSE_MARK);
    }
    keyer->in_gap = false;
    keyer->bit = (uint8_t)(keyer->bit >> 1);
    if (keyer->bit != 0) {
        return IPFI_MORSE_DOT;
    }
    keyer->in_frame = load_next(keyer);
    return keyer->in_frame ? CHARACTER_GAP : IPFI_MORSE_WORD_GAP;
}
