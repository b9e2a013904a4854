"""Descriptions of clusters: what is accepted, and the messages about faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from statewright.remote.clusters import parse_on
from statewright.remote.security import is_loopback, warnings_of
from statewright.workflow import WorkflowError


def described(folder: Path, text: str):
    file = folder / "cluster.yaml"
    file.write_text(text)
    return parse_on(f"dask={file}")


def test_a_description_has_the_units_of_meta(tmp_path):
    cluster = described(
        tmp_path,
        "kind: slurm\nadaptive: {minimum: 1, maximum: 4}\ncpu: 2\nram_gb: 16Gi\nwalltime: 1h30m\n"
        "queue: gpu\ndirectives: [--exclusive]\nallow: [platform]\n",
    )
    assert (cluster.cpu, cluster.ram_gb, cluster.walltime) == (2, 16, 5400)
    assert cluster.adaptive.maximum == 4
    assert cluster.directives == ("--exclusive",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cluster.yaml, line 1: no keys; expected lines such as"),
        ("kind: [\n", "cluster.yaml, line 2: not valid YAML"),
        ("workers: 2\n", "line 1: the key 'kind' is missing; expected one of local, address, slurm"),
        ("kind: local\n\nworkerz: 2\n", "line 3: unknown key 'workerz'; did you mean 'workers'?"),
        (
            "kind: local\nadaptive:\n  maxi: 2\n",
            "line 3: unknown key 'adaptive.maxi'; did you mean 'maximum'?",
        ),
        ("kind: lokal\n", "line 1: kind is 'lokal'; input should be 'local', 'address'"),
        ("kind: local\nworkers: 0\n", "line 2: workers is 0; input should be greater than or equal to 1"),
        ("kind: local\nram_gb: much\n", "line 2: ram_gb is 'much'; expected a number of GiB"),
        ("kind: local\nqueue: long\n", "line 2: 'queue' is a key of slurm, pbs, sge, not of local"),
        ("kind: slurm\nworkers: 2\nadaptive: {maximum: 2}\n", "both set; keep one"),
        (
            "kind: slurm\ndirectives:\n- -x a\n- '-n 1\n\n  rm -r x'\n",
            "line 4: directives.1 is '-n 1\\nrm -r x'",
        ),
        ("kind: address\naddress: http://h:1\n", "line 2: address is 'http://h:1'; expected tcp://HOST:PORT"),
        ("kind: address\n", "needs the key 'address'"),
        ("kind: kubernetes\n", "needs the key 'image'"),
        ("kind: kubernetes\nimage: r.io/a:latest\n", "can change; expected a tag other than latest"),
        ("kind: kubernetes\nimage: localhost:5000/a\n", "can change; expected a tag other than latest"),
        ("kind: kubernetes\nimage: a:1\nuser: 0\n", "line 3: user is 0; input should be greater than or"),
        ("kind: slurm\nsecurity: files\n", "needs the keys tls_ca, tls_cert and tls_key"),
        ("kind: local\nwait: !!python/object/apply:os.system ['true']\n", "line 2: wait is "),
    ],
)
def test_a_fault_names_the_line_and_what_is_expected(tmp_path, text, message):
    with pytest.raises(WorkflowError) as error:
        described(tmp_path, text)
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["ray", "dask=", "dask=tcp://host", "dask=ucx://h:1", "dask=missing.yaml"])
def test_a_wrong_value_of_the_option_is_refused(text):
    with pytest.raises(WorkflowError, match="expected"):
        parse_on(text)


def test_an_address_beyond_loopback_without_tls_gets_a_warning():
    assert "no TLS" in warnings_of(parse_on("dask=tcp://10.0.0.1:8786"))[0]
    assert not warnings_of(parse_on("dask=tls://10.0.0.1:8786"))
    assert not warnings_of(parse_on("dask=tcp://127.0.0.1:8786"))
    assert is_loopback("tcp://[::1]:8786")
