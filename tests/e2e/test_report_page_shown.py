"""What `report page` shows beside the figures: images, their names, provenance, warnings."""

import base64
import io
import re
from hashlib import sha256
from pathlib import Path

import pytest
from browser import opened
from page_runs import Shot, store
from page_views import (
    CARD,
    SCORES,
    report,
    shots,
    type_threshold,
    write,
)
from PIL import Image
from playwright.sync_api import Browser, expect

WARNING = (
    "warning: the checkpoint was trained on 1 of the 2 scored images: these figures flatter it"
)


def picture(colour: str, size: tuple[int, int] = (600, 400)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def test_thumbnails_are_of_the_bytes_that_were_scored(
    chrome: Browser, page_url: str, html: Path, tmp_path: Path
) -> None:
    red, blue = picture("red"), picture("blue")
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "same.png").write_bytes(red)
    (folder / "changed.png").write_bytes(blue)
    (folder / "undigested.png").write_bytes(red)
    (folder / "damaged.png").write_bytes(red[:60])
    names = ("same", "changed", "undigested", "damaged", "gone")
    scored = (red, red, None, red[:60], red)
    given = [
        Shot(f"images/{name}.png", 1, at / 10, sha256(data).hexdigest() if data else None)
        for at, (name, data) in enumerate(zip(names, scored, strict=True))
    ]
    outside = Shot("../outside.png", 1, 0.45, sha256(red).hexdigest())
    (tmp_path.parent / "outside.png").write_bytes(red)
    store(page_url, [*given, outside, Shot("b.png", 0, 0.1)])
    with opened(chrome, write(html, "--threshold", "0.5")) as page:
        cards = page.locator('[data-gallery="fn"] > li')
        words = [" ".join(card.split()) for card in cards.all_inner_texts()]
        assert words[0] == "images/same.png score 0.000"
        assert words[1].startswith("no picture: the file has changed since it was scored")
        assert words[2].startswith("no picture: the digest of what was scored was not stored")
        assert words[3].startswith("no picture: the file cannot be decoded here")
        assert words[4].startswith("no picture: there is no such file under DATA_ROOT")
        assert words[5].startswith("no picture: the file lies outside DATA_ROOT")
        shown = page.locator('[data-gallery="fn"] img')
        assert shown.count() == 1
        data = (shown.get_attribute("src") or "").removeprefix("data:image/jpeg;base64,")
        with Image.open(io.BytesIO(base64.b64decode(data))) as thumbnail:
            assert thumbnail.size == (256, 171)
            pixel = thumbnail.convert("RGB").getpixel((9, 9))
            assert isinstance(pixel, tuple)
            assert pixel[0] > 200
            assert max(pixel[1:]) < 50
        assert shown.evaluate("one => one.naturalWidth") == 256


def test_the_galleries_follow_the_threshold(chrome: Browser, page_url: str, html: Path) -> None:
    scores = [(1, 0.1), (1, 0.3), (1, 0.2), (1, 0.8), (0, 0.4), (0, 0.9), (0, 0.25), (0, 0.05)]
    store(page_url, shots(scores))
    with opened(chrome, write(html, "--threshold", "0.25", "--images", "2")) as page:
        for threshold, fn, fp in (
            (0.25, ("2 of 2", [0, 2]), ("2 of 3", [5, 4])),
            (0.2, ("1 of 1", [0]), ("2 of 3", [5, 4])),
            (0.31, ("2 of 3", [0, 2]), ("2 of 2", [5, 4])),
            (0.5, ("2 of 3", [0, 2]), ("1 of 1", [5])),
            (0.0, ("None", []), ("2 of 4", [5, 4])),
            (1.0, ("2 of 4", [0, 2]), ("None", [])),
        ):
            type_threshold(page, repr(threshold))
            for kind, (words, images) in (("fn", fn), ("fp", fp)):
                expect(page.locator(f'[data-gallery-count="{kind}"]')).to_have_text(
                    f"{words} at this threshold."
                )
                names = page.locator(f'[data-gallery="{kind}"] > li:visible .name')
                assert names.all_inner_texts() == [f"images/{at}.jpg" for at in images]


def test_unreadable_images_with_their_reasons(chrome: Browser, page_url: str, html: Path) -> None:
    broken = [
        Shot("b/cut.jpg", 1, "corrupt", detail="the JPEG header is damaged"),
        Shot("b/gone.jpg", None, "missing", detail="there is no such file"),
    ]
    store(page_url, [*shots(SCORES), *broken])
    with opened(chrome, write(html, "--threshold", "0.5")) as page:
        section = page.locator("#unreadable")
        expect(section).to_contain_text("2 images have no score: 1 corrupt, 1 missing.")
        assert section.locator("tbody tr").all_inner_texts() == [
            "b/cut.jpg\tcorrupt\tthe JPEG header is damaged",
            "b/gone.jpg\tmissing\tthere is no such file",
        ]


def test_many_unreadable_images_are_counted(chrome: Browser, page_url: str, html: Path) -> None:
    store(page_url, shots([(1, "missing")] * 250))
    with opened(chrome, write(html, "--threshold", "0.5", code=4)) as page:
        expect(page.locator("#unreadable .count")).to_have_text(
            "250 images have no score: 250 missing. The first 200 are listed."
        )
        assert page.locator("#unreadable tbody tr").count() == 200


def test_a_page_without_images_names_no_file(page_url: str, html: Path) -> None:
    store(page_url, [*shots(SCORES), Shot("secret.jpg", 1, "missing")])
    text = write(html, "--threshold", "0.5", "--images", "0").read_text()
    assert "images/" not in text
    assert "secret" not in text
    assert "1 missing" in text


def test_every_figure_of_the_report_is_there(chrome: Browser, page_url: str, html: Path) -> None:
    given = [
        Shot(f"{at}.jpg", at % 2, (at * 37 % 100) / 100, None, {"sex": ("f", "m")[at % 3 % 2]})
        for at in range(90)
    ]
    store(page_url, given)
    options = ("--threshold", "0.5", "--by", "sex", "--prevalence", "0.02")
    text = report(*options).stdout
    with opened(chrome, write(html, *options)) as page:
        body = " ".join(page.locator("#figures").inner_text().split())
        for line in text.splitlines():
            figures = re.findall(r"\d+\.\d+ \(\d.*? to .*?\)", line)
            assert all(figure in body for figure in figures), line
        for name in ("balanced accuracy", "LR+", "Brier score", "net benefit", "where 2 %"):
            assert name in text
            assert name in body
        expect(page.get_by_role("heading", name="By sex")).to_be_visible()


def test_provenance(chrome: Browser, page_url: str, html: Path) -> None:
    card = {
        **CARD,
        "training": {"recipe": {"epochs": 100}, "note": None},
        "data": {"images": ["ab" * 32] * 144},
    }
    store(page_url, shots(SCORES), card=card, name="spring", digest="12ab" * 16)
    with opened(chrome, write(html)) as page:
        words = page.locator("#provenance").inner_text()
        for fact in ("1 (spring)", "data/test", "12ab" * 16, "float32", "by 1 worker", "UTC"):
            assert fact in words
        for name in ("Python", "dermscore", "numpy", "scikit-learn", "statsmodels"):
            assert name in words
        page.get_by_text("All entries (5)").click()
        words = page.locator("#provenance details").inner_text()
        assert "training.recipe.epochs\n100" in words
        assert "data.images\n144 entries" in words


def test_warnings_come_first(chrome: Browser, page_url: str, html: Path) -> None:
    digest = "ab" * 32
    store(
        page_url,
        [Shot("a.jpg", 1, 0.9, digest), Shot("b.jpg", 0, 0.1)],
        card={"data": {"synthetic": True, "images": [digest]}},
    )
    with opened(chrome, write(html, "--threshold", "0.5")) as page:
        warnings = page.get_by_role("note", name="Warnings").locator("p").all_inner_texts()
        assert warnings == [
            "synthetic images: these figures say nothing about patients",
            WARNING,
        ]
        box = page.locator(".warnings").bounding_box()
        assert box is not None
        assert box["y"] < 400  # pixels: above the fold


def test_an_unfinished_run_has_no_page(page_url: str, html: Path) -> None:
    store(page_url, [Shot("a.jpg", 1, 0.5), Shot("b.jpg", 0, None)])
    done = report("page", "1", "-o", str(html), "--threshold", "0.5")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "run 1: 1 of 2 images are pending" in done.stderr
    assert not html.exists()


def test_a_page_that_cannot_be_written(page_url: str, tmp_path: Path) -> None:
    store(page_url, shots(SCORES))
    (tmp_path / "file").touch()
    done = report("page", "-o", str(tmp_path / "file" / "page.html"), "--threshold", "0.5")
    assert done.exit_code == 1
    assert "Error: cannot write the page to" in done.stderr


def test_a_data_root_that_is_none(
    page_url: str, html: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(page_url, shots(SCORES))
    monkeypatch.setenv("DATA_ROOT", "/nowhere")
    done = report("page", "-o", str(html), "--threshold", "0.5")
    assert (done.exit_code, done.stderr) == (1, "Error: DATA_ROOT=/nowhere is not a folder\n")
    assert not html.exists()
    write(html, "--threshold", "0.5", "--images", "0")
