"""The command line in a process that has the base install, which lists what it loaded."""

from __future__ import annotations

# What `pip install autonad` brings, directly or not.
BASE = {
    *("numpy", "onnxruntime", "PIL", "pydantic", "pydantic_core", "yaml", "_yaml", "rich", "typer"),
    *("click", "typing_extensions", "annotated_types", "typing_inspection", "annotated_doc", "shellingham"),
    *("pygments", "markdown_it", "mdurl", "flatbuffers", "google", "packaging", "autonad"),
}
ALONE = f"""
import json, sys
from importlib.abc import MetaPathFinder

BASE = {sorted(BASE)!r}

class Nothing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in (*BASE, *sys.stdlib_module_names) and "_sysconfigdata" not in name:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Nothing())
from autonad.cli import main
try:
    main()
finally:
    print(json.dumps(sorted({{name.split(".")[0] for name in sys.modules}})), file=sys.stderr)
"""
