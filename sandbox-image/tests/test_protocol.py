"""The wire format, with the test vectors that the worker shares."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from runner.wire import jsontext, protocol

VECTORS = json.loads(Path("/fixtures/frames.json").read_text())
JSON_VALUES = json.loads(Path("/fixtures/json-values.json").read_text())["texts"]
BOUNDS = VECTORS["bounds"]
KINDS = {"in": protocol.KIND_NAMES, "out": protocol.OUT_KIND_NAMES}


def parser(kinds: frozenset[int], **options: Any) -> protocol.FrameParser:
    return protocol.FrameParser(kinds, BOUNDS["head_bytes_max"], BOUNDS["body_bytes_max"], **options)


def meanings(frames: Iterable[protocol.Frame]) -> list[tuple[int, dict[str, Any], bytes]]:
    """The content of the frames, with the pieces of a chunk joined."""
    joined: list[tuple[int, dict[str, Any], bytes]] = []
    for frame in frames:
        body = bytes(frame.body)
        if joined and frame.kind == joined[-1][0] and frame.kind in (protocol.IN_CHUNK, protocol.CHUNK):
            body = joined.pop()[2] + body
        joined.append((frame.kind, frame.head, body))
    return joined


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=lambda vector: f"{vector['direction']} {vector['kind']}")
def test_every_valid_frame_is_read_back_byte_by_byte(vector: dict[str, Any]) -> None:
    kinds = KINDS[vector["direction"]]
    reader = parser(frozenset(kinds.values()))
    data = bytes.fromhex(vector["frame_hex"])
    frames = (frame for at in range(len(data)) for frame in reader.push(data[at : at + 1]))
    assert meanings(frames) == [(kinds[vector["kind"]], vector["head"] or {}, bytes.fromhex(vector["body_hex"]))]


@pytest.mark.parametrize("vector", [vector for vector in VECTORS["valid"] if vector["direction"] == "out"], ids=lambda v: v["kind"])
def test_frames_are_encoded_as_in_the_vectors(vector: dict[str, Any]) -> None:
    frame = protocol.encode(protocol.OUT_KIND_NAMES[vector["kind"]], vector["head"], bytes.fromhex(vector["body_hex"]))
    assert frame.hex() == vector["frame_hex"]


@pytest.mark.parametrize("vector", VECTORS["malformed"], ids=lambda vector: vector["why"])
def test_malformed_frames_are_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(protocol.WireError):
        list(parser(frozenset(protocol.OUT_KIND_NAMES.values())).push(bytes.fromhex(vector["frame_hex"])))


def test_a_stream_means_the_same_in_any_chunks() -> None:
    data = b"".join(bytes.fromhex(vector["frame_hex"]) for vector in VECTORS["valid"] if vector["direction"] == "out")
    kinds = frozenset(protocol.OUT_KIND_NAMES.values())
    whole = meanings(parser(kinds).push(data))
    assert len(whole) > 10
    chance = random.Random(1)
    for _ in range(50):
        cuts = [0, *sorted(chance.choices(range(len(data)), k=20)), len(data)]
        reader = parser(kinds)
        assert meanings(frame for a, b in itertools.pairwise(cuts) for frame in reader.push(data[a:b])) == whole


def test_a_chunk_is_yielded_as_it_arrives_and_limited_as_a_whole() -> None:
    kinds = frozenset(protocol.KIND_NAMES.values())
    reader = parser(kinds)
    stream = protocol.header(protocol.IN_CHUNK, 6) + b"abcdef" + protocol.encode(protocol.IN_FILE_END)
    pieces = [[bytes(frame.body) for frame in reader.push(part)] for part in (stream[:11], stream[11:13], stream[13:])]
    assert pieces == [[b"ab"], [b"cd"], [b"ef", b""]]
    with pytest.raises(protocol.WireError):
        list(parser(kinds).push(protocol.header(protocol.IN_CHUNK, BOUNDS["body_bytes_max"] + 1)))


def test_a_frame_over_the_limits_is_skipped_with_skip_oversize() -> None:
    reader = parser(protocol.CELL_KINDS, skip_oversize=True)
    large = protocol.encode(protocol.DISPLAY, {}, bytes(BOUNDS["body_bytes_max"] + 1))
    small = protocol.encode(protocol.DISPLAY, {"type": "result"}, b"x")
    stream = small + large + small
    frames = [frame for at in range(0, len(stream), 65536) for frame in reader.push(stream[at : at + 65536])]
    assert [(frame.oversize, frame.body) for frame in frames] == [(False, b"x"), (True, b""), (False, b"x")]


def test_a_head_with_too_many_values_is_skipped_without_parsing() -> None:
    reader = parser(protocol.CELL_KINDS, skip_oversize=True, head_values_max=5)
    heads = [b'{"data":[1,2]}', b'{"data":[1,2,3,4]}', b'{"data":"1,2,3,[]"}', b"[" * 6]
    frames = [frame for head in heads for frame in reader.push(protocol.encode_spelled(protocol.DISPLAY, head))]
    assert [(frame.oversize, frame.head) for frame in frames] == [
        (False, {"data": [1, 2]}),
        (True, {}),
        (False, {"data": "1,2,3,[]"}),
        (True, {}),
    ]


@pytest.mark.parametrize("vector", JSON_VALUES, ids=lambda vector: vector["text"])
def test_the_values_of_a_json_text_are_counted_as_the_worker_does(vector: dict[str, Any]) -> None:
    assert jsontext.count_values(vector["text"].encode()) == vector["values"]


def test_many_oversize_frames_in_one_slice_do_not_recurse() -> None:
    reader = protocol.FrameParser(protocol.CELL_KINDS, 64, 0, skip_oversize=True)
    frames = list(reader.push(protocol.encode(protocol.DISPLAY, None, b"x") * 50_000))
    assert len(frames) == 50_000 and all(frame.oversize for frame in frames)


def test_bytes_before_the_preamble_are_dropped_in_any_chunks() -> None:
    stream = b'{"hijack":true}\n#code-interpreter/' + protocol.PREAMBLE + b"frames"
    for size in range(1, len(stream) + 1):
        preamble = protocol.PreambleFilter()
        passed = b"".join(preamble.pass_on(stream[at : at + size]) for at in range(0, len(stream), size))
        assert passed == b"frames"


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": float("inf")}])
def test_numbers_that_json_cannot_represent_are_refused(value: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        jsontext.spell(value)


def test_a_deep_or_cyclic_head_is_refused() -> None:
    for text in (b'{"a":' * 100_000, b'{"a":' + b"9" * 5000 + b"}"):
        with pytest.raises(jsontext.JsonError):
            jsontext.parse_object(text)
