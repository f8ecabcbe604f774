/* transitions.h - included before link.c only: notes every look at the link's table of transitions.
 *
 * The library lets a port say how flash is read; link.c reads flash in one place, the table. */
#ifndef SIMULATION_TRANSITIONS_H
#define SIMULATION_TRANSITIONS_H

#include <string.h>

void simulation_transition(int state, int input);

#define IPFI_FLASH
#define IPFI_READ_FLASH(to, from, size) \
    (simulation_transition(state, input), (void)memcpy((to), (from), (size)))

#endif
