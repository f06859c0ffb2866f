"""System calls that the sandbox denies: name, number on x86_64, number on aarch64 (- where it does not exist)."""

from __future__ import annotations

KNOWN = 450
"""The last number that was looked at; later ones are new ways to do what others do, and are said not to exist."""

# Change a file or folder: "Read-only file system".
CHANGES = """
    creat 85 -, rename 82 -, renameat 264 38, renameat2 316 276, unlink 87 -, unlinkat 263 35, mkdir 83 -,
    mkdirat 258 34, rmdir 84 -, link 86 -, linkat 265 37, symlink 88 -, symlinkat 266 36, truncate 76 45,
    mknod 133 -, mknodat 259 33, chmod 90 -, fchmod 91 52, fchmodat 268 53, chown 92 -, fchown 93 55,
    lchown 94 -, fchownat 260 54, utime 132 -, utimes 235 -, utimensat 280 88, futimesat 261 -, setxattr 188 5,
    lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16,
"""

# Reach beyond the process: "Operation not permitted".
REACHES = """
    socket 41 198, socketpair 53 199, connect 42 203, bind 49 200, listen 50 201, accept 43 202,
    accept4 288 242, sendto 44 206, sendmsg 46 211, sendmmsg 307 269,
    execve 59 221, execveat 322 281, fork 57 -, vfork 58 -, uselib 134 -,
    tkill 200 130, ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, process_madvise 440 440,
    process_mrelease 448 448, kcmp 312 272, pidfd_open 434 434, pidfd_getfd 438 438, pidfd_send_signal 424 424,
    setpriority 141 140, ioprio_set 251 30, sched_setparam 142 118, sched_setscheduler 144 119,
    sched_setattr 314 274, migrate_pages 256 238, move_pages 279 239, setrlimit 160 164, flock 73 32,
    shmget 29 194, shmat 30 196, shmctl 31 195, shmdt 67 197, semget 64 190, semop 65 193, semctl 66 191,
    semtimedop 220 192, msgget 68 186, msgsnd 69 189, msgrcv 70 188, msgctl 71 187, mq_open 240 180,
    mq_unlink 241 181, mq_timedsend 242 182, mq_timedreceive 243 183, mq_notify 244 184, mq_getsetattr 245 185,
    mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, open_tree 428 428, move_mount 429 429,
    fsopen 430 430, fsconfig 431 431, fsmount 432 432, fspick 433 433, mount_setattr 442 442,
    open_by_handle_at 304 265, quotactl 179 60, quotactl_fd 443 443, acct 163 89, swapon 167 224,
    swapoff 168 225, sync 162 81, syncfs 306 267, fanotify_init 300 262, fanotify_mark 301 263,
    bpf 321 280, perf_event_open 298 241, userfaultfd 323 282, seccomp 317 277,
    landlock_create_ruleset 444 444, landlock_add_rule 445 445, landlock_restrict_self 446 446,
    add_key 248 217, request_key 249 218, keyctl 250 219, setns 308 268, unshare 272 97, personality 135 92,
    modify_ldt 154 -, iopl 172 -, ioperm 173 -, init_module 175 105, finit_module 313 273, delete_module 176 106,
    create_module 174 -, kexec_load 246 104, kexec_file_load 320 294, reboot 169 142, vhangup 153 58,
    syslog 103 116, lookup_dcookie 212 18, nfsservctl 180 42, sethostname 170 161, setdomainname 171 162,
    settimeofday 164 170, clock_settime 227 112, adjtimex 159 171, clock_adjtime 305 266, setuid 105 146,
    setgid 106 144, setreuid 113 145, setregid 114 143, setresuid 117 147, setresgid 119 149, setfsuid 122 151,
    setfsgid 123 152, setgroups 116 159, capset 126 91,
"""

# Do by a record in memory, which a filter cannot read, what other calls do: "Function not implemented".
HIDDEN = """
    openat2 437 437, clone3 435 435, io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427,
    io_setup 206 0, io_submit 209 2,
"""

# Denied by what they are asked to do.
DEPENDS = """
    open 2 -, openat 257 56, clone 56 220, kill 62 129, tgkill 234 131, rt_sigqueueinfo 129 138,
    rt_tgsigqueueinfo 297 240, sched_setaffinity 203 122, prlimit64 302 261, ioctl 16 29, fcntl 72 25,
    prctl 157 167,
"""


def numbers(table: str, column: int) -> dict[str, int]:
    """Return the numbers of a table by name: column 0 is x86_64, 1 is aarch64."""
    rows = [item.split() for item in table.replace("\n", " ").split(",") if item.strip()]
    return {name: int(found[column]) for name, *found in rows if found[column] != "-"}
