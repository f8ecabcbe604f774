"""A deterministic simulator: two ends, one clock, one seed that decides everything.

``python -m tests.simulation --seeds 1000`` runs it; docs/reliability.md says what it proves.

With a constant nonce, a life that answers a HELLO which an earlier life has answered, too, makes
the same session again: same id, same ``confirm``.  READY and DATA frames that are late from the
earlier life then cannot be told from new ones by any protocol whose ends remember nothing.
docs/protocol.md (HS-3) states the assumption that nonces differ; in seeds with a constant nonce all
frames of sessions that are under way or in a buffer are therefore lost when an end reboots.  HELLO
and HELLO_ACK are not.
"""
