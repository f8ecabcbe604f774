"""Virtual ports and loopback ends."""

from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from ipfi_serial.errors import PortBusyError, TransportError
from ipfi_serial.transport import open_transport
from ipfi_serial.transport.virtual import PtyTransport
from tests.transport.lines import (
    PATIENCE_S,
    count_descriptors,
    opened,
    read_exactly,
    start_python,
    wait_until,
)


def _open_pty(endpoint: str = "pty:") -> PtyTransport:
    transport = open_transport(endpoint)
    assert isinstance(transport, PtyTransport)
    return transport


def test_a_virtual_port_talks_to_whoever_opens_its_path() -> None:
    with _open_pty() as board, opened(board.path) as host:
        host.write(b"\x00\x03\n\r\x11\xff")
        assert read_exactly(board, 6) == b"\x00\x03\n\r\x11\xff"
        board.write(b"\x00\x04\r\n\x13\xff")
        assert read_exactly(host, 6) == b"\x00\x04\r\n\x13\xff"
        assert (board.bytes_per_s, host.bytes_per_s) == (None, None)


def test_what_is_written_before_anyone_opens_it_is_not_echoed_and_not_lost() -> None:
    with _open_pty() as board:
        board.write(b"early\n")
        assert board.read(0.01) == b""
        with opened(board.path) as host:
            assert read_exactly(host, 6) == b"early\n"


def test_a_virtual_port_outlives_the_programs_that_open_it() -> None:
    with _open_pty() as board:
        for text in (b"one", b"two"):
            with opened(board.path) as host:
                host.write(text)
                assert read_exactly(board, 3) == text
        assert board.read(0.01) == b""


def test_the_death_of_the_virtual_port_reaches_the_host_at_once() -> None:
    board = _open_pty()
    with opened(board.path) as host:
        board.close()
        for _ in range(2):
            with pytest.raises(TransportError, match="unplugged"):
                host.read(PATIENCE_S)
        with pytest.raises(TransportError):
            host.write(b"x")


def test_a_link_leads_to_the_port_and_goes_with_it(tmp_path: Path) -> None:
    link = tmp_path / "board"
    with _open_pty(f"pty:{link}") as board:
        assert str(link.readlink()) == board.path
        with opened(str(link)) as host:
            host.write(b"x")
            assert board.read(PATIENCE_S) == b"x"
            assert host.bytes_per_s is None
    assert not link.is_symlink()


def test_a_link_in_use_is_busy_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    link = tmp_path / "board"
    with _open_pty(f"pty:{link}"), pytest.raises(PortBusyError):
        open_transport(f"pty:{link}")
    link.symlink_to("/dev/pts/does-not-exist")
    with _open_pty(f"pty:{link}") as board:
        assert str(link.readlink()) == board.path


def test_a_link_of_a_program_that_was_killed_is_replaced(
    tmp_path: Path, mocker: MockerFixture
) -> None:
    """The system gives the number of its pty to the next one, so the old link leads to our own."""
    link = tmp_path / "board"
    ends = pty.openpty()
    link.symlink_to(os.ttyname(ends[1]))
    mocker.patch("pty.openpty", return_value=ends)
    with _open_pty(f"pty:{link}") as board:
        assert str(link.readlink()) == board.path == os.ttyname(ends[1])
        with opened(str(link)) as host:
            host.write(b"x")
            assert board.read(PATIENCE_S) == b"x"
    assert not link.is_symlink()


def test_a_link_that_another_program_serves_names_it(tmp_path: Path) -> None:
    link = tmp_path / "board"
    script = "import sys, time, ipfi_serial as i; w = i.connect(sys.argv[1], role='device')"
    script += "; time.sleep(99)"
    program = start_python(script, f"pty:{link}")
    try:
        wait_until(lambda: link.exists() or program.poll() is not None)
        with pytest.raises(PortBusyError, match=rf"which \S+ \({program.pid}\) serves"):
            open_transport(f"pty:{link}")
    finally:
        program.kill()
        program.wait()


def test_a_link_that_is_busy_says_how_to_go_on(tmp_path: Path) -> None:
    link = tmp_path / "board"
    with _open_pty(f"pty:{link}") as board, pytest.raises(PortBusyError) as caught:
        open_transport(f"pty:{link}")
    assert str(caught.value).startswith(f"pty: the link {link} leads to {board.path}, which this ")
    assert str(caught.value).endswith(f"remove the link: rm {link}")
    assert caught.value.holder is not None


def test_a_link_that_somebody_else_took_over_is_left_alone(tmp_path: Path) -> None:
    link = tmp_path / "board"
    with _open_pty(f"pty:{link}"):
        link.unlink()
        link.symlink_to("/elsewhere")
    assert str(link.readlink()) == "/elsewhere"


def test_a_link_where_a_file_is_fails_and_leaves_nothing_open(tmp_path: Path) -> None:
    before = count_descriptors()
    (tmp_path / "board").write_text("mine")
    with pytest.raises(TransportError, match="cannot make the link"):
        open_transport(f"pty:{tmp_path / 'board'}")
    assert count_descriptors() == before
    assert (tmp_path / "board").read_text() == "mine"


def test_two_loopback_ends_of_one_name_meet() -> None:
    with opened("loopback:meet") as one, opened("loopback:meet") as other:
        one.write(b"ping")
        assert other.read(PATIENCE_S) == b"ping"
        other.write(b"pong")
        assert one.read(PATIENCE_S) == b"pong"
        assert one.bytes_per_s is None
        assert one.endpoint == "loopback:meet"


def test_the_first_loopback_end_may_write_before_the_second_one_comes() -> None:
    with opened("loopback:early") as one:
        one.write(b"early")
        with opened("loopback:early") as other:
            assert other.read(PATIENCE_S) == b"early"


def test_a_third_loopback_end_is_refused() -> None:
    with opened("loopback:three"), opened("loopback:three"):
        with pytest.raises(PortBusyError, match="two ends"):
            open_transport("loopback:three")
        with opened("loopback:another"):
            pass


def test_loopback_names_do_not_mix() -> None:
    with opened("loopback:a") as one, opened("loopback:b") as other:
        one.write(b"x")
        assert other.read(0.0) == b""


def test_an_end_that_closes_breaks_the_pair_and_frees_the_name() -> None:
    one, other = open_transport("loopback:again"), open_transport("loopback:again")
    one.close()
    with pytest.raises(TransportError, match="other end closed"):
        other.read(PATIENCE_S)
    with opened("loopback:again") as third:
        other.close()  # of the old pair: the new one does not notice
        with opened("loopback:again") as fourth:
            third.write(b"new")
            assert fourth.read(PATIENCE_S) == b"new"


def test_a_loopback_end_that_nobody_met_leaves_no_trace() -> None:
    before = count_descriptors()
    open_transport("loopback:alone").close()
    assert count_descriptors() == before


def test_a_speed_may_be_given_to_a_line_that_has_none() -> None:
    with opened("loopback:paced?bps=960") as line:
        assert line.bytes_per_s == 960.0
