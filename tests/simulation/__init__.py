"""A deterministic simulator: two ends, one clock, one seed that decides everything.

``python -m tests.simulation --seeds 1000`` runs it; docs/reliability.md says what it proves.

With a constant nonce, whole late frames of an earlier life (HELLO, READY and DATA, all late) cannot
be told from new ones by any protocol whose ends remember nothing.  docs/protocol.md states the
assumption; in seeds with a constant nonce the buffer therefore drops READY frames when an end
reboots.
"""
