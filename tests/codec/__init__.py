"""Tests of the codec layer."""
