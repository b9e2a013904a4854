"""The manifest of a cluster on Kubernetes, against the schemas of Kubernetes and of the operator.

No Kubernetes runs here: what the operator and its pods do is not tested.
"""

from __future__ import annotations

import inspect
from importlib.resources import files

import jsonschema
import kubernetes_validate
import pytest
import yaml
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from statewright.remote.cluster_file import Adaptive, Cluster
from statewright.remote.kubernetes import manifest, open_pods
from statewright.workflow import WorkflowError


@pytest.fixture(scope="module")
def spec():
    cluster = Cluster(
        kind="kubernetes", image="registry.example.org/team/image:1.2", namespace="team", workers=3,
        cpu=1.5, ram_gb=4, gpu=1, secrets=["store"], user=1234,
    )  # fmt: skip
    return manifest(cluster, 1, "statewright-abc")


def deployments(spec: dict) -> list[dict]:
    """Return the deployments, as the operator makes them of a manifest."""
    pods = {"worker": spec["spec"]["worker"]["spec"], "scheduler": spec["spec"]["scheduler"]["spec"]}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod},
            },
        }
        for name, pod in pods.items()
    ]


def test_the_manifest_has_the_schema_of_the_operator(spec):
    def retrieve(uri: str) -> Resource:
        """Return a schema in the package of the operator; pods have a test of their own."""
        package, _, path = uri.removeprefix("python://").partition("/")
        specs = ("PodSpec", "ServiceSpec")
        contents = {"definitions": {f"io.k8s.api.core.v1.{name}": {} for name in specs}}
        if package == "dask_kubernetes":
            contents = yaml.safe_load((files(package) / path).read_text())
        return Resource(contents=contents, specification=DRAFT202012)

    uri = "python://dask_kubernetes/operator/customresources/templates.yaml"
    schema = {"$ref": f"{uri}#/definitions/dask.k8s.api.v1.DaskCluster"}
    validator = jsonschema.Draft202012Validator(schema, registry=Registry(retrieve=retrieve))
    validator.validate(spec)
    broken = {**spec, "spec": {**spec["spec"], "worker": {"replicas": "three"}}}
    assert not validator.is_valid(broken)


def test_pods_and_service_have_the_schemas_of_kubernetes(spec):
    version = kubernetes_validate.latest_version()
    for deployment in deployments(spec):
        kubernetes_validate.validate(deployment, version, strict=True)
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    kubernetes_validate.validate(
        {**service, "spec": spec["spec"]["scheduler"]["service"]}, version, strict=True
    )
    broken = deployments(spec)[0]
    broken["spec"]["template"]["spec"] = {**broken["spec"]["template"]["spec"], "imagine": 1}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, version, strict=True)


def test_pods_have_no_privileges_and_bounded_resources(spec):
    for deployment in deployments(spec):
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 1234)
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"] == container["resources"]["requests"]
        assert container["image"] == "registry.example.org/team/image:1.2"


def test_a_worker_has_the_resources_of_the_description(spec):
    worker = spec["spec"]["worker"]
    (container,) = worker["spec"]["containers"]
    assert worker["replicas"] == 3
    assert container["resources"]["limits"] == {"cpu": "1.5", "memory": "4096Mi", "nvidia.com/gpu": "1"}
    assert container["args"][-2:] == ["--resources", "cpu=1.5 ram_gb=4 gpu=1"]
    assert container["args"][container["args"].index("--nthreads") + 1] == "2"
    assert container["envFrom"] == [{"secretRef": {"name": "store"}}]


def test_an_adaptive_cluster_starts_with_its_minimum():
    cluster = Cluster(kind="kubernetes", image="a:1", adaptive=Adaptive(minimum=2, maximum=9))
    assert manifest(cluster, 5)["spec"]["worker"]["replicas"] == 2


def test_the_library_takes_what_it_is_given():
    from dask_kubernetes.operator import KubeCluster

    given = ("custom_cluster_spec", "namespace", "resource_timeout", "shutdown_on_close", "quiet")
    assert set(given) <= set(inspect.signature(KubeCluster.__init__).parameters)


@pytest.mark.slow
def test_without_kubernetes_the_error_names_the_command_to_type(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    cluster = Cluster(kind="kubernetes", image="a:1", namespace="team", wait=2)
    with pytest.raises(WorkflowError, match="`kubectl -n team get"), open_pods(cluster, 1):
        pass
