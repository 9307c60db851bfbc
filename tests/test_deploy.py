"""The files of deploy/: against Kubernetes' schemas, a linter, and the code that they run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="comes with the development tools")
pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.serve.app import OPERATIONS
from attar.serve.gate import OPEN
from attar.serve.settings import Settings, read_settings

DEPLOY = Path(__file__).parents[1] / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
TEXT = (DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")
OBJECTS: dict[str, Any] = {item["kind"]: item for item in yaml.safe_load_all(TEXT)}
POD = OBJECTS["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
SERVE_TOML = OBJECTS["ConfigMap"]["data"]["serve.toml"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "serve.toml"
    path.write_text(SERVE_TOML, encoding="utf-8")
    return read_settings(path)


def instructions() -> list[tuple[str, str]]:
    joined = CONTAINERFILE.replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


@pytest.mark.parametrize("kind", list(OBJECTS))
def test_objects_are_what_kubernetes_takes(kind: str) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    validator.validate(OBJECTS[kind], validator.latest_version(), strict=True)


def test_the_schemas_refuse_a_wrong_object() -> None:
    validator = pytest.importorskip("kubernetes_validate")
    wrong = json.loads(json.dumps(OBJECTS["Deployment"]))
    wrong["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(validator.ValidationError):
        validator.validate(wrong, validator.latest_version(), strict=True)


def test_objects_are_all_there_and_name_each_other() -> None:
    assert set(OBJECTS) == {
        *("ConfigMap", "Secret", "Deployment", "Service"),
        *("PodDisruptionBudget", "HorizontalPodAutoscaler"),
    }
    labels = OBJECTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert OBJECTS["Service"]["spec"]["selector"].items() <= labels.items()
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert OBJECTS[kind]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    target = OBJECTS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert target["name"] == OBJECTS["Deployment"]["metadata"]["name"]
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == set(volumes)
    name = OBJECTS["ConfigMap"]["metadata"]["name"]
    assert volumes["settings"]["configMap"]["name"] == name
    (source,) = CONTAINER["envFrom"]
    assert source["secretRef"]["name"] == OBJECTS["Secret"]["metadata"]["name"]


def test_the_settings_are_accepted_and_fit_the_pod(settings: Settings) -> None:
    assert settings.host == "0.0.0.0" and settings.keys and not settings.insecure
    assert settings.port == CONTAINER["ports"][0]["containerPort"]
    assert settings.workers == 1  # not as many as the node has processors
    (model,) = settings.models.values()
    assert model.path.startswith("/models/")


def test_the_key_that_stands_there_lets_nobody_in(settings: Settings) -> None:
    (key,) = settings.keys
    assert set(key.sha256) == {"0"}


def test_the_commented_settings_are_accepted_too(tmp_path: Path) -> None:
    path = tmp_path / "serve.toml"
    path.write_text(re.sub(r"(?m)^# (\[|\w+ = )", r"\1", SERVE_TOML), encoding="utf-8")
    whole = read_settings(path)
    assert whole.fallback is not None and whole.capture is not None
    assert whole.fallback.api_key_env in OBJECTS["Secret"]["stringData"]
    mounted = {mount["name"]: Path(mount["mountPath"]) for mount in CONTAINER["volumeMounts"]}
    assert Path(whole.capture.path).parent == mounted["capture"]
    limit = next(v["emptyDir"]["sizeLimit"] for v in POD["volumes"] if v["name"] == "capture")
    room = int(limit.removesuffix("Mi")) * 2**20
    assert whole.capture.megabytes * 1e6 * (whole.capture.files + 1) < room


def test_probes_ask_what_is_served_without_a_key() -> None:
    served = {operation.path for operation in OPERATIONS if operation.method == "GET"}
    probes = {name: CONTAINER[name]["httpGet"] for name in ("readinessProbe", "livenessProbe")}
    assert probes["readinessProbe"]["path"] == "/readyz"
    assert probes["livenessProbe"]["path"] == "/healthz"
    for probe in probes.values():
        assert probe["path"] in served & OPEN
        assert probe["port"] == CONTAINER["ports"][0]["name"]


def test_an_update_leaves_time_to_finish(settings: Settings) -> None:
    update = OBJECTS["Deployment"]["spec"]["strategy"]["rollingUpdate"]
    assert update["maxUnavailable"] == 0
    _, seconds = CONTAINER["lifecycle"]["preStop"]["exec"]["command"]
    needed = int(seconds) + settings.limits.drain_s
    assert POD["terminationGracePeriodSeconds"] > needed


def test_the_pod_has_no_rights() -> None:
    user = dict(instructions())["USER"]
    assert user == f"{POD['securityContext']['runAsUser']}:{POD['securityContext']['runAsGroup']}"
    assert POD["securityContext"]["runAsNonRoot"] is True
    rights = CONTAINER["securityContext"]
    assert rights["readOnlyRootFilesystem"] is True
    assert rights["allowPrivilegeEscalation"] is False
    assert rights["capabilities"]["drop"] == ["ALL"]


def test_the_container_runs_what_the_code_has() -> None:
    last = dict(instructions())
    assert int(last["USER"].split(":")[0]) >= 10_000
    assert int(last["EXPOSE"]) == Settings(models={}).port
    assert json.loads(last["ENTRYPOINT"]) == ["attar"]
    assert json.loads(last["CMD"])[0] == "serve"
    path = Path(json.loads(last["CMD"])[-1])
    mounted = [mount["mountPath"] for mount in CONTAINER["volumeMounts"]]
    assert path.name in OBJECTS["ConfigMap"]["data"] and str(path.parent) in mounted
    assert f":{last['EXPOSE']}/healthz" in last["HEALTHCHECK"]
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (DEPLOY.parent / source).exists(), source
    assert any(word == "RUN" and ".[calls,serve]" in rest for word, rest in instructions())


def test_the_linter_has_nothing_to_say() -> None:
    beside = Path(sys.executable).with_name("hadolint")
    hadolint = str(beside) if beside.exists() else shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run(
        [hadolint, "--no-color", str(DEPLOY / "Containerfile")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
