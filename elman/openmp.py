"""How torch's threads wait for work: OpenMP reads the environment once, as torch is imported."""

import os
import sys

VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def let_threads_sleep() -> str:
    """Let threads that wait for work sleep, unless the environment says how they wait; return how they do.

    By default they keep a core busy for milliseconds, in which other work cannot have it.
    """
    for name in VARIABLES:
        if name in os.environ:
            return f"as {name}={os.environ[name]} says"
    if "torch" in sys.modules:
        return "spinning: torch was imported before elman; set OMP_WAIT_POLICY=PASSIVE"
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    return "asleep"


waiting = let_threads_sleep()
