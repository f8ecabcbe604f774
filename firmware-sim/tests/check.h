/* check.h - a test harness of one macro: a failed check prints where, and the run fails at its end. */
#ifndef IPFI_CHECK_H
#define IPFI_CHECK_H

#include <stdio.h>

extern int failed_checks, passed_checks;

#define CHECK(condition) \
    do { \
        if (condition) { \
            passed_checks++; \
        } else { \
            failed_checks++; \
            (void)printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
        } \
    } while (0)

void test_frames(void);
void test_values(void);
void test_messages(void);
void test_ring(void);
void test_states(void);
void test_wires(void);
void test_poll(void);

#endif
