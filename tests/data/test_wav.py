"""The spoken digits from small wav files."""

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from labkit.data.dataset import DataError
from labkit.data.wav import fsdd


def wav_bytes(sound: np.ndarray, rate: int = 8000, channels: int = 1, width: int = 2) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as out:
        out.setparams((channels, width, rate, 0, "NONE", ""))
        out.writeframes(sound.astype({1: "u1", 2: "<i2"}[width]).tobytes())
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path) -> Path:
    """Digits 0 to 9 of two speakers, indices 0, 4, 5 and 12; the sound of (digit, index) is its number repeated."""
    folder = tmp_path / "fsdd" / "recordings"
    folder.mkdir(parents=True)
    for digit in range(10):
        for speaker in ("ann", "bob"):
            for index in (0, 4, 5, 12):
                sound = np.full(100 + index, -100 * digit - index)
                (folder / f"{digit}_{speaker}_{index}.wav").write_bytes(wav_bytes(sound))
    return folder


def test_sounds_labels_and_the_published_split(tmp_path, folder):
    data = fsdd(root=tmp_path, samples=105)
    assert data.features.shape == (80, 1, 105)
    assert data.features.dtype == np.int16
    np.testing.assert_array_equal(data.labels, np.repeat(np.arange(10), 8))
    rows = [0, 1, 2, 3]  # digit 0 of ann, indices in numeric order
    np.testing.assert_array_equal(data.features[rows, 0, 0], [0, -4, -5, -12])
    np.testing.assert_array_equal((data.features[rows, 0] != 0).sum(axis=1), [0, 104, 105, 105])  # padded, cut
    assert set(data.splits["test"] % 4) == {0, 1}
    assert set(data.splits["train"] % 4) == {2, 3}
    assert not data.verified
    assert data.class_names == tuple("0123456789")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (wav_bytes(np.ones(50), rate=16000), "found 16000 Hz, 1 .* and 16 bit, expected 8000 Hz"),
        (wav_bytes(np.ones(50), width=1), "found 8000 Hz, 1 .* and 8 bit, expected 8000 Hz, 1 and 16"),
        (wav_bytes(np.ones(50), channels=2), "found 8000 Hz, 2 channel"),
        (wav_bytes(np.ones(50))[:-10], "ends at byte 134 with 90 bytes of sound, expected 100"),
        (wav_bytes(np.ones(50))[:20], r"cannot be read as a PCM wav file"),
        (wav_bytes(np.ones(0)), "with 0 bytes of sound"),
        (b"", r"cannot be read as a PCM wav file \(it ends at byte 0\)"),
        (b"OggS" + bytes(50), "does not start with RIFF id"),
        (wav_bytes(np.ones(50)).replace(b"\x10\0\0\0\1\0", b"\x10\0\0\0\3\0"), "unknown format: 3"),
    ],
    ids=["rate", "width", "channels", "cut sound", "cut header", "silent", "empty", "no wav", "float"],
)
def test_bad_sound(tmp_path, folder, content, sentence):
    (folder / "3_ann_0.wav").write_bytes(content)
    with pytest.raises(DataError, match=f"3_ann_0.wav: .*{sentence}"):
        fsdd(root=tmp_path)


def test_bad_name(tmp_path, folder):
    (folder / "three_ann_0.wav").write_bytes(wav_bytes(np.ones(5)))
    with pytest.raises(DataError, match=r"found the name 'three_ann_0.wav', expected <digit>_<speaker>_<index>.wav"):
        fsdd(root=tmp_path)


def test_empty_class(tmp_path, folder):
    for path in folder.glob("7_*"):
        path.unlink()
    with pytest.raises(DataError, match="found no sample of class '7'"):
        fsdd(root=tmp_path)


def test_no_test_part(tmp_path, folder):
    for path in [*folder.glob("*_0.wav"), *folder.glob("*_4.wav")]:
        path.unlink()
    with pytest.raises(DataError, match="no sample in the part 'test'"):
        fsdd(root=tmp_path)


def test_missing_and_empty_folder(tmp_path):
    with pytest.raises(DataError, match="recordings is missing: put the publisher's wav files there"):
        fsdd(root=tmp_path)
    (tmp_path / "fsdd" / "recordings").mkdir(parents=True)
    with pytest.raises(DataError, match=r"found no .wav file"):
        fsdd(root=tmp_path)
