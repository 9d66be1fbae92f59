"""The worker SDK: write a worker for Avtomat in Python. It imports nothing of the engine.

from avtomat_worker import Worker

worker = Worker("http://127.0.0.1:8080")

@worker.task("greet")
def greet(name: str) -> dict[str, str]:
    return {"text": f"Hello, {name}"}

worker.run()
"""

from avtomat_worker.context import TaskContext
from avtomat_worker.errors import EngineError, EngineRefusedError, EngineUnavailableError, TaskError
from avtomat_worker.limits import Limits
from avtomat_worker.messages import Result
from avtomat_worker.worker import Worker

__all__ = [
    "EngineError",
    "EngineRefusedError",
    "EngineUnavailableError",
    "Limits",
    "Result",
    "TaskContext",
    "TaskError",
    "Worker",
]
