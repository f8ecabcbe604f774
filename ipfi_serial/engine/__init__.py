"""Stream bytes in, calls, values and events out, and back; docs/protocol.md section 1."""
