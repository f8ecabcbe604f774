"""Bugs in the engine: calls, streams, cancellation, what is said of a lost call."""

from __future__ import annotations

from typing import Final

from tests.mutants.planting import Mutant

_ENGINE: Final = "ipfi_serial/engine/"

ENGINE_BUGS: Final = (
    Mutant(
        "tombstone-forgotten",
        "CALL-7",
        _ENGINE + "callee.py",
        "self._tombstones.add(call.key)",
        "pass",
        ("tests/engine/test_arguments.py tests/engine/test_cancel.py", "sim", "tests/engine"),
    ),
    Mutant(
        "grant-ignored",
        "STREAM-2",
        _ENGINE + "items.py",
        "            self.credit_bytes += more\n",
        "            pass\n",
        ("tests/engine/test_streams.py", "sim"),
    ),
    Mutant(
        "grant-not-given",
        "STREAM-3",
        _ENGINE + "caller.py",
        "        if call.state is OutgoingState.OPEN:\n            self._requests.grant(call)\n",
        "",
        ("tests/engine/test_streams.py", "sim"),
    ),
    Mutant(
        "stream-without-credit",
        "STREAM-2",
        _ENGINE + "items.py",
        "room = min(left, self.credit_bytes - self._sent_bytes)",
        "room = left",
        ("tests/engine/test_streams.py", "sim"),
    ),
    Mutant(
        "chunk-order",
        "STREAM-1",
        _ENGINE + "items.py",
        "self._items.append(Item(kind, terminator, payload))",
        "self._items.insert(max(0, len(self._items) - 1), Item(kind, terminator, payload))",
        ("tests/engine/test_streams.py", "sim", "tests/engine"),
    ),
    Mutant(
        "call-delivered-twice",
        "CALL-3",
        _ENGINE + "callee.py",
        "            self._events.append(CallReceived(call))\n",
        "            self._events.append(CallReceived(call))\n"
        "            if call.call % 7 == 6:\n"
        "                self._events.append(CallReceived(call))\n",
        ("tests/engine/test_calls.py", "sim", "tests/engine"),
    ),
    Mutant(
        "pair-in-use-taken-again",
        "CALL-2",
        _ENGINE + "caller.py",
        "while (procedure, index) in calls:",
        "while False:",
        ("tests/engine/test_calls.py", "tests/engine", "sim"),
    ),
    Mutant(
        "pair-free-too-early",
        "CALL-2",
        _ENGINE + "caller.py",
        "        if not self._requests.stop(call):\n            self._forget(call)",
        "        self._requests.stop(call)\n        self._forget(call)",
        ("tests/engine/test_cancel.py", "sim", "tests/engine"),
    ),
    Mutant(
        "cancel-forgotten",
        "CALL-8",
        _ENGINE + "requests.py",
        "if call.sent and self._cancels:",
        "if False:",
        ("tests/engine/test_cancel.py", "sim"),
    ),
    Mutant(
        "cancelled-said-not-executed",
        "CALL-8",
        _ENGINE + "callee.py",
        "running = call.state is IncomingState.RUNNING",
        "running = False",
        ("tests/engine/test_cancel.py", "sim", "tests/engine"),
    ),
    Mutant(
        "time-out-said-not-executed",
        "CALL-10",
        _ENGINE + "failures.py",
        '        "handler returns, or give it a longer timeout_s",\n'
        "        may_have_executed=call.handed_over,\n",
        '        "handler returns, or give it a longer timeout_s",\n'
        "        may_have_executed=False,\n",
        ("tests/engine/test_deadlines.py", "sim", "tests/engine"),
    ),
    Mutant(
        "lost-call-said-not-executed",
        "HS-12",
        _ENGINE + "caller.py",
        "error = reason.for_call(may_have_executed=call.handed_over)",
        "error = reason.for_call(may_have_executed=False)",
        ("tests/engine/test_sessions.py", "sim", "tests/engine"),
    ),
    Mutant(
        "deadline-forgotten",
        "CALL-10",
        _ENGINE + "caller.py",
        "        self._deadlines.add(call, len(self._calls) + slots.waiting)\n",
        "",
        ("tests/engine/test_deadlines.py", "sim"),
    ),
    Mutant(
        "size-not-limited",
        "CALL-6",
        _ENGINE + "callee.py",
        "        if size > self._config.max_message_bytes:\n",
        "        if False:\n",
        ("tests/engine/test_limits.py tests/engine/test_sizes.py", "tests/engine"),
    ),
    Mutant(
        "partial-calls-not-limited",
        "CALL-6",
        _ENGINE + "admission.py",
        "if not complete and self.receiving > config.max_partial_calls:",
        "if False:",
        ("tests/engine/test_limits.py", "tests/engine"),
    ),
    Mutant(
        "plain-answers-overtake",
        "CALL-9",
        _ENGINE + "callee.py",
        "            self._order.enter(call)\n",
        "            pass\n",
        ("tests/engine/test_handlers.py tests/engine/test_calls.py", "tests/engine"),
    ),
)
