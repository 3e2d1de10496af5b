"""How containers are made and removed, with a shell script as the OCI runtime."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any, cast

import pytest

import containers
from cgroups import Cgroups
from containers import Runtime

# Writes down its commands. `run` starts a sleeping process; the file `fail` makes a command fail.
SCRIPT = """#!/bin/sh
here={here}
echo "$*" >> "$here/commands"
while [ $# -gt 0 ]; do
  case $1 in
    --log) log=$2; shift ;;
    --bundle) bundle=$2; shift ;;
    --pid-file) pid_file=$2; shift ;;
    run | delete) command=$1 ;;
  esac
  shift
done
if [ -e "$here/fail-$command" ]; then
  echo "the reason" >> "$log"
  exit 3
fi
if [ "$command" = run ]; then
  cp "$bundle/config.json" "$here/config.json"
  sleep 60 < /dev/null > /dev/null 2>&1 &
  echo $! > "$pid_file"
  echo $! >> "$here/pids"
fi
"""
TEMPLATE: dict[str, Any] = {
    "ociVersion": "1.0.2",
    "root": {"path": "/image", "readonly": True},
    "linux": {
        "cgroupsPath": "/ci",
        "resources": {"memory": {}},
        "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 2}],
        "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 2}],
    },
}


class FakeCgroups:
    """Gives every process a cgroup in a folder of the test, named after the container that was made last."""

    def __init__(self, here: Path) -> None:
        self._here = here
        self.foreign = False

    def folders_of(self, pid: int) -> dict[str, str]:
        identity = "another" if self.foreign else json.loads((self._here / "config.json").read_text())["linux"]["cgroupsPath"][4:]
        folder = self._here / "cgroups" / identity
        folder.mkdir(parents=True)
        (folder / "cgroup.procs").write_text(f"{pid}\n")
        return {"": str(folder)}


class ScriptRuntime(Runtime):
    def _program_of(self, command: str) -> str:
        """A script cannot run from a sealed copy."""
        return command

    refuses_mounts = False

    def _make_root(self, identity: str, image: str) -> str:
        """A folder: only root may mount."""
        if self._shares_image:
            return super()._make_root(identity, image)
        os.mkdir(f"{self._roots}/{identity}")
        if self.refuses_mounts:
            raise OSError("stacked too deep")
        return f"{self._roots}/{identity}"


class Rig:
    def __init__(self, here: Path) -> None:
        self.here = here
        script = here / "runtime"
        script.write_text(SCRIPT.format(here=here))
        script.chmod(0o755)
        self.cgroups = FakeCgroups(here)
        self.runtime = self.make(proves_limits=False)

    def make(self, *, proves_limits: bool) -> ScriptRuntime:
        cgroups = cast(Cgroups, self.cgroups)
        return ScriptRuntime(
            str(self.here / "runtime"),
            str(self.here / "state"),
            TEMPLATE,
            cgroups,
            2,
            proves_limits=proves_limits,
            user_namespaces=None,
            held=None,
        )

    def fail(self, command: str) -> None:
        (self.here / f"fail-{command}").touch()

    @property
    def commands(self) -> list[str]:
        lines = (self.here / "commands").read_text().splitlines()
        return [word for line in lines for word in line.split() if word in ("run", "delete")]

    @property
    def bundles(self) -> list[str]:
        return os.listdir(self.here / "state/bundles")

    def close(self) -> None:
        if (self.here / "pids").exists():
            for pid in (self.here / "pids").read_text().split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    continue


@pytest.fixture
def rig(tmp_path: Path) -> Any:
    made = Rig(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("refuses", [False, True])
def test_where_the_image_cannot_be_mounted_again_containers_share_it(rig: Rig, refuses: bool, capsys: pytest.CaptureFixture[str]) -> None:
    rig.runtime.refuses_mounts = refuses
    rig.runtime.try_mount()
    assert ("stacked too deep" in capsys.readouterr().err) is refuses
    assert os.listdir(rig.here / "state/roots") == []
    container = rig.runtime.create(64)
    root = json.loads((rig.here / "config.json").read_text())["root"]
    assert root == {"path": "/image" if refuses else f"{rig.here}/state/roots/{container.id}", "readonly": True}
    container.kill()
    container.remove()


def test_a_container_gets_its_own_configuration_and_folder(rig: Rig) -> None:
    container = rig.runtime.create(64)
    assert len(container.id) == 32 and int(container.id, 16) >= 0
    config = json.loads((rig.here / "config.json").read_text())
    assert config["linux"]["cgroupsPath"] == f"/ci/{container.id}"
    assert config["linux"]["resources"]["memory"] == {"limit": 64 << 20, "swap": 64 << 20}
    assert rig.bundles == [container.id]
    assert os.stat(rig.here / "state/bundles").st_mode & 0o777 == 0o700
    assert container.members() == [container.pid]


def test_a_killed_container_is_removed_through_the_runtime_if_its_cgroup_does_not_go(rig: Rig) -> None:
    container = rig.runtime.create(64)
    container.kill()
    container.remove()
    # The folder of the test still has a file, so that it cannot be removed like a cgroup.
    assert rig.commands == ["run", "delete"] and rig.bundles == []


def test_an_empty_container_is_removed_without_the_runtime(rig: Rig) -> None:
    container = rig.runtime.create(64)
    os.unlink(f"{container.folders['']}/cgroup.procs")
    (rig.here / "state/runtime" / container.id).mkdir(parents=True)
    (rig.here / "state/runtime" / container.id / "status").touch()
    container.kill()
    container.remove()
    assert rig.commands == ["run"] and rig.bundles == []
    assert not os.path.exists(container.folders[""]) and os.listdir(rig.here / "state/runtime") == []


def test_a_failed_run_is_an_error_with_the_runtimes_reason_and_leaves_nothing(rig: Rig) -> None:
    rig.fail("run")
    # As many as there are ranges of ids, and one more: every range is given back.
    for _ in range(3):
        with pytest.raises(OSError, match="run ended with 3: the reason"):
            rig.runtime.create(64)
    assert rig.bundles == []


def test_a_process_in_a_foreign_cgroup_is_not_taken_for_the_container(rig: Rig) -> None:
    rig.cgroups.foreign = True
    with pytest.raises(OSError, match="no cgroup of its own"):
        rig.runtime.create(64)
    assert rig.commands == ["run", "delete"] and rig.bundles == []


def test_a_container_without_its_limits_is_refused_where_limits_are_checked(rig: Rig) -> None:
    rig.runtime = rig.make(proves_limits=True)
    with pytest.raises(OSError, match=r"the runtime set no cpu\.max, memory\.max, pids\.max"):
        rig.runtime.create(64)
    assert rig.bundles == []


def test_a_runtime_that_hangs_is_killed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    (rig.here / "runtime").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(containers, "COMMAND_TIMEOUT_S", 0.05)
    with pytest.raises(OSError, match="run took too long"):
        rig.runtime.create(64)


def test_a_container_that_cannot_be_deleted_keeps_its_folder_for_the_next_start(rig: Rig, capfd: pytest.CaptureFixture[str]) -> None:
    container = rig.runtime.create(64)
    container.kill()
    rig.fail("delete")
    container.remove()
    assert rig.bundles == [container.id]
    assert f"container {container.id} not removed" in capfd.readouterr().err
    (rig.here / "fail-delete").unlink()
    rig.make(proves_limits=False).remove_leftovers()
    assert rig.bundles == []
