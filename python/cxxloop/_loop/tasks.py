"""Tasks made by a task factory; without one the native loop makes them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object

# From here on the factory gets every keyword argument of create_task().
_FACTORY_GETS_ALL = sys.version_info >= (3, 13, 3)
_TASKS_HAVE_SET_NAME = sys.version_info >= (3, 13)


class TasksMixin(LoopBase):
    """What create_task() does with a task factory."""

    def set_task_factory(self, factory: Any) -> None:
        """Set the callable that makes tasks, factory(loop, coro, **kwargs), or None.

        Raises TypeError for anything else. Stands in for asyncio's loop.set_task_factory().
        """
        self._set_task_factory(factory)

    def get_task_factory(self) -> Any:
        """Return the task factory, or None, as asyncio's loop.get_task_factory()."""
        return self._task_factory

    def _create_task_by_factory(
        self, coro: Coroutine[Any, Any, Any], options: dict[str, Any]
    ) -> asyncio.Future[Any]:
        factory: Any = self._task_factory
        if _FACTORY_GETS_ALL:
            made: asyncio.Future[Any] = factory(self, coro, **options)
            return made
        name = options.get("name")
        context = options.get("context")
        # A factory of the old kind knows no context.
        task = factory(self, coro) if context is None else factory(self, coro, context=context)
        if _TASKS_HAVE_SET_NAME:
            task.set_name(name)
        else:
            asyncio.tasks._set_task_name(task, name)  # type: ignore[attr-defined]
        return task  # type: ignore[no-any-return]
