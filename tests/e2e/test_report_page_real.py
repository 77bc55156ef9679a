"""The page of published scores and of real photographs, where they are there."""

import csv
from hashlib import sha256
from pathlib import Path

import pytest
from browser import opened
from page_runs import Shot, store
from page_views import assert_as_reported, reported, write
from playwright.sync_api import Browser, expect


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def published(folder: Path) -> list[Shot]:
    """What RECOD Titans submitted for the ISIC 2017 test set."""
    truth = {row["image_id"]: row for row in rows(folder / "truth.csv")}
    return [
        Shot(
            f"{row['image_id']}.jpg",
            int(float(truth[row["image_id"]]["melanoma"])),
            float(row["melanoma"]),
            attributes={"sex": truth[row["image_id"]]["sex"]},
        )
        for row in rows(folder / "recod_titans.csv")
    ]


def test_published_scores(chrome: Browser, page_url: str, html: Path, shared: Path) -> None:
    store(page_url, published(shared / "data" / "isic2017_scores"))
    options = ("--threshold", "0.5", "--by", "sex")
    with opened(chrome, write(html, *options)) as page:
        # data/README.md: 0.8735 (0.8355 to 0.9115), 0.824 in men, 0.929 in women.
        expect(page.locator("figure.roc")).to_contain_text("area 0.87")
        area = reported(0.5)["roc_auc"]["value"]
        assert area == pytest.approx(0.8735, abs=5e-5)
        expect(page.locator(".forest")).to_contain_text("0.824")
        expect(page.locator(".forest")).to_contain_text("0.929")
        for threshold in (0.23, 0.05, 0.9):
            page.get_by_label("Move the threshold").fill(repr(threshold))
            assert_as_reported(page, reported(threshold))


def test_real_photographs(
    chrome: Browser,
    page_url: str,
    html: Path,
    shared: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = shared / "data" / "isic"
    monkeypatch.setenv("DATA_ROOT", str(root))
    files = sorted(root.glob("test/melanoma/*.jpg"))[:4]
    shots = [
        Shot(str(file.relative_to(root)), 1, at / 10, sha256(file.read_bytes()).hexdigest())
        for at, file in enumerate(files)
    ]
    store(page_url, [*shots, Shot("b.jpg", 0, 0.9)])
    with opened(chrome, write(html, "--threshold", "0.5")) as page:
        pictures = page.locator('[data-gallery="fn"] img')
        assert pictures.count() == len(files) == 4
        sides = "all => all.map(one => Math.max(one.naturalWidth, one.naturalHeight))"
        assert pictures.evaluate_all(sides) == [256] * 4
    assert html.stat().st_size < 150_000
