"""Who may see which job: an authorizer decides, everywhere alike, and a refusal shows nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from jupyter_server_ext.access import Access, JobResource
from progresswidget.protocol import MalformedError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from progresswidget.protocol import Json

A, B = "a" * 32, "b" * 32


def record(task_id: str = A, notebook: str | None = None) -> Json:
    return {"taskId": task_id, "notebook": notebook, "kernelId": "k"}


class Asked:
    """An authorizer that notes what it is asked, and answers at once or when it is told to."""

    def __init__(self, *, slow: bool = False) -> None:
        self.slow = slow
        self.questions: list[JobResource] = []
        self.answers: list[asyncio.Future[bool]] = []
        self.changed: list[str] = []
        self.access = Access(self.ask, self.changed.append, logging.getLogger("test"))

    def ask(self, resource: JobResource) -> bool | Awaitable[bool]:
        self.questions.append(resource)
        if not self.slow:
            return resource.notebook == "mine.ipynb"
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]


def test_a_job_is_asked_about_once_and_again_where_it_moves() -> None:
    asked = Asked()
    for _ in range(3):
        assert not asked.access.sees(record())
    assert asked.access.sees(record(notebook="mine.ipynb"))
    assert asked.access.sees(record(notebook="mine.ipynb"))
    assert asked.questions == [f"progresswidget:{A}"] * 2
    assert (asked.questions[1].task_id, asked.questions[1].kernel_id) == (A, "k")


async def test_while_an_authorizer_thinks_what_was_true_is_true() -> None:
    asked = Asked(slow=True)
    done: list[str] = []
    assert not asked.access.sees(record())
    asked.access.when_known([record(), record(B)], lambda: done.append("first"))
    asked.access.when_known([], lambda: done.append("second"))
    assert (len(asked.questions), done) == (2, [])
    asked.answers[1].set_result(False)
    asked.answers[0].set_result(True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert done == ["first", "second"]
    assert sorted(asked.changed) == [A, B]
    assert asked.access.sees(record())
    assert not asked.access.sees(record(B))
    # It moves: seen until it is known that it may not be.
    assert asked.access.sees(record(notebook="theirs.ipynb"))
    asked.answers[2].set_result(False)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not asked.access.sees(record(notebook="theirs.ipynb"))


async def test_an_authorizer_that_thinks_for_ever_holds_up_only_so_much() -> None:
    asked = Asked(slow=True)
    asked.access.sees(record())
    for _ in range(100):
        asked.access.when_known([], lambda: None)
    with pytest.raises(MalformedError):
        asked.access.when_known([], lambda: None)
    await asyncio.sleep(0)
    asked.access.close()
    await asyncio.sleep(0)
    assert asked.answers[0].cancelled()


@pytest.mark.parametrize("slow", [False, True])
async def test_an_authorizer_that_fails_refuses(
    *, slow: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def later() -> bool:
        raise ValueError("broken")

    def ask(resource: JobResource) -> bool | Awaitable[bool]:
        if slow:
            return later()
        raise ValueError(resource)

    access = Access(ask, lambda _: None, logging.getLogger("test"))
    assert not access.sees(record())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not access.sees(record())
    assert [line.task_id for line in caplog.records] == [A]  # type: ignore[attr-defined]
