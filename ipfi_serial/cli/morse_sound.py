"""Edges as sound and sound as edges: a tone that is keyed, written to and read from WAV files.

Reading finds the tone by itself, also in noise.  Needs numpy (extra ``morse``).
"""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ipfi_serial.cli.failures import UsageError
from ipfi_serial.cli.morse_files import check_there

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[Any]

SAMPLE_RATE_HZ: Final = 22050  # multimon-ng's
TONE_HZ: Final = 600.0  # what telegraphers like to hear
MARGIN_S: Final = 1.0  # of silence before and after: a decoder needs it to end the last word
_RAMP_UNITS: Final = 0.1  # a tone that begins at once clicks
_MOST_RAMP_S: Final = 0.005
_LOUDNESS: Final = 0.7
_LOWEST_HZ, _HIGHEST_HZ = 150.0, 5000.0
_SPECTRUM_S: Final = 0.2  # length of a piece: tones are told apart to 5 Hz
_WINDOWS_S: Final = (0.0004, 0.001, 0.002, 0.004, 0.008, 0.016)  # of the envelope, tried in turn
_ROUNDS: Final = 8  # the threshold stands still after a few
_SCHMITT: Final = 0.15  # of the swing: noise about the threshold makes no edges


def numpy() -> Any:  # noqa: ANN401 the module
    """Return numpy.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import numpy as np
    except ImportError as error:
        raise UsageError("sound needs numpy: pip install 'ipfi-serial[morse]'") from error
    return np


def sound_of(edges_s: Sequence[float], unit_s: float, tone_hz: float = TONE_HZ) -> Samples:
    """Return the sound of marks, 16 bits a sample at 22,050 Hz.

    Args:
        edges_s: beginnings and ends of marks in turn, from 0 on.
        unit_s: length of a unit; it bounds how softly a tone begins.
        tone_hz: how high it is.
    """
    np = numpy()
    ramp_s = min(_MOST_RAMP_S, _RAMP_UNITS * unit_s)
    count = int((edges_s[-1] + 2 * MARGIN_S) * SAMPLE_RATE_HZ)
    time_s = np.arange(count) / SAMPLE_RATE_HZ - MARGIN_S
    places = np.searchsorted(edges_s, time_s, side="right")
    bounded = np.concatenate(([-1e9], edges_s, [1e9]))
    since_s, until_s = time_s - bounded[places], bounded[places + 1] - time_s
    rise = np.clip(np.minimum(since_s, until_s) / ramp_s, 0.0, 1.0)
    loud = np.where(places % 2 == 1, 0.5 - 0.5 * np.cos(np.pi * rise), 0.0)
    samples: Samples = loud * np.sin(2 * np.pi * tone_hz * time_s) * _LOUDNESS * 32767
    return samples.astype("<i2")


def conversation_of(ends: Sequence[Sequence[float]], unit_s: float) -> Samples:
    """Return the sound of several ends on one clock; each has a tone of its own.

    Args:
        ends: edges of each, in seconds from a common beginning.
        unit_s: length of a unit.
    """
    np = numpy()
    sounds = [
        sound_of(edges_s, unit_s, TONE_HZ * (1 + number / 3)) / len(ends)
        for number, edges_s in enumerate(ends)
        if edges_s
    ]
    mixed = np.zeros(max(map(len, sounds), default=0))
    for sound in sounds:
        mixed[: len(sound)] += sound
    samples: Samples = mixed.astype("<i2")
    return samples


def write_wav(path: Path, samples: Samples) -> None:
    """Write a WAV file of one channel.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        with path.open("wb") as raw, wave.open(raw) as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE_HZ)
            file.writeframes(samples.tobytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def read_wav(path: Path) -> tuple[Samples, float]:
    """Return the samples of a WAV file, from -1 to 1, channels mixed, and their rate in Hz.

    Raises:
        UsageError: it is none, or of a kind that this does not read.
    """
    check_there(path)
    np = numpy()
    try:
        with path.open("rb") as raw, wave.open(raw) as file:
            width, channels = file.getsampwidth(), file.getnchannels()
            rate_hz, data = file.getframerate(), file.readframes(file.getnframes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (EOFError, wave.Error) as error:
        why = f" ({error})" if str(error) else ""
        raise UsageError(f"{path}: no WAV file of PCM samples{why}") from error
    if width == 1:
        samples = np.frombuffer(data, "u1").astype(float) / 128 - 1
    elif width in (2, 4):
        samples = np.frombuffer(data, f"<i{width}").astype(float) / 2.0 ** (8 * width - 1)
    else:
        raise UsageError(f"{path}: samples of {8 * width} bits; 8, 16 and 32 are read")
    return samples.reshape(-1, channels).mean(axis=1), float(rate_hz)


def tone_of(samples: Samples, rate_hz: float) -> float:
    """Return the frequency of the strongest tone in Hz."""
    np = numpy()
    size = min(len(samples), int(_SPECTRUM_S * rate_hz))
    pieces = samples[: len(samples) // size * size].reshape(-1, size) * np.hanning(size)
    power = (np.abs(np.fft.rfft(pieces)) ** 2).mean(axis=0)
    tones = np.fft.rfftfreq(size, 1 / rate_hz)
    power[(tones < _LOWEST_HZ) | (tones > _HIGHEST_HZ)] = 0.0
    return float(tones[int(power.argmax())])


def edges_of(samples: Samples, rate_hz: float, window_s: float) -> list[float]:
    """Return when the tone begins and ends, in seconds, the first edge a beginning.

    Args:
        samples: of the sound.
        rate_hz: of the samples.
        window_s: over how long loudness is taken: longer holds against more noise, and blurs edges.
    """
    np = numpy()
    tone_hz = tone_of(samples, rate_hz)
    turns = np.exp(-2j * np.pi * tone_hz * np.arange(len(samples)) / rate_hz)
    size = max(1, int(max(window_s, 1 / tone_hz) * rate_hz))
    window = np.hanning(size + 2)[1:-1]
    loud = np.abs(np.convolve(samples * turns, window / window.sum(), "same"))
    quiet, full = np.percentile(loud, 5), np.percentile(loud, 99)
    middle = (quiet + full) / 2
    for _ in range(_ROUNDS):  # half-way between the mean of tones and that of silence
        quiet, full = loud[loud < middle].mean(), loud[loud >= middle].mean()
        middle = (quiet + full) / 2
    swing = _SCHMITT * (full - quiet)
    state = np.where(loud > middle + swing, 1, np.where(loud < middle - swing, 0, -1))
    known = np.where(state >= 0, np.arange(len(state)), 0)
    level = state[np.maximum.accumulate(known)]
    level[level < 0] = 0
    changes = np.flatnonzero(np.diff(level)) + 1
    if len(changes) and level[changes[0]] == 0:
        changes = changes[1:]
    return [float(each) for each in changes / rate_hz]


def windows_s() -> Sequence[float]:
    """Return the lengths of window to try, the shortest first."""
    return _WINDOWS_S
