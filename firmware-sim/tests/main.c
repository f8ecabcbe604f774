#include "check.h"

int failed_checks, passed_checks;

int main(void)
{
    test_frames();
    test_values();
    test_messages();
    test_ring();
    test_states();
    test_wires();
    test_poll();
    (void)printf("%d checks passed, %d failed\n", passed_checks, failed_checks);
    return failed_checks == 0 ? 0 : 1;
}
