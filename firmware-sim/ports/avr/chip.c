/* chip.c - the UART of the ATmega328P, with avr-gcc and avr-libc; core.c has the rest of the chip.
 *
 * Registers are those of the data sheet (DS40002061); the chapter is named at each block.
 * simavr runs it: ports/avr/host. */
#include "core.h"
#include "sizes.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <string.h>
#include <util/atomic.h>
#include <util/delay.h>

/* 19.10: clock / 8 / baud, rounded; 115200 becomes 117647, 2.1 % too fast, which 8N1 tolerates */
enum { BAUD_REGISTER = (F_CPU / 4 / BOARD_BAUD - 1) / 2 };

/* The transmitter holds one byte: the rest waits in a ring of its own, so that the line is busy whatever the
 * main loop does. */
enum { SEND_RING = IPFI_FOR_SPEED ? 64 : 16 }; /* a power of two: an index is cut to size */
static uint8_t send_bytes[SEND_RING];
static volatile uint8_t send_head, send_tail;
enum { UART_ON = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0) };

/* Both interrupts by hand: what avr-gcc makes of ipfi_ring_put takes 93 cycles where this takes 56, and at 500,000
 * baud they come every 320.  Z and one more register are all that they need; these wait in
 * the three general purpose I/O registers (8.5), which nothing else here uses and which take half as long as the stack.
 * Z is made of an index and a constant, and the index is won back from it by subtracting what was added. */
#define SAVE "out %[a], r24\n\tout %[b], r30\n\tout %[c], r31\n\tin r24, __SREG__\n\tpush r24\n\t"
#define RESTORE_AND_RETURN "pop r24\n\tout __SREG__, r24\n\tin r31, %[c]\n\tin r30, %[b]\n\tin r24, %[a]\n\treti\n\t"
#define SAVED [a] "I"(_SFR_IO_ADDR(GPIOR0)), [b] "I"(_SFR_IO_ADDR(GPIOR1)), [c] "I"(_SFR_IO_ADDR(GPIOR2))

/* ipfi_ring_put(&chip_ring, UDR0), and chip_lost_a_byte before it if the UART says so.  The place at `head` is always
 * free, so the byte is put there before it is known whether the ring has room for it. */
ISR(USART_RX_vect, ISR_NAKED)
{
    __asm__ volatile(SAVE
        "lds r24, %[status]\n\t" /* before the data, which moves on */
        "sbrc r24, %[overrun]\n\t"
        "rjmp 3f\n"
        "0:\tlds r24, %[data]\n\t"
#if IPFI_FOR_SPEED
        "tst r24\n\t"
        "breq 4f\n"
        "5:"
#endif
        "\tlds r30, %[head]\n\t"
        "ldi r31, 0\n\t"
        "subi r30, lo8(-(%[bytes]))\n\t"
        "sbci r31, hi8(-(%[bytes]))\n\t"
        "st Z, r24\n\t"
        "subi r30, lo8(%[bytes] - 1)\n\t"
        "cpi r30, %[size]\n\t"
        "brne 1f\n\t"
        "ldi r30, 0\n"
        "1:\tlds r24, %[tail]\n\t"
        "cp r24, r30\n\t"
        "breq 2f\n\t"
        "sts %[head], r30\n\t"
        RESTORE_AND_RETURN
        "2:\tlds r24, %[overruns]\n\t" /* the ring is full */
        "inc r24\n\t"
        "sts %[overruns], r24\n\t"
        RESTORE_AND_RETURN
        "3:\tlds r24, %[overruns]\n\t"
        "inc r24\n\t"
        "sts %[overruns], r24\n\t"
        "rjmp 0b\n"
#if IPFI_FOR_SPEED
        "4:\tldi r30, 1\n\t"
        "sts %[delimiter], r30\n\t"
        "rjmp 5b\n"
#endif
        ::SAVED, [status] "i"(_SFR_MEM_ADDR(UCSR0A)), [data] "i"(_SFR_MEM_ADDR(UDR0)), [overrun] "i"(DOR0),
#if IPFI_FOR_SPEED
        [delimiter] "i"(&chip_saw_delimiter),
#endif
        [head] "i"(&chip_ring.head), [tail] "i"(&chip_ring.tail), [overruns] "i"(&chip_ring.overruns),
        [bytes] "i"(chip_ring_bytes), [size] "M"(BOARD_RING));
}

/* Sends the next byte, and with the last one switches itself off. */
ISR(USART_UDRE_vect, ISR_NAKED)
{
    __asm__ volatile(SAVE
        "lds r30, %[tail]\n\t"
        "ldi r31, 0\n\t"
        "subi r30, lo8(-(%[bytes]))\n\t"
        "sbci r31, hi8(-(%[bytes]))\n\t"
        "ld r24, Z\n\t"
        "sts %[data], r24\n\t"
        "subi r30, lo8(%[bytes] - 1)\n\t"
        "andi r30, %[mask]\n\t"
        "sts %[tail], r30\n\t"
        "lds r24, %[head]\n\t"
        "cpse r24, r30\n\t"
        "rjmp 1f\n\t"
        "ldi r24, %[on]\n\t"
        "sts %[control], r24\n"
        "1:\t" RESTORE_AND_RETURN ::SAVED, [data] "i"(_SFR_MEM_ADDR(UDR0)), [control] "i"(_SFR_MEM_ADDR(UCSR0B)),
        [head] "i"(&send_head), [tail] "i"(&send_tail), [bytes] "i"(send_bytes), [mask] "M"(SEND_RING - 1), [on] "M"(UART_ON));
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

/* The bytes are not volatile, so that copying them may be quick; a block's beginning keeps them before it. */
static void sent_up_to(uint8_t head)
{
    ATOMIC_BLOCK(ATOMIC_FORCEON) /* the interrupt takes it for granted that there is something to send */
    {
        send_head = head;
        UCSR0B = UART_ON | _BV(UDRIE0);
    }
}

static uint8_t room_to_send(void)
{
    return (uint8_t)(send_tail - send_head - 1) % SEND_RING;
}

#if IPFI_FOR_SPEED
enum { BLOCK = SEND_RING / 2 }; /* what is worth a round of the main loop */

bool chip_uart_can_send(void)
{
    return room_to_send() >= BLOCK;
}

size_t chip_uart_write(const uint8_t *from, size_t size)
{
    const uint8_t room = room_to_send();
    if (room < BLOCK && room < size) { return 0; }
    const uint8_t taken = (uint8_t)(size < room ? size : room);
    const uint8_t head = send_head, to_end = (uint8_t)(SEND_RING - head);
    const uint8_t first = (uint8_t)(taken < to_end ? taken : to_end);
    memcpy(send_bytes + head, from, first);
    memcpy(send_bytes, from + first, (size_t)(taken - first));
    if (taken != 0) { sent_up_to((uint8_t)(head + taken) % SEND_RING); }
    return taken;
}
#else
bool chip_uart_can_send(void)
{
    return room_to_send() != 0;
}

void chip_uart_send(uint8_t byte)
{
    send_bytes[send_head] = byte;
    sent_up_to((uint8_t)(send_head + 1) % SEND_RING);
}
#endif

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
    if (chip_may_sleep(ring)) { core_sleep(); }
    sei();
}
