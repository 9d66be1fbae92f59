"""Run workers that were written for avtomatika-worker with this SDK: change the import, and nothing else.

    from avtomat_worker.compat import Worker      # was: from avtomatika_worker import Worker

Both eras of that package are understood: `worker.task` and `_task_handlers` of those before 1.0b8, `worker.skill` and
`_skill_handlers` of those since. Functions get their params as `params`, and by its name whatever else they ask for of
NAMES; what they return is `{"status", "data", "error", "metadata", "costs"}`, or the data alone.

Settings come from the variables of that package: ORCHESTRATOR_URL, WORKER_ID, WORKER_INDIVIDUAL_TOKEN or WORKER_TOKEN,
MAX_CONCURRENT_TASKS, COST_PER_SKILL, INSTALLED_SOFTWARE, INSTALLED_ARTIFACTS or INSTALLED_MODELS, GPU_MODEL with
GPU_VRAM_GB, WORKER_EXTRA_…; with ORCHESTRATOR_SECRET_KEY tasks must be signed by it. Not here: several engines at once
(start a worker for each), files in S3, its health server, its own HTTP client, commands other than a cancel.
"""

from avtomat_worker.compat.calling import NAMES, ParamValidationError
from avtomat_worker.compat.environment import WorkerConfig
from avtomat_worker.compat.skills import SkillBlueprint, SkillInfo
from avtomat_worker.compat.worker import Worker

INVALID_INPUT_ERROR = "INVALID_INPUT_ERROR"
PERMANENT_ERROR = "PERMANENT_ERROR"
TRANSIENT_ERROR = "TRANSIENT_ERROR"
RESOURCE_EXHAUSTED_ERROR = "RESOURCE_EXHAUSTED_ERROR"
SECURITY_ERROR = "SECURITY_ERROR"
DEPENDENCY_ERROR = "DEPENDENCY_ERROR"
DEPENDENCY_MISSING_ERROR = "DEPENDENCY_MISSING_ERROR"
TIMEOUT_ERROR = "TIMEOUT_ERROR"
INTERNAL_ERROR = "INTERNAL_ERROR"
CONTRACT_VIOLATION_ERROR = "CONTRACT_VIOLATION_ERROR"

__all__ = [
    "CONTRACT_VIOLATION_ERROR",
    "DEPENDENCY_ERROR",
    "DEPENDENCY_MISSING_ERROR",
    "INTERNAL_ERROR",
    "INVALID_INPUT_ERROR",
    "NAMES",
    "PERMANENT_ERROR",
    "RESOURCE_EXHAUSTED_ERROR",
    "SECURITY_ERROR",
    "TIMEOUT_ERROR",
    "TRANSIENT_ERROR",
    "ParamValidationError",
    "SkillBlueprint",
    "SkillInfo",
    "Worker",
    "WorkerConfig",
]
