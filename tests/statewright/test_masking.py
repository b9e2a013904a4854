"""Secrets are masked in text, params and commands; ordinary words are not."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import commit, make_repository

from statewright.masking import (
    MASK,
    is_secret,
    mask_arguments,
    mask_command,
    mask_text,
    mask_value,
    secret_values,
)
from statewright.planning.reasons import Reason
from statewright.record.masking import mask_log

HERE = Path(__file__).parents[2]

SECRET_KEYS = [
    *("password", "db.password", "DB_PASSWORD", "dbPassword", "user-passwd", "--password", "smtp.pwd"),
    *(
        "token",
        "hf_token",
        "HF_TOKEN",
        "auth.token",
        "accessToken",
        "api_key",
        "api.key",
        "API-KEY",
        "apikey",
    ),
    *("secret", "client_secret", "secrets.first", "AWS_SECRET_ACCESS_KEY", "aws_access_key"),
    *("credentials", "credential.value", "private_key", "privateKey", "signing_key", "passphrase"),
]
ORDINARY_KEYS = [
    *("tokenizer", "max_tokens", "n_tokens", "tokens", "secretary", "key", "primary_key", "sort_keys"),
    *("token_type", "password_file", "secret_name", "passwords_path", "keyboard", "author", "PWD", "monkey"),
    *("train.lr", "model.name", "compass", "tokenization.kind"),
]


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_the_name_of_a_key_says_that_its_value_is_secret(key: str) -> None:
    assert is_secret(key, "hunter2")
    assert mask_value(key, "hunter2") == MASK
    assert mask_value("block", {key: ["hunter2"]}) == {key: [MASK]}


@pytest.mark.parametrize("key", ORDINARY_KEYS)
def test_other_keys_are_left_alone(key: str) -> None:
    assert mask_value(key, "bert") == "bert"
    assert mask_command(f"run --{key} bert {key}=bert {key}: bert") == (
        f"run --{key} bert {key}=bert {key}: bert"
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pad_token", "<pad>"),
        ("mask_token", "[MASK]"),
        ("eos_token", "<|endoftext|>"),
        ("loss.per.token", 3.2),
        ("password_min", 8),
        ("token", None),
        ("use_token", True),
        ("password", ""),
        ("password", "env:DB_PASSWORD"),
        ("password", "${DB_PASSWORD}"),
    ],
)
def test_a_value_that_is_no_secret_is_kept(key: str, value: Any) -> None:
    assert mask_value(key, value) == value


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://u:hunter2@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:p@ss:w@h:5432/db?x=1", "postgresql://u:***@h:5432/db?x=1"),
        ("postgresql://u:pa/ss@h/db", "postgresql://u:***@h/db"),
        ("redis://:hunter2@h:6379/0", "redis://:***@h:6379/0"),
        ("see http://localhost:8080/a@b", "see http://localhost:8080/a@b"),
        ("ssh://git@example.org/x", "ssh://git@example.org/x"),
        ("s3://bucket/key", "s3://bucket/key"),
        ("https://abcdefghijklmnopqrstu@example.org/x", "https://***@example.org/x"),
        ("Authorization: Basic dTpw", "Authorization: Basic ***"),
        ("sent Bearer abcdef.ghi-jkl", "sent Bearer ***"),
        ("loss per token: 3.2, token: the", "loss per token: 3.2, token: the"),
        ("ghp_" + "a1" * 18, MASK),
    ],
)
def test_text(text: str, masked: str) -> None:
    assert mask_text(text) == masked
    assert mask_text(masked) == masked


@pytest.mark.parametrize(
    ("command", "masked"),
    [
        (
            "curl -H 'Authorization: Bearer hunter2hunter2' http://h/ ; echo x",
            "curl -H 'Authorization: ***' http://h/ ; echo x",
        ),
        ('curl -H "X-API-Key: hunter2" h', 'curl -H "X-API-Key: ***" h'),
        ("curl -u me:hunter2 http://h", "curl -u me:*** http://h"),
        ("curl --user 'me:hunter2' h", "curl --user 'me:***' h"),
        ("docker run -u 1000:1000 image", "docker run -u 1000:1000 image"),
        ("train --password hunter2 --lr 1", "train --password *** --lr 1"),
        ("train --token=hunter2 --max_tokens 5", "train --token=*** --max_tokens 5"),
        ("train --api-key 'a b' --out x", "train --api-key '***' --out x"),
        ("train --password --verbose", "train --password --verbose"),
        ("PASSWORD=hunter2 train", "PASSWORD=*** train"),
        ("export A=1 DB_PASSWORD='a b'; train", "export A=1 DB_PASSWORD='***'; train"),
        ('train --password=$PASSWORD --token "$T"', 'train --password=$PASSWORD --token "$T"'),
        ('echo \'{"password": "a b", "n": 1}\' > f', 'echo \'{"password": "***", "n": 1}\' > f'),
        ("{db: {password: hunter2, user: x}}", "{db: {password: ***, user: x}}"),
        ("--set password: [hunter2", "--set password: ***"),
        ("get 'http://h/?token=hunter2&page=2'", "get 'http://h/?token=***&page=2'"),
        ("sshpass -p hunter2 ssh h", "sshpass -p *** ssh h"),
        ("run --set 'db.password=a b'", "run --set 'db.password=***'"),
    ],
)
def test_commands(command: str, masked: str) -> None:
    assert mask_command(command) == masked
    assert mask_command(masked) == masked


def test_an_argument_is_masked_whole() -> None:
    arguments = ["run", "--set", "db.password=a b,c", "--set", "o.yaml:token=x y", "--token", "a b", "x=1"]
    assert mask_arguments(arguments) == ("run --set db.password=*** --set o.yaml:token=*** --token *** x=1")


@given(st.text(st.characters(codec="ascii", exclude_characters="/\"'<>", min_codepoint=33), min_size=1))
def test_no_part_of_a_password_in_a_url_remains(password: str) -> None:
    assert mask_text(f"db://user:{password}@host/x") == "db://user:***@host/x"


@given(st.text(min_size=1, max_size=30))
def test_no_part_of_an_argument_remains(secret: str) -> None:
    if not secret.startswith(("$", "env:", "%(", "{{", "'$", '"$')) and is_secret("password", secret):
        assert mask_arguments(["--set", f"password={secret}"]) == "--set password=***"


def test_long_secrets_are_searched_for_in_other_text() -> None:
    params = {"db": {"password": "hunter2hunter2", "url": "db://u:hunter2hunter2more@h", "pin.secret": "1"}}
    values = secret_values(
        params, {"HF_TOKEN": "longer than eight", "HOME": "/home/somebody", "PWD": "/home"}
    )
    assert values == ("hunter2hunter2more", "longer than eight", "hunter2hunter2")
    assert mask_text("a hunter2hunter2more b longer than eight", values) == "a *** b ***"


def test_reasons_do_not_show_secrets() -> None:
    reasons = [
        Reason("param", "db.url", "x", "postgresql://u:hunter2@h/db"),
        Reason("param", "db.password", "old", "new"),
        Reason("command", "fetch", "get --token a", "get --token b"),
        Reason("missing dependency", "https://u:hunter2@h/file"),
    ]
    assert [reason.text for reason in reasons] == [
        "db.url x -> postgresql://u:***@h/db",
        "db.password *** -> ***",
        "command changed: was `get --token ***`, is `get --token ***`",
        "https://u:***@h/file is missing and no stage writes it",
    ]


def test_a_log_without_secrets_keeps_its_bytes(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\xff\x00a\r\nb\rc")
    before = log.stat()
    mask_log(log, ("hunter2hunter2",))
    assert log.stat().st_ino == before.st_ino
    log.write_bytes(b"\xff\x00a\r\nb hunter2hunter2\rc")
    mask_log(log, ("hunter2hunter2",))
    assert log.read_bytes() == b"\xff\x00a\r\nb ***\rc"
    mask_log(tmp_path / "absent", ("x",))


FILES = {
    "dvc.yaml": """
        stages:
          fetch:
            cmd: |
              curl -H 'Authorization: Bearer SECRET_IN_CMD' 127.0.0.1:9 || echo $DB_PASSWORD > data.txt
              grep url params.yaml; echo connecting with $DB_PASSWORD and $AWS_SECRET_ACCESS_KEY
            params: [db.url, db.key.api_key]
            outs: [data.txt]
          bad:
            cmd: echo wrong $DB_PASSWORD; exit 3
            params: [db]
        """,
    "params.yaml": "db:\n  url: x\n  key: {api_key: none yet}\n",
}


@pytest.mark.slow
def test_no_secret_reaches_a_record_a_state_file_or_the_terminal(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    commit(root)
    store = tmp_path / "runs"
    store.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE),
        "MLFLOW_TRACKING_URI": f"sqlite:///{store / 'runs.db'}",
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "DB_PASSWORD": "SECRET_IN_ENV",
        "AWS_SECRET_ACCESS_KEY": "SECRET_IN_AWS",
    }

    def call(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "statewright", *arguments],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return done.stdout + done.stderr

    settings = [
        *("--set", "db.url=postgresql://u:SECRET_IN_SET@h/db"),
        *("--set", "db.key.api_key=SECRET_IN_PARAM"),
    ]
    said = call("run", *settings)
    assert "1 failed" in said and "1 ran" in said
    assert "db.url x -> postgresql://u:***@h/db" in said
    said += call("plan") + call("plan", "--json") + call("plan", "--explain", "bad")
    said += (
        call("params") + call("params", "--json") + call("trace", "fetch") + call("trace", "fetch", "--json")
    )
    said += call("diff") + call("diff", "--json") + call("diff", "--format", "markdown")
    said += call("graph") + call("graph", "--json")
    said += call("run", "--set", "db.key.api_key=[SECRET_IN_TYPO")
    said += call("run", "--set", "db.key.api_key: SECRET_IN_TYPO")
    said += call("plan", "--set", "db.key.api_key={a: SECRET_IN_TYPE}")
    assert "SECRET_IN" not in said

    assert (root / "data.txt").read_text() == "SECRET_IN_ENV\n"  # the user's own files are as DVC leaves them
    assert "SECRET_IN_SET" in (root / "params.yaml").read_text()
    written = [*(root / ".statewright").rglob("*"), *store.rglob("*"), *(tmp_path / "prefect").rglob("*")]
    written = [path for path in written if path.is_file()]
    assert [path for path in written if path.name == "fetch.log"]
    assert [path for path in written if b"SECRET_IN" in path.read_bytes()] == []
    with sqlite3.connect(store / "runs.db") as connection:
        recorded = dict(connection.execute("SELECT key, value FROM params"))
        commands = connection.execute("SELECT value FROM tags WHERE key LIKE 'statewright.%command'")
        texts = "\n".join(text for (text,) in commands)
    assert recorded == {"db.url": "postgresql://u:***@h/db", "db.key.api_key": "***"}
    assert "--set db.key.api_key=***" in texts
    assert "'Authorization: ***'" in texts
