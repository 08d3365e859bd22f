# SPDX-License-Identifier: BSD-3-Clause
"""What the sources say to an administrator: the texts of all messages, found
where they are printed, and the rows of conn25-messages(7) that explain them."""

import fnmatch
import glob
import os
import re

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__),
                                   "..", "..", ".."))
PARTS = ("table", "module", "sidecar")

# c25_table_verify(), which only tests call.
NOT_SAID = ("table/stats.c",)

# Functions and macros that print or pass on a message, the number of the
# argument that is its text, and in which files that holds.
PRINTERS = [
    ("c25_fail", 2, "*"),
    ("c25_log", 1, "*"),
    ("c25_daemon_tell", 1, "*"),
    ("tell", 1, "sidecar/datapath.c"),
    ("warn", 1, "sidecar/datapath_host.c"),
    ("c25_config_error_add", 3, "*"),
    ("c25_reader_error", 1, "*"),
    ("error_at", 2, "sidecar/config_check.c"),
    ("warn_at", 2, "sidecar/config_check.c"),
    ("overlap_error", 3, "sidecar/config_check.c"),
    ("advise_at", 2, "sidecar/config_advice.c"),
    ("refuse", 1, "sidecar/config_text.c"),
    ("fail", 2, "sidecar/jsonc.c"),
    ("fail", 1, "sidecar/http2.c"),
    ("client_fail", 1, "sidecar/http_client.c"),
    ("client_done", 1, "sidecar/http_client.c"),
    ("fail_later", 1, "sidecar/http_client.c"),
    ("c25_http_fail", 2, "*"),
    ("c25_control_fail", 1, "*"),
    ("flows_failed", 1, "sidecar/nat.c"),
    ("c25_db_fail", 2, "*"),
    ("reason", 2, "sidecar/health.c"),
    ("c25_buf_format", 1, "sidecar/health.c"),
    ("c25_buf_format", 1, "sidecar/verbs.c"),
    ("snprintf", 2, "sidecar/config_errors.c"),
    ("snprintf", 2, "sidecar/host.c"),
    ("snprintf", 2, "sidecar/tls.c"),
    ("snprintf", 2, "sidecar/push*.c"),
    ("snprintf", 2, "sidecar/cause.c"),
    ("snprintf", 2, "sidecar/serve_refused.c"),
    ("fprintf", 1, "sidecar/conn25*.c"),
    ("log_err", 0, "module/*.c"),
    ("log_warn", 0, "module/*.c"),
    ("log_info", 0, "module/*.c"),
]

# They take a printf format, too, but for something else.
NO_PRINTERS = {"c25_buf_format", "c25_json_raw", "sysctl"}

LITERAL = r'"(?:[^"\\\n]|\\.)*"'
LITERALS = rf"{LITERAL}(?:\s*{LITERAL})*"

# Arrays of texts that are printed as they are.
ARRAYS = [("failure_texts", "module/query.c"),
          ("shortages", "sidecar/health.c"),
          ("texts", "sidecar/verify.c"),
          ("messages", "sidecar/wire.c"),
          ("remedies", "sidecar/push_refused.c")]

# Texts that are put elsewhere first.
HANDED = [(rf"\breturn ({LITERALS});", "sidecar/http_client.c"),
          (rf"\*why = ({LITERALS});", "sidecar/serve.c"),
          (rf"const char \w+\[\] = ({LITERALS});", "sidecar/http_listen.c"),
          (rf"const char \w+\[\] = ({LITERALS});", "sidecar/control.c")]


def sources():
    for part in PARTS:
        for path in sorted(glob.glob(os.path.join(TOP, part, "*.c"))):
            name = os.path.relpath(path, TOP)
            with open(path, encoding="utf-8") as file:
                if name not in NOT_SAID:
                    yield name, plain(file.read())


def plain(text):
    """Without comments, with quotes and line numbers as they are."""
    def blank(found):
        whole = found[0]
        return whole if whole[0] in "\"'" else \
            re.sub(r"[^\n]", " ", whole)
    return re.sub(LITERAL + r"|'(?:[^'\\]|\\.)+'|//[^\n]*|/\*.*?\*/", blank,
                  text, flags=re.S)


def arguments(text, start):
    """The arguments of the call whose parenthesis is before `start`."""
    found, depth, begin = [], 0, start
    for token in re.finditer(LITERAL + r"|'(?:[^'\\]|\\.)+'|[(){}\[\],;]",
                             text[start:]):
        at = start + token.start()
        if token[0] in "({[":
            depth += 1
        elif token[0] in ")}]":
            if depth == 0:
                return found + [text[begin:at]]
            depth -= 1
        elif token[0] == "," and depth == 0:
            found.append(text[begin:at])
            begin = at + 1
        elif token[0] == ";":
            break
    return []


def literals(expression):
    """The texts that an argument can be; what a macro adds is "%"."""
    keep = Keep()
    for way in re.split("[?:]", re.sub(LITERAL, keep, expression)):
        text = ""
        if "\x01" not in way:
            continue
        for word in re.finditer(r"\x01(\d+)\x01|\w+", way):
            text += keep.kept[int(word[1])] if word[1] else \
                "u" if re.search(r"%\d*$", text) else "%s"
        yield text


class Keep:
    """Puts literals aside, as what is in them is no C."""

    def __init__(self):
        self.kept = []

    def __call__(self, found):
        self.kept.append(found[0][1:-1].replace('\\"', '"')
                         .replace("\\n", "").replace("\\\\", "\\"))
        return f"\x01{len(self.kept) - 1}\x01"


def shape(text):
    """A message with "..." for what is filled in."""
    text = re.sub(" $", " %s", text.replace("%%", "\0"))
    text = re.sub(r"%[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh|h|ll|l|z|j)?"
                  r"[diouxXcspg]|%", "...", text)
    text = re.sub(r"\.{6,}", "...", text)
    return text.replace("\0", "%")


def silent(name, before):
    """Not an error, a warning or what is told of normal operation."""
    if name == "fprintf":
        return before[0].strip() != "stderr"
    return name == "c25_log" and \
        before[0].strip() in ("C25_LOG_DETAIL", "C25_LOG_QUERY")


def worded(text):
    """Has words of its own; else it passes on what another says."""
    return re.search("[A-Za-z]{2}", text.replace("conn25", "")) is not None


def messages():
    """(file:line, shape) of each."""
    for file, text in sources():
        for name, number, where in PRINTERS:
            if not fnmatch.fnmatch(file, where):
                continue
            for call in re.finditer(rf"(?<![\w>.]){name}\s*\(", text):
                args = arguments(text, call.end())
                if len(args) <= number or silent(name, args):
                    continue
                line = text.count("\n", 0, call.start()) + 1
                # What another says, or one of what follows.
                by_name = args[number].strip() == '"%s"'
                for one in literals((args + [""])[number + by_name]):
                    if worded(shape(one)):
                        yield f"{file}:{line}", shape(one)
        for name, where in ARRAYS:
            array = re.search(rf"\b{name}\[\w*\] = {{", text) \
                if file == where else None
            for entry in arguments(text, array.end()) if array else []:
                for one in literals(re.sub(r"^\s*\[\w+\] =", "", entry)):
                    if worded(one):
                        yield file, shape(one)
        for pattern, where in HANDED:
            for found in re.findall(pattern, text) if file == where else []:
                for one in literals(found):
                    if worded(one):
                        yield file, shape(one)


def undeclared():
    """Functions that take a format and are in neither list."""
    names = set()
    for pattern in ("*/*.[ch]", "include/conn25/*.h"):
        for path in glob.glob(os.path.join(TOP, pattern)):
            with open(path, encoding="utf-8") as file:
                text = plain(file.read())
            if not path.startswith(tuple(os.path.join(TOP, p)
                                         for p in PARTS + ("include",))):
                continue
            names |= set(re.findall(
                r"(\w+)\((?:[^()]|\n)*\.\.\.\)\s*__attribute__\(\(format\("
                r"printf", text))
            names |= set(re.findall(
                r"__attribute__\(\(format\(printf, \d, \d\)\)\)\s*(\w+)\(",
                text))
    return names - {p[0] for p in PRINTERS} - NO_PRINTERS


class Row:
    """A message as conn25-messages(7) writes it: "..." is what differs. With
    three words or more of its own it may stand for several messages; with
    fewer it would be for any, and is for the one that looks the same."""

    def __init__(self, text):
        self.text = text
        words = re.findall(r"[A-Za-z0-9']{2,}", text.replace("conn25", ""))
        self.pattern = re.compile(
            ".*".join(map(re.escape, text.split("..."))) if len(words) > 2
            else re.escape(text))

    def explains(self, message):
        return self.pattern.fullmatch(message) is not None


def rows():
    with open(os.path.join(TOP, "sidecar", "conn25-messages.7"),
              encoding="utf-8") as file:
        text = file.read().replace("\\e", "\\")
    return [Row(found.replace('""', '"'))
            for found in re.findall(r'^\.It "(.*)"$', text, re.M)]
