"""Use the engine within a Python program: load blueprints, register functions for their tasks, submit jobs, wait."""

from avtomat.embedding.engine import Engine
from avtomat_worker import Result, TaskContext, TaskError

__all__ = ["Engine", "Result", "TaskContext", "TaskError"]
