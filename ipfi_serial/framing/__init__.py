"""Frames: COBS with a CRC between zero bytes.  docs/protocol.md, section 2."""
