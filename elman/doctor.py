"""What `elman doctor` says: what is installed, what runs fast, and where something does not, why."""

import importlib.metadata
import platform
from typing import Any

import torch

from elman.nn import kernels
from elman.openmp import waiting

LIBRARIES = ("elman", "torch", "numpy", "safetensors", "onnx", "onnxruntime")


def examine() -> dict[str, Any]:
    """Return what there is, "versions", "machine", "threads", "waiting", "kernels": text and numbers only."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "versions": versions,
        "machine": {
            "processor": platform.machine(),
            "system": platform.system(),
            "torch runs": torch.backends.cpu.get_cpu_capability(),
            "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "threads": torch.get_num_threads(),
        "waiting": waiting,
        "kernels": kernels.describe(),
    }


def lines(found: dict[str, Any]) -> list[str]:
    """Say what was found to a person, the verdict last."""
    said = [f"{name:12} {version or 'not installed'}" for name, version in found["versions"].items()]
    said += [f"{name:12} {value or 'none'}" for name, value in found["machine"].items()]
    used = found["kernels"]
    said.append(f"{'threads':12} {found['threads']}{', ' + used['threads'] if used['threads'] else ''}")
    said.append(f"{'threads wait':12} {found['waiting']}")
    said += [f"{'kernels':12} {name}: {state}" for name, state in used["libraries"].items()]
    said.append(f"{'quick calls':12} {used['quick calls']}")
    if used["instruction set"]:
        said.append(f"recurrent layers run in the kernels for {used['instruction set']}")
    else:
        said.append(f"recurrent layers run as plain torch operations, which are slower: {used['reason']}")
    return said
