"""The Worker of avtomatika-worker, made of the one of this SDK."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from avtomat_worker.compat.calling import adapted
from avtomat_worker.compat.environment import WorkerConfig
from avtomat_worker.compat.skills import Collector, SkillBlueprint, SkillInfo
from avtomat_worker.context import TaskContext
from avtomat_worker.worker import Worker as NativeWorker

Json = Any
Middleware = Callable[[dict[str, Any], Callable[[], Awaitable[Any]]], Awaitable[Any]]


class Worker(Collector):
    """Does skills. `skill_type_limits` (before 1.0b8: `task_type_limits`) says how many of a type run at a time;
    `capacity_checker(skill)` whether one is taken now; a skill in `skill_dependencies` is hot when all that it depends
    on is.
    """

    def __init__(
        self,
        worker_type: str = "generic-worker",
        max_concurrent_tasks: int | None = None,
        skill_type_limits: Mapping[str, int] | None = None,
        skill_dependencies: Mapping[str, Sequence[str]] | None = None,
        config: WorkerConfig | None = None,
        capacity_checker: Callable[[str], bool] | None = None,
        *,
        task_type_limits: Mapping[str, int] | None = None,
        url: str | None = None,
        http_session: object = None,
        **native: Any,
    ) -> None:
        self._config = config or WorkerConfig()
        self._config.WORKER_TYPE = worker_type
        self._http_session = http_session
        self._skill_handlers: dict[str, dict[str, Any]] = {}
        self._hot: set[str] = set()
        self._dependencies = dict(skill_dependencies or {})
        self._native = NativeWorker(
            url or self._config.ORCHESTRATOR_URL,
            token=self._config.WORKER_TOKEN,
            worker_id=self._config.WORKER_ID,
            concurrency=max_concurrent_tasks or self._config.MAX_CONCURRENT_TASKS,
            task_secret=self._config.SECRET_KEY,
            registration=self._config.registration(),
            takes=capacity_checker,
            **native,
        )
        self._native.limit_groups({**(task_type_limits or {}), **(skill_type_limits or {})})

    @property
    def native(self) -> NativeWorker:
        """The worker of this SDK that does the work."""
        return self._native

    @property
    def _task_handlers(self) -> dict[str, dict[str, Any]]:
        """The name of before 1.0b8."""
        return self._skill_handlers

    def add(self, info: SkillInfo, function: Callable[..., Any]) -> None:
        """Do this skill with the function. Raises TypeError for a parameter that nothing can be given for."""
        kind = info.name
        self._native.task(kind, group=info.type or kind, skill=info.published())(adapted(kind, function, self))
        self._skill_handlers[kind] = {"func": function, "info": info, "type": info.type}

    def include_blueprint(self, blueprint: SkillBlueprint) -> None:
        """Take over the functions that a blueprint has collected."""
        for info, function in blueprint.skills:
            self.add(info, function)

    def add_middleware(self, middleware: Middleware) -> None:
        """Call it around each task with a map of `task_id`, `job_id`, `skill_name`, `task_name` and `params`, and with
        what goes on with the task.
        """

        async def around(params: Json, context: TaskContext, proceed: Callable[[], Awaitable[Any]]) -> Any:
            told = {"task_id": context.task_id, "job_id": context.job_id, "params": params}
            return await middleware({**told, "skill_name": context.kind, "task_name": context.kind}, proceed)

        self._native.middleware(around)

    def add_to_hot_skills(self, item: str) -> None:
        """The item, a skill or what a skill depends on, is loaded."""
        self._hot.add(item)
        self._tell_hot()

    def remove_from_hot_skills(self, item: str) -> None:
        """It is no longer."""
        self._hot.discard(item)
        self._tell_hot()

    def get_hot_skills_state(self) -> set[str]:
        """Return what is loaded."""
        return self._hot

    add_to_hot_cache = add_to_hot_skills
    remove_from_hot_cache = remove_from_hot_skills
    get_hot_cache = get_hot_skills_state

    def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        self._native.run()

    async def main(self) -> None:
        """Work until `stop` is called, in a loop of the caller's."""
        await self._native.serve()

    def stop(self) -> None:
        """Let running tasks finish, then end. Any thread may call it."""
        self._native.stop()

    def _tell_hot(self) -> None:
        depending = {skill for skill, items in self._dependencies.items() if items and self._hot.issuperset(items)}
        hot = {kind for kind in self._skill_handlers if kind in self._hot and kind not in self._dependencies}
        kinds = hot | depending
        self._native.hot(*kinds)
        self._native.cold(*(self._skill_handlers.keys() - kinds))
