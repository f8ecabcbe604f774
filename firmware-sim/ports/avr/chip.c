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
enum { SEND_RING = 16 }; /* a power of two: an index is cut to size, which costs the interrupt a cycle */
static volatile uint8_t send_bytes[SEND_RING], send_head, send_tail;
enum { UART_ON = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0) };

ISR(USART_UDRE_vect)
{
    const uint8_t tail = send_tail;
    if (tail == send_head) {
        UCSR0B = UART_ON;
    } else {
        UDR0 = send_bytes[tail];
        send_tail = (uint8_t)(tail + 1) % SEND_RING;
    }
}

void chip_start(void)
{
    core_start();
    /* 19.10 USART0: double speed, 8N1 */
    UCSR0A = _BV(U2X0);
    UBRR0 = BAUD_REGISTER;
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = UART_ON;
    sei();
}

bool chip_uart_can_send(void)
{
    return (uint8_t)(send_head + 1) % SEND_RING != send_tail;
}

void chip_uart_send(uint8_t byte)
{
    send_bytes[send_head] = byte;
    send_head = (uint8_t)(send_head + 1) % SEND_RING;
    UCSR0B = UART_ON | _BV(UDRIE0);
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
