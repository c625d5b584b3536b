/**
 * Signals sent to `portcullis run` while its command runs. Portcullis outlives them until the command ends,
 * and passes them on.
 *
 * A terminal sends Ctrl-C (INT) and Ctrl-\ (QUIT) to the whole foreground group, and so to the command as well:
 * passing those on would deliver them twice. A signal handler in JavaScript cannot see who sent a signal, so
 * the rule is: INT and QUIT are not passed on while Portcullis is in the foreground group of its terminal.
 * `kill -INT` of a Portcullis in the foreground from another terminal therefore does not reach the command;
 * send it to the command, or send TERM, which is always passed on.
 *
 * Ctrl-Z stops Portcullis together with the command (both keep the default action and share a group). Nothing
 * waits at the gate meanwhile except for processes that left the group; those wait until both continue, and
 * what has passed its deadline by then is denied.
 */
import { readFileSync } from 'node:fs';

const PASSED_ON: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'];

/** Starts outliving and passing on; returns the function that stops it. `deliver` may throw (command gone). */
export function passSignalsOn(deliver: (signal: NodeJS.Signals) => void): () => void {
  const listener = (signal: NodeJS.Signals) => {
    if ((signal === 'SIGINT' || signal === 'SIGQUIT') && inForeground()) return;
    try {
      deliver(signal);
    } catch {
      // The command has ended in the meantime; its end is on its way to us.
    }
  };
  for (const signal of PASSED_ON) process.on(signal, listener);
  return () => {
    for (const signal of PASSED_ON) process.off(signal, listener);
  };
}

/** Whether our process group is the foreground group of a controlling terminal (/proc/self/stat). */
export function inForeground(): boolean {
  try {
    const stat = readFileSync('/proc/self/stat', 'latin1');
    // After the parenthesised name: state ppid pgrp session tty_nr tpgid
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[4] !== '0' && fields[2] === fields[5];
  } catch {
    return false;
  }
}
