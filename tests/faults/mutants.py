"""Damages images at random, each by its number alone, so that any can be made again."""

import struct
from collections.abc import Callable
from random import Random

from bad_images import small
from drawing import png_chunk

SMALL = small()
Mutate = Callable[[Random, bytes], bytes]


def mutant(seed: int, number: int) -> bytes:
    """An image that went through one to three damages."""
    random = Random(f"{seed}/{number}")
    data = random.choice(SMALL)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        data = random.choice(MUTATIONS)(random, data)
    return data


def _span(random: Random, data: bytes, longest: int) -> tuple[int, int]:
    begin = random.randrange(len(data) + 1)
    return begin, min(len(data), begin + random.randint(1, longest))


def _flip(random: Random, data: bytes) -> bytes:
    flipped = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8, 64)) if data else 0):
        flipped[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(flipped)


def _cut(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _lose(random: Random, data: bytes) -> bytes:
    begin, end = _span(random, data, 200)
    return data[:begin] + data[end:]


def _insert(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.randbytes(random.choice((1, 2, 16, 500))) + data[at:]


def _repeat(random: Random, data: bytes) -> bytes:
    begin, end = _span(random, data, 300)
    return data[:end] + data[begin:end] * random.choice((1, 2, 50)) + data[end:]


def _blank(random: Random, data: bytes) -> bytes:
    begin, end = _span(random, data, 200)
    return data[:begin] + random.choice((b"\0", b"\xff")) * (end - begin) + data[end:]


def _splice(random: Random, data: bytes) -> bytes:
    other = random.choice(SMALL)
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other)) :]


def _number(random: Random, data: bytes) -> bytes:
    """Two or four bytes anywhere become a number that tends to be a limit."""
    size, kind = random.choice(((2, ">H"), (4, ">I"), (4, "<I")))
    at = random.randrange(max(1, len(data) - size))
    top = 256**size
    value = random.choice((0, 1, 2, 255, top // 2 - 1, top // 2, top - 1, random.randrange(top)))
    return data[:at] + struct.pack(kind, value) + data[at + size :]


def _parts(random: Random, data: bytes) -> bytes:
    """Segments or chunks swapped, doubled, dropped or changed, their checksums right."""
    if data.startswith(b"\x89PNG"):
        head, parts = data[:8], _chunks(data)
        join: Callable[[bytes], bytes] = _checked
    else:
        head, parts = data[:2], [b"\xff" + part for part in data[2:].split(b"\xff")[1:]]
        join = bytes
    if len(parts) < 2:
        return data
    one, other = random.randrange(len(parts)), random.randrange(len(parts))
    match random.randrange(4):
        case 0:
            parts[one], parts[other] = parts[other], parts[one]
        case 1:
            parts.insert(one, parts[other])
        case 2:
            del parts[one]
        case _:
            parts[one] = random.choice((_flip, _number, _blank))(random, parts[one])
    return head + b"".join(map(join, parts))


def _chunks(png: bytes) -> list[bytes]:
    """Kind and body of each chunk."""
    chunks, at = [], 8
    while at + 8 <= len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        chunks.append(png[at + 4 : at + 8 + length])
        at += 12 + length
    return chunks


def _checked(chunk: bytes) -> bytes:
    return png_chunk(chunk[:4], chunk[4:])


MUTATIONS: tuple[Mutate, ...] = (
    *(_flip, _flip, _cut, _lose, _insert, _repeat, _blank, _splice, _number),
    *(_parts, _parts, _parts),
)
