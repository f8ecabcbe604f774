/* The receive ring, and the state table. */
#include "check.h"
#include "link.h"

static void check_order_and_overruns(void)
{
    volatile uint8_t bytes[8];
    uint8_t out[16];
    ipfi_ring_t ring;
    ipfi_ring_init(&ring, bytes, sizeof bytes);
    for (uint8_t turn = 0; turn < 50; turn++) {
        for (uint8_t i = 0; i < 5; i++) { ipfi_ring_put(&ring, (uint8_t)(turn + i)); }
        CHECK(ipfi_ring_take(&ring, out, 3) == 3 && out[0] == turn && out[2] == turn + 2);
        CHECK(ipfi_ring_take(&ring, out, sizeof out) == 2 && out[1] == turn + 4);
    }
    CHECK(ring.overruns == 0);
    for (uint8_t i = 0; i < 10; i++) { ipfi_ring_put(&ring, i); }
    CHECK(ring.overruns == 3);
    CHECK(ipfi_ring_take(&ring, out, sizeof out) == 7 && out[6] == 6);
}

void test_ring(void)
{
    check_order_and_overruns();
}

/* Every pair of the table: a legal one leads to a state, an illegal one nowhere. */
void test_states(void)
{
    int legal = 0;
    for (int state = IPFI_CLOSED; state <= IPFI_ESTABLISHED; state++) {
        CHECK(ipfi_link_next_state(state, IPFI_IN_CLOSE) == IPFI_CLOSED);
        for (int input = 0; input < IPFI_INPUTS; input++) {
            const int next = ipfi_link_next_state(state, input);
            CHECK(next >= -1 && next <= IPFI_ESTABLISHED);
            if (next >= 0) { legal++; }
        }
    }
    CHECK(legal == 19);
    CHECK(ipfi_link_next_state(IPFI_LISTENING, IPFI_IN_ENTERED) == IPFI_ESTABLISHED);
    CHECK(ipfi_link_next_state(IPFI_CLOSED, IPFI_IN_ENTERED) == -1);
}
