"""Every requirement of the link has a test that cites it, and every citation is of one."""

from __future__ import annotations

from tests.link.requirements import cited_in, defined, table


def test_every_requirement_of_the_link_is_cited_by_a_test() -> None:
    """``python -m tests.link.requirements`` prints which."""
    assert len(defined()) >= 33
    without = [requirement for requirement, tests in table().items() if not tests]
    assert without == []


def test_no_test_cites_a_requirement_that_the_document_does_not_have() -> None:
    """A typing error would hide a gap."""
    assert set(table()) == set(defined())


def test_a_range_cites_all_of_it() -> None:
    """The table's own arithmetic."""
    cited = list(cited_in("HS-2, LINK-9 to LINK-11."))
    assert cited == ["HS-2", *(f"LINK-{number}" for number in (9, 10, 11))]
