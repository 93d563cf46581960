"""net.loop: which of the kernel's ways the workers wait for the network, and what happens where
io_uring is forbidden."""

import ctypes
import errno
import os
import sys

import pytest

from support import BINARY

# Runs the gateway as containers do: io_uring_setup(2), call 425 on every architecture, fails.
FORBID = """#!{python}
import ctypes, os, struct, sys
code = b"".join(struct.pack("HBBI", *i) for i in [
    (0x20, 0, 0, 0),                      # load the call's number
    (0x15, 0, 1, 425),                    # io_uring_setup?
    (0x06, 0, 0, 0x00050000 | {error}),   # fail
    (0x06, 0, 0, 0x7fff0000)])            # allow
filter = ctypes.create_string_buffer(code)
program = struct.pack("HxxxxxxP", 4, ctypes.addressof(filter))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program) == 0
os.execv({binary!r}, ["weir", *sys.argv[1:]])
"""


def forbidding(directory, error):
    file = directory / f"weir-without-{error}"
    file.write_text(FORBID.format(python=sys.executable, error=error, binary=BINARY))
    file.chmod(0o755)
    return file


def has_io_uring():
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(425, 1, ctypes.create_string_buffer(120))
    if fd >= 0:
        os.close(fd)
    release = tuple(int(n) for n in os.uname().release.split(".")[:2])
    return fd >= 0 and release >= (6, 1)


def ask(served):
    with served.weir.connect() as db:
        assert db.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("loop", ["epoll", "io_uring"])
def test_either_loop_serves_and_the_log_says_which(serve, loop):
    if loop == "io_uring" and not has_io_uring():
        pytest.skip("no io_uring here")
    served = serve({"net.loop": loop})
    ask(served)
    assert f"event loop loop={loop}" in served.weir.stderr()


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS])
def test_where_io_uring_is_forbidden_epoll_serves_and_the_log_says_so_once(
        serve, tmp_path, error):
    served = serve({"workers": 2, "net.loop": "auto"}, binary=forbidding(tmp_path, error))
    ask(served)
    assert served.weir.stderr().count("no io_uring here") == 1
    assert os.strerror(error) in served.weir.stderr()


def test_io_uring_that_was_asked_for_and_is_forbidden_is_an_error(weir, tmp_path):
    gateway = weir(f"sqlite:{tmp_path}/x.db", settings={"net.loop": "io_uring"}, start=False)
    with pytest.raises(AssertionError, match="no ready line"):
        gateway.start(binary=forbidding(tmp_path, errno.EPERM))
    assert "net.loop is io_uring" in gateway.stderr()
