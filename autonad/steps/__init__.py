"""One function per stage: paths in, paths out, logged to MLflow.

Importing this package is cheap; each step imports what it needs when it is called.
"""

from autonad.console import SILENT, Console
from autonad.data.versions import DatasetVersion
from autonad.steps.assess_supernet import assess_supernet
from autonad.steps.audit import audit
from autonad.steps.compare import compare
from autonad.steps.configure import REUSE, SECRET_KEYS, Form, PipelineInput, config_text, configure
from autonad.steps.decide import decide
from autonad.steps.deliver import Delivered, deliver
from autonad.steps.describe_target import describe_target
from autonad.steps.detect import DetectSettings, detect
from autonad.steps.evaluate import evaluate
from autonad.steps.export import export
from autonad.steps.export_data import export_data
from autonad.steps.fetch_dataset import fetch_dataset
from autonad.steps.fit_thresholds import fit_thresholds
from autonad.steps.gc import gc, gc_checkpoints
from autonad.steps.import_data import import_data
from autonad.steps.ingest import ingest
from autonad.steps.load_search import load_search, require_search
from autonad.steps.pack_profile import pack_profile
from autonad.steps.prepare import Folders, Prepared, prepare
from autonad.steps.profile_kit import profile_kit
from autonad.steps.profile_latency import profile_key, profile_latency
from autonad.steps.publish import publish
from autonad.steps.register import register
from autonad.steps.retrain import retrain
from autonad.steps.rollback import rollback
from autonad.steps.search import search
from autonad.steps.select import select
from autonad.steps.serve import ServeSettings, serve
from autonad.steps.synthesize import synthesize
from autonad.steps.train_supernet import train_supernet
from autonad.steps.variants import Variant, retrain_each, variants_of

__all__ = [
    "REUSE",
    "SECRET_KEYS",
    "SILENT",
    "Console",
    "DatasetVersion",
    "Delivered",
    "DetectSettings",
    "Folders",
    "Form",
    "PipelineInput",
    "Prepared",
    "ServeSettings",
    "Variant",
    "assess_supernet",
    "audit",
    "compare",
    "config_text",
    "configure",
    "decide",
    "deliver",
    "describe_target",
    "detect",
    "evaluate",
    "export",
    "export_data",
    "fetch_dataset",
    "fit_thresholds",
    "gc",
    "gc_checkpoints",
    "import_data",
    "ingest",
    "load_search",
    "pack_profile",
    "prepare",
    "profile_key",
    "profile_kit",
    "profile_latency",
    "publish",
    "register",
    "require_search",
    "retrain",
    "retrain_each",
    "rollback",
    "search",
    "select",
    "serve",
    "synthesize",
    "train_supernet",
    "variants_of",
]
