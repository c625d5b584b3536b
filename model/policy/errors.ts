/**
 * What is wrong with a policy: where (file, line, column), what, and how to mend it. All that is wrong with a
 * file is reported at once, in the order of the file.
 */

export interface Complaint {
  readonly file: string;
  /** Null, as the column is then, where the fault is no place in the file: it is not there, or no text. */
  readonly line: number | null;
  readonly column: number | null;
  readonly message: string;
  /** How to mend it; empty where there is nothing to say beyond the message. */
  readonly hint: string;
}

/** A policy that cannot be used. `message` is the report of `format()`. */
export class PolicyError extends Error {
  readonly complaints: readonly Complaint[];

  constructor(complaints: readonly Complaint[]) {
    const inOrder = [...complaints].sort(
      (a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0),
    );
    super(inOrder.map(line).join('\n'));
    this.name = 'PolicyError';
    this.complaints = inOrder;
  }

  /** One `file:line:column: message; hint` per line. */
  format(): string {
    return this.message;
  }
}

function line({ file, line, column, message, hint }: Complaint): string {
  const place = line === null ? file : `${file}:${line}:${column}`;
  return `${place}: ${message}${hint === '' ? '' : `; ${hint}`}`;
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
