"""Sound out and sound in, and a decoder that is not ours."""

from __future__ import annotations

import shutil
import subprocess
import wave
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy", reason="no numpy: pip install 'ipfi-serial[morse]'")

from ipfi_serial.cli.failures import UsageError  # noqa: E402 behind the skip
from ipfi_serial.cli.morse_decode import read_sound  # noqa: E402
from ipfi_serial.cli.morse_encode import units_of_text  # noqa: E402
from ipfi_serial.cli.morse_sound import (  # noqa: E402
    SAMPLE_RATE_HZ,
    TONE_HZ,
    read_wav,
    sound_of,
    tone_of,
    write_wav,
)
from ipfi_serial.morse.alphabet import UNIT_WPM_S  # noqa: E402
from ipfi_serial.morse.keying import edge_times  # noqa: E402

TEXT = "CQ CQ DE IPFI = 0123456789 ABCDEF"


def sound(
    text: str = TEXT, wpm: float = 25.0, alphabet: str = "itu", *, framed: bool = False
) -> Any:
    unit_s = UNIT_WPM_S / wpm
    return sound_of(edge_times(units_of_text(text, alphabet, framed=framed), 0.0, unit_s), unit_s)


def multimon(path: Path) -> str:
    """Let multimon-ng read a WAV file; its samples are handed over raw, which needs no sox."""
    program = shutil.which("multimon-ng")
    if program is None:
        pytest.skip("no multimon-ng: install the package multimon-ng")
    with wave.open(str(path), "rb") as file:
        assert file.getframerate() == SAMPLE_RATE_HZ
        samples = file.readframes(file.getnframes())
    raw = path.with_suffix(".raw")
    raw.write_bytes(samples)
    command = [program, "-q", "-a", "MORSE_CW", "-t", "raw", str(raw)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
    return done.stdout.strip()


def test_multimon_ng_reads_a_text_letter_by_letter(tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    write_wav(path, sound(wpm=20.0))
    assert multimon(path) == TEXT


def test_multimon_ng_reads_a_frame_of_itu_as_vvv_and_hexadecimal_digits(tmp_path: Path) -> None:
    path = tmp_path / "frame.wav"
    write_wav(path, sound("hello", 20.0, framed=True))
    training, digits = multimon(path).split()[:2]
    assert training == "VVV"
    assert digits == "02890101" + "0A" + b"hello".hex().upper() + digits[-8:]


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    write_wav(path, sound())
    samples, rate_hz = read_wav(path)
    assert rate_hz == SAMPLE_RATE_HZ
    assert abs(tone_of(samples, rate_hz) - TONE_HZ) < 5
    assert read_sound(path, "itu")[1].text == TEXT


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0])
def test_a_tone_is_found_in_noise(noise: float, tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    clean = sound() / 32767
    draw = np.random.default_rng(1)
    loud = (clean + draw.normal(0, noise, len(clean))) / (1 + 4 * noise)
    write_wav(path, (loud * 32767).astype("<i2"))
    assert read_sound(path, "itu")[1].text == TEXT


@pytest.mark.parametrize("alphabet", ["itu", "compact"])
def test_a_framed_message_is_read_with_its_crc(alphabet: str, tmp_path: Path) -> None:
    path = tmp_path / "frame.wav"
    write_wav(path, sound("hello, world", 60.0, alphabet, framed=True))
    _, reading = read_sound(path, alphabet)
    assert reading.text == "hello, world"
    assert reading.crcs == ("CRC-32",)


def test_a_framed_message_that_is_damaged_is_not_taken_for_good(tmp_path: Path) -> None:
    path = tmp_path / "frame.wav"
    samples = sound("hello, world", 60.0, "compact", framed=True)
    middle = len(samples) // 2
    samples[middle : middle + 3000] = 0
    write_wav(path, samples)
    _, reading = read_sound(path, "compact")
    assert reading.contents == (None,)


@pytest.mark.parametrize(("width", "channels"), [(1, 1), (2, 2), (4, 1)])
def test_other_kinds_of_samples_are_read(width: int, channels: int, tmp_path: Path) -> None:
    path = tmp_path / "other.wav"
    samples = np.repeat(sound().astype(float) / 32767, channels)
    scaled = samples * 100 + 128 if width == 1 else samples * (2.0 ** (8 * width - 1) - 1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(scaled.astype({1: "u1", 2: "<i2", 4: "<i4"}[width]).tobytes())
    assert read_sound(path, "itu")[1].text == TEXT


def test_silence_and_files_of_another_kind_are_told(tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    write_wav(path, np.zeros(20000, "<i2"))
    assert read_sound(path, "itu")[1].text == ""
    path.write_bytes(b"no sound")
    with pytest.raises(UsageError, match="WAV file of PCM"):
        read_wav(path)
    with pytest.raises(UsageError, match="no such file"):
        read_wav(tmp_path / "none.wav")
    with pytest.raises(UsageError, match="No such file"):
        write_wav(tmp_path / "none" / "x.wav", np.zeros(2, "<i2"))
