/**
 * What is wrong with a policy: where (file, line, column), what, and how to mend it. All that is wrong with a
 * file is reported at once.
 */
import type { Position } from './source.ts';

export interface Complaint extends Position {
  readonly message: string;
  /** How to mend it; empty where there is nothing to say beyond the message. */
  readonly hint: string;
}

/** A policy that cannot be used. `message` is the report of `format()`. */
export class PolicyError extends Error {
  readonly complaints: readonly Complaint[];

  constructor(complaints: readonly Complaint[]) {
    super(complaints.map(line).join('\n'));
    this.name = 'PolicyError';
    this.complaints = complaints;
  }

  /** One `file:line:column: message; hint` per line. */
  format(): string {
    return this.message;
  }
}

function line({ file, line, column, message, hint }: Complaint): string {
  return `${file}:${line}:${column}: ${message}${hint === '' ? '' : `; ${hint}`}`;
}

/** A fault inside one pattern, thrown by the pattern parsers; the schema adds the place. */
export class PatternError extends Error {
  readonly hint: string;

  constructor(message: string, hint = '') {
    super(message);
    this.name = 'PatternError';
    this.hint = hint;
  }
}
