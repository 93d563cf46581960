"""Where a suite's source comes from: Debian's source packages by a private apt configuration, or a
language's registry by its ordinary client. Everything lands in build/interop, once."""

import os
import pathlib
import re
import shutil
import subprocess
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "build/interop"
SOURCES = CACHE / "sources"


class Unavailable(Exception):
    """A suite cannot be had here. Its words say what to do."""


def run(*command, seconds=900, **more):
    """The command's output; Unavailable, with the end of what it said, if it fails."""
    try:
        done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds,
                              **more)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Unavailable(f"{command[0]}: {e}") from e
    if done.returncode != 0:
        raise Unavailable(f"{command[0]} failed: {last_words(done.stdout)}")
    return done.stdout


def last_words(text):
    """The last lines, without the names of the hosts that packages come from."""
    tail = " / ".join(text.strip().splitlines()[-3:])
    return re.sub(r"\w+://\S+", "(address)", re.sub(r" *\[IP: [^]]*\]", "", tail))


def present(name):
    """The suite's unpacked source if it is there, be it by an earlier run or put there by hand."""
    path = SOURCES / name
    return path if path.is_dir() else None


def keep(name, unpacked):
    """Moves a source to its place in one step, so that half of one is never found there."""
    SOURCES.mkdir(parents=True, exist_ok=True)
    shutil.move(unpacked, SOURCES / name)
    return SOURCES / name


# ---- Debian ----

def apt_parts(directory):
    """The machine's own lists of packages with sources in place of binaries."""
    directory.mkdir(parents=True, exist_ok=True)
    lists = pathlib.Path("/etc/apt/sources.list.d")
    for path in [lists.parent / "sources.list", *lists.glob("*.list"), *lists.glob("*.sources")]:
        if not path.exists():
            continue
        text = re.sub(r"^deb\s", "deb-src ", path.read_text(), flags=re.M)
        text = re.sub(r"^Types:.*$", "Types: deb-src", text, flags=re.M)
        (directory / path.name).write_text(text)


def apt_environment():
    """apt with lists and a cache of its own: the machine's are neither used nor changed."""
    apt = CACHE / "apt"
    fresh = not (apt / "apt.conf").exists()
    for part in ("lists/partial", "cache/archives/partial"):
        (apt / part).mkdir(parents=True, exist_ok=True)
    apt_parts(apt / "parts")
    (apt / "apt.conf").write_text(
        'Dir::Etc::sourcelist "/dev/null";\n'
        f'Dir::Etc::sourceparts "{apt}/parts";\nDir::State::lists "{apt}/lists";\n'
        f'Dir::Cache "{apt}/cache";\nAPT::Sandbox::User "root";\n')
    environment = {**os.environ, "APT_CONFIG": str(apt / "apt.conf"), "LC_ALL": "C.UTF-8"}
    if fresh:
        run("apt-get", "-qq", "update", env=environment)
    return environment


def debian(name, package, version=None):
    """The unpacked Debian source package, of that version or the newest that can be had."""
    environment = apt_environment()
    text = run("apt-cache", "showsrc", package, env=environment)
    versions = re.findall(r"^Version: (\S+)$", text, re.M)
    wanted = [version] if version else sorted(set(versions), reverse=True)
    failure = Unavailable(f"no Debian source package {package}")
    for one in wanted:
        work = CACHE / "apt" / name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            run("apt-get", "-qq", "source", f"{package}={one}", env=environment, cwd=work)
            return keep(name, next(p for p in work.iterdir() if p.is_dir()))
        except Unavailable as e:
            failure = e
    raise failure


# ---- language registries ----

def unpack(name, archive):
    work = CACHE / "unpack" / name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    with tarfile.open(archive) as file:
        file.extractall(work, filter="data") if hasattr(tarfile, "data_filter") else \
            file.extractall(work)
    return keep(name, next(p for p in work.iterdir() if p.is_dir()))


def python_environment(name, requirements):
    """The interpreter of a virtual environment that has these, and only these."""
    directory = CACHE / "venv" / name
    stamp = directory / "requirements.txt"
    wanted = "\n".join(requirements) + "\n"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(directory, ignore_errors=True)
        run("/usr/bin/python3", "-m", "venv", directory)
        run(directory / "bin/pip", "install", "-q", "--disable-pip-version-check", *requirements)
        stamp.write_text(wanted)
    return directory / "bin/python"


def pypi(name, package, version, python):
    """The unpacked source distribution."""
    work = CACHE / "pypi"
    work.mkdir(parents=True, exist_ok=True)
    run(python, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
        "--no-binary", package, "-d", work, f"{package}=={version}")
    return unpack(name, next(work.glob(f"{package}-{version}*.tar.gz")))


def maven(name, group, artifact, version, classifier):
    """The unpacked tar.gz artifact of a Maven repository."""
    local = CACHE / "maven"
    run("mvn", "-q", "-B", f"-Dmaven.repo.local={local}", "dependency:get",
        f"-Dartifact={group}:{artifact}:{version}:tar.gz:{classifier}", "-Dtransitive=false")
    where = local / group.replace(".", "/") / artifact / version
    return unpack(name, where / f"{artifact}-{version}-{classifier}.tar.gz")


def go_module(name, module, version):
    """A copy of a Go module's source, which is what may be written to."""
    run("go", "mod", "download", f"{module}@{version}", cwd="/")
    cached = pathlib.Path(run("go", "env", "GOMODCACHE", cwd="/").strip())
    work = CACHE / "unpack" / name
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(cached / f"{module}@{version}", work)
    for path in [work, *work.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)
    return keep(name, work)
