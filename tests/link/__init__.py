"""Tests of the link: docs/protocol.md, section 3."""
