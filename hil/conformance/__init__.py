"""The protocol's requirements, tried on a running firmware: any target, real or emulated.

``pytest hil/conformance --ipfi-target native``.  Every test cites what it checks by the marker
``ipfi_requirement``; the procedures are those of the demonstration board (docs/guide/cli.md).
"""
