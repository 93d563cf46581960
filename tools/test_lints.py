"""Each lint says nothing about a small good tree and catches what it is there for in a bad one.

usage: /usr/bin/python3 -m pytest tools/test_lints.py     (a part of `make lint`)"""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

import declared
import docs_names
import layers
import lengths
import purity
import tidy

TOOLS = pathlib.Path(__file__).resolve().parent
GOOD_C = '/* A sum. */\n#include "base/sum.h"\n\nint sum(int a, int b)\n{\n    return a + b;\n}\n'
GOOD_H = "/* A sum. */\n#pragma once\nint sum(int a, int b);\n"


@pytest.fixture
def root(tmp_path):
    """A tree that every lint is content with."""
    write(tmp_path, "src/base/sum.c", GOOD_C)
    write(tmp_path, "src/base/sum.h", GOOD_H)
    write(tmp_path, "src/base/meson.build", "# Public header: sum.h.\n")
    write(tmp_path, "docs/architecture.md", "`base/sum.c:sum` adds.\n")
    shutil.copy(TOOLS.parent / ".clang-tidy", tmp_path)
    return tmp_path


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def git(root, *arguments):
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", root,
                    *arguments], check=True, capture_output=True)


def commit(root, path, text):
    write(root, path, text)
    git(root, "init", "-q")
    git(root, "add", path)
    git(root, "commit", "-q", "-m", "list")


def lint(root, name):
    return subprocess.run([TOOLS / "lint.sh", name], capture_output=True, text=True,
                          env={**os.environ, "WEIR_LINT_ROOT": str(root)})


def archive(build, layer, source):
    folder = build / "src" / layer
    folder.mkdir(parents=True)
    (folder / "x.c").write_text(source)
    subprocess.run(["gcc", "-c", "x.c"], cwd=folder, check=True)
    subprocess.run(["ar", "rc", "libx.a", "x.o"], cwd=folder, check=True)


def compiled(root):
    """Build directory with the commands of the tree's files."""
    build = root / "build"
    build.mkdir()
    entries = [{"directory": str(root), "file": str(path), "command": f"cc -Isrc -c {path}"}
               for path in sorted(root.rglob("*.c"))]
    (build / "compile_commands.json").write_text(json.dumps(entries))
    return build


# ---- layers ----

def test_layers_accept_a_public_header_below(root):
    write(root, "src/sql/x.c", '/* x */\n#include "base/sum.h"\n')
    assert list(layers.problems(root)) == []


def test_layers_refuse_a_header_above(root):
    write(root, "src/net/meson.build", "# Public header: net.h.\n")
    write(root, "src/base/up.c", '/* x */\n  #  include "net/net.h"\n')
    assert list(layers.problems(root)) == ["src/base/up.c:2: base may not include net/net.h"]


def test_layers_refuse_policy_siblings(root):
    write(root, "src/pool/x.h", '/* x */\n#include "sql/sql.h"\n')
    assert len(list(layers.problems(root))) == 1


def test_layers_refuse_all_but_one_header_of_a_layer(root):
    write(root, "src/engine/meson.build", "# Public headers: backend.h, engine.h\n")
    write(root, "src/backend/sqlite/x.c",
          '/* x */\n#include "engine/backend.h"\n#include "engine/engine.h"\n')
    assert list(layers.problems(root)) == [
        "src/backend/sqlite/x.c:3: backend/sqlite may not include engine/engine.h"]


def test_layers_refuse_a_private_header(root):
    write(root, "src/base/secret.h", "/* x */\n")
    write(root, "src/pool/x.c", '/* x */\n#include "base/secret.h"\n')
    assert "private" in list(layers.problems(root))[0]


def test_layers_understand_all_but(root):
    write(root, "src/base/secret.h", "/* x */\n")
    write(root, "src/base/meson.build", "# Public headers: all but secret.h.\n")
    write(root, "src/pool/x.c", '/* x */\n#include "base/secret.h"\n#include "base/sum.h"\n')
    assert len(list(layers.problems(root))) == 1


def test_layers_refuse_an_unknown_folder(root):
    write(root, "src/misc/x.c", "/* x */\n")
    assert "no layer" in list(layers.problems(root))[0]


def test_layers_table_is_the_documents():
    document = (TOOLS.parent / "docs/decisions/0001-layers-and-build.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]]
            for line in document.splitlines() if line.startswith("|")][2:]
    assert {row[0]: set(row[1].split(", ")) - {"–"} for row in rows} == layers.ALLOWED
    assert {row[0] for row in rows if row[3] == "yes"} == set(layers.PURE)


# ---- purity ----

@pytest.mark.parametrize("call", [
    "int socket(int, int, int); int f(void) { return socket(1, 2, 3); }",
    "long time(long *); long f(void) { return time(0); }",
    "char *getenv(const char *); char *f(void) { return getenv(\"HOME\"); }",
    "int rand(void); int f(void) { return rand(); }",
    "int pthread_create(void *, void *, void *, void *);"
    "int f(void) { return pthread_create(0, 0, 0, 0); }",
    "int puts(const char *); int f(void) { return puts(\"x\"); }",
])
def test_purity_refuses_the_outside(tmp_path, call):
    archive(tmp_path, "pool", call)
    assert len(list(purity.problems(tmp_path))) == 1


def test_purity_accepts_memory_and_what_pure_layers_define(tmp_path):
    archive(tmp_path, "base", "int own(void) { return 1; }")
    archive(tmp_path, "pool", "void *malloc(unsigned long); int own(void);"
                              "void *f(void) { return own() ? malloc(1) : 0; }")
    assert list(purity.problems(tmp_path)) == []


def test_purity_gives_a_library_to_its_layer_only(tmp_path):
    source = "int yaml_parser_parse(void); int f(void) { return yaml_parser_parse(); }"
    archive(tmp_path / "a", "config", source)
    archive(tmp_path / "b", "pool", source)
    assert list(purity.problems(tmp_path / "a")) == []
    assert len(list(purity.problems(tmp_path / "b"))) == 1


def test_purity_refuses_an_empty_build(tmp_path):
    assert len(list(purity.problems(tmp_path))) == 1


# ---- lengths ----

def function(lines):
    return "/* x */\nint f(void)\n{\n" + "    g();\n" * (lines - 3) + "}\n"


def test_lengths_accept_the_good_tree(root):
    assert list(lengths.problems(root)) == []


def test_lengths_count_functions(root):
    write(root, "src/base/f.c", function(70))
    assert list(lengths.problems(root)) == []
    write(root, "src/base/f.c", function(71))
    assert list(lengths.problems(root)) == ["src/base/f.c:2: f has 71 lines, at most 70"]


@pytest.mark.parametrize("path, lines", [("src/base/x.h", 300), ("tests/x.c", 800)])
def test_lengths_count_files(root, path, lines):
    write(root, path, "/* x */\n" + "int x;\n" * (lines - 1))
    assert list(lengths.problems(root)) == []
    write(root, path, "/* x */\n" + "int x;\n" * lines)
    assert len(list(lengths.problems(root))) == 1


def test_lengths_count_columns(root):
    write(root, "src/base/x.c", f"/* {'x' * 94} */\n")
    assert list(lengths.problems(root)) == []
    write(root, "src/base/x.c", f"/* {'x' * 95} */\n")
    assert list(lengths.problems(root)) == ["src/base/x.c:1: 101 columns, at most 100"]


def test_lengths_want_a_file_to_say_what_it_is_for(root):
    write(root, "src/base/x.c", "int x;\n")
    write(root, "tools/x.py", "#!/usr/bin/python3\nimport os\n")
    assert len(list(lengths.problems(root))) == 2


def test_lengths_allow_what_the_list_has(root):
    write(root, "src/base/f.c", function(80))
    write(root, "tools/lengths.allow", "src/base/f.c:f 80\n")
    assert list(lengths.problems(root)) == []
    write(root, "src/base/f.c", function(81))
    assert "grew" in list(lengths.problems(root))[0]


def test_lengths_want_entries_lowered_and_removed(root):
    write(root, "src/base/f.c", function(75))
    write(root, "tools/lengths.allow", "src/base/f.c:f 80\nsrc/base/gone.c 900\n")
    assert ["lower" in p or "remove" in p for p in lengths.problems(root)] == [True, True]


def test_lengths_list_can_only_shrink(root):
    write(root, "src/base/f.c", function(80))
    commit(root, "tools/lengths.allow", "# none\n")
    write(root, "tools/lengths.allow", "src/base/f.c:f 80\n")
    assert ["only shrink" in p for p in lengths.problems(root)] == [True]
    git(root, "add", "tools/lengths.allow")
    git(root, "commit", "-q", "-m", "a commit does not make it right")
    assert ["only shrink" in p for p in lengths.problems(root)] == [True]


# ---- documents ----

def test_docs_accept_names_that_exist(root):
    assert list(docs_names.problems(root)) == []


def test_declared_is_content_where_others_call(root):
    write(root, "tests/unit/base/test_sum.c", "/* A test. */\nint two = sum(1, 1);\n")
    assert list(declared.problems(root)) == []


def test_declared_finds_what_one_file_has_for_itself(root):
    assert len(list(declared.problems(root))) == 1
    write(root, "src/base/sum.h", GOOD_H + "/* gone() */\nint gone(\n    int a);\n")
    assert [p.split(": ")[1] for p in declared.problems(root)] == ["sum", "gone"]


def test_declared_counts_a_macro_of_the_header(root):
    write(root, "src/base/sum.h", GOOD_H + "#define SUM(a) sum((a), 0)\n")
    assert list(declared.problems(root)) == []


@pytest.mark.parametrize("name", ["base/gone.c:sum", "base/sum.c:gone"])
def test_docs_refuse_names_that_are_gone(root, name):
    write(root, "docs/architecture.md", f"see `{name}`\n")
    assert len(list(docs_names.problems(root))) == 1


def test_docs_want_the_document(root):
    (root / "docs/architecture.md").unlink()
    assert len(list(docs_names.problems(root))) == 1


def test_configuration_is_the_programs_own(root):
    write(root, "docs/configuration.md", "generated\n")
    write(root, "build/release/weir", "#!/bin/sh\necho generated\n")
    (root / "build/release/weir").chmod(0o755)
    assert lint(root, "configuration").returncode == 0
    write(root, "docs/configuration.md", "by hand\n")
    assert lint(root, "configuration").returncode == 1


# ---- programs ----

def test_format_refuses_another_layout(root):
    assert lint(root, "format").returncode == 0, lint(root, "format").stderr
    write(root, "tests/x.c", "/* x */\nint f(void) { return 1; }\n")
    assert lint(root, "format").returncode == 1


def test_cppcheck_finds_a_mistake(root):
    assert lint(root, "cppcheck").returncode == 0
    write(root, "src/base/x.c", "/* x */\nint f(void)\n{\n    int a[2] = {0};\n"
                                "    return a[2];\n}\n")
    done = lint(root, "cppcheck")
    assert done.returncode == 1 and "arrayIndexOutOfBounds" in done.stderr


def test_clang_tidy_finds_a_mistake_and_remembers_what_is_clean(root):
    write(root, "src/base/x.c", "/* x */\nint f(void)\n{\n    int *p = 0;\n    return *p;\n}\n")
    build = compiled(root)
    found = list(tidy.problems(build, root))
    assert len(found) == 1 and "NullDereference" in found[0]
    assert len(list((build / "tidy").iterdir())) == 1
    assert len(list(tidy.problems(build, root))) == 1


def test_clang_tidy_forgets_when_a_header_changes(root):
    build = compiled(root)
    assert list(tidy.problems(build, root)) == []
    (before,) = (build / "tidy").iterdir()
    write(root, "src/base/sum.h", GOOD_H + "\n")
    assert list(tidy.problems(build, root)) == []
    (after,) = (build / "tidy").iterdir()
    assert before != after


def test_an_unknown_lint_is_an_error(root):
    assert lint(root, "nonsense").returncode == 1
