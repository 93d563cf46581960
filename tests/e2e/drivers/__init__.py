"""How the drivers' programs beside this file are run, and what they print."""

import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent


def pgjdbc(jar):
    """From its source: a second that needs no build. C1: the cases are over before more pays."""
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", str(jar), str(HERE / "Pgjdbc.java")]


def node():
    return ["node", "--no-deprecation", str(HERE / "node_pg.js")]


def read(text):
    """{case: (outcome, why)} of lines "ok NAME", "failed NAME: why", "skipped NAME: why"."""
    lines = re.findall(r"^(ok|failed|skipped) ([a-z_0-9]+)(?:: (.*))?$", text, re.M)
    return {name: (outcome, why) for outcome, name, why in lines}
