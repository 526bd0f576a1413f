"""Who gets which task, and how often a failing one is tried."""

from __future__ import annotations

from pathlib import Path

from posedata.sequences import Sequence
from stages.batch.runner import Outcome
from stages.batch.schedule import GivenUp, Schedule
from stages.batch.tasks import Task
from stages.pipeline import SequenceReport

A, B = (Task(Sequence(name, Path(name)), 1) for name in "ab")
NODES = {"one", "two"}


def schedule(*tasks: Task, tries: int = 3) -> tuple[Schedule, list[float]]:
    clock = [0.0]
    return Schedule(iter(tasks), tries, lambda: clock[0]), clock


def died(task: Task, node: str = "one") -> Outcome:
    return Outcome(task, fault="died", error=f"died on {node}")


def test_tasks_come_in_order_and_end():
    plan, _ = schedule(A, B)
    assert plan.take("one", NODES) is A and plan.take("two", NODES) is B and plan.take("one", NODES) is None
    assert not plan.is_over
    report = SequenceReport("a")
    assert plan.settle(Outcome(A, report), NODES) is report
    plan.settle(Outcome(B, SequenceReport("b")), NODES)
    assert plan.is_over


def test_what_died_on_one_node_is_tried_on_another():
    plan, _ = schedule(A, B)
    assert plan.take("one", NODES) is A
    assert plan.settle(died(A), NODES) is None
    assert plan.take("one", NODES) is B  # not A again
    assert plan.take("one", NODES) is None and not plan.is_over
    assert plan.take("two", NODES) is A


def test_on_a_single_node_it_is_tried_there_again_and_then_given_up():
    plan, _ = schedule(A, tries=3)
    for _ in range(2):
        assert plan.take("one", {"one"}) is A
        assert plan.settle(died(A), {"one"}) is None
    assert plan.take("one", {"one"}) is A
    assert plan.settle(died(A), {"one"}) == GivenUp("died on one", 3, False)
    assert plan.take("one", {"one"}) is None and plan.is_over


def test_a_node_that_is_gone_keeps_nobody_waiting():
    plan, _ = schedule(A)
    plan.take("one", NODES)
    plan.settle(died(A), {"two"})
    assert plan.take("two", {"two"}) is A


def test_bad_input_is_tried_once_on_each_node():
    plan, _ = schedule(A)
    plan.take("one", NODES)
    assert plan.settle(Outcome(A, fault="input", error="broken"), NODES) is None
    assert plan.take("two", NODES) is A
    given_up = plan.settle(Outcome(A, fault="input", error="broken"), NODES)
    assert given_up == GivenUp("broken", 2, True)


def test_bad_input_on_one_machine_is_tried_once():
    plan, _ = schedule(A)
    plan.take("one", {"one"})
    assert plan.settle(Outcome(A, fault="input", error="broken"), {"one"}).tries == 1


def test_what_another_run_has_is_asked_for_later_and_costs_no_try():
    plan, clock = schedule(A, tries=1)
    for _ in range(5):
        assert plan.take("one", NODES) is A
        assert plan.settle(Outcome(A, fault="busy"), NODES) is None
        assert plan.take("one", NODES) is None and plan.waiting == ("a",) and not plan.is_over
        clock[0] += 5
    assert plan.take("one", NODES) is A
