"""Tests of the framing layer."""
