"""Pages that are run say what their commands print, or are refused."""

from pathlib import Path

import click
import pytest
from PIL import Image
from processes import PROJECT
from walkthrough.blur import same
from walkthrough.page import excerpt, steps
from walkthrough.shell import processor
from walkthrough.walk import PAGES, rewrite, walk


def quiet(_said: str) -> None:
    """Say nothing while a page is run."""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Where a page is written, beside the folder that it is run in."""
    (tmp_path / "base").mkdir()
    return tmp_path / "page.md"


def wrong(page: Path) -> list[str]:
    return list(walk(page, page.parent / "base", ".", quiet))


def test_a_block_goes_on_in_the_folder_and_with_the_variables_of_the_one_before(page: Path) -> None:
    page.write_text(
        "```sh\nmkdir a && cd a\nexport WORD='two words'\n```\n\nprose\n\n"
        '```sh\necho "$WORD" in $(basename $PWD)\n```\n\n```text\ntwo words in a\n```\n'
    )
    assert wrong(page) == []


def test_the_project_is_there_as_a_clone(page: Path) -> None:
    page.write_text(
        "```sh\nls dermscore/demo\nls dermscore/.work || echo none\n```\n\n```text\n"
        "draw.py\nrun\nls: cannot access 'dermscore/.work': No such file or directory\nnone\n```\n"
    )
    assert wrong(page) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("```sh\necho 35/37\n```\n```text\n34/37\n```\n", "- 34/37\n+ 35/37"),
        ("```sh\necho a; echo b\n```\n```text\na\n```\n", "- (no line)\n+ b"),
        ("```sh\necho a\n```\n```text\na\nb\n```\n", "- b\n+ (no line)"),
        ("```sh\necho a\n```\n", "it printed what the page does not show\na"),
        ("```sh\nfalse\n```\n", "ended with 1 instead of 0"),
        ("<!-- ends with 3 -->\n```sh\ntrue\n```\n", "ended with 0 instead of 3"),
        ("```sh\nfalse\ntrue\n```\n", "ended with 1 instead of 0"),
        (
            "```sh\necho a\n```\n<!-- shown: b .. c -->\n```text\nb\n```\n",
            "no line has 'b' any more\na",
        ),
    ],
)
def test_what_differs_is_told(page: Path, text: str, words: str) -> None:
    page.write_text(text)
    assert [what.split(": ", 1)[1] for what in wrong(page)] == [words]


def test_an_expected_error_is_none(page: Path) -> None:
    page.write_text("<!-- ends with 3 -->\n```sh\necho no >&2; exit 3\n```\n```text\nno\n```\n")
    assert wrong(page) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# A page\n", "has no command that is run"),
        ("<!-- not run: there is no network -->\n```sh\na\n```\n", "has no command that is run"),
        ("<!-- not run -->\n```sh\na\n```\n", "page.md:2: say why it is not run"),
        ("    producer status\n", "page.md:1: nobody runs an indented block"),
        ("```text\nb\n```\n", "page.md:1: output of nothing"),
        ("<!-- picture: a.png -->\n![a](a.png)\n", "page.md:2: a picture of nothing"),
    ],
)
def test_what_nobody_runs_is_refused(text: str, words: str) -> None:
    with pytest.raises(click.ClickException) as refused:
        steps("page.md", text)
    assert words in refused.value.message


def test_every_page_with_commands_to_run_is_run() -> None:
    """By `test_pages`, and by `make docs`; `test_howto` follows the how-tos."""
    pages = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")]
    to_run = {str(page.relative_to(PROJECT)) for page in pages if "\n```sh\n" in page.read_text()}
    assert {page for page in to_run if not page.startswith("docs/howto/")} == set(PAGES)


DIGEST = "23a560e88cfc663b5ef0674e5dc91548ac2af3c76dc1aab4c8429c9dd2da540c"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-11-27 15:17:17 INFO run 1", "2027-01-02 05:07:09 INFO run 1"),
        (f"digest {DIGEST[:12]}, small", "digest 0123456789ab, small"),
        (f",{DIGEST},", f",{DIGEST[::-1]},"),
        ("worker celery@laptop-2279-75213a  ended", "worker celery@x-1-abc   ended"),
        ("database sqlite:////home/ana/first/dermscore.db", "database sqlite:////tmp/dermscore.db"),
        ("25.7 images/s (read 0.08, write 0.04 s)", "7 images/s (read 1.18, write 2.04 s)"),
        ("celery  ended  run 1 batch 3  18 s", "celery  ended  run 1 batch 3  4 min 38 s"),
        ("loss 0.570, best 0.533 in epoch 1", "loss 0.569, best 0.534 in epoch 1"),
        ("on CPU (2 threads), float32", "on CPU (16 threads), float32"),
    ],
)  # fmt: skip
def test_what_does_not_matter(one: str, other: str) -> None:
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("run 1: 160 images (160 new)", "run 1: 161 images (161 new)"),
        ("truly benign  41  82  123", "truly benign  41  83  123"),
        ("sensitivity  0.946 (0.823 to 0.99)  35/37", "sensitivity  0.946 (0.823 to 0.99)  34/37"),
        ("ROC AUC  0.797", "ROC AUC  0.897"),
        ("loss 0.570", "loss 0.57"),
        ("threshold 0.23, prespecified", "threshold 0.23, exploratory"),
        ("3 batches enqueued", "3 batches"),
        ("on CPU (2 threads), float32", "on CPU (2 threads), bfloat16"),
        ("next: report --run 1", "next: report --run 2"),
    ],
)  # fmt: skip
def test_what_matters(one: str, other: str) -> None:
    assert not same(one, other)


@pytest.mark.parametrize(
    ("one", "other", "still"),
    [
        ("sensitivity  0.946 (0.82 to 0.99)  35/37", "sensitivity  0.9 (0.7 to 0.9)  33/37", True),
        ("truly benign  41  82  123", "truly benign  50  73  123", True),
        ("threshold 0.17, prespecified", "threshold 0.19, exploratory", False),
        ("sensitivity  0.946", "specificity  0.946", False),
        ("run 1: 160 images (160 new)", "run 1: 161 images (161 new)", False),
        ("labelled  160", "labelled  159", False),
    ],
)
def test_on_another_processor_only_what_scores_decide_may_differ(
    one: str, other: str, still: bool
) -> None:
    assert not same(one, other)
    assert same(one, other, figures=False) is still


def test_the_figures_of_a_page_are_those_of_the_processor_that_it_names(page: Path) -> None:
    text = (
        "<!-- figures of: a -->\n\n```sh\necho loss 0.25; echo 3 images\n```\n\n```text\n{}\n```\n"
    )
    page.write_text(text.format("loss 0.5\n3 images"))
    assert wrong(page) == []
    base = page.parent / "again"
    base.mkdir()
    rewrite(page, base, ".", quiet)
    assert page.read_text() == text.replace(": a ", f": {processor()} ").format(
        "loss 0.25\n3 images"
    )


def test_an_excerpt_says_where_lines_are_left_out() -> None:
    output = ["images", "listed 3", "scored 3", "", "ROC AUC 0.8", "Brier 0.1"]
    assert excerpt(output, None) == output
    assert excerpt(output, "images .. listed | ROC") == [*output[:2], "...", output[4]]
    assert excerpt(output, "listed | scored") == output[1:3]
    assert excerpt(["balanced accuracy 0.7", "accuracy 0.8"], "accuracy") == ["accuracy 0.8"]


def test_writing_changes_what_has_changed_and_nothing_else(page: Path) -> None:
    page.write_text(
        "# T\n\n```sh\necho 2026-01-01 one; echo 3 images\n```\n\n```text\n"
        "2020-02-02 one\n2 images\n```\n\nend\n"
    )
    rewrite(page, page.parent / "base", ".", quiet)
    assert page.read_text() == (
        "# T\n\n```sh\necho 2026-01-01 one; echo 3 images\n```\n\n```text\n"
        "2020-02-02 one\n3 images\n```\n\nend\n"
    )


def test_a_picture_is_that_of_the_command(page: Path) -> None:
    drawn, shown = page.parent / "base" / "a.png", page.parent / "pictures" / "a.png"
    page.write_text("```sh\ntrue\n```\n\n<!-- picture: a.png -->\n![a](pictures/a.png)\n")
    Image.linear_gradient("L").save(drawn)
    rewrite(page, page.parent / "base", ".", quiet)
    assert shown.exists()
    again = page.parent / "again"
    again.mkdir()
    Image.linear_gradient("L").save(again / "a.png")
    assert list(walk(page, again, ".", quiet)) == []
    other = page.parent / "other"
    other.mkdir()
    Image.linear_gradient("L").rotate(90).save(other / "a.png")
    assert list(walk(page, other, ".", quiet)) == [
        "page.md: pictures/a.png is not what a.png shows"
    ]
