"""The filter of system calls: its numbers against the kernel's headers, its answers call by call."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from debias.jobs.sandbox import calls, landlock, seccomp

MACHINES = [pytest.param(0, 0xC000003E, id="x86_64"), pytest.param(1, 0xC00000B7, id="aarch64")]
PID = 4321
EROFS, EPERM, ENOSYS = (0x50000 | code for code in (errno.EROFS, errno.EPERM, errno.ENOSYS))


def answer(program: list[tuple[int, int, int, int]], machine: int, number: int, *arguments: int) -> int:
    """Run a filter as the kernel does: classic BPF over number, architecture and six arguments of 64 bits."""
    words = [number, machine, 0, 0]
    for argument in (*arguments, *[0] * (6 - len(arguments))):
        words += [argument & 0xFFFFFFFF, argument >> 32 & 0xFFFFFFFF]
    at = held = 0
    while True:
        code, yes, no, value = program[at]
        at += 1
        if code == 0x06:  # return
            return value
        if code == 0x20:  # load a word
            held = words[value // 4]
        else:
            true = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code]
            at += yes if true else no


@pytest.mark.parametrize(("column", "machine"), MACHINES)
def test_every_jump_stays_inside_and_every_path_ends(column: int, machine: int) -> None:
    program = seccomp.program(column, machine, PID)
    assert len(program) < 4096  # the kernel's bound
    assert program[-1][0] == 0x06
    for at, (code, yes, no, _) in enumerate(program):
        assert max(yes, no) < 256
        assert code == 0x06 or at + 1 + max(yes, no) < len(program)


@pytest.mark.parametrize(("column", "machine"), MACHINES)
def test_calls_are_denied_by_what_they_do(column: int, machine: int) -> None:
    program = seccomp.program(column, machine, PID)
    depends = calls.numbers(calls.DEPENDS, column)

    def ask(name: str, *arguments: int) -> int:
        return answer(program, machine, depends[name], *arguments)

    for table, denied in ((calls.CHANGES, EROFS), (calls.REACHES, EPERM), (calls.HIDDEN, ENOSYS)):
        assert {answer(program, machine, number) for number in calls.numbers(table, column).values()} == {denied}
    assert [ask("openat", 0, 0, flags) for flags in (0, 0o2000000, 0o1, 0o2, 0o100, 0o1000, 0o20200000)] == [
        *[seccomp.ALLOW] * 2,
        *[EROFS] * 5,
    ]
    assert ask("openat", 0, 0, 1 << 40) == seccomp.ALLOW  # the kernel looks at 32 bits, too
    assert [ask("clone", flags) for flags in (0x3D0F00, 0x11, 0x1200011)] == [seccomp.ALLOW, EPERM, EPERM]
    for name in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        assert [ask(name, pid) for pid in (PID, 0, 1, 2**32 - 1, PID + 1)] == [seccomp.ALLOW, *[EPERM] * 4]
    assert [ask("prlimit64", 0, 9, address) for address in (0, 1, 1 << 32)] == [seccomp.ALLOW, EPERM, EPERM]
    assert [ask("ioctl", 0, request) for request in (0x541B, 0x5412, 0x541C)] == [seccomp.ALLOW, EPERM, EPERM]
    assert [ask("fcntl", 3, request) for request in (1, 2, 3, 4, 6, 8, 1024)] == [*[seccomp.ALLOW] * 4, *[EPERM] * 3]
    assert [ask("prctl", option) for option in (15, 1, 4, 22, 38)] == [seccomp.ALLOW, *[EPERM] * 4]


@pytest.mark.parametrize(("column", "machine"), MACHINES)
def test_another_abi_ends_the_process_and_later_calls_do_not_exist(column: int, machine: int) -> None:
    program = seccomp.program(column, machine, PID)
    assert answer(program, 0x40000003, 1) == seccomp.KILL  # 32 bits
    assert answer(program, machine, 0x40000001) == seccomp.KILL  # x32
    assert {answer(program, machine, number) for number in range(calls.KNOWN + 1, 1000)} == {ENOSYS}


HEADERS = [
    pytest.param(0, "x86_64-linux-gnu/asm/unistd_64.h", "", id="x86_64"),
    pytest.param(1, "asm-generic/unistd.h", "RENAMEAT NEW_STAT SET_GET_RLIMIT MEMFD_SECRET SYS_CLONE3", id="aarch64"),
]
# What a sandboxed process may do: with what it holds, with itself, with clocks and with files to read.
HARMLESS = """
    read write close stat fstat lstat newfstatat fstatat statx poll ppoll select pselect6 lseek mmap mprotect
    munmap brk mremap msync mincore madvise mlock mlock2 munlock mlockall munlockall remap_file_pages
    memfd_create memfd_secret pkey_mprotect pkey_alloc pkey_free membarrier mbind set_mempolicy get_mempolicy
    set_mempolicy_home_node rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend
    sigaltstack signalfd signalfd4 pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2 access
    faccessat faccessat2 pipe pipe2 dup dup2 dup3 sched_yield sched_getparam sched_getscheduler
    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_rr_get_interval sched_getattr
    getpriority ioprio_get getcpu pause nanosleep clock_nanosleep getitimer setitimer alarm timer_create
    timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create timerfd_settime timerfd_gettime
    clock_gettime clock_getres gettimeofday time times sendfile splice tee vmsplice copy_file_range readahead
    fadvise64 sync_file_range fallocate ftruncate fsync fdatasync recvfrom recvmsg recvmmsg shutdown getsockname
    getpeername setsockopt getsockopt exit exit_group wait4 waitid uname sysinfo getrlimit getrusage sysfs ustat
    statfs fstatfs umask getdents getdents64 getcwd chdir fchdir readlink readlinkat name_to_handle_at getxattr
    lgetxattr fgetxattr listxattr llistxattr flistxattr inotify_init inotify_init1 inotify_add_watch
    inotify_rm_watch getpid getppid gettid getuid geteuid getgid getegid getgroups getresuid getresgid getpgid
    getpgrp getsid setpgid setsid capget arch_prctl set_thread_area get_thread_area set_tid_address futex
    futex_waitv set_robust_list get_robust_list restart_syscall rseq getrandom epoll_create epoll_create1
    epoll_ctl epoll_wait epoll_pwait epoll_pwait2 epoll_ctl_old epoll_wait_old eventfd eventfd2 io_destroy
    io_getevents io_cancel io_pgetevents close_range sync_file_range2 _sysctl get_kernel_syms query_module
    getpmsg putpmsg afs_syscall tuxcall security vserver
"""


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("gcc") is None, reason="the headers of Linux and gcc")
@pytest.mark.parametrize(("column", "header", "wanted"), HEADERS)
def test_the_numbers_are_those_of_the_kernel_and_each_call_was_looked_at(column: int, header: str, wanted: str) -> None:
    names = _numbers(header, wanted)
    if not names:
        pytest.skip("no such header here")
    tables = (calls.CHANGES, calls.REACHES, calls.HIDDEN, calls.DEPENDS)
    ours = {name: number for table in tables for name, number in calls.numbers(table, column).items()}
    known = {name: number for name, number in names.items() if number <= calls.KNOWN}
    assert {name: known[name] for name in ours if name in known} == {
        name: number for name, number in ours.items() if name in known
    }
    assert [name for name in ours if name not in known] == []
    assert sorted(set(known) - set(ours) - set(HARMLESS.split())) == []


def _numbers(header: str, wanted: str) -> dict[str, int]:
    if not Path("/usr/include", header).exists():
        return {}
    source = "".join(f"#define __ARCH_WANT_{name}\n" for name in wanted.split())
    source += f"#define __BITS_PER_LONG 64\n#include <{header.split('/', 1)[1] if '64.h' in header else header}>\n"
    command = ["gcc", "-E", "-dM", "-x", "c", "-"]
    told = subprocess.run(command, input=source, capture_output=True, text=True, check=True, timeout=60).stdout
    defined = dict(re.findall(r"#define (__NR\w*) (\w+)", told))
    found = {}
    for name, value in defined.items():
        while value in defined:
            value = defined[value]
        if name.startswith("__NR_") and value.isdecimal():
            found[name.removeprefix("__NR_")] = int(value)
    for other in ("syscalls", "arch_specific_syscall"):
        found.pop(other, None)
    return found


def test_landlock_is_asked_for_what_its_version_knows() -> None:
    # bits of linux/landlock.h: execute 0, write 1, remove and make 4 to 12, refer 13, truncate 14, devices 15
    assert landlock.rules(1) == [0b1_1111_1111_0011]
    assert landlock.rules(2) == [0b11_1111_1111_0011]
    assert landlock.rules(3) == [0b111_1111_1111_0011]
    assert landlock.rules(4) == [0b111_1111_1111_0011, 0b11]
    assert landlock.rules(5) == [0b1111_1111_1111_0011, 0b11]
    assert landlock.rules(6) == landlock.rules(7) == [0b1111_1111_1111_0011, 0b11, 0b11]
