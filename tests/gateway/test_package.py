"""A wheel contains all Python packages and the data files that they read at run time."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
PACKAGES = SETUPTOOLS["packages"]
PACKAGE_DATA = SETUPTOOLS["package-data"]


def folders() -> list[Path]:
    return [ROOT / package for package in PACKAGES if "." not in package]


def test_each_folder_with_python_files_is_a_package():
    found = {path.parent for folder in folders() for path in folder.rglob("*.py")}
    assert {".".join(path.relative_to(ROOT).parts) for path in found} == set(PACKAGES)


def test_each_data_file_is_packaged():
    packaged = {
        path
        for package in PACKAGES
        for pattern in PACKAGE_DATA.get("*", []) + PACKAGE_DATA.get(package, [])
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    beside = {
        path
        for folder in folders()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert {path for path in beside if path.suffix == ".lua"}
    assert beside - packaged == set()
