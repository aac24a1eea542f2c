"""Job: run a program under a seccomp profile in Docker's format, without a container.

In: `confined.py PROFILE PROGRAM ARGUMENT ...`; cc, for the numbers of the system calls.
Out: the program, in this process.
Invariant: a call that the profile does not name ends the program by SIGSYS. A container would say
EPERM, which the C library often takes for an answer, so that a missing name would stay hidden.
"""

import ctypes
import json
import os
import platform
import re
import struct
import subprocess
import sys

AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
RETURN_ALLOW, RETURN_KILL_PROCESS = 0x7FFF0000, 0x80000000
# Instructions of classic BPF, and where the filter's input holds number and architecture of a call.
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_OFFSET, ARCHITECTURE_OFFSET = 0, 4
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2


def call_numbers():
    """The system calls of this machine by name."""
    headers = "#include <sys/syscall.h>\n"
    defined = subprocess.run(
        ["cc", "-E", "-dM", "-"], input=headers, capture_output=True, text=True, check=True
    ).stdout
    return {name: int(number) for name, number in re.findall(r"__NR_(\w+) (\d+)\n", defined)}


def allowed_numbers(profile):
    """The numbers of the calls that a profile allows; names that this machine lacks mean nothing."""
    if profile["defaultAction"] != "SCMP_ACT_ERRNO":
        raise ValueError("the profile does not refuse what it does not name")
    numbers = call_numbers()
    names = set()
    for rule in profile["syscalls"]:
        if rule["action"] != "SCMP_ACT_ALLOW" or rule.get("args"):
            raise ValueError(f"a rule that this filter cannot express: {rule}")
        names.update(rule["names"])
    return sorted(numbers[name] for name in names & numbers.keys())


def filter_program(numbers):
    """A filter that lets these calls through and ends the process at any other."""
    architecture = AUDIT_ARCHITECTURE[platform.machine()]
    steps = [
        (LOAD_WORD, 0, 0, ARCHITECTURE_OFFSET),
        (JUMP_IF_EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, RETURN_KILL_PROCESS),
        (LOAD_WORD, 0, 0, NUMBER_OFFSET),
    ]
    for number in numbers:
        steps += [(JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, RETURN_ALLOW)]
    steps.append((RETURN, 0, 0, RETURN_KILL_PROCESS))
    return steps


def confine(steps):
    """Puts this process, and what it becomes, under a filter."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program)):
        if libc.prctl(*words) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


def main():
    """Becomes the program."""
    profile_path, *command = sys.argv[1:]
    with open(profile_path, encoding="utf-8") as file:
        steps = filter_program(allowed_numbers(json.load(file)))
    confine(steps)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
