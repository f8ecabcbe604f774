/* pins.c - a firmware for tests of the runner: what its pins and its UART do is known to the cycle. */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

/* PB5 follows PD2. */
ISR(INT0_vect)
{
    if ((PIND & _BV(2)) != 0) {
        PORTB |= _BV(5);
    } else {
        PORTB &= (uint8_t)~_BV(5);
    }
}

/* A byte comes back as it is. */
ISR(USART_RX_vect)
{
    UDR0 = UDR0;
}

int main(void)
{
    DDRB = _BV(1) | _BV(5);
    TCCR1A = _BV(COM1A0); /* OC1A, which is PB1, changes every 16000 cycles */
    OCR1A = 15999;
    TCCR1B = _BV(WGM12) | _BV(CS10);
    EICRA = _BV(ISC00); /* any edge */
    EIMSK = _BV(INT0);
    UCSR0A = _BV(U2X0); /* 115200 baud: 136 cycles a bit */
    UBRR0 = 16;
    UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0);
    sei();
    for (;;) { sleep_mode(); }
}
