// System call numbers and kernel constants that this hook needs, in one place: another architecture is
// another block here. Numbers newer than the build machine's headers are stated, so that an old userland can
// guard a new kernel.
#pragma once
#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>

namespace portcullis {

#if defined(__x86_64__)
constexpr unsigned kArch = AUDIT_ARCH_X86_64;
constexpr unsigned kX32Bit = 0x40000000;  // x32 calls carry this bit; all are refused
#else
#error "portcullis: this architecture has no system call table yet (hooks/seccomp/native/syscalls.h)"
#endif

// Calls added after unification of the tables: the same number on every architecture.
constexpr int kNrPidfdSendSignal = 424, kNrIoUringSetup = 425, kNrIoUringEnter = 426, kNrIoUringRegister = 427,
              kNrOpenTree = 428, kNrMoveMount = 429, kNrFsopen = 430, kNrFsconfig = 431, kNrFsmount = 432,
              kNrFspick = 433, kNrPidfdOpen = 434, kNrClone3 = 435, kNrCloseRange = 436, kNrOpenat2 = 437,
              kNrPidfdGetfd = 438, kNrFaccessat2 = 439, kNrProcessMadvise = 440, kNrMountSetattr = 442,
              kNrQuotactlFd = 443, kNrLandlockCreate = 444, kNrLandlockAdd = 445, kNrLandlockRestrict = 446,
              kNrFchmodat2 = 452, kNrSetxattrat = 463, kNrRemovexattrat = 466, kNrOpenTreeAttr = 467;

// <linux/seccomp.h> of Linux 6.6.
constexpr unsigned long kIoctlSetFlags = SECCOMP_IOW(4, unsigned long long);
constexpr unsigned long kSyncWakeUp = 1;

constexpr unsigned kWaitKillableRecv = 1u << 5;  // Linux 5.19
constexpr unsigned kPidfdThread = 0200;          // PIDFD_THREAD = O_EXCL, Linux 6.9

}  // namespace portcullis
