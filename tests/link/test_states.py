"""The table of states: every row is taken by a real link, the document is what it generates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ipfi_serial.link import opening as opening_module
from ipfi_serial.link.states import TRANSITIONS, LinkInput, LinkState
from tests.harness.builds import replaces_parts
from tests.harness.links import new_link
from tests.link import make_states
from tests.link._frames import Puppet, ack, bye

S, I = LinkState, LinkInput  # noqa: E741 - as in the table
Row = tuple[LinkState, LinkInput]


def opened(*, active: bool) -> tuple[Puppet, bytes]:
    """Return an open link and its HELLO."""
    puppet = Puppet(new_link(active=active))
    (hello,) = puppet.open()
    return puppet, hello


def unconfirmed(*, active: bool) -> tuple[Puppet, bytes]:
    """Return a link that sends READY, and its READY."""
    puppet, hello = opened(active=active)
    puppet.answer(hello, 5)
    (said,) = puppet.hear()
    return puppet, said


def established(*, active: bool) -> Puppet:
    """Return a link in a session."""
    puppet, said = unconfirmed(active=active)
    puppet.say(ack(5, 0, echo=said[3]))
    return puppet


def enter(puppet: Puppet) -> None:
    """Let the puppet begin a session as initiator, outranking the link."""
    session = puppet.offer(floor=100)
    puppet.say(puppet.ready(session))


def low(puppet: Puppet) -> Puppet:
    """Let the puppet outrank the link, which would else insist on its own attempt."""
    puppet.own = replace(puppet.own, flags=1, nonce=0xFFFFFFFF)
    return puppet


def give_up_ready(puppet: Puppet) -> None:
    """Answer no READY."""
    while puppet.link.state is S.UNCONFIRMED:
        puppet.wait_until_due()


def answer_again(puppet: Puppet, hello: bytes) -> None:
    """Answer the same HELLO a second time."""
    puppet.answer(hello, 6)


def listening_answered() -> None:
    """LISTENING to UNCONFIRMED."""
    unconfirmed(active=False)


def unconfirmed_answered() -> None:
    """UNCONFIRMED to UNCONFIRMED."""
    puppet, hello = opened(active=True)
    puppet.answer(hello, 5)
    answer_again(puppet, hello)


SCENARIOS: dict[Row, Callable[[], object]] = {
    (S.CLOSED, I.OPEN): lambda: opened(active=True),
    (S.CLOSED, I.LISTEN): lambda: opened(active=False),
    (S.CLOSED, I.CLOSE): lambda: new_link().close(),
    (S.LISTENING, I.HELLO_ACKED): listening_answered,
    (S.LISTENING, I.PEER_READY): lambda: enter(opened(active=False)[0]),
    (S.LISTENING, I.CLOSE): lambda: opened(active=False)[0].link.close(),
    (S.CONNECTING, I.HELLO_ACKED): lambda: unconfirmed(active=True),
    (S.CONNECTING, I.PEER_READY): lambda: enter(low(opened(active=True)[0])),
    (S.CONNECTING, I.CLOSE): lambda: opened(active=True)[0].link.close(),
    (S.UNCONFIRMED, I.HELLO_ACKED): unconfirmed_answered,
    (S.UNCONFIRMED, I.CONFIRMED): lambda: established(active=True),
    (S.UNCONFIRMED, I.PEER_READY): lambda: enter(low(unconfirmed(active=True)[0])),
    (S.UNCONFIRMED, I.LOST_ACTIVE): lambda: give_up_ready(unconfirmed(active=True)[0]),
    (S.UNCONFIRMED, I.LOST_PASSIVE): lambda: give_up_ready(unconfirmed(active=False)[0]),
    (S.UNCONFIRMED, I.CLOSE): lambda: unconfirmed(active=True)[0].link.close(),
    (S.ESTABLISHED, I.PEER_READY): lambda: enter(established(active=True)),
    (S.ESTABLISHED, I.LOST_ACTIVE): lambda: established(active=True).say(bye(5, 1)),
    (S.ESTABLISHED, I.LOST_PASSIVE): lambda: established(active=False).say(bye(5, 1)),
    (S.ESTABLISHED, I.CLOSE): lambda: established(active=True).link.close(),
}


class Recorder(dict[Row, LinkState]):
    """The table, with a note of each row that is read."""

    def __init__(self) -> None:
        super().__init__(TRANSITIONS)
        self.taken: list[Row] = []

    def __getitem__(self, row: Row) -> LinkState:
        self.taken.append(row)
        return super().__getitem__(row)


@replaces_parts
@pytest.mark.parametrize("row", TRANSITIONS, ids=lambda row: f"{row[0].name}-{row[1].name}")
def test_every_row_of_the_table_is_taken(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """Section 3.3: the last step of its scenario takes exactly that row."""
    table = Recorder()
    monkeypatch.setattr(opening_module, "TRANSITIONS", table)
    SCENARIOS[row]()
    assert table.taken[-1] == row


def test_every_pair_that_is_not_in_the_table_is_illegal() -> None:
    """Section 3.3: 19 rows of 40 pairs."""
    pairs = {(state, happened) for state in S for happened in I}
    assert set(TRANSITIONS) == set(SCENARIOS)
    assert len(pairs) == 40
    assert len(TRANSITIONS) == 19
    for pair in pairs - set(TRANSITIONS):
        with pytest.raises(KeyError):
            TRANSITIONS[pair]


def test_every_state_can_be_reached_and_left() -> None:
    """Section 3.3."""
    assert set(TRANSITIONS.values()) == set(S)
    assert {state for (state, _), after in TRANSITIONS.items() if after is not state} == set(S)
    assert all(TRANSITIONS[state, I.CLOSE] is S.CLOSED for state in S)


def test_the_document_is_what_the_table_generates() -> None:
    """docs/states.md: run ``python -m tests.link.make_states`` after a change."""
    assert make_states.DOCUMENT.read_text(encoding="utf-8") == make_states.document()


def test_the_document_explains_every_state_and_input() -> None:
    """docs/states.md."""
    assert list(make_states.STATES) == list(S)
    assert list(make_states.INPUTS) == list(I)
