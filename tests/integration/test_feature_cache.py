import hashlib
import os
import resource
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from drawing import draw

from base.arrays import Float32Array
from base.runtime import keras
from imaging.decoding.decoder import DecodedBatch, Decoder
from model.card import Decode
from model.features.feature_cache import (
    KEY_FILE,
    SEGMENT_ROWS,
    FeatureCacheError,
    FeatureKey,
    FeatureStore,
)
from trainer.commands.cache import command as cache
from trainer.training.dataset import LabelledImages
from trainer.training.features import compute_features

DECODE = Decode(height=32, width=32)
BACKBONE = "ab" * 32
PATIENCE = 60.0


def key(*shape: int, **changes: Any) -> FeatureKey:
    return FeatureKey(**{"backbone": BACKBONE, "decode": DECODE, "shape": shape, **changes})


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def row(number: int, *shape: int) -> Float32Array:
    return np.random.default_rng(number).normal(size=shape).astype(np.float32)


def fill(store: FeatureStore, numbers: range) -> None:
    with store.writer() as writer:
        for number in numbers:
            writer.add(digest(number), row(number, *store.key.shape))


def sound(store: FeatureStore, numbers: range) -> list[int]:
    """The numbers whose rows were found; each is the very row that was kept."""
    rows, found = store.get([digest(number) for number in numbers])
    for number, one, there in zip(numbers, rows, found, strict=True):
        expected = row(number, *store.key.shape) if there else np.zeros(store.key.shape)
        assert np.array_equal(one, expected), number
    return [number for number, there in zip(numbers, found, strict=True) if there]


def segments(store: FeatureStore) -> list[Path]:
    return sorted(store.path.glob("*.features"))


# --- the store


@pytest.mark.parametrize("shape", [(2048,), (5, 4, 3), (1,)])
def test_rows_come_back_to_the_bit_in_the_order_asked_for(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    odd = np.full(shape, np.nan, np.float32)
    odd.flat[0] = -0.0
    with FeatureStore(tmp_path, key(*shape)).writer() as writer:
        for number in range(70):
            writer.add(digest(number), row(number, *shape))
        writer.add(digest(70), odd)

    store = FeatureStore(tmp_path, key(*shape))
    rows, found = store.get([digest(number) for number in (70, 5, 999, 3, 5)])

    assert found.tolist() == [True, True, False, True, True]
    assert rows.dtype == np.float32
    expected = [odd, row(5, *shape), np.zeros(shape, np.float32), row(3, *shape), row(5, *shape)]
    assert rows.tobytes() == np.stack(expected).tobytes()
    assert len(store) == 71


def test_an_empty_store_finds_nothing_and_leaves_no_trace(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "cache", key(3))
    rows, found = store.get([digest(1)])
    assert (rows.shape, found.tolist(), len(store)) == ((1, 3), [False], 0)
    assert store.get([])[0].shape == (0, 3)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "other",
    [
        {"backbone": "cd" * 32},
        {"variant": "augment-3-seed-7"},
        {"decode": Decode(height=32, width=33)},
        {"decode": Decode(height=32, width=32, dct_method="INTEGER_ACCURATE")},
        {"decode": Decode(height=32, width=32, ratio=2)},
        {"decode": Decode(height=32, width=32, resize="area")},
        {"decode": Decode(height=32, width=32, antialias=True)},
        {"decode": Decode(height=32, width=32, fit="crop")},
        {"shape": (2, 2)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_other_settings_never_hit(tmp_path: Path, other: dict[str, Any]) -> None:
    fill(FeatureStore(tmp_path, key(4)), range(3))
    assert sound(FeatureStore(tmp_path, key(4, **{"shape": (4,), **other})), range(3)) == []


def test_images_whose_digests_begin_alike_are_told_apart(tmp_path: Path) -> None:
    alike = [f"{'0' * 16}{number:048x}" for number in range(5)]
    store = FeatureStore(tmp_path, key(2))
    with store.writer() as writer:
        for number, one in enumerate(alike[:4]):
            writer.add(one, np.full(2, number, np.float32))
    rows, found = store.get(alike)
    assert found.tolist() == [True] * 4 + [False]
    assert rows[:4, 0].tolist() == [0, 1, 2, 3]


def test_a_row_of_another_shape_or_type_is_refused(tmp_path: Path) -> None:
    with FeatureStore(tmp_path, key(4)).writer() as writer:
        with pytest.raises(ValueError, match=r"float32 \(4,\), not float32 \(5,\)"):
            writer.add(digest(0), np.zeros(5, np.float32))
        with pytest.raises(ValueError, match="not float64"):
            writer.add(digest(0), np.zeros(4))  # type: ignore[arg-type] # on purpose


def test_full_segments_are_published_before_the_writer_ends(tmp_path: Path) -> None:
    writer = FeatureStore(tmp_path, key(2)).writer()
    for number in range(SEGMENT_ROWS + 10):
        writer.add(digest(number), row(number, 2))
    assert len(FeatureStore(tmp_path, key(2))) == SEGMENT_ROWS
    writer.close()
    assert len(FeatureStore(tmp_path, key(2))) == SEGMENT_ROWS + 10


def test_an_interrupted_writer_keeps_what_it_has(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, key(2))
    with suppress(KeyboardInterrupt), store.writer() as writer:
        writer.add(digest(0), row(0, 2))
        raise KeyboardInterrupt
    assert sound(store, range(2)) == [0]


def test_a_hundred_thousand_rows(tmp_path: Path) -> None:
    started = time.perf_counter()
    store = FeatureStore(tmp_path, key(8))
    values = np.arange(800_000, dtype=np.float32).reshape(-1, 8)
    digests = [digest(number) for number in range(100_000)]
    with store.writer() as writer:
        for one, value in zip(digests, values, strict=True):
            writer.add(one, value)
    written = time.perf_counter()
    opened = FeatureStore(tmp_path, key(8))
    ready = time.perf_counter()
    rows, found = opened.get(digests[::100])
    read = time.perf_counter()
    print(
        f"put 100,000 in {written - started:.2f} s, open in {ready - written:.3f} s, "
        f"get 1,000 in {read - ready:.3f} s"
    )
    assert found.all()
    assert np.array_equal(rows, values[::100])


# --- the format, which the next version must go on reading


def hand_made(rows: dict[str, Float32Array], row_bytes: int) -> bytes:
    """A segment as it is written since the first version."""
    index = b"".join(
        bytes.fromhex(one)
        + struct.pack("<I", zlib.crc32(value.tobytes(), zlib.crc32(bytes.fromhex(one))))
        for one, value in rows.items()
    )
    counts = struct.pack("<II", len(rows), row_bytes)
    checksum = struct.pack("<I", zlib.crc32(counts + index))
    return (
        b"DERMFEA1" + counts + checksum + index + b"".join(map(np.ndarray.tobytes, rows.values()))
    )


def test_a_cache_of_an_earlier_version_is_used(tmp_path: Path) -> None:
    older = tmp_path / "1bd77ece8f5f5ee6ab116fbe0d76add4"
    older.mkdir()
    rows = {digest(number): row(number, 2) for number in range(3)}
    (older / "00000000000000000001-00000000.features").write_bytes(hand_made(rows, 8))

    store = FeatureStore(tmp_path, key(2))
    assert store.path == older
    assert sound(store, range(4)) == [0, 1, 2]


def test_a_segment_is_written_as_earlier_versions_read_it(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, key(2))
    fill(store, range(3))
    (segment,) = segments(store)
    rows = {digest(number): row(number, 2) for number in range(3)}
    assert segment.read_bytes() == hand_made(rows, 8)


@pytest.mark.parametrize("last", [b"", b"\0", b"\0\0"])
def test_a_digest_that_ends_in_zeros_is_found(tmp_path: Path, last: bytes) -> None:
    ones = [(b"a" * (32 - len(last)) + last).hex(), (b"b" * 32).hex()]
    store = FeatureStore(tmp_path, key(2))
    with store.writer() as writer:
        writer.add(ones[0], row(0, 2))
    rows, found = store.get(ones)
    assert found.tolist() == [True, False]
    assert np.array_equal(rows[0], row(0, 2))


# --- damage


def test_whatever_byte_is_flipped_no_wrong_row_comes_back(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, key(2))
    fill(store, range(3))
    (segment,) = segments(store)
    whole = segment.read_bytes()
    for at in range(len(whole)):
        segment.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        assert len(sound(FeatureStore(tmp_path, key(2)), range(3))) < 3, at
        assert len(sound(store, range(3))) >= 2, at  # opened before the damage: one row at most


def test_whatever_length_is_left_no_wrong_row_comes_back(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, key(2))
    fill(store, range(3))
    (segment,) = segments(store)
    whole = segment.read_bytes()
    for length in range(len(whole)):
        segment.write_bytes(whole[:length])
        assert len(sound(FeatureStore(tmp_path, key(2)), range(3))) < 3, length
    assert sound(FeatureStore(tmp_path, key(2)), range(3)) == [0, 1]  # what is whole is still used


def test_rows_that_changed_places_are_not_found(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, key(2))
    fill(store, range(2))
    (segment,) = segments(store)
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-16] + whole[-8:] + whole[-16:-8])
    assert sound(FeatureStore(tmp_path, key(2)), range(2)) == []


@pytest.mark.parametrize("garbage", [b"", b"x", os.urandom(500), b"DERMFEA1" + b"\xff" * 100])
def test_garbage_in_place_of_a_segment_is_swept_by_the_next_writer(
    tmp_path: Path, garbage: bytes
) -> None:
    fill(FeatureStore(tmp_path, key(2)), range(3))
    (segment,) = segments(FeatureStore(tmp_path, key(2)))
    segment.write_bytes(garbage)

    store = FeatureStore(tmp_path, key(2))
    assert sound(store, range(3)) == []
    fill(store, range(3))

    assert sound(store, range(3)) == [0, 1, 2]
    assert len(segments(store)) == 1


def test_a_damaged_row_is_replaced_by_the_next_one_kept(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, key(2))
    fill(store, range(3))
    (segment,) = segments(store)
    segment.write_bytes(segment.read_bytes()[:-1] + b"?")
    assert sound(FeatureStore(tmp_path, key(2)), range(3)) == [0, 1]
    fill(store, range(2, 3))
    assert sound(FeatureStore(tmp_path, key(2)), range(3)) == [0, 1, 2]


# --- several processes

WRITER = """
import hashlib, sys, time
from pathlib import Path
import numpy as np
from model.features.feature_cache import FeatureKey, FeatureStore

folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
key = FeatureKey.model_validate_json(sys.argv[4])
store = FeatureStore(folder, key)
(folder.parent / f"ready-{first}").touch()
while not (folder.parent / "go").exists():
    time.sleep(0.001)
with store.writer() as writer:
    for number in range(first, first + count):
        row = np.random.default_rng(number).normal(size=key.shape).astype(np.float32)
        writer.add(hashlib.sha256(str(number).encode()).hexdigest(), row)
        if number % 100 == 0:
            writer.publish()
"""


def start_writer(folder: Path, first: int, count: int, size: int) -> subprocess.Popen[bytes]:
    arguments = [str(folder), str(first), str(count), key(size).model_dump_json()]
    return subprocess.Popen([sys.executable, "-c", WRITER, *arguments])


def await_true(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.0005)


@contextmanager
def writers(folder: Path, *jobs: tuple[int, int, int]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that begin to write at once, each `count` rows of `size` from `first` on."""
    started = [start_writer(folder, *job) for job in jobs]
    try:
        await_true(lambda: len(list(folder.parent.glob("ready-*"))) == len(jobs))
        (folder.parent / "go").touch()
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_two_processes_write_overlapping_images_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    with writers(folder, (0, 1500, 16), (500, 1500, 16)) as processes:
        reader = FeatureStore(folder, key(16))
        while any(process.poll() is None for process in processes):
            reader.refresh()
            sound(reader, range(0, 2000, 50))  # a reader meets nothing but whole rows
        assert [process.wait() for process in processes] == [0, 0]

    store = FeatureStore(folder, key(16))
    assert sound(store, range(2000)) == list(range(2000))
    assert len(store) == 2000
    assert not list(store.path.glob(".*"))


def test_a_writer_killed_half_way_leaves_a_usable_store(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    store = FeatureStore(folder, key(200_000))  # 80 rows, 64 MB, to a segment: it takes a while
    fill(store, range(5000, 5003))
    (tmp_path / "go").touch()
    deadline = time.monotonic() + PATIENCE
    drafts: list[Path] = []
    while not drafts:  # or every draft was published before the signal arrived
        assert time.monotonic() < deadline
        process = start_writer(folder, 1, 2000, 200_000)
        await_true(lambda: list(store.path.glob(".*.features.*")))
        process.send_signal(signal.SIGKILL)
        process.wait()
        drafts = list(store.path.glob(".*.features.*"))

    store.refresh()
    assert sound(store, range(5000, 5003)) == [5000, 5001, 5002]
    assert sound(store, range(1, 40)) in ([], list(range(1, 40)))

    with store.writer():
        assert drafts[0].exists()  # it might be another writer's that is at work
    os.utime(drafts[0], (0, 0))
    with store.writer():
        assert not drafts[0].exists()


# --- faults of the disk


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Files of this process cannot grow beyond `size` bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_error_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, key(100_000))
    writer = store.writer()
    writer.add(digest(0), row(0, 100_000))
    with largest_file(100_000), pytest.raises(FeatureCacheError, match="cannot be kept in"):
        writer.close()
    assert [path.name for path in store.path.iterdir()] == [KEY_FILE]
    assert store.failed


def test_what_went_wrong_is_not_hidden_by_a_full_disk(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, key(100_000))

    def fail() -> None:
        with store.writer() as writer:
            writer.add(digest(0), row(0, 100_000))
            raise ZeroDivisionError

    with largest_file(100_000), pytest.raises(ZeroDivisionError):
        fail()


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = FeatureStore(tmp_path / "file" / "cache", key(2))
    assert sound(store, range(2)) == []
    with pytest.raises(FeatureCacheError, match="Not a directory"):
        store.writer()


# --- compute_features


class CountingNetwork:
    """Average pooling to 12 features; counts the images that pass through it."""

    def __init__(self) -> None:
        pool = keras.layers.AveragePooling2D(16)
        self._layers = keras.Sequential([keras.Input((32, 32, 3)), pool, keras.layers.Flatten()])
        self.batches: list[int] = []

    def __call__(self, images: Any) -> Any:
        self.batches.append(int(images.shape[0]))
        return self._layers(images, training=False)


class CountingDecoder(Decoder):
    """Counts the images that it decodes."""

    decoded = 0

    def decode_read(self, files: Any) -> DecodedBatch:
        self.decoded += len(files)
        return super().decode_read(files)


@pytest.fixture(scope="module")
def decoder() -> CountingDecoder:
    return CountingDecoder(DECODE)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photographs")
    for number in range(150):
        draw(root / f"{number:03}.jpg", seed=number, width=40 + number)
    return root


def listed(count: int) -> LabelledImages:
    paths = [f"{number:03}.jpg" for number in range(count)]
    return LabelledImages("train", paths, [number % 2 for number in range(count)])


def test_a_second_pass_neither_decodes_nor_computes(
    tmp_path: Path,
    photographs: Path,
    decoder: CountingDecoder,
    capsys: pytest.CaptureFixture[str],
) -> None:
    images, network = listed(150), CountingNetwork()
    plain = compute_features(network, decoder, photographs, images)
    store = FeatureStore(tmp_path, key(12))
    first = compute_features(network, decoder, photographs, images, store)
    before, batches = decoder.decoded, len(network.batches)
    second = compute_features(network, decoder, photographs, images, store)

    assert (decoder.decoded, len(network.batches)) == (before, batches)
    for rows in (first, second):
        assert rows.features.tobytes() == plain.features.tobytes()
        assert np.array_equal(rows.labels, images.labels)
        assert rows.digests == plain.digests
    assert capsys.readouterr().out.splitlines() == [
        "features of train: 150 images",
        "features of train: 150 images, 0 from the cache",
        "features of train: 150 images, 150 from the cache",
    ]


def test_missing_images_are_gathered_into_full_batches(
    tmp_path: Path, photographs: Path, decoder: CountingDecoder
) -> None:
    every_other = LabelledImages("some", listed(150).paths[::2], [0] * 75)
    store, network = FeatureStore(tmp_path, key(12)), CountingNetwork()
    compute_features(network, decoder, photographs, every_other, store)
    network.batches.clear()
    decoder.decoded = 0

    rows = compute_features(network, decoder, photographs, listed(150), store)

    assert decoder.decoded == 75
    assert network.batches == [64, 11]
    plain = compute_features(CountingNetwork(), decoder, photographs, listed(150))
    assert rows.digests == plain.digests
    np.testing.assert_allclose(rows.features, plain.features, atol=1e-6)


def test_a_damaged_row_is_computed_again(
    tmp_path: Path, photographs: Path, decoder: CountingDecoder
) -> None:
    images, store = listed(20), FeatureStore(tmp_path, key(12))
    first = compute_features(CountingNetwork(), decoder, photographs, images, store)
    (segment,) = segments(store)
    whole = bytearray(segment.read_bytes())
    whole[whole.index(first.features[7].tobytes()) + 5] ^= 1
    segment.write_bytes(whole)

    decoder.decoded = 0
    for expected in (1, 1):  # decoded once; from the cache the second time
        again = compute_features(CountingNetwork(), decoder, photographs, images, store)
        assert decoder.decoded == expected
        np.testing.assert_allclose(again.features, first.features, atol=1e-6)


def test_unreadable_images_are_left_out_each_time(
    tmp_path: Path, decoder: CountingDecoder, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (0, 1, 3, 5):
        draw(tmp_path / f"{number:03}.jpg", seed=number)
    (tmp_path / "002.jpg").write_bytes((tmp_path / "001.jpg").read_bytes()[:400])
    images, store = listed(6), FeatureStore(tmp_path / "cache", key(12))
    for cached in (0, 4):
        rows = compute_features(CountingNetwork(), decoder, tmp_path, images, store)
        assert rows.labels.tolist() == [0, 1, 1, 1]
        assert rows.features.shape == (4, 12)
        assert len(set(rows.digests)) == 4
        out, err = capsys.readouterr()
        assert out == f"features of train: 4 images, {cached} from the cache\n"
        assert "left out 004.jpg: there is no such file" in err
        assert "left out 002.jpg: " in err
        assert err.endswith("2 of 6 images left out\n")
    missing = LabelledImages("none", ["4.jpg"], [0])
    with pytest.raises(click.ClickException, match="no image could be read"):
        compute_features(CountingNetwork(), decoder, tmp_path, missing, store)


def test_large_files_are_decoded_early_and_computed_in_full_batches(
    tmp_path: Path, photographs: Path, decoder: CountingDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = compute_features(CountingNetwork(), decoder, photographs, listed(70))
    monkeypatch.setattr("trainer.training.features.GROUP_BYTES", 3000)  # a few of these files
    network, store = CountingNetwork(), FeatureStore(tmp_path, key(12))
    rows = compute_features(network, decoder, photographs, listed(70), store)
    assert network.batches == [64, 6]
    assert rows.features.tobytes() == plain.features.tobytes()
    assert rows.digests == plain.digests


def test_training_goes_on_without_a_cache_that_cannot_be_written(
    tmp_path: Path,
    photographs: Path,
    decoder: CountingDecoder,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    store = FeatureStore(tmp_path / "file" / "cache", key(12))
    for _ in ("train", "valid"):
        rows = compute_features(CountingNetwork(), decoder, photographs, listed(5), store)
        assert rows.features.shape == (5, 12)
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 1
    assert warnings[0].startswith(f"warning: features cannot be kept in {tmp_path}/file/cache: Not")


def test_training_goes_on_when_the_disk_is_full(
    tmp_path: Path,
    photographs: Path,
    decoder: CountingDecoder,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = FeatureStore(tmp_path, key(12))
    with largest_file(4000):  # 100 rows are 8 kB
        rows = compute_features(CountingNetwork(), decoder, photographs, listed(100), store)
    assert rows.features.shape == (100, 12)
    (warning,) = capsys.readouterr().err.splitlines()
    assert "training goes on without" in warning


# --- the commands


def invoke(*arguments: str, answer: str = "") -> str:
    done = CliRunner().invoke(cache, arguments, input=answer)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.output


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEATURE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_list_shows_each_store_and_the_total(folder: Path) -> None:
    days = {time.strftime("%Y-%m-%d")}
    fill(FeatureStore(folder, key(2048)), range(100))
    fill(FeatureStore(folder, key(2048)), range(50, 120))
    other = key(4, backbone="cd" * 32, variant="augment-3-seed-7", decode=Decode(ratio=2))
    fill(FeatureStore(folder, other), range(10))
    settings = Decode(resize="area", antialias=True, fit="crop:0.875")
    fill(FeatureStore(folder, key(4, backbone="ef" * 32, decode=settings)), range(10))

    lines = invoke("list").splitlines()

    rows = sorted(line.split() for line in lines[1:4])
    assert rows[0][:4] == ["abababababab", "32x32,", "DCT", "default"]
    assert rows[0][-3:] == ["120", "1.4", "MB"]
    assert " ".join(rows[1]).startswith(
        "cdcdcdcdcdcd 299x299, DCT default, ratio 2 augment-3-seed-7"
    )
    assert " ".join(rows[2]).startswith(
        "efefefefefef 299x299, DCT default, resize area, antialias, fit crop:0.875 none"
    )
    days.add(time.strftime("%Y-%m-%d"))  # midnight may have passed
    assert any(day in lines[1] for day in days)
    assert lines[4] == f"features of 140 images, 1.4 MB, in {folder}"


def test_clear_asks_first_and_says_what_it_freed(folder: Path) -> None:
    fill(FeatureStore(folder, key(2048)), range(100))
    assert "Aborted!" in invoke("clear", answer="n\n")
    assert len(FeatureStore(folder, key(2048))) == 100
    assert invoke("clear", answer="y\n").splitlines() == [
        f"delete features of 100 images, 0.8 MB, in {folder}? [y/N]: y",
        "freed 0.8 MB",
    ]
    assert list(folder.iterdir()) == []
    assert invoke("clear", "--yes") == f"no features are cached in {folder}\n"


def test_clear_of_one_backbone_leaves_the_others(folder: Path) -> None:
    fill(FeatureStore(folder, key(2)), range(3))
    fill(FeatureStore(folder, key(2, backbone="cd" * 32)), range(5))
    assert invoke("clear", "--backbone", "EF", "--yes").startswith("no features of backbone EF are")
    assert invoke("clear", "--backbone", "CDCD", "--yes") == "freed 0.0 MB\n"
    assert sound(FeatureStore(folder, key(2)), range(3)) == [0, 1, 2]
    assert len(FeatureStore(folder, key(2, backbone="cd" * 32))) == 0


def test_clear_while_a_writer_is_at_work_costs_only_what_was_kept(folder: Path) -> None:
    store = FeatureStore(folder, key(2))
    fill(store, range(3))
    with store.writer() as writer:
        writer.add(digest(9), row(9, 2))
        invoke("clear", "--yes")
        assert sound(store, range(3)) == []
    assert sound(FeatureStore(folder, key(2)), range(10)) == [9]
    assert "features of 1 images" in invoke("list")


def test_a_folder_without_stores_is_said_to_have_none_and_left_alone(folder: Path) -> None:
    assert invoke("list") == f"no features are cached in {folder}\n"
    (folder / "photographs").mkdir(parents=True)
    assert invoke("clear", "--yes") == f"no features are cached in {folder}\n"
    assert (folder / "photographs").exists()


def test_a_store_whose_key_is_damaged_is_listed_and_cleared(folder: Path) -> None:
    store = FeatureStore(folder, key(2))
    fill(store, range(3))
    (store.path / KEY_FILE).write_text("{")
    assert "damaged" in invoke("list")
    invoke("clear", "--yes")
    assert not store.path.exists()


def test_a_cache_that_is_a_file_is_one_error(folder: Path) -> None:
    folder.touch()
    assert invoke("list") == f"Error: {folder}: Not a directory\n"
