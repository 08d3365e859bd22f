# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the process tests, and the logs of all programs on failure."""

import collections
import os
import subprocess

import pytest

from harness import netns, process
from harness.conn25 import APPS, peers
from harness.fake import FakeConnector
from harness.nsd import Nsd
from harness.process import Keeper
from harness.world import World


# An address that is no loopback address, in a namespace of our own.
OTHER_ADDRESS = "10.1.0.77"
LONGEST = "test_hostile_connectors.py", "test_unmatched.py"


def pytest_configure(config):
    """Of those who work side by side (J=N) each has a network of its own: no
    port, address or rule of one is another's."""
    if hasattr(config, "workerinput"):
        netns.leave()


def pytest_sessionstart():
    if os.environ.get("CONN25_TEST_NETNS"):
        for words in (["link", "set", "lo", "up"],
                      ["addr", "add", OTHER_ADDRESS + "/32", "dev", "lo"]):
            subprocess.run(["ip", *words], check=True)


def pytest_collection_modifyitems(config, items):
    """CONN25_TEST_SAMPLE=N: of each scenario's rows every Nth only, and at
    least the first of each test. Side by side, the longest files go first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
    step = int(os.environ.get("CONN25_TEST_SAMPLE", "1"))
    kept, left, seen = [], [], collections.Counter()
    for item in items:
        test = item.nodeid.split("[")[0]
        sampled = "scenarios/" in test and seen[test] % step
        (left if sampled else kept).append(item)
        seen[test] += 1
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


@pytest.fixture(scope="session")
def other_address():
    if not os.environ.get("CONN25_TEST_NETNS"):
        pytest.skip("needs a network namespace: run as root")
    return OTHER_ADDRESS


def _closing(thing):
    """For fixtures: what is wrong at the end fails the last test."""
    try:
        yield thing
    finally:
        found = thing.close()
    assert not found, "\n".join(found)


@pytest.fixture(scope="session")
def nsd_keeper():
    yield from _closing(Keeper("nsd"))


@pytest.fixture(scope="session")
def nsd(nsd_keeper):
    return Nsd(nsd_keeper)


@pytest.fixture(scope="module")
def world(nsd, request):
    """One world for all tests of a file; they leave it as they found it."""
    yield from _closing(World(nsd, request.module.__name__))


def _worlds(nsd, name):
    """For fixtures: a function that builds worlds, which end with it."""
    built = []

    def build(**options):
        built.append(World(nsd, name, **options))
        return built[-1]
    yield build
    found = [problem for one in built for problem in one.close()]
    assert not found, "\n".join(found)


@pytest.fixture
def fresh(nsd, request):
    """A world for one test, which may break it; built by fresh(...)."""
    yield from _worlds(nsd, request.node.name)


@pytest.fixture(scope="module")
def fresh_for_all(nsd, request):
    """As fresh, for all the tests of a file."""
    yield from _worlds(nsd, request.module.__name__)


def _scenario(fresh):
    def build(*domains, **options):
        apps = APPS + [{"name": "app", "domains": list(domains),
                        "connectors": ["*"],
                        "destinations": ["10.0.0.0/8", "2001:db8::/32"]}]
        options["client"] = {"apps": apps, **options.get("client", {})}
        options["connector"] = {"apps": apps, "peers": peers(apps),
                                **options.get("connector", {})}
        return fresh(**options)
    return build


@pytest.fixture
def scenario(fresh):
    """A world of a scenario: scenario("*.chain.example") has an app "app" of
    these domains besides those of harness.conn25; what else is given goes to
    the World."""
    return _scenario(fresh)


@pytest.fixture(scope="module")
def scenario_for_all(fresh_for_all):
    """As scenario, for all the tests of a file: they leave the world as they
    found it, or don't mind how they find it."""
    return _scenario(fresh_for_all)


@pytest.fixture
def fake():
    """Connectors that the test plays."""
    fakes = []

    def make(*args, **options):
        fakes.append(FakeConnector(*args, **options))
        return fakes[-1]
    yield make
    for one in fakes:
        one.close()


@pytest.fixture
def keeper(request):
    """A directory and processes of one test."""
    yield from _closing(Keeper(request.node.name))


@pytest.fixture(autouse=True)
def no_problems():
    """What a program complained of fails the test during which it did."""
    yield
    found = [problem for keeper in process.keepers
             for problem in keeper.problems()]
    assert not found, "\n".join(found)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for title, text in process.logs():
            report.sections.append((title, text))
