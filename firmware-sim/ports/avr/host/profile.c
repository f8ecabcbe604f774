/* profile.c - where the processor's cycles go: by address, by interrupt, asleep.
 *
 * simavr charges nothing for entering an interrupt; the chip takes four cycles (data sheet, 7.7.1), which are added to
 * what an interrupt costs, and to its vector's address.  (They do not pass in the chip's time.) */
#include "runner.h"

#include <inttypes.h>
#include <string.h>

enum { RESPONSE = 4, FLASH_WORDS = 16384, VECTORS = 64 };

static struct {
    bool on;
    uint64_t busy, asleep;
    uint64_t off_since, off_longest; /* interrupts: 0 is "they are on" */
    uint64_t at[FLASH_WORDS];
    struct {
        uint64_t count, cycles, longest, since;
    } interrupts[VECTORS];
} profile;

bool profile_is_on(void) { return profile.on; }

void profile_begin(void)
{
    memset(&profile, 0, sizeof profile);
    profile.on = true;
}

void profile_slept(uint64_t cycles)
{
    profile.asleep += cycles;
}

static void note_interrupts_off(const avr_t *avr)
{
    if (avr->sreg[S_I] == 0) {
        if (profile.off_since == 0) { profile.off_since = avr->cycle; }
        return;
    }
    if (profile.off_since != 0 && avr->cycle - profile.off_since > profile.off_longest) {
        profile.off_longest = avr->cycle - profile.off_since;
    }
    profile.off_since = 0;
}

static void entered(uint8_t vector, uint64_t cycle)
{
    profile.interrupts[vector % VECTORS].since = cycle;
    profile.busy += RESPONSE;
    profile.at[vector * 2 % FLASH_WORDS] += RESPONSE; /* a vector has two words */
}

static void left(uint8_t vector, uint64_t cycle)
{
    if (profile.interrupts[vector % VECTORS].since == 0) { return; } /* entered before we looked */
    const uint64_t took = cycle - profile.interrupts[vector % VECTORS].since + RESPONSE;
    profile.interrupts[vector % VECTORS].count++;
    profile.interrupts[vector % VECTORS].cycles += took;
    if (took > profile.interrupts[vector % VECTORS].longest) { profile.interrupts[vector % VECTORS].longest = took; }
}

int profile_step(avr_t *avr)
{
    const uint64_t cycle = avr->cycle, asleep = profile.asleep;
    const uint32_t word = avr->pc / 2;
    const uint8_t depth = avr->interrupts.running_ptr;
    const uint8_t inner = depth > 0 ? avr->interrupts.running[depth - 1]->vector : 0;
    avr->run_cycle_limit = 1; /* one instruction */
    const int state = avr_run(avr);
    const uint64_t took = avr->cycle - cycle - (profile.asleep - asleep);
    profile.busy += took;
    profile.at[word % FLASH_WORDS] += took;
    if (avr->interrupts.running_ptr > depth) { entered(avr->interrupts.running[depth]->vector, avr->cycle); }
    if (avr->interrupts.running_ptr < depth) { left(inner, avr->cycle); }
    note_interrupts_off(avr);
    return state;
}

void profile_report(void)
{
    profile.on = false;
    for (uint32_t word = 0; word < FLASH_WORDS; word++) {
        if (profile.at[word] != 0) { control_report("at %" PRIu32 " %" PRIu64 "\n", word * 2, profile.at[word]); }
    }
    for (uint32_t vector = 0; vector < VECTORS; vector++) {
        if (profile.interrupts[vector].count == 0) { continue; }
        control_report("interrupt %" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", vector, profile.interrupts[vector].count,
                       profile.interrupts[vector].cycles, profile.interrupts[vector].longest);
    }
    control_report("spent %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", profile.busy, profile.asleep, profile.off_longest);
}
