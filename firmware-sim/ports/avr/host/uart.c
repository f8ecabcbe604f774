/* uart.c - the serial line of the chip, in its own time.
 *
 * simavr 1.6 counts eleven bits for a byte in 8N1 and takes any number of unread bytes.  Here a byte takes what the
 * registers say, and the fourth unread one is lost, as on silicon: the receiver holds two and its shift
 * register a third (data sheet, 19.7). */
#include "runner.h"

DEFINE_FIFO(uint16_t, uart_fifo); /* of simavr: what waits in its receiver */

enum { UNREAD_MOST = 3 };

static uint32_t byte_cycles(const uart_line_t *line)
{
    static const uint8_t data_bits[8] = { 5, 6, 7, 8, 8, 8, 8, 9 };
    avr_t *const avr = line->avr;
    const avr_uart_t *const uart = line->uart;
    const uint32_t divisor = avr_regbit_get(avr, uart->ubrrl) | (uint32_t)avr_regbit_get(avr, uart->ubrrh) << 8;
    const uint32_t bit = (divisor + 1) * (avr_regbit_get(avr, uart->u2x) ? 8 : 16);
    const uint8_t size = (uint8_t)(avr_regbit_get(avr, uart->ucsz) | avr_regbit_get(avr, uart->ucsz2) << 2);
    const uint32_t parity = (avr->data[uart->r_ucsrc] & 0x30) != 0; /* UPM01, UPM00 */
    return bit * (1 + data_bits[size & 7] + parity + 1 + avr_regbit_get(avr, uart->usbs));
}

/* Not for UCSRnA, where a write is more than that: U2X is looked at again with each byte. */
static void settings_changed(avr_t *avr, avr_io_addr_t address, uint8_t value, void *context)
{
    uart_line_t *const line = context;
    avr->data[address] = value;
    line->uart->cycles_per_byte = byte_cycles(line);
}

/* ---- to the chip ---- */

static avr_cycle_count_t byte_begins(avr_t *avr, avr_cycle_count_t when, void *context)
{
    uart_line_t *const line = context;
    (void)when;
    if (line->in_head == line->in_tail) { return 0; }
    const timed_byte_t *const next = &line->in[line->in_tail % UART_QUEUE];
    const uint64_t due = next->cycle > line->in_free ? next->cycle : line->in_free;
    if (due > avr->cycle) { return due; }
    line->in_tail++;
    line->uart->cycles_per_byte = byte_cycles(line);
    line->in_free = avr->cycle + line->uart->cycles_per_byte;
    if (uart_fifo_get_read_size(&line->uart->input) >= UNREAD_MOST) {
        avr_regbit_set(avr, line->uart->dor);
        line->overruns++;
    } else {
        avr_raise_irq(line->irq + UART_IRQ_INPUT, next->byte); /* simavr tells the chip at the byte's end */
    }
    return line->in_head == line->in_tail ? 0 : line->in_free;
}

static void arm(avr_t *avr, uint64_t cycle, avr_cycle_timer_t timer, void *context)
{
    avr_cycle_timer_register(avr, cycle > avr->cycle ? cycle - avr->cycle : 1, timer, context);
}

size_t uart_room(const uart_line_t *line)
{
    return UART_QUEUE - (line->in_head - line->in_tail);
}

bool uart_feed(uart_line_t *line, uint64_t not_before, const uint8_t *bytes, size_t size)
{
    if (size > uart_room(line)) { return false; }
    const bool was_idle = line->in_head == line->in_tail;
    for (size_t i = 0; i < size; i++) {
        const timed_byte_t next = { not_before, bytes[i] };
        line->in[line->in_head++ % UART_QUEUE] = next;
    }
    if (was_idle && size > 0) { arm(line->avr, line->in_free > not_before ? line->in_free : not_before, byte_begins, line); }
    return true;
}

/* ---- from the chip ---- */

static avr_cycle_count_t byte_has_left(avr_t *avr, avr_cycle_count_t when, void *context)
{
    uart_line_t *const line = context;
    (void)when;
    while (line->out_head != line->out_tail) {
        const timed_byte_t *const next = &line->out[line->out_tail % UART_QUEUE];
        if (next->cycle > avr->cycle) { return next->cycle; }
        line->out_tail++;
        line->left(next->cycle, next->byte);
    }
    return 0;
}

/* The chip wrote to its data register. */
static void byte_written(struct avr_irq_t *irq, uint32_t value, void *context)
{
    uart_line_t *const line = context;
    const bool was_idle = line->out_head == line->out_tail;
    (void)irq;
    const uint64_t begin = line->out_free > line->avr->cycle ? line->out_free : line->avr->cycle;
    line->uart->cycles_per_byte = byte_cycles(line);
    line->out_free = begin + line->uart->cycles_per_byte;
    if (line->out_head - line->out_tail == UART_QUEUE) { return; } /* cannot be: two bytes fit into the chip */
    const timed_byte_t written = { line->out_free, (uint8_t)value };
    line->out[line->out_head++ % UART_QUEUE] = written;
    if (was_idle) { arm(line->avr, line->out_free, byte_has_left, line); }
}

void uart_rearm(uart_line_t *line)
{
    line->out_tail = line->out_head; /* a reset stops the transmitter in the middle of a byte */
    line->out_free = line->avr->cycle;
    if (line->in_head != line->in_tail) { arm(line->avr, line->in_free, byte_begins, line); }
}

bool uart_begin(uart_line_t *line, avr_t *avr, void (*left)(uint64_t cycle, uint8_t byte))
{
    uint32_t no_flags = 0; /* no printing, no sleeping */
    line->avr = avr;
    line->left = left;
    for (avr_io_t *io = avr->io_port; io != NULL; io = io->next) {
        if (io->kind[0] == 'u' && ((avr_uart_t *)io)->name == '0') { line->uart = (avr_uart_t *)io; }
    }
    line->irq = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    if (line->uart == NULL || line->irq == NULL) { return false; }
    (void)avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &no_flags);
    avr_irq_register_notify(line->irq + UART_IRQ_OUTPUT, byte_written, line);
    avr_register_io_write(avr, line->uart->ubrrl.reg, settings_changed, line);
    avr_register_io_write(avr, line->uart->r_ucsrc, settings_changed, line);
    return true;
}
