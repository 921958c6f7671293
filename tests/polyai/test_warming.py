from __future__ import annotations

import os
import subprocess
import sys

from tests.product import ROOT

SCRIPT = """
import gc, sys, threading
import polyai.asgi
for thread in threading.enumerate():
    if thread.name == "warm-up":
        thread.join(60)
print("providers.openai_compatible" in sys.modules, gc.get_freeze_count() > 100_000)
"""


def test_the_web_process_has_what_a_question_needs_and_collects_no_garbage_there() -> None:
    environment = {**os.environ, "POLYAI_ENV_FILE": ""}
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "True"], done.stderr
