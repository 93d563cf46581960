#!/usr/bin/python3
"""Looks with `nm -u` at the archives of the layers that decide: they know no socket, clock, thread,
file, environment or randomness, and of libraries only those named here.

usage: tools/purity.py BUILD...     Meson build directories (or any folders that hold the archives)

A symbol that a pure layer needs and that is not listed is a problem, whatever it does: whoever adds
it here has looked at what it reads."""

import pathlib
import re
import subprocess
import sys

import layers
import tree

# Memory and text; what the compiler and assert() add. No locale, no time zone, no stream.
LIBC = re.compile(r"""
    (__)?(mem(cpy|move|set|cmp|chr|rchr|mem)|explicit_bzero|v?snprintf)(_chk)?
  | str(len|nlen|chr|rchr|cmp|ncmp|casecmp|ncasecmp|casestr|str|spn|cspn|pbrk|dup|ndup|to\w+)
  | __isoc(99|23)_str(to\w+)
  | strerror(desc_np|name_np)?
  | malloc | calloc | realloc | free | aligned_alloc | qsort | bsearch | abort
  | llrint | llround | nextafterf? | trunc | floor | ceil | fmod | ldexp | frexp | modf | pow | log2
  | isnan
  | malloc_usable_size             # what the allocator gave: the cache's bound counts it
  | sched_yield                    # waits for a reader of an epoch; starts nothing
  | __assert_fail | __stack_chk_fail | _GLOBAL_OFFSET_TABLE_ | __tls_get_addr | __errno_location
  | __atomic_\w+ | __ctype_(b|tolower|toupper)_loc
  | __(asan|ubsan|tsan|sanitizer)_\w+
""", re.X)
LIBRARIES = {
    "proto/pg": re.compile(r"EVP_\w+|HMAC|PKCS5_PBKDF2_HMAC|CRYPTO_memcmp|OPENSSL_cleanse"),
    "sql": re.compile(r"pg_query_\w+"),
    "cache": re.compile(r"ZSTD_\w+"),
    "compat": re.compile(r"reg(comp|exec|free|error)|EVP_\w+|rint|sqrt|log(10)?|inet_(pton|ntop)"
                         r"|sscanf|__isoc99_sscanf"),
    "config": re.compile(r"yaml_\w+|reg(comp|exec|free)|inet_pton"),
}


def symbols(archive, *options):
    done = subprocess.run(["nm", *options, archive], check=True, capture_output=True, text=True)
    words = (line.split() for line in done.stdout.splitlines())
    return {w[-1].split("@")[0] for w in words if len(w) >= 2 and len(w[-2]) == 1}


def archives(build, layer):
    return sorted((build / "src" / layer).glob("*.a"))


def problems(build):
    own = {name for layer in layers.PURE for archive in archives(build, layer)
           for name in symbols(archive, "--defined-only", "-g")}
    if not own:
        yield f"{build}: holds no archive of a pure layer: build it first (tools/build.sh release)"
    for layer in layers.PURE:
        for archive in archives(build, layer):
            for name in sorted(symbols(archive, "-u") - own):
                library = LIBRARIES.get(layer)
                if not LIBC.fullmatch(name) and not (library and library.fullmatch(name)):
                    yield f"src/{layer}: is pure and may not use {name} ({archive.name})"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    builds = [pathlib.Path(argument) for argument in sys.argv[1:]]
    return tree.report("purity", [p for build in builds for p in problems(build)])


if __name__ == "__main__":
    sys.exit(main())
