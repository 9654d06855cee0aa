"""Work that a thread of its own does, in order, beside the captioner."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

AHEAD = 64  # items that wait


class Beside(Generic[Item]):
    """Calls a function with one item after the other; a context manager.

    Leaving it waits until all items are done, also when an error is on its way.

    Args:
        work: What is called. After it has raised, no further item is done.
    """

    def __init__(self, work: Callable[[Item], None]) -> None:
        self._work = work
        self._items: queue.Queue[tuple[Item] | None] = queue.Queue(AHEAD)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="beside", daemon=True)
        self._thread.start()

    def __enter__(self) -> Beside[Item]:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._items.put(None)
        self._thread.join()
        if kind is None:
            self._check()

    def put(self, item: Item) -> None:
        """Hand an item over; waits where too many wait already.

        Raises:
            BaseException: What `work` has raised.
        """
        self._check()
        self._items.put((item,))

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (item := self._items.get()) is not None:
            if self._error is None:
                try:
                    self._work(*item)
                except BaseException as error:  # raised again where items are put
                    self._error = error
