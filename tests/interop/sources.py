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

def os_release(key):
    text = pathlib.Path("/etc/os-release").read_text()
    found = re.search(rf'^{key}="?([^"\n]*)"?$', text, re.M)
    return found[1] if found else ""


def source_entries(text, release):
    """A list of packages with sources in place of binaries; with a release, the archive's entries
    alone, and of that one."""
    text = re.sub(r"^deb\s", "deb-src ", text, flags=re.M)
    text = re.sub(r"^Types:.*$", "Types: deb-src", text, flags=re.M)
    if not release:
        return text
    own = re.escape(os_release("VERSION_CODENAME"))
    kept = []
    for stanza in re.split(r"\n\s*\n", text):
        if re.search(rf"^Suites:.*\s{own}(\s|$)", stanza, re.M):
            kept.append(re.sub(r"^Suites:.*$", f"Suites: {release}", stanza, flags=re.M))
        else:
            lines = re.findall(rf"^(deb-src\s.*\s){own}(\s.*)$", stanza, re.M)
            kept += [before + release + after for before, after in lines]
    return "\n\n".join(kept) + "\n"


def apt_environment(release):
    """apt with lists and a cache of its own: the machine's are neither used nor changed."""
    apt = CACHE / "apt" / (release or "own")
    shutil.rmtree(apt, ignore_errors=True)
    for part in ("lists/partial", "cache/archives/partial", "parts"):
        (apt / part).mkdir(parents=True)
    lists = pathlib.Path("/etc/apt/sources.list.d")
    for path in [lists.parent / "sources.list", *lists.glob("*.list"), *lists.glob("*.sources")]:
        if path.exists():
            (apt / "parts" / path.name).write_text(source_entries(path.read_text(), release))
    (apt / "apt.conf").write_text(
        'Dir::Etc::sourcelist "/dev/null";\n'
        f'Dir::Etc::sourceparts "{apt}/parts";\nDir::State::lists "{apt}/lists";\n'
        f'Dir::Cache "{apt}/cache";\nAPT::Sandbox::User "root";\n')
    environment = {**os.environ, "APT_CONFIG": str(apt / "apt.conf"), "LC_ALL": "C.UTF-8"}
    run("apt-get", "-qq", "update", env=environment)
    return environment


def numbers(version):
    return [int(n) for n in re.findall(r"\d+", version)]


def debian(name, package, first=None, only=""):
    """What upstream released, unpacked, as a Debian source package has it: of the version `first`
    if it can be had, else of the newest that can (of those that begin with `only`), in the
    machine's own release or in unstable. Debian's own part is not asked for: a mirror may have the
    one and not the other."""
    failure = Unavailable(f"no Debian source package {package}")
    for release in (None, "sid") if os_release("ID") == "debian" else (None,):
        environment = apt_environment(release)
        text = run("apt-cache", "showsrc", package, env=environment)
        versions = {v for v in re.findall(r"^Version: (\S+)$", text, re.M) if v.startswith(only)}
        for one in sorted(versions, key=lambda v: (v == first, numbers(v)), reverse=True):
            work = CACHE / "apt" / name
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            try:
                run("apt-get", "-qq", "source", "--download-only", f"{package}={one}",
                    env=environment, cwd=work)
            except Unavailable as e:
                failure = e
            # apt gives a file its name when its checksum was right.
            archives = [p for p in work.iterdir() if re.search(r"\.orig\.tar\.\w+$", p.name)]
            if archives:
                return unpack(name, archives[0])
    raise failure


def installed(package):
    """The version of the source that an installed Debian package was built from, or None."""
    try:
        return run("dpkg-query", "-W", "-f", "${source:Version}", package)
    except Unavailable:
        return None


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
