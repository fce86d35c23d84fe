"""A backup's manifest tells a whole backup from a broken one."""

from pathlib import Path

import pytest

from gateway.backup_folder import FORMAT, BackupBroken, BackupFolder, Manifest, ObjectEntry, sum_of

KEYS = ["private/1/a/original", "private/1/a", "../../etc/passwd", "a//b", "/", ".", "ü b%", "a/b=/c", "x" * 60]


@pytest.fixture
def folder(tmp_path) -> BackupFolder:
    made = BackupFolder(tmp_path / "backup")
    made.create()
    made.database.mkdir()
    (made.database / "toc.dat").write_bytes(b"rows")
    entries = []
    for key in KEYS:
        path = made.object_path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(key)
        found = sum_of(path)
        entries.append(ObjectEntry(key, found.size, "text/plain", found.sha256))
    made.list_objects(entries[:2])
    made.list_objects(entries[2:])
    size = sum(entry.size for entry in entries)
    made.seal(Manifest(FORMAT, "now", "1", "0001+a", "18", {"users": 1}, len(KEYS), size, True, made.sums()))
    return made


def files(folder: BackupFolder) -> list[Path]:
    return [path for path in folder.path.rglob("*") if path.is_file()]


def test_a_whole_backup_has_no_faults_and_all_of_it_is_read(folder):
    read: list[int] = []
    assert folder.faults(read.append) == []
    assert (
        sum(read)
        == folder.size()
        == sum(path.stat().st_size for path in files(folder)) - len((folder.path / "manifest.json").read_bytes())
    )


def test_every_key_has_a_file_of_its_own_inside_the_folder(folder):
    paths = [folder.object_path(key).resolve() for key in KEYS]
    assert len(set(paths)) == len(KEYS)
    assert all(path.is_relative_to(folder.path / "objects") for path in paths)
    assert [entry.key for entry in folder.objects()] == KEYS


def test_each_file_that_changes_or_goes_is_noticed(folder):
    for path in files(folder):
        if path.name == "manifest.json":
            continue
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"?")
        assert folder.faults(lambda size: None) == [f"{path} has changed"]
        path.write_bytes(content + b"?")
        assert folder.faults(lambda size: None) == [f"{path} has {len(content) + 1} bytes instead of {len(content)}"]
        path.unlink()
        if path.name != "objects.jsonl":
            assert folder.faults(lambda size: None) == [f"{path} is missing"]
        path.write_bytes(content)
    assert folder.faults(lambda size: None) == []


def test_a_backup_without_its_manifest_was_interrupted(folder):
    (folder.path / "manifest.json").unlink()
    with pytest.raises(BackupBroken, match="was interrupted"):
        folder.faults(lambda size: None)


@pytest.mark.parametrize(("content", "reason"), [("{", "cannot be read"), ('{"format": 1}', "cannot be read")])
def test_a_manifest_that_cannot_be_read(folder, content, reason):
    (folder.path / "manifest.json").write_text(content)
    with pytest.raises(BackupBroken, match=reason):
        folder.manifest()


def test_a_manifest_of_another_format(folder):
    path = folder.path / "manifest.json"
    path.write_text(path.read_text().replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}'))
    with pytest.raises(BackupBroken, match=f"format {FORMAT + 1}"):
        folder.manifest()


def test_a_backup_is_made_only_in_a_new_folder(folder):
    with pytest.raises(BackupBroken, match="is not empty"):
        folder.create()
    assert folder.path.stat().st_mode & 0o777 == 0o700
