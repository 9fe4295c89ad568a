import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ACSEG = Path(sys.executable).with_name("acseg")

pytestmark = pytest.mark.skipif(not ACSEG.exists(), reason="the command is not installed")


def run(arguments: list[str], **more: str) -> str:
    environment = os.environ | more
    done = subprocess.run(
        arguments, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def complete(words: str) -> set[str]:
    """What the shell is told for a line that ends here."""
    count = str(len(words.split(" ")) - 1)
    out = run([str(ACSEG)], _ACSEG_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count)
    return set(out.split())


def test_commands_and_options_are_completed() -> None:
    assert complete("acseg seg") == {"segment"}
    assert {"segment", "fit", "predict"} <= complete("acseg ")
    assert complete("acseg fit --cl") == {"--classes"}
    assert {"list", "merge", "again"} <= complete("acseg classes ")
    assert complete("acseg classes me") == {"merge"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_takes_the_script(tmp_path: Path) -> None:
    script = run([str(ACSEG)], _ACSEG_COMPLETE="source_bash")
    (tmp_path / "script").write_text(script)
    ask = (
        f"source {tmp_path}/script; COMP_WORDS=(acseg pred); COMP_CWORD=1; "
        f'PATH="{ACSEG.parent}:$PATH"; _acseg_completion acseg; echo "${{COMPREPLY[@]}}"; '
        "complete -p acseg"
    )
    out = run(["bash", "--norc", "-c", ask])
    assert out.splitlines() == ["predict", "complete -o default -F _acseg_completion acseg"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_each_shell(shell: str) -> None:
    assert "_ACSEG_COMPLETE" in run([str(ACSEG)], _ACSEG_COMPLETE=f"source_{shell}")
