from __future__ import annotations

import os
import pickle  # noqa: TID251  to show that it is refused
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.engine.plan_store import BundlePlans, PlanLimits, default_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from xaisvc.types import PlanStore

DIGESTS = ("model", "background", "schema")


class Maker:
    """Makes arrays and counts how often."""

    def __init__(self, first: float = 0.5) -> None:
        self.first = first
        self.times = 0

    def __call__(self) -> Mapping[str, NDArray[np.generic]]:
        self.times += 1
        return {
            "numbers": np.array([[self.first, 1.5], [np.nan, -2.0]], dtype=np.float32),
            "none": np.empty((0, 3), dtype=np.int64),
            "alone": np.array(7, dtype=np.uint16),
            "flags": np.array([True, False, True]),
        }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "plans"


def only_file(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def assert_whole(arrays: Mapping[str, NDArray[np.generic]], first: float = 0.5) -> None:
    expected = Maker(first)()
    assert list(arrays) == list(expected)
    for name, array in arrays.items():
        assert array.dtype == expected[name].dtype
        assert np.array_equal(array, expected[name], equal_nan=array.dtype.kind == "f")
        assert array.shape == expected[name].shape
        assert not array.flags.writeable
        assert array.flags.aligned


def test_it_is_a_plan_store() -> None:
    store: PlanStore = BundlePlans(None, DIGESTS)

    assert store.keep("a", lambda: 3, lambda _: 8) == 3


def test_a_value_is_made_once() -> None:
    store = BundlePlans(None, DIGESTS)
    made: list[int] = []

    def make() -> object:
        made.append(1)
        return len(made)

    assert [store.keep("a", make, lambda _: 8) for _ in range(3)] == [1, 1, 1]
    assert store.keep("b", make, lambda _: 8) == 2


def test_what_was_used_longest_ago_makes_room() -> None:
    store = BundlePlans(None, DIGESTS, PlanLimits(memory_bytes=20))
    made: list[str] = []

    def ask(key: str) -> None:
        store.keep(key, lambda: made.append(key), lambda _: 10)

    for key in ("a", "b", "a", "c", "a", "b"):
        ask(key)

    assert made == ["a", "b", "c", "b"]


def test_the_number_of_values_is_bounded_too() -> None:
    store = BundlePlans(None, DIGESTS, PlanLimits(entries=3))
    made: list[int] = []
    for number in (0, 1, 2, 3, 3, 0):
        store.keep(str(number), lambda number=number: made.append(number), lambda _: 0)

    assert made == [0, 1, 2, 3, 0]


def test_one_thread_makes_and_the_others_wait() -> None:
    store = BundlePlans(None, DIGESTS)
    begun, go_on = threading.Event(), threading.Event()
    made: list[int] = []
    found: list[object] = []

    def make() -> object:
        begun.set()
        go_on.wait()
        made.append(1)
        return "value"

    threads = [threading.Thread(target=lambda: found.append(store.keep("a", make, lambda _: 8))) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.wait()
    # Another key is not held up.
    assert store.keep("b", lambda: 1, lambda _: 8) == 1
    go_on.set()
    for thread in threads:
        thread.join()

    assert found == ["value"] * 4
    assert made == [1]


def test_a_maker_that_fails_leaves_nothing_behind() -> None:
    store = BundlePlans(None, DIGESTS)

    with pytest.raises(ZeroDivisionError):
        store.keep("a", lambda: 1 // 0, lambda _: 8)
    assert store.keep("a", lambda: 2, lambda _: 8) == 2


def test_arrays_come_back_from_disk(folder: Path) -> None:
    first, second = Maker(), Maker()
    assert_whole(BundlePlans(folder, DIGESTS).keep_arrays("key", first))
    assert_whole(BundlePlans(folder, DIGESTS).keep_arrays("key", second))

    assert (first.times, second.times) == (1, 0)


def test_folder_and_files_are_private(folder: Path) -> None:
    BundlePlans(folder, DIGESTS).keep_arrays("key", Maker())

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(only_file(folder).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("digests", "key"),
    [(("other", "background", "schema"), "key"), (("model", "other", "schema"), "key"), (DIGESTS, "k")],
)
def test_another_bundle_or_key_has_its_own_file(folder: Path, digests: tuple[str, ...], key: str) -> None:
    BundlePlans(folder, DIGESTS).keep_arrays("key", Maker())
    other = Maker(9.0)
    assert_whole(BundlePlans(folder, digests).keep_arrays(key, other), 9.0)

    assert other.times == 1
    assert len(list(folder.iterdir())) == 2


def test_scopes_do_not_meet(folder: Path) -> None:
    store = BundlePlans(folder, DIGESTS)
    one, two = store.scoped("one"), store.scoped("two")

    assert one.keep("a", lambda: 1, lambda _: 8) == 1
    assert two.keep("a", lambda: 2, lambda _: 8) == 2
    assert_whole(one.keep_arrays("b", Maker(1.0)), 1.0)
    assert_whole(two.keep_arrays("b", Maker(2.0)), 2.0)


@pytest.mark.parametrize("cut", [0, 1, 7, 40, 100, -1])
def test_a_file_that_is_cut_short_is_made_anew(folder: Path, cut: int) -> None:
    BundlePlans(folder, DIGESTS).keep_arrays("key", Maker())
    path = only_file(folder)
    content = path.read_bytes()
    path.write_bytes(content[:cut])
    again = Maker()
    assert_whole(BundlePlans(folder, DIGESTS).keep_arrays("key", again))

    assert again.times == 1
    assert path.read_bytes() == content


def test_every_changed_byte_is_seen(folder: Path) -> None:
    BundlePlans(folder, DIGESTS).keep_arrays("key", Maker())
    path = only_file(folder)
    content = path.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(bytes(changed))
        again = Maker()
        assert_whole(BundlePlans(folder, DIGESTS).keep_arrays("key", again))

        assert again.times == 1, place


def test_a_file_under_another_name_is_not_taken(folder: Path) -> None:
    BundlePlans(folder, DIGESTS).keep_arrays("key", Maker())
    path = only_file(folder)
    BundlePlans(folder, DIGESTS).keep_arrays("other", Maker(9.0))
    other = next(entry for entry in folder.iterdir() if entry != path)
    path.write_bytes(other.read_bytes())

    assert_whole(BundlePlans(folder, DIGESTS).keep_arrays("key", Maker()))


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, ("trapped",))


def test_nothing_is_unpickled(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    BundlePlans(folder, DIGESTS).keep_arrays("key", Maker())
    path = only_file(folder)
    for content in (pickle.dumps(Trap()), path.read_bytes()[:48] + pickle.dumps(Trap())):
        path.write_bytes(content)
        assert_whole(BundlePlans(folder, DIGESTS).keep_arrays("key", Maker()))

    assert not Path("trapped").exists()


def test_arrays_of_objects_are_not_written(folder: Path) -> None:
    with pytest.raises(TypeError, match="array 'a' holds object, not numbers"):
        BundlePlans(folder, DIGESTS).keep_arrays("key", lambda: {"a": np.array([Trap()], dtype=object)})

    assert not folder.exists() or not list(folder.iterdir())


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_may_write_to_is_not_used(folder: Path, mode: int) -> None:
    BundlePlans(folder, DIGESTS).keep_arrays("key", Maker())
    folder.chmod(mode)
    again = Maker()
    assert_whole(BundlePlans(folder, DIGESTS).keep_arrays("key", again))
    BundlePlans(folder, DIGESTS).keep_arrays("other", Maker())

    assert again.times == 1
    assert len(list(folder.iterdir())) == 1


def test_a_folder_of_another_user_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    BundlePlans(folder, DIGESTS).keep_arrays("key", Maker())
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    again = Maker()
    assert_whole(BundlePlans(folder, DIGESTS).keep_arrays("key", again))

    assert again.times == 1


def test_a_link_in_place_of_a_file_is_not_followed(folder: Path, tmp_path: Path) -> None:
    BundlePlans(folder, DIGESTS).keep_arrays("key", Maker())
    path = only_file(folder)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    again = Maker()
    assert_whole(BundlePlans(folder, DIGESTS).keep_arrays("key", again))

    assert again.times == 1


def test_a_pipe_in_place_of_a_file_is_not_waited_for(folder: Path) -> None:
    BundlePlans(folder, DIGESTS).keep_arrays("key", Maker())
    path = only_file(folder)
    path.unlink()
    os.mkfifo(path)
    maker = Maker()

    found = BundlePlans(folder, DIGESTS).keep_arrays("key", maker)

    assert_whole(found)
    assert maker.times == 1


def test_another_version_has_its_own_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    BundlePlans(folder, DIGESTS).keep_arrays("key", Maker())
    monkeypatch.setattr("xaisvc.engine.plan_store.__version__", "99.0")
    maker = Maker()

    BundlePlans(folder, DIGESTS).keep_arrays("key", maker)

    assert maker.times == 1


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    assert_whole(BundlePlans(tmp_path / "file" / "plans", DIGESTS).keep_arrays("key", Maker()))


def test_the_oldest_files_make_room(folder: Path) -> None:
    BundlePlans(folder, DIGESTS).keep_arrays("size", Maker())
    size = only_file(folder).stat().st_size
    only_file(folder).unlink()
    limits = PlanLimits(disk_bytes=2 * size)
    names: list[Path] = []
    for age, key in enumerate("abc"):
        BundlePlans(folder, DIGESTS, limits).keep_arrays(key, Maker())
        names.append(next(path for path in folder.iterdir() if path not in names))
        os.utime(names[-1], (age, age))

    assert sorted(folder.iterdir()) == sorted(names[1:])


def test_arrays_larger_than_the_bound_are_not_written(folder: Path) -> None:
    assert_whole(BundlePlans(folder, DIGESTS, PlanLimits(disk_bytes=10)).keep_arrays("key", Maker()))

    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"XAISVC_CACHE_DIR": "/somewhere"}, Path("/somewhere/plans")),
        ({"XAISVC_CACHE_DIR": "", "XDG_CACHE_HOME": "/cache"}, None),
        ({"XDG_CACHE_HOME": "/cache"}, Path("/cache/xaisvc/plans")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache/xaisvc/plans"),
        ({}, Path.home() / ".cache/xaisvc/plans"),
    ],
)
def test_the_folder_follows_the_environment(environment: dict[str, str], expected: Path | None) -> None:
    assert default_folder(environment) == expected
