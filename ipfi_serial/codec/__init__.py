"""Messages (ipfiBuF) and values (MessagePack).  docs/protocol.md, section 1."""
