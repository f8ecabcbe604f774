/* transitions.h - included before link.c only: notes every look at the link's table of transitions.
 *
 * link.c reads flash in one place, the table; a macro does not expand again within itself. */
#ifndef SIMULATION_TRANSITIONS_H
#define SIMULATION_TRANSITIONS_H

#include "flash.h"

void simulation_transition(int state, int input);

#define ipfi_flash_byte(from) (simulation_transition(state, input), ipfi_flash_byte(from))

#endif
