/* options.h - what of the library is compiled in.
 *
 * All of it is, unless you say otherwise, alike for every file that you compile: on the command line
 * (-DIPFI_WITH_LOSSY=0), or in a header of yours (-DIPFI_OPTIONS='"my_options.h"').  What is switched off is told to
 * the other end in the handshake, or refused as docs/protocol.md says.  docs/sizes.md has what each saves.
 * Each is a plain 0 or 1: it becomes part of a name (see the end). */
#ifndef IPFI_OPTIONS_H
#define IPFI_OPTIONS_H

#ifdef IPFI_OPTIONS
#include IPFI_OPTIONS
#endif

/* Counters for the program to look at, wire.stats: the library itself needs none.  Off: they are not there. */
#ifndef IPFI_WITH_COUNTERS
#define IPFI_WITH_COUNTERS 1
#endif

/* Lossy events (EVENT-3) and log lines.  Off: HELLO does not offer them, and ipfi_emit_lossy and ipfi_log send nothing. */
#ifndef IPFI_WITH_LOSSY
#define IPFI_WITH_LOSSY 1
#endif

/* Frames with CRC-32 (FRAME-6).  Off: IPFI_CRC_32 in a configuration is left out of HELLO. */
#ifndef IPFI_WITH_CRC32
#define IPFI_WITH_CRC32 1
#endif

/* Indices of 32 bits, which nobody needs (CALL-2, DESC-1) but an end may send.  Off: a message with an index above
 * 65535 is a bad message, as one above 4294967295 always is, and is skipped. */
#ifndef IPFI_WITH_LARGE_INDICES
#define IPFI_WITH_LARGE_INDICES 1
#endif

/* For a fast line, about half the cycles of a byte (docs/performance.md) for 1,400 bytes of flash: frames are read where
 * the port's ring holds them, CRC-16 has a table (but not on AVR), deadlines are looked at once a millisecond and not at each
 * poll; and what of yours made something to send without the library's knowing may wait for that millisecond.  -O2 goes well with it. */
#ifndef IPFI_FOR_SPEED
#define IPFI_FOR_SPEED 0
#endif

/* IPFI_ONLY_CONFIG, not defined by default: the name of your one ipfi_config_t, which is then not static.  The
 * compiler sees its values (with -flto, else its address); there can be one wire only, and ipfi_start or ipfi_init
 * must be given this very configuration. */

/* Files that are compiled with different options do not fit together: their structs differ.  So the two functions of
 * which every program calls one have names that tell the options, and a program with other options than the library's
 * is not linked: "undefined reference to `ipfi_start_with_counters_1_lossy_0_...'" names the program's. */
#define IPFI_WITH_OPTIONS_(name, counters, lossy, crc32, large, speed, refusals) \
    name##_with_counters_##counters##_lossy_##lossy##_crc32_##crc32##_large_indices_##large \
    ##_for_speed_##speed##_refusals_##refusals
#define IPFI_WITH_VALUES_(name, ...) IPFI_WITH_OPTIONS_(name, __VA_ARGS__)
#define IPFI_NAME_(name) \
    IPFI_WITH_VALUES_(name, IPFI_WITH_COUNTERS, IPFI_WITH_LOSSY, IPFI_WITH_CRC32, IPFI_WITH_LARGE_INDICES, \
                      IPFI_FOR_SPEED, IPFI_REFUSALS)
#define ipfi_init IPFI_NAME_(ipfi_init)
#define ipfi_start IPFI_NAME_(ipfi_start)

#endif
