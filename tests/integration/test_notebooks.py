"""Every notebook runs from top to bottom, is kept without output, and uses the public API only."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_clean_and_public(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert "loadcore._" not in cell.source
            assert "lc._" not in cell.source


# ZMQ's own sockets and loops, which a kernel's client leaves to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    executed = execute(notebook, tmp_path)
    shown = [output for cell in executed.cells for output in cell.get("outputs", ())]
    tables = [output.data for output in shown if "data" in output]
    assert any("<svg" in data.get("text/html", "") for data in tables)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_the_stop_button_of_a_notebook_keeps_what_was_measured(tmp_path: Path) -> None:
    """A kernel is interrupted by SIGINT."""
    pid_file = tmp_path / "pid"
    source = f"""
import os, pathlib
import loadcore as lc
def announced(handle, timeout=None, wait=lc.RunHandle.wait):
    pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))
    return wait(handle, timeout)
lc.RunHandle.wait = announced  # there lc.run catches what comes
service = lc.serve()
try:
    lc.run(service.url + "/v1/a/likes", rate=100, duration=60)
except lc.Interrupted as error:
    print("measured", error.run.requests.completed > 0)
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])

    def interrupt() -> None:
        while not (pid_file.exists() and pid_file.read_text()):
            time.sleep(0.05)
        time.sleep(1)
        os.kill(int(pid_file.read_text()), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    begin = time.monotonic()
    executed = execute(notebook, tmp_path)
    assert executed.cells[0].outputs[0].text == "measured True\n"
    assert time.monotonic() - begin < 40


def execute(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    return client.execute()
