"""The environment variables: empty means unset, for each of them in every program."""

import re
from pathlib import Path

import pytest
from forging import stub_site
from opentelemetry.trace import NoOpTracer
from processes import PROJECT, error_lines

from base.settings import HANG_SECONDS, Settings, SettingsError, read_settings
from worker.observability import tracing

NAMES = [name.upper() for name in Settings.model_fields]
BLANKS = ("", " ", "\t")
PACKAGES = ("base", "db", "imaging", "model", "producer", "report", "trainer", "worker")
# TensorFlow's own log level is set there, not read.
READERS = {"base/settings.py", "base/runtime.py"}


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("blank", BLANKS, ids=repr)
def test_a_blank_variable_is_unset(monkeypatch: pytest.MonkeyPatch, name: str, blank: str) -> None:
    unset = read_settings()
    monkeypatch.setenv(name, blank)

    assert read_settings() == unset


def test_every_variable_is_read_in_one_place() -> None:
    """Or the next one would be read without what holds for all of them."""
    reads = re.compile(r"environ|getenv|BaseSettings")
    found = {
        str(file.relative_to(PROJECT))
        for package in PACKAGES
        for file in (PROJECT / package).rglob("*.py")
        if any(
            reads.search(line) and "environment" not in line
            for line in file.read_text().splitlines()
        )
    }
    assert found == READERS


@pytest.mark.parametrize("blank", ["", " "], ids=repr)
def test_every_program_takes_blank_variables_for_unset(tmp_path: Path, blank: str) -> None:
    site = stub_site(tmp_path, **dict.fromkeys([*NAMES, "TF_CPP_MIN_LOG_LEVEL"], blank))
    (tmp_path / "m.csv").write_text("path,label\na.jpg,1\nb.jpg,0\n")

    site.succeed("producer", "enqueue", "m.csv", "--allow-missing", "--checkpoint", "stub.keras")
    site.succeed("celery", "-A", "stub_worker", "worker", "--drain")
    site.succeed("report", "--threshold", "0.5")
    trained = site.run("trainer", "train", "nowhere", "nowhere")

    # Were its log level taken for 0, TensorFlow would say more.
    assert trained.stderr == "Error: nowhere: there is no such folder, manifest or image\n"
    made = {file.name for file in tmp_path.iterdir() if not file.name.startswith("up.")}
    assert made == {"dermscore.db", "dermscore.queue", "m.csv", "stub.json", "stub.keras"}


def test_hang_seconds_are_a_number_of_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().hang_seconds == HANG_SECONDS
    monkeypatch.setenv("HANG_SECONDS", " 20.5 ")
    assert read_settings().hang_seconds == 20.5
    for wrong in ("soon", "0", "-1", "nan", "inf", "86401", "1 h"):
        monkeypatch.setenv("HANG_SECONDS", wrong)
        with pytest.raises(SettingsError, match=f"HANG_SECONDS={wrong} is not a number"):
            read_settings()


@pytest.mark.parametrize("setting", ["http", "-1", "65536", "9" * 30, "80.5", "٣"])
def test_what_is_no_port_is_refused(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv("METRICS_PORT", setting)
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert refused.value.message == (
        f"METRICS_PORT={setting} is not a port, a whole number from 0 to 65535"
    )


def test_folders_stay_where_they_are_when_the_working_directory_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QUEUE_DIR", "q")
    settings = read_settings()
    assert settings.queue_dir == tmp_path / "q"
    assert settings.feature_cache == tmp_path / "dermscore.features"


def test_a_blank_name_of_a_program_in_traces_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

    seen: list[object] = []

    class Keep(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            seen.append(span.resource.attributes["service.name"])

    monkeypatch.setattr(tracing, "_tracers", [NoOpTracer()])
    for given in ("", "lesions"):
        monkeypatch.setenv("OTEL_SERVICE_NAME", given)
        tracing.use(Keep())
        with tracing.enqueue():
            pass
    assert seen == ["dermscore", "lesions"]


def test_a_blank_variable_that_the_traces_library_reads_is_unset(tmp_path: Path) -> None:
    """Stock, it takes an empty number for a number."""
    site = stub_site(
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
        OTEL_EXPORTER_OTLP_PROTOCOL=" ",
        OTEL_BSP_SCHEDULE_DELAY="",
    )
    done = site.run(
        "python", "-c",
        "from worker.observability import tracing\n"
        "tracing._exporter = lambda: None\n"  # the exporter itself is not installed here
        "tracing.set_up()\n"
        "import os\n"
        "print(sorted(name for name in os.environ if name.startswith('OTEL_')))",
    )  # fmt: skip
    assert done.stdout.strip() == "['OTEL_EXPORTER_OTLP_ENDPOINT']", done.stderr


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        (("-b", "redis://:hunq@127.0.0.1:1/0"), {}),
        ((), {"CELERY_BROKER_URL": "redis://:hunq@127.0.0.1:1/0"}),
    ],
)
def test_celerys_own_ways_to_another_broker_are_refused(
    tmp_path: Path, options: tuple[str, ...], settings: dict[str, str]
) -> None:
    """The worker would wait at a queue that the producer does not know."""
    site = stub_site(tmp_path, **settings)
    done = site.run("celery", "-A", "stub_worker", *options, "worker", "--drain")
    assert done.code == 1, done
    (line,) = error_lines(done.stderr)
    assert "--broker, names another broker than BROKER_URL" in line
    assert "hunq" not in line
