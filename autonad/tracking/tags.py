"""Tags and aliases by which runs and model versions are found and compared: each is named here alone.

Values of deciding tags (`HARDWARE_KEY`, `PIN_KEY`, `ARCHITECTURE`) are hexadecimal, so that searching for one
needs no quoting.
"""

# Which execution and step a run is, and how it ended.
EXECUTION, STAGE = "autonad.execution", "autonad.stage"
ROLE, PARENT = "autonad.role", "parent"
HEADLINE, RED_FLAGS = "autonad.headline", "autonad.red_flags"
FAILURE, FAULTS = "autonad.failure", "autonad.faults"

# What a run used, and what it was for.
DATASET, FINGERPRINT = "autonad.dataset", "dataset.fingerprint"
FINGERPRINT_BEFORE, BATCH = "dataset.before", "batch"
DVC_MD5, DVC_DIRTY = "dvc.md5", "dvc.dirty"
LATENCY_KEY, LATENCY_QUALITY = "autonad.latency_key", "autonad.latency_quality"
HARDWARE_KEY, PIN_KEY = "autonad.hardware_key", "autonad.pin_key"
ARCHITECTURE = "architecture.key"
ARCHITECTURES = "autonad.architectures"  # of a search for several budgets or targets
# What a detector is for: `<target>-<budget>`, and the budget in ms where there is one.
VARIANT, BUDGET = "autonad.variant", "autonad.latency_budget_ms"
ACTION = "autonad.action"

# Where a run comes from.
GIT_SHA, IMAGE = "git.sha", "autonad.image"
KFP_RUN, KFP_URL = "kfp.run_id", "kfp.run_url"
DVC_STAGE = "dvc.stage"

# What became of its files.
DIGEST_TAG = "autonad.digests"
COLLECTED, PENDING = "autonad.collected", "pending"

# Registered models and their versions.
MODEL_NAME, ONNX_SHA256, DECISION = "autonad.model", "autonad.onnx_sha256", "autonad.decision"
LAST_CHAMPION = "autonad.champion"
OVERKILL, MISSES = "autonad.line.overkill", "autonad.line.misses"
CHAMPION, PREVIOUS = "champion", "previous"
REFUSED = "refused"

# MLflow's own, which its user interface reads.
PARENT_RUN, NOTE = "mlflow.parentRunId", "mlflow.note.content"
RUN_NAME, CONTEXT = "mlflow.runName", "mlflow.data.context"
SOURCE_NAME, SOURCE_TYPE = "mlflow.source.name", "mlflow.source.type"
SOURCE_COMMIT, USER = "mlflow.source.git.commit", "mlflow.user"
