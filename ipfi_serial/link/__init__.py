"""Frames that may be lost in, an exactly-once byte stream out; docs/protocol.md section 3."""
