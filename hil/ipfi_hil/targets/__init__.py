"""One module for each kind of target.  Each has ``make_target(board: Board) -> Target``.

They are imported when a target of that kind is asked for, and may need what is not installed:
``why_unavailable`` of the target says so, and nothing but ``start`` imports it.
"""
