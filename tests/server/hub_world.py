"""Servers, a broker between them, a bad network and pages: all that can happen to the hub.

Nothing here is real but the hub and its subscribers; time passes and bytes move when told to. What
must hold is asserted where it happens, against the history of every task.
"""

from __future__ import annotations

import json
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any

from frames import message as read_frame
from page_twin import Followed
from virtual_clock import Clock

from jupyter_server_ext.hub.hub import Hub
from jupyter_server_ext.hub.ring import Rings
from jupyter_server_ext.hub.subscriber import Subscriber
from progresswidget.protocol import TERMINAL, Subscribe, Target, Unsubscribe, decode_client_message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from progresswidget.protocol import Json

TASKS = tuple(f"{number:032x}" for number in range(4))
SHARED, OWN = "shared.ipynb", "own.ipynb"
ROOM = 1_500
"""Bytes that may wait for a page: a few events."""
RING_EVENTS, RING_BYTES, RINGS_BYTES = 3, 900, 2_000
SOCKET = 3
"""Frames that are on their way to a page at most."""
PATIENCE = 5.0


def sees(user: str, record: Json) -> bool:
    """Say who may see what: bob nothing but the jobs of the shared notebook."""
    return user == "alice" or record["notebook"] == SHARED


class Broker:
    """Orders the changes of all tasks, for all servers that can reach it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._epochs = count(1)
        self.reset({})

    def reset(self, records: dict[str, Json]) -> None:
        """Lose everything, and begin another history with what the servers know."""
        self.epoch = f"broker-{next(self._epochs)}"
        self.seqs = dict.fromkeys(TASKS, 0)
        self.records: dict[str, Json] = {}
        self.log: list[tuple[str, int, Json | None]] = []
        for task_id, record in records.items():
            self.append(task_id, record)

    def append(self, task_id: str, record: Json | None) -> None:
        """Take a change; None removes the task."""
        self.seqs[task_id] += 1
        if record is None:
            self.records.pop(task_id, None)
        else:
            self.records[task_id] = record
            self._world.note(self.epoch, task_id, self.seqs[task_id], record)
        self.log.append((task_id, self.seqs[task_id], record))

    def states(self) -> dict[str, tuple[int, Json]]:
        """Return all tasks, each with its newest event."""
        return {task_id: (self.seqs[task_id], data) for task_id, data in self.records.items()}


class Server:
    """A process with a hub, together with others or alone."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.is_alone = False
        self.connections: list[Connection] = []
        self._epochs = count(1)
        self.start()

    def owns(self, task_id: str) -> bool:
        """Say whether the kernel of a task reports here."""
        return TASKS.index(task_id) % len(self.world.servers or [self]) == self.number

    def own(self) -> dict[str, Json]:
        """Return the tasks that are known here whatever happens to the broker."""
        return {task: record for task, record in self.world.truth.items() if self.owns(task)}

    def start(self) -> None:
        """Begin as a new process: nobody is connected."""
        for connection in self.connections:
            connection.lose()
        self.connections = []
        broker = self.world.broker
        self.hub = Hub(
            epoch=self._local_epoch() if self.is_alone else broker.epoch,
            interval=0.5,
            clock=self.world.clock,
            timestamp=lambda: 0,
            rings=Rings(events=RING_EVENTS, ring_bytes=RING_BYTES, rings_bytes=RINGS_BYTES),
        )
        self.cursor = self._joined = len(broker.log)
        if self.is_alone:
            for task_id, record in self.own().items():
                self._publish(task_id, record, urgent=True)
        else:
            for task_id, (seq, record) in broker.states().items():
                self._publish(task_id, record, urgent=True, seq=seq, epoch=broker.epoch)

    def change(self, task_id: str, record: Json | None, *, urgent: bool) -> None:
        """Take what a kernel or a user says of a task; None removes it."""
        if not self.is_alone:
            self.world.broker.append(task_id, record)
        elif record is None:
            self.hub.remove(task_id)
        else:
            self._publish(task_id, record, urgent=urgent)

    def feed(self, most: int, *, urgent: bool) -> None:
        """Take changes from the broker, its own ones too."""
        broker = self.world.broker
        if self.is_alone:
            return
        for task_id, seq, record in broker.log[self.cursor : self.cursor + most]:
            self.cursor += 1
            self._take(task_id, seq, record, urgent=urgent)

    def repeat(self, entries: int, last: int) -> None:
        """Be told again a part of what it was told already."""
        broker = self.world.broker
        if self.is_alone:
            return
        known = broker.log[self._joined : self.cursor]
        before = self._states()
        for task_id, seq, record in known[-entries:][:last]:
            self._take(task_id, seq, record, urgent=True)
        assert self._states() == before, "a repeated word was taken for a new one"

    def lose_broker(self) -> None:
        """Serve alone: in a history of its own, and with the tasks that are its own."""
        self.is_alone = True
        epoch = self._local_epoch()
        states = {task_id: (1, record) for task_id, record in self.own().items()}
        for task_id, (seq, record) in states.items():
            self.world.note(epoch, task_id, seq, record)
        self._rebase(epoch, states)

    def find_broker(self) -> None:
        """Bring what has changed meanwhile, and go back to the history of all."""
        broker, own = self.world.broker, self.own()
        for task_id in filter(self.owns, TASKS):
            if broker.records.get(task_id) != own.get(task_id):
                broker.append(task_id, own.get(task_id))
        self.is_alone = False
        self.rejoin()

    def rejoin(self) -> None:
        """Take the whole state of the broker, as after a feed with a hole."""
        if not self.is_alone:
            self.cursor = self._joined = len(self.world.broker.log)
            self._rebase(self.world.broker.epoch, self.world.broker.states())

    def _take(self, task_id: str, seq: int, record: Json | None, *, urgent: bool) -> None:
        epoch = self.world.broker.epoch
        if record is None:
            self.hub.remove(task_id, seq=seq, epoch=epoch)
        else:
            self._publish(task_id, record, urgent=urgent, seq=seq, epoch=epoch)

    def _states(self) -> dict[str, tuple[int, Json]]:
        return {topic.task_id: (topic.seq, topic.data) for topic in self.hub.topics()}

    def _local_epoch(self) -> str:
        return f"local-{self.number}-{next(self._epochs)}"

    def _rebase(self, epoch: str, states: dict[str, tuple[int, Json]]) -> None:
        for connection in self.connections:
            connection.expected.clear()
        self.hub.rebase(epoch, states)

    def _publish(self, task_id: str, record: Json, *, urgent: bool, **place: Any) -> None:
        before = self.hub.topic(task_id)
        old = None if before is None else (before.seq, before.data["status"])
        tellers = [one for one in self.connections if one.follows(task_id)]
        # Whatever is said of urgency: a change of state is urgent, as in the registry.
        urgent = urgent or old is None or old[1] != record["status"]
        ends = old is not None and old[1] != record["status"] and record["status"] in TERMINAL
        seq = place.get("seq") or (1 if before is None else before.seq + 1)
        if ends and old is not None and seq > old[0]:
            for connection in tellers:
                if sees(connection.user, record):
                    connection.expected.append((task_id, self.hub.epoch, seq))
        self.hub.publish(task_id, record, urgent=urgent, **place)
        topic = self.hub.topic(task_id)
        if topic is not None:
            self.world.note(self.hub.epoch, task_id, topic.seq, topic.data)


class Connection:
    """Two pipes between a page and a server, and the server's end of them."""

    def __init__(self, server: Server, user: str, *, eager: bool) -> None:
        self.server = server
        self.user = user
        self.eager = eager
        self.up: deque[str] = deque()
        self.down: deque[Json] = deque()
        self.is_lost = self.is_gone = False
        self.expected: list[tuple[str, str, int]] = []
        """Ends that this page must be told of, unless it is too slow or leaves."""
        self._overflows = server.hub.overflows
        self._silent: set[str] = set()
        self._seen: set[str] = set()
        self.subscriber = Subscriber(
            server.hub,
            self._wake,
            send=self._send_at_once,
            patience=PATIENCE,
            sees=self._sees,
            user=user,
            room=ROOM,
        )
        server.connections.append(self)

    def follows(self, task_id: str) -> bool:
        """Say whether the page is told of each event of a task."""
        told = self.subscriber._told.get(task_id, -1)
        return told >= 0 and task_id not in self.subscriber._answering

    def lose(self) -> None:
        """Break: what is on its way is lost, and the page knows."""
        self.is_lost = True
        self.down.clear()
        self.up.clear()

    def leave(self) -> None:
        """Notice at the server that the page has gone."""
        self.is_gone = True
        self.subscriber.close()
        if self in self.server.connections:
            self.server.connections.remove(self)

    def hear(self) -> None:
        """Take one message of the page."""
        if self.up and not self.is_gone:
            message = decode_client_message(self.up.popleft())
            if isinstance(message, Subscribe):
                self._silent -= {position.task_id for position in message.positions}
            self.subscriber.obey(message)
            if isinstance(message, Unsubscribe):
                self._silent |= set(message.task_ids)
                self.expected = [end for end in self.expected if end[0] not in self._silent]

    def write(self) -> bool:
        """Put one frame on its way, and say whether there was one."""
        if self.is_gone or self.is_lost or len(self.down) >= SOCKET:
            return False
        frame = self.subscriber.take()
        if frame is None:
            return False
        self._go(frame)
        return True

    def _send_at_once(self, frame: bytes) -> bool:
        if not self.eager or self.is_gone or self.is_lost or len(self.down) >= SOCKET:
            return False
        self._go(frame)
        return True

    def _go(self, frame: bytes) -> None:
        message = read_frame(frame)
        self._check_rights(message)
        self._discharge(message)
        assert message["data"].get("taskId") not in self._silent, "a word after it was unsubscribed"
        self.down.append(message)

    def close_if_slow(self) -> None:
        """Do what a connection does when its subscriber has given up."""
        if self.subscriber.overflowed and not self.is_gone:
            self.leave()
            self.lose()

    def _sees(self, record: Json) -> bool:
        if sees(self.user, record):
            self._seen.add(record["taskId"])
            return True
        return False

    def _wake(self) -> None:
        if self.server.hub.overflows > self._overflows:
            # Some page was too slow. That it was this one shows in its bounds; then it has been
            # told of ends by snapshots.
            self._overflows = self.server.hub.overflows
            self.expected = [end for end in self.expected if self.follows(end[0])]
        while self.eager and self.write():
            pass

    def _check_rights(self, message: Json) -> None:
        data = message["data"]
        record = data.get("snapshot", data)
        if "notebook" in record and "status" in record:
            assert sees(self.user, record), "a message of a task that the user may not see"
        for event in data.get("events", ()):
            assert sees(self.user, event["data"]), "a missed one of another user"
        if message["type"] == "task_removed" or data.get("recovered"):
            assert data["taskId"] in self._seen, "a word about a task that was never seen"

    def _discharge(self, message: Json) -> None:
        if message["type"] == "task_complete":
            end = (message["data"]["taskId"], message["epoch"], message["seq"])
            if end in self.expected:
                assert message["from"] == message["seq"], "an end that was joined with others"
                # In their order, too.
                at = self.expected.index(end)
                skipped = [other for other in self.expected[:at] if other[0] == end[0]]
                assert not skipped, "an end was swallowed"
                self.expected.remove(end)
        elif message["type"] in {"subscribed", "task_removed"}:
            task_id = message["data"]["taskId"]
            if message.get("re") is None and message["type"] == "subscribed":
                # It had lost the thread.
                self.expected = [end for end in self.expected if end[0] != task_id]


class Page:
    """A page of a user: it follows tasks by name, or a target."""

    def __init__(self, world: World, user: str, target: Target | None) -> None:
        self.world = world
        self.user = user
        self.target = target
        self.tasks = {} if target else {task: Followed(task) for task in TASKS}
        self.connection: Connection | None = None
        self._ids = count(1)
        self._asked: dict[tuple[int, str], int] = {}

    def connect(self, server: Server, *, eager: bool) -> None:
        """Open a connection, and ask for everything from where it is."""
        self.cut()
        self.connection = Connection(server, self.user, eager=eager)
        known = [one.position for one in self.tasks.values()]
        if known:
            self._send("subscribe", {"tasks": known})
        if self.target is not None:
            self._send("subscribe", self.target.to_json())

    def cut(self) -> None:
        """Lose the connection."""
        if self.connection is not None:
            self.connection.lose()
            self._lost()

    def ask(self, task_id: str) -> None:
        """Ask again for a task."""
        if self.is_live and task_id in self.tasks:
            self.tasks[task_id].disconnected()
            self._send("subscribe", {"tasks": [self.tasks[task_id].position]})

    def lie(self, task_id: str) -> None:
        """Ask from a place that nobody has come to yet."""
        followed = self.tasks.get(task_id)
        if self.is_live and followed is not None and followed.epoch and not followed.awaiting:
            followed.seq += 100
            self.ask(task_id)

    def drop(self, task_id: str) -> None:
        """Follow a task no longer."""
        if self.is_live and self.target is None and self.tasks.pop(task_id, None) is not None:
            self._send("unsubscribe", {"tasks": [task_id]})

    def follow(self, task_id: str) -> None:
        """Follow a task that it does not."""
        if self.is_live and self.target is None and task_id not in self.tasks:
            self.tasks[task_id] = Followed(task_id)
            self._send("subscribe", {"tasks": [self.tasks[task_id].position]})

    @property
    def is_live(self) -> bool:
        return self.connection is not None and not self.connection.is_lost

    def move(self, heard: int, told: int, read: int) -> None:
        """Let some messages go each way, as far as there are any."""
        connection = self.connection
        if connection is not None:
            for _ in range(heard):
                connection.hear()
            for _ in range(told):
                connection.write()
            for _ in range(read):
                self.read()

    def read(self) -> bool:
        """Take one message, and say whether there was one."""
        connection = self.connection
        if connection is None:
            return False
        if connection.is_lost:
            self._lost()
            return False
        if not connection.down:
            return False
        self._take(connection.down.popleft())
        return True

    def _take(self, message: Json) -> None:
        if message["type"] == "watching":
            return
        data = message["data"]
        task_id = data["taskId"]
        if self.target is not None and message["type"] == "subscribed":
            self.tasks.setdefault(task_id, Followed(task_id))
        followed = self.tasks.get(task_id)
        if followed is None:
            return  # it was dropped meanwhile
        self._check_start(message)
        before = (followed.epoch, followed.seq)
        for effect in followed.apply(message):
            record = effect["data"].get("snapshot", effect["data"])
            self.world.check(effect["epoch"], task_id, effect["seq"], record)
            if effect["type"] != "subscribed" and before[0] == effect["epoch"]:
                assert effect["seq"] > before[1], "an event was applied twice"
            before = (effect["epoch"], effect["seq"])

    def _check_start(self, message: Json) -> None:
        events = message["data"].get("events") if message["type"] == "subscribed" else None
        if events:
            asked = self._asked[message["re"], message["data"]["taskId"]]
            assert events[0]["from"] == asked + 1, "more or less than was missed"

    def _lost(self) -> None:
        self.connection = None
        for followed in self.tasks.values():
            followed.disconnected()

    def _send(self, kind: str, data: Json) -> None:
        assert self.connection is not None
        message = {"type": kind, "id": next(self._ids), "data": data}
        if kind == "subscribe":
            for position in data.get("tasks", ()):
                self._asked[message["id"], position["taskId"]] = position.get("seq", 0)
                self.tasks[position["taskId"]].question = message["id"]
        self.connection.up.append(json.dumps(message))


class World:
    """All of it, and the truth."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.truth: dict[str, Json] = {}
        self._history: dict[tuple[str, str, int], Json] = {}
        self._revisions = count(1)
        self.servers: list[Server] = []
        self.broker = Broker(self)
        self.servers = [Server(self, 0)]
        self.servers.append(Server(self, 1))
        self.connections: list[Connection] = []
        self.pages = [
            Page(self, "alice", None),
            Page(self, "bob", None),
            Page(self, "alice", Target()),
            Page(self, "bob", Target(notebook=SHARED)),
            Page(self, "bob", Target(own=True)),
        ]

    def note(self, epoch: str, task_id: str, seq: int, record: Json) -> None:
        """Write down a state: there is one for each number."""
        known = self._history.setdefault((epoch, task_id, seq), record)
        assert known == record, "one number for two states"

    def check(self, epoch: str, task_id: str, seq: int, record: Json) -> None:
        """See whether a page was told what really was."""
        assert self._history.get((epoch, task_id, seq)) == record, "a state that never was"

    def owner(self, task_id: str) -> Server:
        """Return the server to which the kernel of a task reports."""
        return next(server for server in self.servers if server.owns(task_id))

    def change(
        self, task_id: str, status: str, notebook: str, *, urgent: bool, filler: int
    ) -> None:
        """Let a kernel report."""
        record = {
            "taskId": task_id,
            "status": status,
            "notebook": notebook,
            "userId": "bob" if notebook == SHARED else "alice",
            "revision": next(self._revisions),
            "filler": "x" * filler,
        }
        self.truth[task_id] = record
        self.owner(task_id).change(task_id, record, urgent=urgent)

    def remove(self, task_id: str) -> None:
        """Let a user remove a task."""
        if self.truth.pop(task_id, None) is not None:
            self.owner(task_id).change(task_id, None, urgent=True)

    def feed(self, *, urgent: bool = True) -> None:
        """Tell every server of all changes."""
        for server in self.servers:
            server.feed(len(self.broker.log), urgent=urgent)

    def reset_broker(self) -> None:
        """Let the broker lose everything; the servers that are with it bring what they have."""
        together = [server for server in self.servers if not server.is_alone]
        known = {task: record for server in together for task, record in server.own().items()}
        self.broker.reset(known)
        for server in together:
            server.rejoin()

    def connect(self, page: Page, server: Server, *, eager: bool) -> None:
        """Connect a page, to whichever server."""
        page.connect(server, eager=eager)
        if page.connection is not None:
            self.connections.append(page.connection)

    def sweep(self) -> None:
        """Close what is to be closed, and look at every bound."""
        for connection in self.connections:
            connection.close_if_slow()
        self.connections = [one for one in self.connections if not one.is_gone]
        for server in self.servers:
            assert server.hub._rings.size <= RINGS_BYTES
            for topic in server.hub.topics():
                assert len(topic.ring.entries) <= RING_EVENTS
                assert topic.ring.size <= RING_BYTES
                assert len(topic._frames) <= 16
        for connection in self.connections:
            subscriber = connection.subscriber
            assert subscriber._queue.size <= ROOM
            assert len(subscriber._marked) <= len(TASKS)
            assert len(subscriber._told) <= len(TASKS)

    def settle(self) -> None:
        """Let everything become quiet: all are connected, and nothing is on its way."""
        for server in self.servers:
            if server.is_alone:
                server.find_broker()
        self.feed()
        for connection in self.connections:
            if connection.is_lost:
                connection.leave()
        self._reconnect()
        self.clock.advance(10)
        # A page that had read nothing for too long is sent away when there is news for it.
        self._reconnect()

    def _reconnect(self) -> None:
        for _ in range(2):
            self.sweep()
            for number, page in enumerate(self.pages):
                page.read()
                if not page.is_live:
                    self.connect(page, self.servers[number % 2], eager=True)
            self.deliver()

    def deliver(self) -> None:
        """Move all bytes until none moves."""
        moves = True
        while moves:
            moves = False
            for page in self.pages:
                connection = page.connection
                if connection is None:
                    continue
                while connection.up:
                    connection.hear()
                    moves = True
                while connection.write() or page.read():
                    moves = True

    def compare(self) -> None:
        """See that every page shows the truth."""
        for page in self.pages:
            assert page.connection is not None
            assert page.connection.expected == [], "an end that a page was never told of"
            for task_id in self._missed(page):
                page.ask(task_id)
        self.deliver()
        for page in self.pages:
            shown = {
                task_id: followed.record
                for task_id, followed in page.tasks.items()
                if not followed.missing
            }
            assert not any(followed.awaiting for followed in page.tasks.values())
            assert shown == self._due(page)
        for server in self.servers:
            assert {topic.task_id: topic.data for topic in server.hub.topics()} == self.truth

    def _missed(self, page: Page) -> Iterable[str]:
        # A page that was told of a removal is not told when a task of that name comes back: it has
        # to ask, as for any other. A target brings it by itself.
        if page.target is not None:
            return []
        return [task_id for task_id, followed in page.tasks.items() if followed.missing]

    def _due(self, page: Page) -> dict[str, Json]:
        target = page.target
        return {
            task_id: record
            for task_id, record in self.truth.items()
            if sees(page.user, record)
            and (task_id in page.tasks if target is None else target.fits(record, page.user))
        }
