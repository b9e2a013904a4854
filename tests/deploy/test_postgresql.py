"""The servers of `deploy/` on a real PostgreSQL, which crashes in the middle.

Commands and settings are those of the compose file; only addresses differ. The store of objects is moto.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from toys import HERE, commit, make_repository

from statewright.environment import PASSWORD
from statewright.running.mlflow_pages import Mlflow, find_run_page, latest_runs_page
from statewright.running.prefect_api import NotPrefectError, PrefectApi
from statewright.running.process import stop
from statewright.running.servers import wait_until_up
from tests.conftest import free_port
from tests.deploy.composition import DEPLOY, example_settings, read_compose

BIN = Path(sys.executable).parent
FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [
    Path(found) for found in [shutil.which("initdb")] if found
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.end_to_end,
    pytest.mark.skipif(not FOUND, reason="PostgreSQL is not installed: apt-get install postgresql"),
    pytest.mark.skipif(
        find_spec("flask_wtf") is None, reason="MLflow's login needs Flask-WTF: uv pip install 'mlflow[auth]'"
    ),
]
SECRET = "secret-%s-0123456789"
WORKER = ("PREFECT_CLIENT_RETRY_EXTRA_CODES",)
WAIT_S = 240
DOWN_S = 6
"""Seconds without a database; longer than the 5 s after which a recorder starts during a run."""
FILES = {
    "dvc.yaml": """
        stages:
          first: {cmd: echo a > first.txt, outs: [first.txt]}
          second:
            cmd: touch waiting; while [ ! -f go ]; do sleep 0.1; done; cat first.txt > second.txt
            deps: [first.txt]
            outs: [second.txt]
        """,
    ".gitignore": "waiting\ngo\n",
    "flows/letters.py": """
        from pathlib import Path

        from prefect import flow

        import statewright


        @flow(name="letters")
        def letters() -> None:
            assert statewright.run(Path(__file__).parents[1], workers=1)
        """,
}


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL in a folder of a user that is not root, which it refuses."""

    folder: Path
    port: int
    user: str
    password: str

    def run(self, *command: str, check: bool = True, **variables: str) -> str:
        """Run a program or a script of `deploy/settings`; return the output."""
        connection = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "postgres"}
        own = {"PATH": f"{FOUND[-1].parent}:{os.environ['PATH']}", "PGPASSWORD": self.password}
        log = self.folder / "command.log"
        with log.open("w") as sink:  # not a pipe: the server would hold it open
            done = subprocess.run(
                command,
                cwd=self.folder,
                env={**own, **connection, **variables},
                user=self.user if os.getuid() == 0 else None,
                group=pwd.getpwnam(self.user).pw_gid if os.getuid() == 0 else None,
                extra_groups=[] if os.getuid() == 0 else None,
                stdout=sink,
                stderr=subprocess.STDOUT,
                timeout=WAIT_S,
                check=False,
            )
        output = log.read_text()
        assert not check or done.returncode == 0, output
        return output

    def control(self, word: str, *options: str) -> None:
        """Start or stop the server."""
        self.run(
            "pg_ctl",
            f"--pgdata={self.folder / 'data'}",
            "--wait",
            f"--log={self.folder / 'log'}",
            word,
            *options,
        )

    def start(self) -> None:
        """Start the server."""
        self.control("start", "--options", f"-p {self.port} -k {self.folder} -h 127.0.0.1")

    def ask(self, database: str, query: str) -> list[str]:
        """Return the rows of an answer."""
        return self.run("psql", "-qAt", f"--dbname={database}", f"--command={query}").splitlines()


@contextmanager
def postgresql(settings: Mapping[str, str]) -> Iterator[Postgres]:
    """Provide a PostgreSQL whose databases are made by the script of the image."""
    # Folders of pytest are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="statewright-postgresql-"))
    user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:
        shutil.chown(folder, user)
    server = Postgres(folder, free_port(), user, settings["POSTGRES_PASSWORD"])
    try:
        (folder / "password").write_text(server.password)
        options = [f"--pgdata={folder / 'data'}", "--username=postgres", "--auth=scram-sha-256", "--no-sync"]
        server.run("initdb", *options, f"--pwfile={folder / 'password'}")
        server.start()
        (folder / "settings").mkdir()
        for script in (DEPLOY / "settings").glob("*.sh"):
            shutil.copy(script, folder / "settings")  # the user may not read the checkout
        server.run(
            "sh",
            "settings/databases.sh",
            PREFECT_DATABASE_PASSWORD=settings["PREFECT_DATABASE_PASSWORD"],
            MLFLOW_DATABASE_PASSWORD=settings["MLFLOW_DATABASE_PASSWORD"],
        )
        yield server
    finally:
        server.run("pg_ctl", f"--pgdata={folder / 'data'}", "stop", "--mode=immediate", check=False)
        shutil.rmtree(folder)


@dataclass(frozen=True)
class Team:
    """The servers, a repository, and a worker that runs its flow on a schedule."""

    postgres: Postgres
    folder: Path
    prefect: str
    mlflow: str
    password: str
    environment: Mapping[str, str]
    stop_servers: Callable[[], None]

    @property
    def repository(self) -> Path:
        return self.folder / "letters"

    @property
    def login(self) -> str:
        return f"statewright:{self.password}"

    def flow_runs(self, *states: str) -> list[dict[str, Any]]:
        """Return the flow runs in some states."""
        wanted = {"flow_runs": {"state": {"type": {"any_": list(states)}}}}
        try:
            return list(self.api().post("/flow_runs/filter", wanted))
        except OSError:  # the database is down
            return []

    def api(self) -> PrefectApi:
        """Return our client of Prefect, logged in."""
        api = PrefectApi(self.prefect, timeout_s=30, token=self.login)
        api.identify()
        return api

    def answers(self) -> bool:
        """Return whether MLflow answers; its workers start after the first."""
        with suppress(OSError):
            return bool(latest_runs_page(Mlflow(self.mlflow, credentials=self.login)))
        return False

    def logs(self) -> str:
        """Return the output of all processes."""
        return "\n".join(
            f"{path.name}:\n{path.read_text(errors='replace')}" for path in self.folder.glob("*.log")
        )

    def wait_for(self, condition: Callable[[], Any]) -> Any:
        """Wait until a condition holds, and return its value."""
        deadline = time.monotonic() + WAIT_S
        while not (value := condition()):
            assert time.monotonic() < deadline, self.logs()[-20000:]
            time.sleep(0.2)
        return value


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """The servers with one deployment, whose flow waits in its second stage."""
    from moto.server import ThreadedMotoServer

    folder = tmp_path_factory.mktemp("team")
    settings = {name: value and SECRET % name for name, value in example_settings().items()}
    services = read_compose(settings | {"DOMAIN": "example.org"})["services"]
    repository = make_repository(folder / "letters", FILES)
    commit(repository)
    objects = ThreadedMotoServer(port=0, verbose=False)
    with ExitStack() as stack:
        postgres = stack.enter_context(postgresql(settings))
        objects.start()
        stack.callback(objects.stop)
        store = "http://{}:{}".format(*objects.get_host_and_port())
        servers = stack.enter_context(ExitStack())
        ports = {"prefect": free_port(), "mlflow": free_port()}
        prefect, mlflow = (f"http://127.0.0.1:{port}" for port in ports.values())

        def start(service: str, **changes: str) -> subprocess.Popen[bytes]:
            """Start the command of a service."""
            listens = {"0.0.0.0": "127.0.0.1", "4200": str(ports["prefect"]), "5000": str(ports["mlflow"])}
            command = [listens.get(word, word) for word in services[service]["command"]]
            own = {
                "PATH": f"{BIN}:{os.environ['PATH']}",
                "PYTHONPATH": os.environ.get("PYTHONPATH", str(HERE)),
            }
            quiet = {"DO_NOT_TRACK": "true", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "HOME": str(folder)}
            with (folder / f"{service}.log").open("wb") as sink:
                process = subprocess.Popen(
                    command,
                    cwd=DEPLOY,
                    env=own | quiet | services[service]["environment"] | changes,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            servers.callback(stop, process)
            return process

        assert start("bucket", MLFLOW_S3_ENDPOINT_URL=store).wait(WAIT_S) == 0, (
            folder / "bucket.log"
        ).read_text()
        waited = {
            f"{mlflow}/health": start(
                "mlflow",
                MLFLOW_S3_ENDPOINT_URL=store,
                MLFLOW_SERVER_ALLOWED_HOSTS=f"127.0.0.1:{ports['mlflow']}",
                PGHOST="127.0.0.1",
                PGPORT=str(postgres.port),
            ),
            f"{prefect}/api/health": start(
                "prefect",
                PREFECT_HOME=str(folder / "prefect"),
                PREFECT_SERVER_DATABASE_HOST="127.0.0.1",
                PREFECT_SERVER_DATABASE_PORT=str(postgres.port),
            ),
        }
        for address, process in waited.items():
            wait_until_up(address, lambda process=process: process.poll() is None)
        environment = {
            **{
                key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_"))
            },
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": os.environ.get("PYTHONPATH", str(HERE)),
            "PREFECT_HOME": str(folder / "client"),
            "PREFECT_API_URL": f"{prefect}/api",
            "MLFLOW_TRACKING_URI": mlflow,
            PASSWORD: settings["STATEWRIGHT_PASSWORD"],
        }
        team = Team(
            postgres,
            folder,
            f"{prefect}/api",
            mlflow,
            settings["STATEWRIGHT_PASSWORD"],
            environment,
            servers.close,
        )
        team.wait_for(team.answers)
        deploy(team)
        with (folder / "worker.log").open("wb") as sink:
            worker = subprocess.Popen(
                ["prefect", "worker", "start", "--pool", "local"],
                cwd=folder,
                env=environment
                | {name: services["worker"]["environment"][name] for name in WORKER}
                | {"PREFECT_API_AUTH_STRING": team.login},
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        servers.callback(stop, worker)
        yield team


def deploy(team: Team) -> None:
    """Create the work pool, and a deployment that runs every ten seconds."""
    api = team.api()
    api.post("/work_pools/", {"name": "local", "type": "process"})
    flow = api.post("/flows/", {"name": "letters"})
    deployment = {
        "name": "often",
        "flow_id": flow["id"],
        "work_pool_name": "local",
        "pull_steps": [
            {"prefect.deployments.steps.set_working_directory": {"directory": str(team.repository)}}
        ],
        "entrypoint": "flows/letters.py:letters",
        "concurrency_limit": 1,
        "schedules": [{"schedule": {"interval": 10}, "active": True}],
    }
    api.post("/deployments/", deployment)


def test_both_servers_demand_the_login(team: Team) -> None:
    with pytest.raises(NotPrefectError, match=f"demands a login; export {PASSWORD}"):
        PrefectApi(team.prefect).identify()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        latest_runs_page(Mlflow(team.mlflow))
    team.api()
    latest_runs_page(Mlflow(team.mlflow, credentials=team.login))


def test_a_scheduled_run_survives_a_crash_of_the_database(team: Team) -> None:
    waiting, go = team.repository / "waiting", team.repository / "go"
    team.wait_for(waiting.exists)
    team.postgres.control("stop", "--mode=immediate")
    go.touch()  # the stage ends while the database is down
    time.sleep(DOWN_S)
    team.postgres.start()
    done = team.wait_for(lambda: team.flow_runs("COMPLETED", "FAILED", "CRASHED"))
    assert {run["state_type"] for run in done} == {"COMPLETED"}, team.logs()
    (first, *_) = sorted(done, key=lambda run: run["start_time"])
    recorded = subprocess.run(
        [BIN / "statewright", "record"],
        cwd=team.repository,
        env=dict(team.environment),
        capture_output=True,
        text=True,
    )
    assert recorded.returncode == 0, recorded.stdout + recorded.stderr
    server = Mlflow(team.mlflow, credentials=team.login)
    assert find_run_page(server, first["id"])
    for stage in ("first", "second"):
        assert find_run_page(server, first["id"], stage), stage
    (tasks,) = {
        tuple(sorted((task["name"], task["state_type"]) for task in found))
        for found in [team.api().post("/task_runs/filter", {"flow_runs": {"id": {"any_": [first["id"]]}}})]
    }
    assert tasks == (("first", "COMPLETED"), ("second", "COMPLETED"))
    unfinished = team.postgres.ask("mlflow", "SELECT name FROM runs WHERE status <> 'FINISHED'")
    assert not unfinished
    identity = "SELECT value FROM tags WHERE key = 'statewright.record' GROUP BY value HAVING count(*) > 1"
    assert not team.postgres.ask("mlflow", identity)  # nothing is there twice
    assert not list((team.repository / ".statewright" / "records").glob("*.jsonl"))


def test_no_secret_is_in_an_argument_or_a_log(team: Team) -> None:
    secret = SECRET.partition("%")[0]
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            assert secret not in (folder / "cmdline").read_text(errors="replace"), folder
    assert secret not in team.logs()
    for path in (team.repository / ".statewright").rglob("*"):
        assert not path.is_file() or secret not in path.read_text(errors="replace"), path


def test_a_backup_is_restored(team: Team) -> None:
    # The last test: it stops the servers.
    postgres = team.postgres
    backups = postgres.folder / "backups"
    postgres.run("mkdir", "-p", f"{backups}/20200101T000000Z", f"{backups}/.20200101T000000Z.part")
    postgres.run("touch", "--date=2020-01-01", f"{backups}/20200101T000000Z")
    where = {"BACKUP_FOLDER": str(backups)}
    failed = postgres.run("sh", "settings/backup.sh", "once", check=False, PGPORT="1", **where)
    assert "connection" in failed and (backups / "20200101T000000Z").is_dir()  # kept: there is no newer one
    team.stop_servers()
    before = {name: rows(postgres, name) for name in ("prefect", "mlflow")}
    postgres.run("sh", "settings/backup.sh", "once", **where)
    (backup,) = backups.iterdir()
    assert sorted(file.name for file in backup.iterdir()) == ["mlflow.dump", "prefect.dump"]
    postgres.run("sh", "settings/backup.sh", "check", "3600", **where)
    postgres.ask("mlflow", "DROP TABLE metrics, tags CASCADE")
    postgres.ask("prefect", "DELETE FROM flow_run")
    postgres.run("sh", "settings/restore.sh", backup.name, **where)
    assert {name: rows(postgres, name) for name in ("prefect", "mlflow")} == before
    own = postgres.run(
        "psql",
        "-qAt",
        "--dbname=mlflow",
        "--command=UPDATE runs SET name = name RETURNING 1",
        PGUSER="mlflow",
        PGPASSWORD=SECRET % "MLFLOW_DATABASE_PASSWORD",
    )
    assert own.split()  # the server's role owns what was restored
    names = postgres.ask("postgres", "SELECT datname FROM pg_database")
    assert sum("_before_" in name for name in names) == 2


def rows(postgres: Postgres, database: str) -> dict[str, str]:
    """Return the number of rows of each table."""
    listed = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    tables = postgres.ask(database, listed)
    counts = " UNION ALL ".join(f"SELECT '{table}|' || count(*) FROM \"{table}\"" for table in tables)
    return dict(line.split("|") for line in postgres.ask(database, counts))
