import threading
import time

import pytest

from acseg.app.guard import Refused
from acseg.app.limits import BYTES_A_PIXEL, Budget, Limits
from acseg.app.store import Store


def test_pictures_wait_for_memory_however_many_come_at_once() -> None:
    budget = Budget(10 * BYTES_A_PIXEL)
    held, most = 0, 0
    lock = threading.Lock()

    def work(pixels: int) -> None:
        nonlocal held, most
        with budget.hold(pixels):
            with lock:
                held += min(pixels, 10)
                most = max(most, held)
            time.sleep(0.002)
            with lock:
                held -= min(pixels, 10)

    threads = [threading.Thread(target=work, args=(n,)) for n in (3, 4, 5, 9, 100, 1) * 8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == 10  # what asks for more than there is gets all of it
    assert budget.free == budget.total


def test_a_budget_is_given_back_after_an_error() -> None:
    budget = Budget(100)
    with pytest.raises(KeyError), budget.hold(1):
        raise KeyError
    assert budget.free == 100


def test_one_visitor_cannot_push_out_another() -> None:
    store = Store(Limits(share=100, held=150, pictures=3))
    first, second = store.visitor("a" * 32), store.visitor("b" * 32)
    kept = store.put(first, "mine.png", b"x" * 60)
    for _ in range(20):
        with pytest.raises(Refused, match="clear some first"):
            store.put(second, "large.png", b"x" * 101)
    store.put(second, "one.png", b"x" * 80)
    with pytest.raises(Refused, match="full") as caught:
        store.put(second, "two.png", b"x" * 20)
    assert caught.value.status == 507
    assert store.get(first, kept.word).data == b"x" * 60
    store.remove(second)
    store.put(second, "two.png", b"x" * 20)


def test_many_small_pictures_are_refused_too() -> None:
    store = Store(Limits(pictures=3))
    visitor = store.visitor("a" * 32)
    words = [store.put(visitor, "a.png", b"x").word for _ in range(3)]
    with pytest.raises(Refused, match="3 pictures are here"):
        store.put(visitor, "a.png", b"x")
    assert [store.get(visitor, word).name for word in words] == ["a.png", "a~2.png", "a~3.png"]


def test_a_picture_is_found_by_its_own_visitor_only() -> None:
    store = Store(Limits())
    first, second = store.visitor("a" * 32), store.visitor("b" * 32)
    held = store.put(first, "a\nb\udce9\x00.jpg" + "x" * 500, b"1")
    assert held.name.startswith("a%0Ab%E9%00.jpg")
    assert len(held.name) == 200
    assert len(held.word) >= 32
    assert store.get(first, held.word) is held
    for visitor, word in ((second, held.word), (first, held.word[:-1]), (first, "")):
        with pytest.raises(Refused) as caught:
            store.get(visitor, word)
        assert caught.value.status == 404


def test_pictures_of_visitors_who_left_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(Limits(share=100, held=100))
    gone = store.visitor("a" * 32)
    store.put(gone, "a.png", b"x" * 90)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 4000)
    store.put(store.visitor("b" * 32), "b.png", b"x" * 90)
    assert store.bytes == 90
