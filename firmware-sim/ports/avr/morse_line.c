/* morse_line.c - timer 1 keys and hears: chapter 15 of the data sheet. */
#include "morse_line.h"

#include "core.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <util/atomic.h>

enum { EDGES = 32 }; /* between interrupt and main loop: 32 units at the least */

static ipfi_morse_keyer_t keyer;
static ipfi_morse_decoder_t decoder;

/* ---- time ---- */

static volatile uint16_t rounds; /* of timer 1, 262 ms each */

ISR(TIMER1_OVF_vect)
{
    rounds++;
}

/* All of the time of which `low` is the timer's part; with interrupts off, and not long after. */
static uint32_t whole_time(uint16_t low)
{
    uint16_t high = rounds;
    if ((TIFR1 & _BV(TOV1)) != 0 && low < 0x8000) { high++; } /* it has wrapped round, and nobody counted yet */
    return (uint32_t)high << 16 | low;
}

static uint32_t time_now(void)
{
    uint32_t now;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { now = whole_time(TCNT1); }
    return now;
}

/* ---- keying: an interrupt at the end of each unit, also of idle ones ---- */

static uint16_t unit;
static uint8_t left; /* units of the interval in hand after this one */
static bool mark;    /* the level of the next unit, known before it begins: so each edge is equally late */

static void key(bool high)
{
    if (high) {
        PORTB |= _BV(PORTB1);
    } else {
        PORTB &= (uint8_t)~_BV(PORTB1);
    }
}

ISR(TIMER1_COMPA_vect)
{
    key(mark);
    OCR1A += unit;
    if (left != 0) {
        left--;
        return;
    }
    const uint8_t coming = ipfi_morse_next(&keyer); /* begins with the next unit */
    mark = (coming & IPFI_MORSE_MARK) != 0;
    if (coming != 0) { left = (uint8_t)((coming & ~IPFI_MORSE_MARK) - 1); }
}

size_t morse_line_write(void *context, const uint8_t *from, size_t size)
{
    size_t taken = 0;
    (void)context;
    while (taken < size && ipfi_morse_put(&keyer, from[taken])) { taken++; }
    return taken;
}

/* ---- hearing: the capture unit notes when ---- */

typedef struct {
    uint32_t ticks;
    bool high; /* the level behind it */
} edge_t;

static edge_t edges[EDGES];
static volatile uint8_t edge_head, edge_tail; /* next to take, next to put; they count on and wrap at 256 */
static volatile bool edges_lost;

static void put_edge(uint16_t low, bool high)
{
    const uint8_t tail = edge_tail;
    if ((uint8_t)(tail - edge_head) >= EDGES) {
        edges_lost = true;
        return;
    }
    edges[tail % EDGES] = (edge_t){ whole_time(low), high };
    edge_tail = (uint8_t)(tail + 1);
}

static bool is_high(void)
{
    return (PINB & _BV(PINB0)) != 0;
}

/* The capture unit waits for one direction at a time.  15.6.3: to choose the other one may look like an edge. */
static void wait_for_edge(bool high)
{
    TCCR1B = (uint8_t)(high ? TCCR1B | _BV(ICES1) : TCCR1B & ~_BV(ICES1));
    if ((TIFR1 & _BV(ICF1)) != 0) { TIFR1 = _BV(ICF1); }
}

ISR(TIMER1_CAPT_vect)
{
    const bool high = (TCCR1B & _BV(ICES1)) != 0;
    put_edge(ICR1, high);
    wait_for_edge(!high);
    if (is_high() != high) { /* a pulse so short that it has gone, or whose end came while we chose */
        put_edge(TCNT1, !high);
        wait_for_edge(high);
    }
}

static void hear(void)
{
    const uint32_t now = time_now(); /* before the edges: all that are older will have been handed in */
    bool lost;
    while (edge_head != edge_tail) {
        const edge_t edge = edges[edge_head % EDGES];
        edge_head++;
        ipfi_morse_edge(&decoder, edge.ticks, edge.high);
    }
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        lost = edges_lost;
        edges_lost = false;
    }
    if (lost) { ipfi_morse_forget(&decoder); } /* MORSE-13 */
    ipfi_morse_silence(&decoder, now);
}

size_t morse_line_read(void *context, uint8_t *to, size_t max)
{
    size_t taken = 0;
    (void)context;
    hear();
    while (taken < max && ipfi_morse_take(&decoder, &to[taken])) { taken++; }
    return taken;
}

/* ---- both ---- */

void morse_line_start(ipfi_morse_alphabet_t alphabet, uint16_t unit_ticks)
{
    unit = unit_ticks;
    ipfi_morse_keyer_init(&keyer, alphabet);
    ipfi_morse_decoder_init(&decoder, alphabet, unit_ticks);
    DDRB |= _BV(DDB1);
    OCR1A = unit_ticks;
    TCCR1A = 0; /* 15.9.1: counts on and wraps round */
    TCCR1B = (uint8_t)(_BV(CS11) | _BV(CS10) | (is_high() ? 0 : _BV(ICES1)));
    TIMSK1 = _BV(ICIE1) | _BV(OCIE1A) | _BV(TOIE1);
}

void morse_line_idle(void)
{
    cli();
    if (edge_head == edge_tail) { core_sleep(); }
    sei();
}
