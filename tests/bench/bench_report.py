"""What the reports of the benchmarks share: tables in Markdown, the machine's name."""

import os
import platform
import subprocess


def table(head, lines):
    return ["| " + " | ".join(head) + " |", "|---" * len(head) + "|",
            *("| " + " | ".join(line) + " |" for line in lines), ""]  # fmt: skip


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return (f"{models[0] if models else platform.machine()}, {os.cpu_count()} processors, Linux "
            f"{platform.release()}, {subprocess.getoutput('openssl version')}")  # fmt: skip
