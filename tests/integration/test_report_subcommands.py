import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import report.commands
from report.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules are subcommands too."""
    monkeypatch.setattr(report.commands, "__path__", [*report.commands.__path__, str(tmp_path)])
    yield tmp_path
    monkeypatch.delattr(report.commands, "say_hello", raising=False)


def test_a_file_is_a_subcommand(folder: Path) -> None:
    (folder / "say_hello.py").write_text(
        "import click\n\n\n"
        "@click.command()\n"
        "def command() -> None:\n"
        '    """Say it."""\n'
        '    click.echo("hello")\n'
    )
    listed = CliRunner().invoke(main, ["--help"]).stdout.splitlines()
    assert ["say-hello", "Say", "it."] in [line.split() for line in listed]
    done = CliRunner().invoke(main, ["say-hello"])
    assert (done.exit_code, done.stdout) == (0, "hello\n")


def test_another_word_is_refused() -> None:
    done = CliRunner().invoke(main, ["say-goodbye"])
    assert done.exit_code == 2
    assert "No such command 'say-goodbye'" in done.stderr


def test_every_subcommand_says_what_it_does() -> None:
    with click.Context(main) as context:
        for name in main.list_commands(context):
            command = main.get_command(context, name)
            assert command is not None
            assert command.help


def test_the_help_of_each_waits_for_no_heavy_library() -> None:
    code = (
        "import sys; from report.cli import main\n"
        "for name in main.list_commands(None):\n"
        "    main([name, '--help'], standalone_mode=False)\n"
        "heavy = {'numpy', 'pandas', 'sqlalchemy', 'matplotlib', 'pyarrow', 'mlscorecheck'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
