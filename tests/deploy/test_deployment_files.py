"""The files of `deploy/`: valid, pinned, closed, and equal in both forms."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.deploy.composition import DEPLOY, example_settings, read_compose

ROOT = DEPLOY.parent
KUBERNETES = "1.33"
"""The oldest release that the manifests are for."""
SETTINGS = {name: f"value-of-{name}" for name in example_settings()} | {"REGISTRY": ""}
COMPOSE = read_compose(SETTINGS)
KUSTOMIZATION = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
MANIFESTS: list[dict[str, Any]] = [
    document
    for name in KUSTOMIZATION["resources"]
    for document in yaml.safe_load_all((DEPLOY / name).read_text())
]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
LOCKED = dict(
    line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line
)


@dataclass(frozen=True)
class Part:
    """A container of the manifests, with the pod around it."""

    name: str
    container: dict[str, Any]
    pod: dict[str, Any]
    labels: dict[str, str]

    def environment(self) -> dict[str, str]:
        """Return the variables, with those of the Secret and references replaced."""
        values: dict[str, str] = {}
        for variable in self.container["env"]:
            if "valueFrom" in variable:
                values[variable["name"]] = SETTINGS[variable["valueFrom"]["secretKeyRef"]["key"]]
            else:
                values[variable["name"]] = self.resolve(variable["value"], values)
        return values

    def words(self, *fields: str) -> list[str]:
        """Return the words of the command, with references replaced."""
        return [
            self.resolve(word, self.environment())
            for field in fields
            for word in self.container.get(field, [])
        ]

    @staticmethod
    def resolve(text: str, values: dict[str, str]) -> str:
        """Replace ``$(NAME)`` by the variables that stand before, as Kubernetes does."""
        return re.sub(r"\$\(([A-Z_]+)\)", lambda match: values[match[1]], text)


def parts() -> Iterator[Part]:
    for manifest in MANIFESTS:
        spec = manifest.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            pod = template["spec"]
            for container in [*pod.get("initContainers", []), *pod["containers"]]:
                yield Part(container["name"], container, pod, template["metadata"]["labels"])


PARTS = {part.name: part for part in parts()}
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {m["metadata"]["name"]: m for m in MANIFESTS if m["kind"] == kind}


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda m: f"{m['kind']}-{m['metadata']['name']}")
def test_a_manifest_is_valid(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_every_manifest_is_part_of_the_kustomization() -> None:
    files = {f"kubernetes/{path.name}" for path in (DEPLOY / "kubernetes").iterdir()}
    assert files == set(KUSTOMIZATION["resources"])


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_builds_the_kustomization(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    (tmp_path / "deploy" / ".env").write_text("".join(f"{k}={v}\n" for k, v in SETTINGS.items()))
    done = subprocess.run(
        ["kubectl", "kustomize", tmp_path / "deploy"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    assert len(built) == len(MANIFESTS) + 1  # and the Secret
    (secret,) = (m for m in built if m["kind"] == "Secret")
    assert f"name: {secret['metadata']['name']}" in done.stdout.replace("secretKeyRef:", "")
    for manifest in built:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_the_compose_file_fits_its_schema() -> None:
    # That of the Compose Specification (Apache-2.0), of June 2026.
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    validator = jsonschema.Draft7Validator(schema)
    assert not [f"{error.json_path}: {error.message}" for error in validator.iter_errors(COMPOSE)]


def test_docker_accepts_the_compose_file(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not installed")
    (tmp_path / "env").write_text("".join(f"{k}={v}\n" for k, v in SETTINGS.items()))
    command = [
        docker,
        "compose",
        "--env-file",
        tmp_path / "env",
        "--file",
        DEPLOY / "compose.yaml",
        "config",
        "-q",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_closed_and_bounded(name: str) -> None:
    service = SERVICES[name]
    user, _ = service["user"].split(":")
    assert int(user) > 0
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["restart"] == ("on-failure" if name == "bucket" else "unless-stopped")
    assert "healthcheck" in service or name == "bucket"  # the bucket is created once
    assert service.get("ports", []) == (["80:8080", "443:8443"] if name == "proxy" else [])
    assert set(service["networks"]) <= set(COMPOSE["networks"])
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    for volume in service.get("volumes", []):
        source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
        assert source in COMPOSE["volumes"] or source == "./certificates"
    assert not {"privileged", "env_file", "network_mode", "pid"} & set(service)


@pytest.mark.parametrize("name", PARTS)
def test_a_container_is_closed_and_bounded(name: str) -> None:
    part = PARTS[name]
    assert part.pod["securityContext"]["runAsNonRoot"] and part.pod["securityContext"]["runAsUser"] > 0
    assert part.pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert part.pod["automountServiceAccountToken"] is False
    context = part.container["securityContext"]
    assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    for bound in ("requests", "limits"):
        assert set(part.container["resources"][bound]) == {"cpu", "memory"}
    if name not in ("bucket", "backup"):  # these end by themselves
        probes = {f"{kind}Probe" for kind in ("startup", "readiness", "liveness")}
        assert probes <= set(part.container)
        ports = {port["name"] for port in part.container["ports"]}
        assert all(part.container[p].get("httpGet", {}).get("port", name) in ports for p in probes)
    mounted = {mount["name"] for mount in part.container["volumeMounts"]}
    assert mounted <= {volume["name"] for volume in part.pod["volumes"]}
    for volume in part.pod["volumes"]:
        if claim := volume.get("persistentVolumeClaim"):
            assert claim["claimName"] in of_kind("PersistentVolumeClaim")


def test_names_lead_somewhere() -> None:
    labels = {part.labels["app"]: part for part in PARTS.values()}
    for name, service in of_kind("Service").items():
        selected = labels[service["spec"]["selector"]["app"]]
        assert selected.labels == {"app": name}
        open_ports = {port["name"] for port in selected.container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= open_ports
    for policy in of_kind("NetworkPolicy").values():
        own = policy["spec"]["podSelector"].get("matchLabels", {}).get("app")
        if own is None:
            continue
        for rule in policy["spec"]["ingress"]:
            numbers = {port["containerPort"] for port in labels[own].container["ports"]}
            assert {port["port"] for port in rule["ports"]} <= numbers
            assert all(peer["podSelector"]["matchLabels"]["app"] in labels for peer in rule.get("from", []))
    keys = {
        variable["valueFrom"]["secretKeyRef"]["key"]
        for part in PARTS.values()
        for variable in part.container["env"]
        if "valueFrom" in variable
    }
    assert keys <= set(example_settings())


def test_compose_and_manifests_have_the_same_settings() -> None:
    assert set(PARTS) == set(SERVICES)
    for name, part in PARTS.items():
        service, own = SERVICES[name], part.environment()
        own.pop("DOMAIN", None)
        upstream = ".statewright.svc.cluster.local:"
        expected = {key: value for key, value in service["environment"].items() if key != "DOMAIN"}
        names = set(SETTINGS)  # variables that only serve to build others
        assert {k: v.replace(upstream, ":") for k, v in own.items() if k in expected} == expected, name
        assert set(own) - set(expected) <= names, name
        if name != "backup":  # a loop here, a CronJob there
            assert part.words("command", "args") == service.get("command", []), name
        assert part.container["image"] == service["image"], name
        assert part.pod["securityContext"]["runAsUser"] == int(service["user"].split(":")[0]), name
        limits, bounds = part.container["resources"]["limits"], service["deploy"]["resources"]["limits"]
        assert limits["cpu"] == bounds["cpus"], name
        assert limits["memory"].lower().removesuffix("i") == bounds["memory"], name
        paths = {mount["mountPath"] for mount in part.container["volumeMounts"]}
        other = [v["target"] if isinstance(v, dict) else v.split(":")[1] for v in service.get("volumes", [])]
        other += [mount.split(":")[0] for mount in service.get("tmpfs", [])]
        assert paths == set(other) or name == "bucket", name


def test_every_secret_is_a_variable() -> None:
    secrets = {name for name in SETTINGS if re.search("PASSWORD|SECRET", name)}
    assert {example_settings()[name] for name in secrets} == {"change-me"}
    assert not example_settings()["GIT_TOKEN"]
    for service in SERVICES.values():
        for word in [*service.get("command", []), *service.get("healthcheck", {}).get("test", [])]:
            assert not any(SETTINGS[name] in word for name in secrets), word
    for part in PARTS.values():
        for variable in part.container["env"]:
            if re.search("PASSWORD|SECRET|TOKEN|AUTH_STRING", variable["name"]):
                assert "valueFrom" in variable or "$(STATEWRIGHT_PASSWORD)" in variable["value"]
    ignored = subprocess.run(
        ["git", "check-ignore", "deploy/.env"], cwd=ROOT, capture_output=True, check=False
    )
    assert ignored.returncode == 0


def test_every_version_is_pinned_and_is_that_of_the_project() -> None:
    tags = {service["image"] for service in SERVICES.values()}
    assert all(tag.endswith(f":{VERSION}") for tag in tags), tags
    assert {i["name"]: i["newTag"] for i in KUSTOMIZATION["images"]} == dict(tag.split(":") for tag in tags)
    targets = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE))
    assert {tag.split(":")[0].removeprefix("statewright-") for tag in tags} <= targets
    assert {s["build"]["target"] for s in SERVICES.values() if "build" in s} == targets - {"python"}
    for image in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE):
        assert image in targets or re.search(r":v?\d+\.\d+", image), image
    uv = re.search(r"uv==(\S+)", (ROOT / "Makefile").read_text())
    assert uv and f"uv=={uv[1]}" in DOCKERFILE
    python = re.search(r"python:(\d+\.\d+)", DOCKERFILE)
    assert python and f"python{python[1]}" in (ROOT / "Makefile").read_text()


def test_the_images_get_the_locked_servers_and_no_telemetry() -> None:
    (prefect,) = re.findall(r"prefect-version: (\S+)", (ROOT / "prefect.yaml").read_text())
    assert LOCKED["prefect"] == prefect
    assert "--constraint requirements.lock" in DOCKERFILE and "--requirements requirements.lock" in DOCKERFILE
    for package in ("mlflow", "prefect", "psycopg2-binary", "asyncpg", "boto3"):
        assert package in LOCKED
    from statewright.environment import SETTINGS as QUIET

    for name in (
        "DO_NOT_TRACK",
        "DVC_NO_ANALYTICS",
        "MLFLOW_DISABLE_TELEMETRY",
        "PREFECT_SERVER_ANALYTICS_ENABLED",
    ):
        assert f"{name}={QUIET[name]} \\" in DOCKERFILE
    assert DOCKERFILE.count("USER ") >= 4  # the image of nginx brings its own


@pytest.mark.parametrize("script", sorted((DEPLOY / "settings").glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_valid_shell(script: Path) -> None:
    done = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert script.stat().st_mode & 0o111
