# SPDX-License-Identifier: BSD-3-Clause
"""What is documented exists, and what exists is documented: options, verbs,
configuration keys, statistics and messages, each against the sources or the
programs."""

import glob
import json
import os
import re
import shutil
import subprocess

import pytest

from harness import messages
from harness.conn25 import (CHECKCONF, CONN25D, CONTROL, Conn25d,
                            checkconf_elsewhere, client_config)
from harness.wait import scaled

TOP = messages.TOP
PAGES = sorted(glob.glob(os.path.join(TOP, "sidecar", "*.[578]")) +
               glob.glob(os.path.join(TOP, "module", "*.[578]")))
PROGRAMS = {"conn25d": CONN25D, "conn25-control": CONTROL,
            "conn25-checkconf": CHECKCONF}


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


def page(name):
    """A man page with lines that go on joined."""
    part = "module" if name == "conn25.7" else "sidecar"
    return read(part, name).replace("\\\n", "")


def items(text, macro):
    """The words after `macro` in the heads of a list's items."""
    return [word for head in re.findall(r"^\.It (.*)$", text, re.M)
            for run in re.findall(rf"(?<!\S){macro} (.*?)(?= [A-Z][a-z] |$)",
                                  head)
            for word in run.split() if word not in ",:|"]


def usage(program):
    return subprocess.run([PROGRAMS[program], "-h"], capture_output=True,
                          text=True, check=True, timeout=scaled(20)).stdout


def completion():
    return read("contrib", "completion", "conn25-control")


def same(documented, existing):
    """Compares, and says what is missing where."""
    documented, existing = sorted(documented), sorted(existing)
    assert set(documented) - set(existing) == set(), "does not exist"
    assert set(existing) - set(documented) == set(), "is not documented"
    assert documented == existing, "is documented twice"


# ---- man pages --------------------------------------------------------------

@pytest.mark.parametrize("path", PAGES, ids=os.path.basename)
def test_mandoc_finds_nothing_to_say(path):
    mandoc = shutil.which("mandoc")
    if mandoc is None:
        pytest.skip("no mandoc")
    result = subprocess.run([mandoc, "-T", "lint", "-W", "warning", path],
                            capture_output=True, text=True, check=False,
                            timeout=scaled(60))
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_pages_name_pages_that_are_there():
    names = {os.path.basename(path) for path in PAGES}
    for path in PAGES:
        for name, section in re.findall(r"^\.Xr (conn25\S*) (\d)",
                                        read(path), re.M):
            assert f"{name}.{section}" in names, path


# ---- options and verbs ------------------------------------------------------

def options_of_source(program):
    """What getopt_long() is given."""
    text = read("sidecar", f"{program}.c")
    short = re.search(r'getopt_long\(argc, argv, "\+?([^"]*)"', text)[1]
    return {"-" + letter for letter in short.replace(":", "")} | \
        {"--" + name for name in re.findall(r'{ "([a-z]+)", \w+_argument',
                                            text)}


def options_of_usage(program):
    return {option for line in usage(program).splitlines()
            for option in re.findall(r"-[-\w]+",
                                     (re.match(r" +(-.*?)(  |$)", line) or
                                      ["", ""])[1])}


@pytest.mark.parametrize("program", PROGRAMS)
def test_options(program):
    existing = options_of_source(program)
    text = page(f"{program}.8")
    same(["-" + name for name in items(text, "Fl")], existing)
    same(options_of_usage(program), existing)
    synopsis = re.search(r"\.Sh SYNOPSIS\n(.*?)\n\.Sh", text, re.S)[1]
    letters = {letter for words in re.findall(r"Fl (\w+(?: \| \w)*)",
                                              synopsis)
               for letter in words.replace(" | ", "")}
    assert {"-" + letter for letter in letters} == \
        {option for option in existing if not option.startswith("--")}


def test_completion_knows_the_options():
    offered = re.search(r'word="(-c .*?)"', completion())[1]
    same(offered.split(), options_of_source("conn25-control"))


def verbs():
    found = re.findall(r"^\tV\((\w+), ", read("sidecar", "verbs.h"), re.M)
    return found + ["keygen"]


def test_verbs():
    text = page("conn25-control.8").split("\n.Ss ")[0]
    same(items(text, "Ic"), verbs())
    same(re.search(r'verbs="(.*?)"', completion(), re.S)[1].split(), verbs())
    same(re.findall(r"^  ([a-z_]+)(?= |$)", usage("conn25-control"), re.M),
         verbs())


def test_filters():
    text = read("sidecar", "verbs.h")
    keys = {verb: re.search(rf'C25_VERBS_{name}_KEYS (?:\\\n\t)?"(.*?)"',
                            text)[1].split()
            for verb, name in (("list_assignments", "ASSIGNMENT"),
                               ("list_mappings", "MAPPING"))}
    same(items(page("conn25-control.8"), "Cm"),
         set(keys["list_assignments"] + keys["list_mappings"]))
    for verb, names in keys.items():
        offered = re.search(rf'{verb}:\*\).*?word="(.*?)"', completion(),
                            re.S)[1]
        same(offered.replace("=", "").split(), names + ["--json"])


def test_whatever_is_told_to_type_is_a_verb():
    for path in ["README.md", "HACKING.md", "contrib/conn25.json"] + PAGES:
        for verb in re.findall(r"\bconn25-control(?: -\w)* ([a-z_]{4,})",
                               re.sub(r"\n *(//)? *", " ", read(path))):
            assert verb in verbs() + ["tell", "complete", "says"], path


# ---- configuration ----------------------------------------------------------

def readers():
    """Each function that reads an object: its keys and their readers, and
    what else it mentions."""
    text = "".join(messages.plain(read("sidecar", name)) for name in
                   ("config_read.c", "config_read_limits.c",
                    "config_resolver.c"))
    found = {}
    for name, body in re.findall(r"^(\w+)\((?:[^()]*)\)\n\{\n(.*?)^\}", text,
                                 re.M | re.S):
        table = re.search(r"struct c25_reader_key keys\[\] = \{(.*?)\n\t\};",
                          body, re.S)
        found[name] = (
            re.findall(r'"(\w+)",\s*(\w+)', table[1]) if table else [],
            re.findall(r"\b\w*read_\w+", body))
    return found


def keys_below(functions, name, path=""):
    """Paths of all that a reader takes that is no object."""
    keys, mentioned = functions.get(name, ([], []))
    if not keys:
        # An array: of the objects that another function reads?
        inner = [m for m in mentioned if functions.get(m, [None])[0]]
        return keys_below(functions, inner[0], path) if inner else [path]
    return [one for key, reader in keys
            for one in keys_below(functions, reader,
                                  f"{path}.{key}" if path else key)]


def existing_keys():
    found = keys_below(readers(), "c25_config_read")
    assert len(found) > 50
    return found


def test_keys_and_their_page():
    documented, section = [], ""
    for line in page("conn25.json.5").splitlines():
        if line.startswith(".Ss "):
            word = line.split()[1]
            section = "" if word == "Directories" else word + "."
        elif line.startswith(".It Ic"):
            documented += [section + key for key in items(line, "Ic")]
    same(documented, existing_keys())


def leaves(value, path=""):
    if isinstance(value, dict):
        return {one for key, inner in value.items()
                for one in leaves(inner, f"{path}.{key}" if path else key)}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {one for inner in value for one in leaves(inner, path)}
    return {path}


def test_keys_and_the_sample():
    """contrib/conn25.json has all of them, some behind // ."""
    text = read("contrib", "conn25.json")
    text = re.sub(r'^( *)// *("\w+": .*[,{]|\},)$', r"\1\2", text,
                  flags=re.M)
    text = re.sub(r"(^|\s)//.*", "", text)
    text = re.sub(r",(\s*[}\]])", r"\1", text)
    same(leaves(json.loads(text)), set(existing_keys()))


def test_pages_of_the_admin_listener():
    existing = re.findall(r'\.path = "(.*?)"', read("sidecar", "admin.c"))
    section = page("conn25.json.5").split("\n.It Ic admin :")[1]
    same(re.findall(r"^\.Pa (/\S+)", section.split("\n.It ")[0], re.M),
         existing)
    same(re.findall(r"^\| `(/.*?)` \|", read("README.md"), re.M), existing)


# ---- statistics -------------------------------------------------------------

@pytest.fixture(name="stats")
def fixture_stats(keeper):
    client = Conn25d(keeper, "client", client_config(1)).start()
    client.process.allow("connector office-1")
    found = client.stats()
    client.stop()
    return found


def test_statistics(stats):
    text = page("conn25-control.8").split("\n.Ss Statistics")[1]
    text = text.replace(" Ns Ar NAME Ns Ic ", "NAME")
    same(items(text, "Ic"),
         {re.sub(r"^connector\.[^.]+", "connector.NAME",
                 re.sub(r"\.histogram\..*", ".histogram", name))
          for name in stats})


# ---- messages ---------------------------------------------------------------

def test_each_function_that_prints_is_looked_at():
    assert messages.undeclared() == set()


def test_messages_are_found():
    """A change of the sources' ways that hides them is noticed."""
    found = {text for _, text in messages.messages()}
    for known in ("conn25: module-config: \"...\": cachedb puts",
                  "conn25: table is full", "stopped",
                  "seccomp: the filter of system calls",
                  "connector ...: request failed: ...",
                  "TLS: certificate not accepted: ...",
                  "has a space in it: ", "no answer in time",
                  "conn25-control: no reply: ...",
                  "app ...: none of its connectors answers"):
        assert any(text.startswith(known) for text in found), known


def test_messages():
    rows, explained = messages.rows(), set()
    unexplained = []
    for place, text in messages.messages():
        fitting = [row.text for row in rows if row.explains(text)]
        explained.update(fitting)
        if not fitting:
            unexplained.append(f"{place}: {text}")
    assert not unexplained, "conn25-messages(7) does not explain these"
    assert [row.text for row in rows if row.text not in explained] == [], \
        "conn25-messages(7) explains what nothing says"


# What the README's table has besides our programs' messages.
OTHERS = ("unbound", "conn25d", "conn25d.service", "list_connectors",
          "pending", "undefined symbol", "unable to load dynamic library",
          "Permission denied",
          "unbound-conn25: ... not switched on", "not changed")


def test_messages_of_the_readme():
    """Its short table: each is one of the page's."""
    part = read("README.md").split("\n## When something is wrong\n")[1]
    found = {text for _, text in messages.messages()}
    known = "\n".join(sorted(found))
    for cell in re.findall(r"^\| (.*?) \|", part, re.M):
        for text in re.findall(r"`(.*?)`", cell):
            if text in OTHERS:
                continue
            pattern = ".*".join(map(re.escape, text.strip(". ")
                                    .split("...")))
            assert re.search(pattern, known), text


# ---- README -----------------------------------------------------------------

@pytest.mark.parametrize("name", ["README.md", "HACKING.md"])
def test_paths_and_links_lead_somewhere(name):
    text = read(name)
    text = text.replace("NAME", "*")
    for path in re.findall(r"(?<![\w/.])((?:contrib|sidecar|module|table|tests"
                           r"|include)/[\w./*\[\]-]*[\w\]*])", text):
        assert glob.glob(os.path.join(TOP, path)) or \
            glob.glob(os.path.join(TOP, path + "*")), path
    headings = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-")
                for h in re.findall(r"^#+ (.*)$", text, re.M)}
    for link in re.findall(r"\]\(#(.*?)\)", text):
        assert link in headings, link


def whole_examples():
    """Configurations that are given as a whole."""
    found = re.findall(r"^```jsonc\n(\{.*?)^```", read("README.md"),
                       re.M | re.S) + \
        re.findall(r"^(\{\n.*?^\})$", page("conn25.json.5"), re.M | re.S)
    assert len(found) == 4
    return found


@pytest.mark.parametrize("number", range(4))
def test_examples_are_good(number, keeper):
    result = checkconf_elsewhere(keeper, whole_examples()[number])
    assert result.returncode == 0, result.stderr


def test_packages_to_build_with():
    line = read("README.md").replace("\\\n", " ")
    documented = re.search(r"^apt-get install (build-.*)$", line,
                           re.M)[1].split()
    needed = re.search(r'setup_build_packages="(.*?)"',
                       read("contrib", "lib", "setup.sh"), re.S)[1].split()
    # build-essential brings binutils.
    same(documented, set(needed) - {"binutils"})
