/* chip.c - the UART of the ATmega328P, with avr-gcc and avr-libc; core.c has the rest of the chip.
 *
 * Registers are those of the data sheet (DS40002061); the chapter is named at each block.
 * simavr runs it: ports/avr/host. */
#include "core.h"
#include "sizes.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <util/delay.h>

/* 19.10: clock / 8 / baud, rounded; 115200 becomes 117647, 2.1 % too fast, which 8N1 tolerates */
enum { BAUD_REGISTER = (F_CPU / 4 / BOARD_BAUD - 1) / 2 };

ISR(USART_RX_vect)
{
    const uint8_t status = UCSR0A; /* before the data, which moves on */
    const uint8_t byte = UDR0;
    if ((status & _BV(DOR0)) != 0) { chip_lost_a_byte(); }
    chip_received(byte);
}

/* The transmitter holds one byte: the rest waits in a ring of its own, so that the line is busy whatever the
 * main loop does. */
enum { SEND_RING = 16 };
static volatile uint8_t send_bytes[SEND_RING];
static ipfi_ring_t send_ring;

ISR(USART_UDRE_vect)
{
    uint8_t byte;
    if (ipfi_ring_take(&send_ring, &byte, 1) != 0) {
        UDR0 = byte;
    } else {
        UCSR0B = (uint8_t)(UCSR0B & ~_BV(UDRIE0));
    }
}

void chip_start(void)
{
    core_start();
    ipfi_ring_init(&send_ring, send_bytes, SEND_RING);
    /* 19.10 USART0: double speed, 8N1 */
    UCSR0A = _BV(U2X0);
    UBRR0 = BAUD_REGISTER;
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0);
    sei();
}

bool chip_uart_can_send(void)
{
    const uint8_t next = (uint8_t)(send_ring.head + 1);
    return (next == SEND_RING ? 0 : next) != send_ring.tail;
}

void chip_uart_send(uint8_t byte)
{
    ipfi_ring_put(&send_ring, byte);
    UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0) | _BV(UDRIE0);
}

void chip_stall_deaf(uint32_t ms)
{
    cli();
    for (; ms > 0; ms--) {
        _delay_ms(1);
        core_count_ms(); /* the timer's interrupts are lost but for one */
    }
    sei();
}

void chip_idle(const ipfi_ring_t *ring)
{
    cli();
    if (ring->head == ring->tail) { core_sleep(); }
    sei();
}
