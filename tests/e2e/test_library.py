"""libweir from outside: what it exports, and programs that use it, on SQLite and PostgreSQL. What
it does is tested in C (tests/api)."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = ROOT / "include/weir/weir.h"
LIBRARY = pathlib.Path(os.environ.get("WEIR_RELEASE_BINARY", ROOT / "build/release/weir")
                       ).resolve().parents[1] / "api"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]


def declared():
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    return sorted(re.findall(r"WEIR_API [^#;]*?\b(weir_\w+)\(", text))


def test_exactly_what_is_declared_is_exported():
    symbols = subprocess.run(["nm", "-D", "--defined-only", LIBRARY / "libweir.so"], check=True,
                             capture_output=True, text=True).stdout
    assert sorted(line.split()[2] for line in symbols.splitlines()) == declared()


def test_what_is_declared_stays(tmp_path):
    """The ABI: sizes and values that programs are compiled with. Who changes one changes the
    version."""
    (tmp_path / "abi.c").write_text("""
        #include <weir/weir.h>
        _Static_assert(WEIR_VERSION_MAJOR == 0 && WEIR_VERSION_MINOR == 1, "then look at the rest");
        _Static_assert(sizeof(weir_fault) == 6 + 3 * 512 + 64, "weir_fault");
        _Static_assert(sizeof(weir_parameter) == 24, "weir_parameter");
        _Static_assert(offsetof(weir_parameter, value) == 8, "weir_parameter.value");
        _Static_assert(sizeof(weir_instance_options) == 40, "weir_instance_options");
        _Static_assert(sizeof(weir_notification) == 24, "weir_notification");
        _Static_assert(WEIR_ROW == 1 && WEIR_OK == 0 && WEIR_REFUSED == -1 && WEIR_LOST == -2 &&
                       WEIR_NO_MEMORY == -3 && WEIR_MISUSE == -4, "weir_status");
        _Static_assert(WEIR_PARAMETER_NULL == 0 && WEIR_PARAMETER_INTEGER == 1 &&
                       WEIR_PARAMETER_REAL == 2 && WEIR_PARAMETER_BOOLEAN == 3 &&
                       WEIR_PARAMETER_TEXT == 4 && WEIR_PARAMETER_BYTES == 5, "kinds");
        _Static_assert(WEIR_STATE_IDLE == 'I' && WEIR_STATE_TRANSACTION == 'T' &&
                       WEIR_STATE_FAILED == 'E', "weir_transaction_status");
    """)
    subprocess.run(["cc", "-std=c11", "-fsyntax-only", f"-I{ROOT}/include", tmp_path / "abi.c"],
                   check=True)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The example, as C11 and pedantic as a compiler can be."""
    target = tmp_path_factory.mktemp("library") / "library"
    subprocess.run(["cc", "-std=c11", *WARNINGS, f"-I{ROOT}/include", ROOT / "examples/library.c",
                    f"-L{LIBRARY}", "-lweir", f"-Wl,-rpath,{LIBRARY}", "-o", target], check=True)
    return target


def visit(program, dsn, guest, status=0):
    done = subprocess.run([program, dsn, guest], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def visits(program, dsn):
    assert visit(program, dsn, "Ada") == "Ada: 1\n"
    assert visit(program, dsn, "O'Brien") == "Ada: 1\nO'Brien: 1\n"
    assert visit(program, dsn, "O'Brien") == "O'Brien: 2\nAda: 1\n"


def test_a_program_with_sqlite_inside(program, tmp_path):
    visits(program, f"sqlite:{tmp_path}/guests.db")


def test_the_same_program_on_postgresql(program, postgres):
    visits(program, postgres.dsn(postgres.database()))


def test_a_server_that_is_not_there_is_an_error_in_words(program):
    words = visit(program, "postgres://nobody@127.0.0.1:1/none", "Ada", 1)
    assert "127.0.0.1:1" in words and "08" in words


def test_cpp_takes_the_header(tmp_path):
    source = tmp_path / "use.cc"
    source.write_text("#include <weir/weir.h>\n"
                      "int main() { weir_parameter p = weir_text_of(\"x\"); return p.kind; }\n")
    if subprocess.run(["which", "c++"], capture_output=True).returncode:
        pytest.skip("no C++ compiler")
    subprocess.run(["c++", "-std=c++11", *WARNINGS, "-fsyntax-only", f"-I{ROOT}/include", source],
                   check=True)
