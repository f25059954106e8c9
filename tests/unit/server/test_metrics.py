from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from xaisvc.cache import CacheOptions, MemoryCache, TieredCache
from xaisvc.engine.letters import LetterConcern, LetterWarning
from xaisvc.engine.scheduling import Bounds, Scheduler, SchedulerLimits
from xaisvc.engine.stages import Stage, Stages
from xaisvc.errors import InvalidRequestError
from xaisvc.server.instruments import Instruments
from xaisvc.server.metrics import PartMetrics, StageMetrics
from xaisvc.server.metrics_server import serve_metrics


def scrape(port: int, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        text: str = answer.read().decode()
        return text


def values(text: str) -> dict[str, float]:
    return {
        sample.name + "".join(f",{key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def parts() -> Any:
    limits = SchedulerLimits(threads=1, max_batch_cost=10, bounds=Bounds(max_waiting_tasks=1, max_waiting_s=1.0))
    scheduler: Scheduler[Any, Any] = Scheduler(limits)
    yield scheduler
    scheduler.close(0.0)


def test_what_the_parts_count_can_be_scraped(parts: Any) -> None:
    cache = TieredCache(MemoryCache(CacheOptions()), MemoryCache(CacheOptions()))
    cache.put_many({b"k" * 32: b"value"})
    cache.get_many([b"k" * 32, b"x" * 32])
    registry = CollectorRegistry()
    stages = StageMetrics(registry)
    stages.spent(Stage.RECORD, "credit", "auto", 1.0, 1.02)
    stages.computed("credit", "kernel", 3, 6000)
    stages.reloaded("credit", "refused")
    registry.register(
        PartMetrics(
            scheduler=parts.state,
            cache=cache,
            backlog=lambda: 7,
            in_flight=lambda: 4,
            serving=lambda: False,
            warnings=lambda: [LetterWarning(bundle="credit", concern=LetterConcern.HELD, pack="eu", text="")],
        )
    )

    with serve_metrics(registry, "127.0.0.1", 0) as port:
        found = values(scrape(port))
        with pytest.raises(urllib.error.HTTPError) as other:
            scrape(port, "/")

    other.value.close()
    assert other.value.code == 404
    assert found["xaisvc_serving"] == 0
    assert found["xaisvc_records_waiting"] == 7
    assert found["xaisvc_calls_in_flight"] == 4
    assert found["xaisvc_letter_warnings,bundle=credit,concern=letters_held,pack=eu"] == 1
    assert found["xaisvc_compute_threads"] == 1
    assert found["xaisvc_queued_total,outcome=refused"] == 0
    assert found["xaisvc_batch_requests_bucket,le=+Inf"] == 0
    assert found["xaisvc_cache_total,outcome=hits,tier=memory"] == 1
    assert found["xaisvc_cache_total,outcome=misses,tier=behind"] == 1
    assert found["xaisvc_model_rows_total,bundle=credit,method=kernel"] == 6000
    assert found["xaisvc_reloads_total,bundle=credit,outcome=refused"] == 1
    assert found["xaisvc_stage_seconds_bucket,bundle=credit,le=0.01,stage=record"] == 0
    assert found["xaisvc_stage_seconds_bucket,bundle=credit,le=0.025,stage=record"] == 1


def test_a_cache_of_one_tier_is_in_memory(parts: Any) -> None:
    registry = CollectorRegistry()
    registry.register(
        PartMetrics(
            scheduler=parts.state,
            cache=MemoryCache(CacheOptions()),
            backlog=lambda: 0,
            in_flight=lambda: 0,
            serving=lambda: True,
        )
    )

    assert registry.get_sample_value("xaisvc_cache_total", {"tier": "memory", "outcome": "hits"}) == 0
    assert registry.get_sample_value("xaisvc_cache_total", {"tier": "behind", "outcome": "hits"}) is None


def test_a_taken_port_is_refused() -> None:
    with (
        serve_metrics(CollectorRegistry(), "127.0.0.1", 0) as port,
        pytest.raises(InvalidRequestError, match=f"metrics_port: 127.0.0.1:{port} cannot be listened on"),
        serve_metrics(CollectorRegistry(), "127.0.0.1", port),
    ):
        pass


def test_instruments_are_what_the_engine_asks_for() -> None:
    assert isinstance(Instruments.make(), Stages)
