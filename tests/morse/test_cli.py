"""``ipfi morse``: encode, decode, listen and call; the picture and the view."""

from __future__ import annotations

import io
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest

from ipfi_serial import Interface, connect
from ipfi_serial.cli import demo_morse, main, morse_listen
from ipfi_serial.cli.morse_dissect import picture_of, reading_of
from ipfi_serial.cli.morse_encode import units_of_text
from ipfi_serial.cli.morse_heard import UNHEARD, HeardFrames
from ipfi_serial.cli.morse_listen import open_morse
from ipfi_serial.cli.morse_sound import sound_of, write_wav
from ipfi_serial.cli.morse_view import WIDTH, View, eye, lines_of, scale, trace
from ipfi_serial.framing.crc import CRC16, CRC32
from ipfi_serial.framing.frame import encode_frame
from ipfi_serial.link.parameters import FrameType
from ipfi_serial.morse.alphabet import alphabet_named
from ipfi_serial.morse.keying import edge_times
from ipfi_serial.morse.recording import frames_of
from ipfi_serial.transport import open_transport
from ipfi_serial.transport.morse import MorseTransport
from tests.morse.keyed import FRAME, UNIT_S, decoder, keyed, read

pytest.importorskip("numpy", reason="no numpy: pip install 'ipfi-serial[morse]'")
FAST = "wpm=24000"


@pytest.fixture
def name() -> str:
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def served(name: str) -> Iterator[str]:
    table = Interface()
    table.procedure(1, "add")(lambda a, b: a + b)
    with connect(f"morse:sim:{name}?{FAST}&seed=1", table, role="device"):
        yield f"morse:sim:{name}?{FAST}&seed=2"


def test_encode_shows_dots_and_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["morse", "encode", "sos e"]) == 0
    assert capsys.readouterr().out == "... --- ... / .\n"


def test_encode_tells_programs_how_long_it_lasts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "morse", "encode", "PARIS", "--wpm", "12"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["units"], told["seconds"]) == (50, 5.0)


@pytest.mark.parametrize("alphabet", ["itu", "compact"])
def test_what_encode_writes_decode_reads(
    alphabet: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wav, picture = str(tmp_path / "x.wav"), tmp_path / "x.svg"
    options = ["--alphabet", alphabet]
    assert main(["morse", "encode", *options, "--wpm", "60", "--frame", "hello", "--wav", wav]) == 0
    capsys.readouterr()
    assert main(["morse", "decode", *options, wav, "--picture", str(picture)]) == 0
    heard = capsys.readouterr()
    assert heard.out == "hello\n"
    assert "frame of 14 bytes, CRC-32 holds; unit 20 ms, margin 1.0" in heard.err
    assert "CRC-32" in picture.read_text()


def test_compact_without_a_frame_carries_text_without_a_crc(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wav = str(tmp_path / "x.wav")
    assert main(["morse", "encode", "--alphabet", "compact", "--wav", wav, "hi"]) == 0
    main(["morse", "decode", "--alphabet", "compact", wav])
    heard = capsys.readouterr()
    assert heard.out.endswith("hi\n")
    assert "no CRC holds" in heard.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["encode", " "], "no text"),
        (["encode", "a#"], "no Morse code for '#'"),
        (["encode", "--alphabet", "compact", "a\0b"], "zero byte"),
        (["encode", "a", "--picture", "/nowhere/x.svg"], "there is no folder /nowhere"),
        (["encode", "a", "--wav", "/nowhere/x.wav"], "there is no folder /nowhere"),
        (["encode", "a", "--wav", "/dev"], "it is a folder"),
        (["decode", "/nowhere/x.wav"], "/nowhere/x.wav: no such file"),
        (["decode", "/dev"], "it is a folder"),
        (["decode", "/dev/null"], "/dev/null: no WAV file of PCM samples"),
        (["decode", "/dev/null", "--picture", "/nowhere/x.svg"], "there is no folder /nowhere"),
        (["listen", "loopback:x"], "is no Morse line"),
        (["listen", "morse:sim:"], "needs a name"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["morse", *words]) == 2
    told = capsys.readouterr()
    assert told.out == "", "what cannot be done is known before anything is"
    (line,) = told.err.splitlines()
    assert message in line


@pytest.mark.parametrize(
    "words", [["morse", "encode", "SOS", "--wav", "{}"], ["demo", "--morse", "--wav", "{}"]]
)
def test_without_numpy_a_sound_is_refused_before_anything_is_done(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "numpy", None)
    sound = tmp_path / "x.wav"
    assert main([word.format(sound) for word in words]) == 2
    told = capsys.readouterr()
    assert (told.out, sound.exists()) == ("", False)
    assert told.err == "ipfi: sound needs numpy: pip install 'ipfi-serial[morse]'\n"


def test_a_file_to_decode_is_looked_for_before_numpy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert main(["morse", "decode", "nope.wav"]) == 2
    assert capsys.readouterr().err == "ipfi: nope.wav: no such file\n"


def test_a_place_for_the_sound_of_the_demo_is_checked_before_it_begins(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["demo", "--morse", "--wav", "/nowhere/x.wav"]) == 2
    assert capsys.readouterr().out == ""
    assert main(["demo", "--wav", "x.wav"]) == 2
    assert "--morse --wav" in capsys.readouterr().err


def test_decode_says_when_it_hears_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    from ipfi_serial.cli.morse_sound import write_wav

    write_wav(tmp_path / "x.wav", np.zeros(20000, "<i2"))
    assert main(["morse", "decode", str(tmp_path / "x.wav")]) == 1
    assert "no Morse was heard" in capsys.readouterr().err


def test_listen_shows_frames_in_plain_lines(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    endpoint = f"morse:sim:{name}?{FAST}"
    with closing(open_transport(endpoint)) as line:
        stopped = threading.Event()

        def send() -> None:
            while not stopped.wait(0.05):
                line.write(encode_frame(b"\x89\0\0\0hi", CRC32))

        thread = threading.Thread(target=send)
        thread.start()
        code = main(["morse", "listen", endpoint, "--count", "2", "--timeout", "20"])
        stopped.set()
        thread.join()
    assert code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("89 00 00 00 68 69  (readable: unit 0.05 ms")


def test_listen_ends_after_its_time_and_describes_the_line(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["morse", "listen", f"morse:sim:{name}", "--timeout", "0.1"]) == 0
    assert "no edge was ever heard" in capsys.readouterr().err
    assert main(["morse", "listen", f"morse:sim:{name}", "--timeout", "0.1", "--count", "1"]) == 4


def test_call_calls(served: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["morse", "call", served, "1", "40", "2"]) == 0
    assert capsys.readouterr().out == "42\n"


# --- sessions of others (FRAME-10) ---


@pytest.fixture
def conversation(name: str) -> tuple[list[float], list[float]]:
    """What the host and the device of a session with one call have keyed."""
    table = Interface()
    table.procedure(1, "add")(lambda a, b: a + b)
    ends = [open_transport(f"morse:sim:{name}?{FAST}&seed={seed}") for seed in (1, 2)]
    host, device = (end for end in ends if isinstance(end, MorseTransport))
    host.source.record()
    device.source.record()
    with connect(device, table, role="device"), connect(host) as wire:
        assert wire.call(1, 40, 2) == 42
    return host.source.recorded, device.source.recorded


def frames_in_order(*ends: list[float]) -> list[bytes]:
    """Return the frames of all ends in the order in which they began."""
    alphabet = alphabet_named("compact")
    found = [frame for edges in ends for frame in frames_of(edges, alphabet)]
    return [bytes(frame.data) for frame in sorted(found, key=lambda frame: frame.begin_s)]


def keyed_in_turn(frames: list[bytes], start_s: float, unit_s: float) -> list[float]:
    """Return the edges of frames that follow each other on one line."""
    edges: list[float] = []
    for frame in frames:
        edges += keyed(frame, start_s=start_s, unit_s=unit_s)
        start_s = edges[-1] + 10 * unit_s
    return edges


def type_of(content: bytes | None) -> int | None:
    """Return the type byte of a good frame."""
    return content[0] if content else None


def test_a_recording_of_both_ends_of_a_session_is_read_from_its_handshake_on(
    conversation: tuple[list[float], list[float]],
) -> None:
    frames = frames_in_order(*conversation)
    reading = reading_of(keyed_in_turn(frames, 0.0, UNIT_S), "compact")
    assert [bytes(frame.data) for frame in reading.frames] == frames
    assert set(reading.crcs) == {"CRC-16", "CRC-32"}
    calls = [each for each in reading.contents if type_of(each) == FrameType.DATA]
    assert len(calls) >= 2, "the call and its answer"


def test_a_recording_of_the_end_that_answered_the_handshake_is_read(
    conversation: tuple[list[float], list[float]],
) -> None:
    _, device = conversation
    reading = reading_of(device, "compact")
    kinds = {type_of(content) for content in reading.contents}
    assert kinds >= {FrameType.HELLO_ACK, FrameType.DATA}
    assert None not in kinds


def test_frames_of_a_session_whose_handshake_is_not_in_the_recording_are_not_called_damaged(
    conversation: tuple[list[float], list[float]], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    host, _ = conversation
    reading = reading_of(host, "compact")
    assert set(reading.crcs) == {"CRC-16", "unknown"}, "HELLO and READY can be checked"
    assert reading.text == ""
    edges = keyed_in_turn(frames_in_order(host), 0.0, 0.02)
    write_wav(tmp_path / "x.wav", sound_of(edges, 0.02))
    words = ["--json", "morse", "decode", "--alphabet", "compact", str(tmp_path / "x.wav")]
    picture = tmp_path / "x.svg"
    assert main([*words, "--picture", str(picture)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["damaged"], told["unheard"]) == (0, reading.crcs.count("unknown"))
    assert "body and CRC" in picture.read_text()
    assert main(words[1:]) == 0
    assert f"bytes, {UNHEARD}; unit" in capsys.readouterr().err


@pytest.mark.parametrize("whole", [True, False])
def test_listen_follows_a_session_of_two_others_if_it_heard_the_handshake(
    whole: bool, conversation: tuple[list[float], list[float]], name: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    host, device = conversation
    frames = frames_in_order(host, device) if whole else frames_in_order(host)
    count = len(frames)
    endpoint = f"morse:sim:{name}-third?{FAST}"
    words = ["morse", "listen", endpoint, "--count", str(count), "--timeout", "60"]
    with closing(open_transport(endpoint)) as line:

        def replay() -> None:
            data = b"".join(frame + b"\0" for frame in frames)
            while data:
                data = data[line.write(data) :]
                time.sleep(0.005)  # two small frames wait at most (MORSE-15)

        thread = threading.Thread(target=replay)

        def open_and_replay(text: str) -> MorseTransport:
            third = open_morse(text)
            thread.start()  # what was said before was not heard
            return third

        monkeypatch.setattr(morse_listen, "open_morse", open_and_replay)
        code = main(words)
        thread.join()
    assert code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == count
    assert not any(each.startswith("damaged") for each in lines)
    assert any(each.startswith(UNHEARD) for each in lines) is not whole
    assert any(each.startswith(f"{FrameType.DATA:02x} ") for each in lines) is whole


def hello_ack(session: int, confirm: bytes) -> bytes:
    """Return the wire bytes of a HELLO_ACK that offers CRC-32."""
    fields = bytes(29) + session.to_bytes(2, "little") + bytes(4) + b"\1" + confirm
    return encode_frame(b"\x82" + fields, CRC16)[:-1]


def test_a_damaged_frame_of_a_session_that_was_heard_is_damaged() -> None:
    """FRAME-10; one of another session is none, and session 0 has the plain CRC."""
    frames = HeardFrames()
    data = bytes((FrameType.DATA, 7, 0, 0, 0)) + b"stream"
    seal = CRC32.for_session(b"conf")
    good = encode_frame(data, seal)[:-1]
    assert frames.judge(good).crc == "unknown"
    assert frames.judge(hello_ack(7, b"conf")).crc == "CRC-16"
    assert frames.judge(good).content == data
    assert frames.judge(good[:-6] + b"\x55" + good[-5:]).crc == "none"
    assert frames.judge(encode_frame(data, CRC32)[:-1]).crc == "none", "not sealed"
    other = bytes((FrameType.DATA, 8, 0, 0, 0)) + b"stream"
    assert frames.judge(encode_frame(other, seal)[:-1]).crc == "unknown"
    for plain in (CRC32, CRC16):
        assert frames.judge(encode_frame(b"\x89\0\0\0hi", plain)[:-1]).content is not None
    assert frames.judge(encode_frame(b"\x89\0\0\0hi", seal)[:-1]).crc == "none"


# --- the picture ---


@pytest.mark.parametrize(
    ("alphabet", "framed", "labels"),
    [
        ("itu", True, ["VVV", "02", "89", "training", "COBS", "type", "body", "CRC-32"]),
        ("compact", True, ["VVV", "02", "89", "training", "COBS", "type", "body", "CRC-32"]),
        ("itu", False, ["H", "E", "L", "O", "....", "letters"]),
        ("compact", False, ["VVV", "68", "65", "bytes"]),
    ],
)
def test_the_picture_marks_bits_frame_and_crc(
    alphabet: str, framed: bool, labels: list[str]
) -> None:
    edges = edge_times(units_of_text("hello", alphabet, framed=framed), 0.0, 0.06)
    root = ET.fromstring(picture_of(edges, alphabet, "a <title> & more"))  # noqa: S314 ours
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert set(labels) <= set(texts)
    assert "a <title> & more  " in (texts[0] or "")
    marks = sum(
        path.get("d", "").count("V") for path in root.iter("{http://www.w3.org/2000/svg}path")
    )
    assert marks >= len(edges)  # every edge is drawn


def test_marks_in_the_picture_stand_where_the_edges_are() -> None:
    edges = edge_times([1, 7], 0.0, 1.0)
    root = ET.fromstring(picture_of(edges, "itu", "E"))  # noqa: S314 ours
    (signal, *_) = root.iter("{http://www.w3.org/2000/svg}path")
    assert signal.get("d", "").count("V") == 2


# --- the view ---


def test_the_trace_shows_marks_of_the_last_64_units() -> None:
    own = decoder()
    edges = keyed()
    read(own, edges)
    shown = trace(own.quality, edges[-1] + 10 * UNIT_S)
    assert len(shown) == WIDTH
    assert shown.endswith("▁" * 9)
    assert "▀▀▀▁" in shown


def test_the_eye_is_open_at_1_3_and_7_units() -> None:
    own = decoder()
    read(own, keyed())
    shown = eye(own.quality)
    ruler = scale()
    assert shown[ruler.index("1")] != " "
    assert shown[ruler.index("3")] != " "
    assert shown[ruler.index("|")] == " "
    assert shown.strip()


def test_the_view_of_a_line_that_was_never_heard_is_empty_and_says_so() -> None:
    lines = lines_of(decoder().quality, [], 1.0)
    assert "no edge was ever heard" in lines[-1]
    assert "▀" not in lines[0]


class Terminal(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        """Say that somebody looks."""
        return True


def test_on_a_terminal_the_view_redraws_itself_and_shows_the_bytes(name: str) -> None:
    endpoint = f"morse:sim:{name}?{FAST}"
    out = Terminal()
    with closing(open_transport(endpoint)) as one, closing(open_transport(endpoint)) as two:
        assert isinstance(two, MorseTransport)
        with View(two.source, out):
            one.write(FRAME + b"\0")
            data, end_s = b"", time.monotonic() + 10.0
            while not data.endswith(b"\0") and time.monotonic() < end_s:
                data += two.read(0.5)
            while not out.getvalue() and time.monotonic() < end_s:  # drawn once: the end redraws it
                time.sleep(0.01)
    shown = out.getvalue()
    assert "bytes  05 85 A1 B2 FF" in shown
    assert "\x1b[5A" in shown
    assert "margin" in shown


def test_elsewhere_the_view_is_silent(name: str) -> None:
    out = io.StringIO()
    with closing(open_transport(f"morse:sim:{name}")) as line:
        assert isinstance(line, MorseTransport)
        with View(line.source, out):
            pass
    assert out.getvalue() == ""


# --- the demo ---


def test_the_demo_calls_the_board_by_morse_and_writes_the_conversation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import wave

    monkeypatch.setattr(demo_morse, "WPM", 24000.0)  # that of the program takes 9 s
    monkeypatch.setattr(demo_morse, "HEARD_WPM", 2400.0)
    wav = tmp_path / "demo.wav"
    assert main(["demo", "--morse", "--wav", str(wav)]) == 0
    shown = capsys.readouterr().out
    assert "+ add(40, 2)                     42 in" in shown
    assert "b'desserts'" in shown
    assert "'hello, board'" in shown
    with wave.open(str(wav), "rb") as file:
        assert file.getnframes() > 22050


def test_the_demo_tells_programs_what_happened(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_morse, "WPM", 24000.0)
    assert main(["--json", "demo", "--morse", "--seed", "3"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["lost"], told["seed"]) == (True, 0, 3)
