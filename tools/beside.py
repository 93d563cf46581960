#!/usr/bin/python3
"""Runs a command with the processor time that others leave, as a process group of its own, so that
`kill -- -PID` ends all of it. (Not a session of its own: where Linux groups sessions, a nice value
counts inside of one only.)

usage: tools/beside.py COMMAND [ARGUMENT]..."""

import os
import sys


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    os.setpgid(0, 0)
    os.nice(19)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
