"""OpenVINO's graph in fours: only where that gives what each image has alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset8 as ops

from model.quantised.stored_network import QuantisedNetwork
from worker.scoring.graphs.openvino_graph import OpenvinoGraph

SHAPE = (2, 2, 3)
IMAGES = np.random.default_rng(1).random((11, *SHAPE), np.float32)


def network(folder: Path, make: Callable[[Any], Any]) -> QuantisedNetwork:
    """What `make` computes of one image."""
    images = ops.parameter([1, *SHAPE], np.float32)
    made = openvino.Model([make(images)], [images], "network")
    path = folder / "network.xml"
    openvino.save_model(made, path, compress_to_fp16=False)
    shape = tuple(made.output(0).shape)[1:]
    return QuantisedNetwork(shape, path.read_bytes(), path.with_suffix(".bin").read_bytes())


def halved(images: Any) -> Any:
    return ops.multiply(images, np.float32(0.5))


def less_half_the_mean(images: Any) -> Any:
    """Of one image its half, and of several something else."""
    mean = ops.reduce_mean(images, np.array([0]), keep_dims=True)
    return ops.subtract(images, ops.multiply(mean, np.float32(0.5)))


def halved_as_one(images: Any) -> Any:
    """The shape of one image is written into the network."""
    row = ops.reshape(halved(images), np.array([1, 12]), special_zero=False)
    return ops.reshape(row, np.array([1, *SHAPE]), special_zero=False)


@pytest.mark.parametrize("make", [halved, less_half_the_mean, halved_as_one])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 11])
def test_each_image_has_the_features_that_it_has_alone(
    make: Callable[[Any], Any], count: int, tmp_path: Path
) -> None:
    graph = OpenvinoGraph(network(tmp_path, make), SHAPE)

    np.testing.assert_array_equal(graph(IMAGES[:count]), IMAGES[:count] * np.float32(0.5))


def test_a_view_of_images_is_computed_as_its_copy(tmp_path: Path) -> None:
    graph = OpenvinoGraph(network(tmp_path, halved), SHAPE)

    np.testing.assert_array_equal(graph(IMAGES[:, ::-1]), IMAGES[:, ::-1] * np.float32(0.5))
