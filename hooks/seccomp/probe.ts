/**
 * What this host offers the seccomp hook, line by line, each with what its absence means. `doctor` prints it
 * and `auto` believes it: the hook works where every needed line is ok.
 */
import { loadNative, type NativeFacts } from './native.ts';

export interface Fact {
  readonly name: string;
  readonly ok: boolean;
  /** Without a needed one the hook does not start. */
  readonly needed: boolean;
  readonly detail: string;
}

export interface Probe {
  readonly works: boolean;
  readonly facts: readonly Fact[];
}

/** Asks the kernel; takes a few milliseconds and leaves nothing behind. Never throws. */
export function probeSeccomp(): Probe {
  let native: NativeFacts;
  try {
    native = loadNative().probe();
  } catch (error) {
    const fact = { name: 'native hook', ok: false, needed: true, detail: (error as Error).message };
    return { works: false, facts: [fact] };
  }
  const facts = factsOf(native);
  return { works: facts.every((fact) => fact.ok || !fact.needed), facts };
}

function factsOf(n: NativeFacts): Fact[] {
  const needed = (name: string, ok: boolean, good: string, bad: string): Fact => ({
    name,
    ok,
    needed: true,
    detail: ok ? good : bad,
  });
  const useful = (name: string, ok: boolean, good: string, bad: string): Fact => ({
    ...needed(name, ok, good, bad),
    needed: false,
  });
  return [
    needed(
      'architecture',
      n.supportedArchitecture,
      `${n.architecture}, Linux ${n.release}`,
      `${n.architecture} has no system call table here`,
    ),
    needed(
      'user notification',
      n.userNotification,
      'the kernel can ask us about a system call',
      'needs Linux 5.0',
    ),
    needed(
      'filter with listener',
      n.listener,
      'a filter was installed on a test process',
      `refused: ${n.listenerError ?? 'no reason given'}; needs Linux 5.19 and no other supervisor above us`,
    ),
    needed(
      'pidfd_getfd',
      n.takeDescriptor,
      "descriptors of the command's processes can be duplicated",
      'refused; a container may need a seccomp profile that permits it',
    ),
    needed(
      'process_vm_readv',
      n.readMemory,
      'arguments in memory can be read',
      'refused; a container may need the SYS_PTRACE capability',
    ),
    needed(
      'descriptor installation',
      n.installDescriptor,
      'files we opened can be handed over',
      'needs Linux 5.9',
    ),
    needed(
      'ptrace',
      n.seal,
      'exec can be sealed',
      `refused${n.ptraceScope > 1 ? ` (kernel.yama.ptrace_scope is ${n.ptraceScope})` : ''}; exec cannot be sealed`,
    ),
    needed('openat2', n.openat2, 'names are resolved without magic links', 'needs Linux 5.6'),
    needed('/proc', n.proc, 'shows our own descriptors', '/proc is not mounted'),
    useful(
      'synchronous wake-up',
      n.syncWakeUp,
      'callers are woken on the same core',
      'Linux 6.6 has it; each mediated call is slower without',
    ),
    useful(
      'pidfds of threads',
      n.threadPidfd,
      'threads are recognised without reading /proc',
      'Linux 6.9 has them; multi-threaded programs are a little slower without',
    ),
    useful(
      'one identity',
      !n.privileged,
      'the command has no power it could drop',
      'the command can change its credentials; processes that do are denied what we mediate',
    ),
  ];
}
