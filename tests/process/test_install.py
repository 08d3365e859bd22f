# SPDX-License-Identifier: BSD-3-Clause
"""What `make install` puts where, and whether those who read it take it:
systemd, Unbound, AppArmor, conn25-checkconf. Packages are tests/packages."""

import os
import pty
import re
import shutil
import subprocess

import pytest

from harness.conn25 import CHECKCONF
from harness.wait import scaled

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
CONTRIB = os.path.join(TOP, "contrib")
BUILD = os.environ["BUILD"]
UNBOUND = os.environ["UNBOUND"]


def run(*argv, **options):
    return subprocess.run([str(a) for a in argv], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=scaled(60), **options)


def make(target, *variables):
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    result = run("make", "-s", "-C", BUILD, target, *variables, env=env)
    assert result.returncode == 0, result.stdout


def files(below):
    return {os.path.relpath(os.path.join(where, name), below)
            for where, _, names in os.walk(below) for name in names}


@pytest.fixture(name="prefix", scope="module")
def fixture_prefix(tmp_path_factory):
    where = tmp_path_factory.mktemp("prefix")
    make("install", f"prefix={where}")
    return where


def sample_names():
    names = sorted(os.listdir(os.path.join(CONTRIB, "samples")))
    return [os.path.join("samples", n) for n in names] + ["conn25.json"]


@pytest.mark.parametrize("name", sample_names())
def test_samples_say_where_packets_leave(name):
    result = run(CHECKCONF, "-n", os.path.join(CONTRIB, name))
    assert re.search(r'[io]ifname (!= )?"wg0"', result.stdout)
    assert 'ifname ""' not in result.stdout


def test_the_client_and_the_connector_of_the_samples_fit():
    """What the one is told to reach the other knows, in both families."""
    said = {}
    for name in ("client", "connector"):
        with open(os.path.join(CONTRIB, "samples", f"{name}.json"),
                  encoding="utf-8") as file:
            said[name] = file.read()
    ips = re.search(r"AllowedIPs = (.*)", said["connector"])[1]
    peer = re.search(r'"addresses": \[(.*)\]', said["connector"])[1]
    assert re.findall(r"([\da-f.:]+)/", ips) == \
        re.findall(r'"(.*?)"', peer)
    url = re.search(r'"url": "(.*)"', said["client"])[1]
    assert f'"transitIP": "{url}"' in said["connector"]
    for pool in re.findall(r'TransitIPPool": \["(.*)"\]', said["client"]):
        assert pool in re.search(r"AllowedIPs = (.*)", said["client"])[1]
    for pool in re.findall(r'MagicIPPool": \["(.*)"\]', said["client"]):
        assert f"ip route add {pool} dev" in said["client"]


def test_three_settings_have_a_sample():
    assert {"samples/client.json", "samples/gateway.json",
            "samples/connector.json"} <= set(sample_names())


def test_uninstall_removes_what_install_made(tmp_path):
    other = tmp_path / "usr/local/lib/systemd/system/other.service"
    other.parent.mkdir(parents=True)
    other.touch()
    make("install", f"DESTDIR={tmp_path}", "prefix=/usr/local")
    made = files(tmp_path / "usr/local")
    examples = "share/doc/conn25/examples/"
    assert {"sbin/conn25d", "sbin/conn25-control", "sbin/conn25-checkconf",
            "lib/conn25/conn25.so", "lib/systemd/system/conn25d.service",
            "lib/systemd/system/unbound.service.d/conn25.conf",
            "lib/sysusers.d/conn25.conf", "lib/tmpfiles.d/conn25.conf",
            examples + "gateway.json", examples + "conn25.json",
            examples + "unbound.conf"} <= made, sorted(made)
    pages = [n for part in ("sidecar", "module")
             for n in os.listdir(os.path.join(TOP, part))
             if re.search(r"\.[1-8]$", n)]
    for name in pages:
        assert f"share/man/man{name[-1]}/{name}" in made
    assert not any("/usr/sbin/" in (tmp_path / "usr/local" / n).read_text()
                   for n in made if n.endswith(".service"))
    make("uninstall", f"DESTDIR={tmp_path}", "prefix=/usr/local")
    assert files(tmp_path) == {str(other.relative_to(tmp_path))}
    assert not (tmp_path / "usr/local/lib/conn25").exists()
    assert not (tmp_path / "usr/local/share/doc/conn25").exists()


def test_systemd_takes_the_unit(prefix):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    unit = prefix / "lib/systemd/system/conn25d.service"
    result = run("systemd-analyze", "verify", "--man=no", unit)
    assert (result.returncode, result.stdout) == (0, "")


def test_systemd_takes_the_unit_for_a_built_unbound(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    with open(os.path.join(CONTRIB, "systemd/unbound.service"),
              encoding="utf-8") as file:
        text = file.read()
    assert "ExecStart=/opt/unbound/sbin/unbound " in text
    unit = tmp_path / "unbound.service"
    unit.write_text(text.replace("/opt/unbound", UNBOUND))
    result = run("systemd-analyze", "verify", "--man=no", unit)
    assert (result.returncode, result.stdout) == (0, "")


def test_unbound_takes_the_example(prefix):
    example = prefix / "share/doc/conn25/examples/unbound.conf"
    assert f'"{prefix}/lib/conn25/conn25.so"' in example.read_text()
    result = run(os.path.join(UNBOUND, "sbin/unbound-checkconf"),
                 "-o", "module-config", example)
    assert result.stdout == "dynlib validator iterator\n"
    result = run(os.path.join(UNBOUND, "sbin/unbound-checkconf"), example)
    assert result.returncode == 0, result.stdout


def test_apparmor_takes_the_lines(prefix, tmp_path):
    debian = os.path.join(UNBOUND, "src/debian/apparmor-profile")
    if shutil.which("apparmor_parser") is None or \
            not os.path.exists("/etc/apparmor.d/abstractions/base"):
        pytest.skip("no AppArmor")
    lines = (prefix / "share/doc/conn25/examples/usr.sbin.unbound")
    with open(debian, encoding="utf-8") as file:
        profile = file.read()
    include = "#include <local/usr.sbin.unbound>"
    assert include in profile
    path = tmp_path / "profile"
    path.write_text(profile.replace(include, lines.read_text()))
    # -N and -Q: the kernel needn't know AppArmor.
    result = run("apparmor_parser", "-Q", "-K", "--debug", path)
    assert result.returncode == 0, result.stdout
    assert f"{prefix}/lib/conn25/conn25.so" in result.stdout


STEPS = """
set -e
. "$1/lib/progress.sh"
prog=test log=$2
: >"$log"
step "the first step"
run "the work" sh -c 'echo at work; head -c 1 "$0"' "$3"
"""

# As quickstart and test build conn25, and as test runs its stages.
LINES = """
set -e
. "$1/lib/setup.sh"
prog=test
step "the first step"
setup_run "$2" sh -c 'echo at work; head -c 1 "$0"' "$3"
"""


@pytest.mark.parametrize("steps, piped", [
    (STEPS, rb""), (LINES, rb"test: +\d+ s: the first step\n")],
    ids=["progress.sh", "setup.sh"])
def test_long_work_is_quiet_in_a_pipe_and_told_on_a_terminal(
        tmp_path, steps, piped):
    log = tmp_path / "log"
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    argv = ["bash", "-c", steps, "bash", CONTRIB, str(log), str(gate)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        with open(gate, "w", encoding="ascii") as file:
            file.write("x")
        told = process.communicate(timeout=scaled(60))[0]
        assert re.fullmatch(piped, told)
        assert process.returncode == 0
    assert "at work" in log.read_text()
    main, other = pty.openpty()
    with subprocess.Popen(argv, stdout=other) as process:
        os.close(other)
        told = b""
        # The work goes on until its progress has been seen.
        while b"at work" not in told:
            told += os.read(main, 4096)
        with open(gate, "w", encoding="ascii") as file:
            file.write("x")
        assert process.wait(timeout=scaled(60)) == 0
    os.close(main)
    assert b"the first step" in told and b" s: at work" in told


@pytest.mark.parametrize("line, shown", [
    ("libtool: compile:  gcc -I. -O2 -c ./util/module.c  -fPIC -o .libs/m.o",
     "./util/module.c"),
    ("./libtool --mode=compile gcc -o dname.lo -c util/data/dname.c",
     "util/data/dname.c"),
    ("libtool: link: gcc -o unbound daemon.o -lssl",
     "libtool: link: gcc -o unbound daemon.o -lssl"),
    ("  CC     ../sidecar/log.c", "  CC     ../sidecar/log.c"),
    ("dpkg-source: info: applying 1.patch",
     "dpkg-source: info: applying 1.patch")])
def test_of_a_compilation_the_file_is_shown(tmp_path, line, shown):
    log = tmp_path / "log"
    log.write_text(f"before\n{line}\n")
    result = run("bash", "-c", '. "$1/lib/ticker.sh"; ticker_last "$2"',
                 "bash", CONTRIB, log)
    assert result.stdout.rstrip("\n") == shown
