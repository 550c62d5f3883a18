"""Start N copies of a command, watch them, replace, reload and scale them, and end them.

Knows processes, signals and the sockets that workers inherit; does not know what a worker does with them. It
has no event loop and stands in front of nothing: while it is stopped or dead, the workers serve.

Each worker has a lifeline, a socket pair. The worker writes "ready" to it once it serves, and hears there that all
are to end; its end tells each side that the other is gone, whatever killed it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from flocket.cluster.ports import Ports
from flocket.cluster.runtime import ALL_END, environment

__all__ = ["Supervisor", "own_command"]

ATTEMPTS = 3  # a worker that dies while starting, so often in a row, stops the start
QUICK = 1.0  # seconds: one that served no longer counts as one that died while starting
BACKOFF, MOST_BACKOFF = 0.25, 30.0  # seconds before a new attempt: the first, doubled each time, and the last
QUEUED = 0.2  # seconds for a worker that is scaled away to accept what waits for it
GRACE = 5.0  # seconds beyond the drain until a worker is killed

log = logging.getLogger("flocket.cluster")

_SIGNALS = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCHLD,
)  # fmt: skip


class _Worker:
    def __init__(self, number: int, process: subprocess.Popen[bytes], line: socket.socket) -> None:
        self.number = number
        self.process = process
        self.line = line
        self.ready = False
        self.ready_at = 0.0
        self.told = False  # to end
        self.replaces: _Worker | None = None  # which ends as soon as this one is ready

    def __str__(self) -> str:
        return f"worker {self.number} (pid {self.process.pid})"


class Supervisor:
    """`run()` watches `workers` copies of `command` until a signal ends it, and returns the exit status."""

    def __init__(
        self,
        command: Sequence[str],
        workers: int,
        ports: Ports,
        *,
        drain: float = 10.0,
        changed: Callable[[], bool] | None = None,
    ) -> None:
        self._command = list(command)
        self._wanted = workers
        self._ports = ports
        self._drain = drain
        self._changed = changed  # asked twice a second: whether the workers' source has changed
        self._token = secrets.token_hex(16)
        self._workers: dict[int, _Worker] = {}  # by pid
        self._failures: dict[int, int] = {}  # by number: deaths in a row
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._signals: deque[int] = deque()
        self._selector = selectors.DefaultSelector()
        self._complete = False  # all were ready once: the start is over
        self._stopping = False
        self._status = 0
        self._to_reload: list[int] = []  # workers still to be replaced, one after another
        self._reload_again = False  # asked for while one was under way

    def run(self) -> int:
        with self._handling_signals():
            self._ports.scale(self._wanted)
            # The first goes ahead alone: a mistake in the program shows one traceback, not N at once.
            self._spawn(0)
            if self._changed is not None:
                self._after(0.5, self._look_for_changes)
            while self._workers or not self._stopping:
                self._turn()
        self._ports.close()
        self._selector.close()
        return self._status

    # -- the loop

    def _turn(self) -> None:
        now = time.monotonic()
        due = min((when for when, _ in self._due), default=now + 1.0)
        ready = self._selector.select(max(0.0, due - now))
        # Signals first: where the whole group was told to end, a worker's end is no reason to start another.
        while self._signals:
            self._on_signal(self._signals.popleft())
        for key, _ in ready:
            key.data()
        now = time.monotonic()
        ripe = [action for when, action in self._due if when <= now]
        self._due = [entry for entry in self._due if entry[0] > now]
        for action in ripe:
            action()

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        self._due.append((time.monotonic() + seconds, action))

    @contextlib.contextmanager
    def _handling_signals(self) -> Iterator[None]:
        woken, wake = socket.socketpair()
        woken.setblocking(False)
        wake.setblocking(False)
        self._selector.register(woken, selectors.EVENT_READ, lambda: woken.recv(4096))
        before_fd = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before_fd)
            self._selector.unregister(woken)
            woken.close()
            wake.close()

    def _note(self, number: int, frame: object) -> None:
        self._signals.append(number)

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            # The lifeline's end says the same, unless a process that the worker forked still holds it.
            for worker in list(self._workers.values()):
                if worker.process.poll() is not None:
                    self._ended(worker)
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._stop()
        elif self._stopping:
            pass
        elif number == signal.SIGHUP:
            self._reload()
        elif number == signal.SIGTTIN:
            self._scale(self._wanted + 1)
        elif number == signal.SIGTTOU:
            self._scale(max(1, self._wanted - 1))

    # -- workers

    def _spawn(self, number: int, replaces: _Worker | None = None) -> None:
        if self._stopping or number >= self._wanted:
            return
        if replaces is None and any(w.number == number and not w.told for w in self._workers.values()):
            return  # there is one by now
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        fds = [sock.fileno() for sock in self._ports.of(number)]
        inherit = environment(
            number, self._wanted, self._token, self._ports.slots, fds, theirs.fileno()
        )
        process = subprocess.Popen(
            self._command,
            env={**os.environ, **inherit},
            pass_fds=[*fds, theirs.fileno()],
            preexec_fn=_not_interrupted,
        )
        theirs.close()
        worker = _Worker(number, process, ours)
        worker.replaces = replaces
        self._workers[process.pid] = worker
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._heard(worker))

    def _heard(self, worker: _Worker) -> None:
        if worker.process.pid not in self._workers:
            return  # SIGCHLD, in the same turn, has said it already
        try:
            said = worker.line.recv(64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._selector.unregister(worker.line)
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(1.0)  # it is about to be: its descriptors go first
            if worker.process.poll() is not None:
                self._ended(worker)
        elif not worker.ready:
            worker.ready, worker.ready_at = True, time.monotonic()
            self._is_ready(worker)

    def _is_ready(self, worker: _Worker) -> None:
        log.info("%s is ready", worker)
        before, worker.replaces = worker.replaces, None
        if before is not None and before.process.pid in self._workers:
            self._end(before)
        elif before is not None:
            self._reloaded(worker.number)  # it died meanwhile
        if not self._complete:
            there = {other.number for other in self._workers.values()}
            for number in range(self._wanted):
                if number not in there:
                    self._spawn(number)
            self._complete = all(other.ready for other in self._workers.values())

    def _ended(self, worker: _Worker) -> None:
        if self._workers.pop(worker.process.pid, None) is None:
            return
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(worker.line)
        worker.line.close()
        status = worker.process.wait()
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        if worker.told:
            log.info("%s has ended", worker)
            self._reloaded(worker.number)
        elif worker.replaces is not None and worker.replaces.process.pid in self._workers:
            log.error("%s could not start (%s): the one before it goes on; reload given up", worker, how)
            self._to_reload.clear()
            if self._reload_again:
                self._reload()
        elif not self._stopping:
            self._replace(worker, how)

    def _replace(self, worker: _Worker, how: str) -> None:
        number = worker.number
        served = worker.ready and time.monotonic() - worker.ready_at >= QUICK
        failures = self._failures[number] = 1 if served else self._failures.get(number, 0) + 1
        if worker.ready and failures == 1:
            log.error("%s ended with %s: starting another", worker, how)
            self._spawn(number)
            return
        if not self._complete and failures >= ATTEMPTS:
            if self._changed is None:
                log.error("worker %d died %d times in a row while starting (%s)", number, failures, how)
                self._status = 1
                self._stop()
            else:
                log.error("waiting for the program to change")
            return
        pause = min(MOST_BACKOFF, BACKOFF * 2 ** (failures - 1))
        when = "soon after" if worker.ready else "while"
        log.error("%s died %s starting (%s): again in %.2f s", worker, when, how, pause)
        self._after(pause, lambda: self._spawn(number))

    def _end(self, worker: _Worker) -> None:
        """Ask it to drain and end; kill it if it does not."""
        worker.told = True
        worker.process.terminate()
        self._after(self._drain + GRACE, lambda: self._kill(worker))

    def _kill(self, worker: _Worker) -> None:
        if worker.process.pid in self._workers:
            log.error("%s does not end: killed", worker)
            worker.process.kill()

    # -- what signals ask for

    def _stop(self) -> None:
        self._stopping = True
        # They live on in the workers, until the last one accepts no more: then whoever comes is refused, and goes
        # elsewhere, instead of waiting for nobody.
        self._ports.close()
        for worker in self._workers.values():
            if not worker.told:
                with contextlib.suppress(OSError):
                    worker.line.send(ALL_END)
                self._end(worker)

    def _reload(self) -> None:
        if self._to_reload:
            self._reload_again = True  # what is under way may have begun before the change
            return
        self._reload_again = False
        self._to_reload = list(range(self._wanted))
        self._reload_next()

    def _reloaded(self, number: int) -> None:
        if self._to_reload and self._to_reload[0] == number:
            del self._to_reload[0]
            self._reload_next()
        if not self._to_reload and self._reload_again:
            self._reload()

    def _reload_next(self) -> None:
        while self._to_reload:
            number = self._to_reload[0]
            for worker in self._workers.values():
                if worker.number == number and worker.ready and not worker.told:
                    self._spawn(number, replaces=worker)
                    return
            del self._to_reload[0]  # it is being started anyway

    def _scale(self, workers: int) -> None:
        before, self._wanted = self._wanted, workers
        self._ports.scale(workers)
        for number in range(before, workers):
            self._spawn(number)
        # A moment later: what the kernel has already given to its socket is accepted first.
        self._after(QUEUED, self._end_surplus)

    def _end_surplus(self) -> None:
        for worker in list(self._workers.values()):
            if worker.number >= self._wanted and not worker.told:
                self._end(worker)

    def _look_for_changes(self) -> None:
        if self._stopping:
            return
        assert self._changed is not None
        if self._changed():
            log.info("the source has changed: reloading")
            self._failures.clear()
            if not self._workers:
                self._spawn(0)
            else:
                self._reload()
        self._after(0.5, self._look_for_changes)


def _not_interrupted() -> None:
    # A terminal's Ctrl-C goes to the workers too. One that is still importing would show it as a traceback: it is ours
    # to end. (It runs between fork and exec; this process has one thread.) Whatever serves in it hears Ctrl-C again.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def own_command() -> list[str]:
    """The command that started this process: interpreter, its options, program, arguments."""
    return [sys.executable, *sys.orig_argv[1:]]
