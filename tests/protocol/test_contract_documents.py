"""The machine-readable contract matches the code, and TypeScript's compiler accepts it."""

import subprocess
from pathlib import Path

import jsonschema
import pytest

import handlers
from protocol.rpc import methods
from protocol.schema import asyncapi, documents
from tests.people import CLIENTS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "schema"


@pytest.mark.parametrize("name", sorted(documents(methods)))
def test_the_documents_are_up_to_date(name):
    assert (FOLDER / name).read_text() == documents(methods)[name], "run `make schema` and commit the result"


def test_every_reference_resolves():
    document = asyncapi(methods)

    def references(node):
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    for reference in references(document):
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    assert len(handlers.MODULES) > 0


def test_schemas_are_valid():
    for schema in asyncapi(methods)["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.javascript
def test_the_typescript_compiles_with_the_official_clients_types():
    result = subprocess.run(
        ["node_modules/.bin/tsc", "--project", "tsconfig.json"],
        cwd=CLIENTS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.javascript
def test_the_typescript_refuses_wrong_calls():
    bad = CLIENTS / "bad-usage.ts"
    bad.write_text((CLIENTS / "usage.ts").read_text() + '\nsocket.emit("post.create", { txt: "x" }, () => {});\n')
    try:
        options = ["--ignoreConfig", "--noEmit", "--strict", "--moduleResolution", "bundler", "--module", "esnext"]
        command = ["node_modules/.bin/tsc", *options, bad.name]
        result = subprocess.run(command, cwd=CLIENTS, capture_output=True, text=True, check=False)
    finally:
        bad.unlink()
    assert result.returncode != 0
    assert "txt" in result.stdout
