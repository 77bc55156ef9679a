"""A quantised network taken out of a .keras file without Keras: the one that is meant, or none."""

import io
import zipfile

import pytest

from model.errors import CheckpointError
from model.quantised import stored_network as module
from model.quantised.stored_network import network_digest, stored_network

XML = b"""<net name="network" version="11">
  <layers>
    <layer id="0" name="Parameter_0" type="Parameter" version="opset1">
      <data shape="1,2" element_type="f32" />
      <output><port id="0" precision="FP32"><dim>1</dim><dim>2</dim></port></output>
    </layer>
    <layer id="1" name="Result_1" type="Result" version="opset1">
      <input><port id="0" precision="FP32"><dim>1</dim><dim>2</dim></port></input>
    </layer>
  </layers>
  <edges>
    <edge from-layer="0" from-port="0" to-layer="1" to-port="0" />
  </edges>
</net>
"""
DIGEST = network_digest(XML, b"")
FILES = {"network.xml": XML, "network.bin": b""}


def archive(files: dict[str, bytes], folder: str = "assets/layers/quantised/") -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("config.json", "{}")
        for name, data in files.items():
            made.writestr(folder + name, data)
    return file


def test_the_network_of_the_digest_is_found_in_whichever_folder() -> None:
    for folder in ("assets/layers/quantised/", "assets/layers/quantised_1/"):
        found = stored_network(archive(FILES, folder), DIGEST, (2,))

        assert found is not None
        assert (found.shape, found.xml, found.constants) == ((2,), XML, b"")


@pytest.mark.parametrize(
    "files",
    [
        {"network.xml": XML},
        {"network.bin": b""},
        {**FILES, "network.bin": b"\0"},
        {**FILES, "network.xml": XML + b" "},
        {**FILES, "again/network.bin": b""},
    ],
)
def test_another_one_is_not(files: dict[str, bytes]) -> None:
    assert stored_network(archive(files), DIGEST, (2,)) is None


def test_one_that_is_too_long_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_XML", len(XML) - 1)

    assert stored_network(archive(FILES), DIGEST, (2,)) is None


def test_one_that_does_more_than_compute_is_refused() -> None:
    odd = XML.replace(b"<layers>", b"<layers><meta />")

    with pytest.raises(CheckpointError, match="holds 'meta', which no network needs"):
        stored_network(archive({**FILES, "network.xml": odd}), network_digest(odd, b""), (2,))
