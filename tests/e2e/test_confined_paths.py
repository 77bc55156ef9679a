"""No image is read from outside DATA_ROOT: not for a manifest, and not for a forged ledger."""

from pathlib import Path

import pytest
from colours import draw_number, score_of_number
from forging import stub_site
from processes import Site, error_lines

from imaging.decoding.image_file import read_image
from imaging.errors import ImageError

SECRET, OWN = 4711, 42


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A data root with an image and links out of it, beside a folder that is nobody's business."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret.png").write_bytes(draw_number(SECRET))
    root = tmp_path / "root"
    root.mkdir()
    (root / "own.png").write_bytes(draw_number(OWN))
    (root / "link.png").symlink_to(tmp_path / "elsewhere" / "secret.png")
    (root / "relative.png").symlink_to("../elsewhere/secret.png")
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    (root / "inside.png").symlink_to("own.png")
    (root / "list.csv").write_text("path\nown.png\n")
    return stub_site(root, STUB_MODE="colour")


def forged(site: Site) -> dict[str, str]:
    """Paths that a ledger could hold, and the errors that they must end with."""
    secret = str(site.folder.parent / "elsewhere" / "secret.png")
    return {
        "../elsewhere/secret.png": "outside_root",
        "folder/../elsewhere/secret.png": "outside_root",
        secret: "outside_root",
        f"/{secret}": "outside_root",
        f"/proc/self/root{secret}": "outside_root",
        f"file://{secret}": "missing",
        "gs://bucket/secret.png": "missing",
        "https://example.org/secret.png": "missing",
        "link.png": "outside_root",
        "relative.png": "outside_root",
        "folder/secret.png": "outside_root",
        "/etc/passwd": "outside_root",
        "/dev/zero": "outside_root",
        ".": "not_a_file",
        "": "not_a_file",
        "~/secret.png": "missing",
        "own.png\n": "missing",
    }


def test_a_forged_path_in_the_ledger_ends_with_an_error(site: Site) -> None:
    site.succeed("producer", "enqueue", "list.csv")
    wanted = forged(site)
    for path in [*wanted, "inside.png"]:
        site.ledger.change(
            "INSERT INTO images (run_id, path, batch) VALUES (1, :path, 1)", path=path
        )

    site.succeed("celery", "-A", "stub_worker", "worker", "--drain")

    outcomes = {row.path: row.error for row in site.ledger.predictions()}
    assert outcomes == {**wanted, "own.png": None, "inside.png": None}
    assert set(site.ledger.scores().values()) == {score_of_number(OWN)}


def test_a_nul_in_a_path_is_an_error(site: Site) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(site.folder, "own.png\0/../../elsewhere/secret.png")

    assert caught.value.code == "unreadable"


@pytest.mark.parametrize(
    "path",
    [
        "../elsewhere/secret.png",
        "a/../../elsewhere/secret.png",
        "/etc/passwd",
        "gs://bucket/secret.png",
        "file:///etc/passwd",
        "https://example.org/a.png",
        "own.png\0",
    ],
)
def test_a_manifest_that_leads_out_is_refused_by_its_line(site: Site, path: str) -> None:
    (site.folder / "bad.csv").write_text(f"path\nown.png\n{path}\n")

    done = site.run("producer", "enqueue", "bad.csv")

    assert done.code == 1
    (line,) = error_lines(done.stderr)
    assert line.startswith("Error: bad.csv:3: ")
    assert not (site.folder / "dermscore.db").exists()  # and no new ledger is left


def test_a_link_out_of_the_root_ends_with_an_error(site: Site) -> None:
    """The producer lists names and follows no link; the worker says what came of it."""
    (site.folder / "links.csv").write_text("path\nlink.png\nfolder/secret.png\ninside.png\n")
    site.succeed("producer", "enqueue", "links.csv")

    site.succeed("celery", "-A", "stub_worker", "worker", "--drain")

    errors = [row.error for row in site.ledger.predictions()]
    assert errors == ["outside_root", "outside_root", None]
