/* pins.c - what the chip does to its pins, and what others do to them, each at its cycle. */
#include "runner.h"

#include <avr_ioport.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_PORT = 'B', PORTS = 3, BITS = 8, DRIVES = 65536 };

typedef struct {
    char name[3];
    avr_irq_t *irq;
    bool watched;
    bool level; /* as last reported */
} pin_t;

typedef struct {
    uint64_t cycle;
    pin_t *pin;
    bool level;
} drive_t;

static avr_t *avr;
static void (*report)(uint64_t cycle, const char *pin, bool level);
static pin_t pins[PORTS][BITS];
static drive_t drives[DRIVES]; /* sorted by cycle, from `next` on */
static size_t next, end;

static pin_t *find(const char *name)
{
    const unsigned port = (unsigned)(name[0] - FIRST_PORT), bit = name[0] != '\0' ? (unsigned)(name[1] - '0') : BITS;
    if (port >= PORTS || bit >= BITS || name[2] != '\0' || pins[port][bit].irq == NULL) { return NULL; }
    return &pins[port][bit];
}

static bool is_output(const pin_t *pin)
{
    avr_ioport_state_t state;
    if (avr_ioctl(avr, (uint32_t)AVR_IOCTL_IOPORT_GETSTATE(pin->name[0]), &state) != 0) { return false; }
    return (state.ddr >> (pin->name[1] - '0') & 1) != 0;
}

/* simavr calls this for what we drive, too, and when nothing has changed. */
static void changed(struct avr_irq_t *irq, uint32_t value, void *context)
{
    pin_t *const pin = context;
    const bool level = (value & 1) != 0;
    (void)irq;
    if (!pin->watched || level == pin->level || !is_output(pin)) { return; }
    pin->level = level;
    report(avr->cycle, pin->name, level);
}

static avr_cycle_count_t drive_due(avr_t *chip, avr_cycle_count_t when, void *context)
{
    (void)when;
    (void)context;
    while (next < end && drives[next].cycle <= chip->cycle) {
        const drive_t *const drive = &drives[next++];
        avr_raise_irq(drive->pin->irq, drive->level);
    }
    if (next == end) { next = end = 0; }
    return next < end ? drives[next].cycle : 0;
}

void pins_rearm(void)
{
    avr_cycle_timer_cancel(avr, drive_due, NULL);
    if (next == end) { return; }
    const uint64_t cycle = drives[next].cycle;
    avr_cycle_timer_register(avr, cycle > avr->cycle ? cycle - avr->cycle : 1, drive_due, NULL);
}

bool pins_drive(uint64_t cycle, const char *name, bool level)
{
    const drive_t drive = { cycle, find(name), level };
    if (drive.pin == NULL) { return false; }
    if (cycle <= avr->cycle) {
        avr_raise_irq(drive.pin->irq, level);
        return true;
    }
    if (end == DRIVES) {
        memmove(drives, drives + next, (end - next) * sizeof drives[0]);
        end -= next;
        next = 0;
    }
    if (end == DRIVES) { return false; }
    size_t at = end++;
    for (; at > next && drives[at - 1].cycle > cycle; at--) { drives[at] = drives[at - 1]; }
    drives[at] = drive;
    pins_rearm();
    return true;
}

bool pins_watch(const char *name)
{
    pin_t *const pin = find(name);
    if (pin == NULL) { return false; }
    pin->watched = true;
    pin->level = (pin->irq->value & 1) != 0;
    return true;
}

bool pins_begin(avr_t *chip, void (*edge)(uint64_t cycle, const char *pin, bool level))
{
    avr = chip;
    report = edge;
    for (int port = 0; port < PORTS; port++) {
        for (int bit = 0; bit < BITS; bit++) {
            pin_t *const pin = &pins[port][bit];
            pin->name[0] = (char)(FIRST_PORT + port);
            pin->name[1] = (char)('0' + bit);
            pin->irq = avr_io_getirq(avr, (uint32_t)AVR_IOCTL_IOPORT_GETIRQ(pin->name[0]), bit);
            if (pin->irq != NULL) { avr_irq_register_notify(pin->irq, changed, pin); }
        }
    }
    return pins[0][0].irq != NULL;
}
