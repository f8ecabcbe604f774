"""Tests of firmware that speaks IPFI: targets, a pytest plugin, and its report.

``docs/hil.md`` shows ten lines that test your own firmware.  This package imports nothing by
itself, so that pytest can always load its entry point, :mod:`ipfi_hil.plugin`.
"""
