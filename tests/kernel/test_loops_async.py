"""Many tasks of one event loop and one bar: everything counts once, and what ends ends the bar."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

import pytest

import progresswidget as pw

if TYPE_CHECKING:
    from collections.abc import Iterable

TASKS, STEPS = 300, 20


async def answer_to(question: asyncio.Future[int]) -> int:
    return 2 * await question


def asked(count: int) -> list[asyncio.Future[int]]:
    loop = asyncio.get_running_loop()
    return [loop.create_future() for _ in range(count)]


async def answer(questions: Iterable[tuple[int, asyncio.Future[int]]]) -> None:
    """Answer one after another, each when all that wait have been heard."""
    for number, question in questions:
        question.set_result(number)
        for _ in range(10):
            await asyncio.sleep(0)


def last_line(bar: Any) -> str:
    text: str = bar.fp.getvalue()
    return text.strip().rpartition("\r")[2]


def test_many_tasks_and_threads_feed_one_bar() -> None:
    async def work(bar: pw.tqdm[Any]) -> None:
        for _ in range(STEPS):
            bar.update()
            await asyncio.sleep(0)

    def work_in_a_thread(bar: pw.tqdm[Any]) -> None:
        for _ in range(STEPS):
            bar.update()

    async def main() -> None:
        total = (TASKS + 10) * STEPS
        with pw.tqdm(total=total, file=io.StringIO()) as bar:
            async with asyncio.TaskGroup() as group:
                for _ in range(TASKS):
                    group.create_task(work(bar))
                for _ in range(10):
                    group.create_task(asyncio.to_thread(work_in_a_thread, bar))
            assert bar.n == total
        assert f"{total}/{total}" in last_line(bar)

    asyncio.run(main())


def test_tasks_that_are_cancelled_leave_what_they_did() -> None:
    async def work(bar: pw.tqdm[Any], all_have: asyncio.Barrier) -> None:
        bar.update()
        await all_have.wait()
        await asyncio.Event().wait()

    async def main() -> None:
        all_have = asyncio.Barrier(11)
        with pw.tqdm(total=20, file=io.StringIO()) as bar:
            tasks = [asyncio.create_task(work(bar, all_have)) for _ in range(10)]
            await all_have.wait()
            for task in tasks:
                task.cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in answers)
        assert "10/20" in last_line(bar)

    asyncio.run(main())


def test_what_is_completed_comes_in_the_order_of_its_end() -> None:
    async def main() -> None:
        out = io.StringIO()
        questions = asked(9)
        tasks = [asyncio.create_task(answer_to(each)) for each in questions]
        answering = asyncio.create_task(answer(reversed(list(enumerate(questions)))))
        answers = [
            await completed
            for completed in pw.tqdm.as_completed(tasks, file=out, mininterval=0, miniters=1)
        ]
        await answering
        assert answers == [2 * number for number in reversed(range(9))]
        assert all(f"{n}/9" in out.getvalue() for n in range(10))

    asyncio.run(main())


def test_a_task_that_fails_is_completed_as_others() -> None:
    async def main() -> None:
        out = io.StringIO()
        questions = asked(3)
        for number, question in enumerate(questions):
            if number == 1:
                question.set_exception(LookupError())
            else:
                question.set_result(number)
        answers = []
        for completed in pw.tqdm.as_completed(map(answer_to, questions), file=out):
            try:
                answers.append(await completed)
            except LookupError:
                answers.append(-1)
        assert sorted(answers) == [-1, 0, 4]
        assert "3/3" in out.getvalue()

    asyncio.run(main())


async def complete(tasks: list[asyncio.Task[int]], **options: Any) -> None:
    for completed in pw.tqdm.as_completed(tasks, **options):
        await completed


async def gather(tasks: list[asyncio.Task[int]], **options: Any) -> None:
    await pw.tqdm.gather(*tasks, **options)


@pytest.mark.parametrize("way", [complete, gather])
def test_what_takes_too_long_is_given_up_and_its_bar_ends(way: Any) -> None:
    async def main() -> None:
        out = io.StringIO()
        questions = asked(3)
        questions[0].set_result(1)
        tasks = [asyncio.create_task(answer_to(each)) for each in questions]
        await tasks[0]
        with pytest.raises(TimeoutError):
            await way(tasks, timeout=0.01, file=out)
        for task in tasks:
            task.cancel()
        # The line that an ended bar leaves; what has been given up does not count as done.
        assert out.getvalue().endswith("\n")
        assert "3/3" not in out.getvalue()

    asyncio.run(main())


def test_many_are_gathered_in_their_order_whenever_they_end() -> None:
    async def main() -> None:
        out = io.StringIO()
        questions = asked(TASKS)
        answering = asyncio.create_task(answer(reversed(list(enumerate(questions)))))
        answers = await pw.tqdm.gather(*map(answer_to, questions), file=out)
        await answering
        assert answers == [2 * number for number in range(TASKS)]
        assert f"{TASKS}/{TASKS}" in out.getvalue()

    asyncio.run(main())


def test_an_exception_is_gathered_as_an_answer_or_raised() -> None:
    async def fail() -> int:
        raise LookupError

    async def main() -> None:
        out = io.StringIO()
        questions = asked(2)
        for question in questions:
            question.set_result(1)
        first, failed, last = await pw.tqdm.gather(
            answer_to(questions[0]),
            fail(),
            answer_to(questions[1]),
            return_exceptions=True,
            file=out,
        )
        assert (first, last) == (2, 2)
        assert isinstance(failed, LookupError)
        assert "3/3" in out.getvalue()
        with pytest.raises(LookupError):
            await pw.tqdm.gather(fail(), file=out)

    asyncio.run(main())
