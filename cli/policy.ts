/**
 * `policy check` and `policy explain`: what a policy file says, before or after it has said it to a process.
 */
import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type Text, toBytes } from '../model/bytes.ts';
import type { EventObject } from '../model/event.ts';
import { isOperation, OPERATIONS, type Operation } from '../model/operation.ts';
import type { CompiledPolicy, RuleInfo } from '../model/policy/compile.ts';
import type { Judged } from '../model/policy/decide.ts';
import { PolicyError } from '../model/policy/errors.ts';
import { type ExplainedWord, type Explanation, explain } from '../model/policy/explain.ts';
import { ON_ADDRESSES } from '../model/policy/schema.ts';
import { homeFolder } from '../monitor/home.ts';
import { loadPolicy } from '../monitor/policies.ts';
import { bindingsOf } from './bindings.ts';
import { DEFAULT_SUBJECT, type PolicyChoice } from './describe.ts';
import { UsageError } from './errors.ts';
import { counted, print, safe } from './output.ts';
import { lastArguments } from './raw.ts';

interface CheckOptions {
  readonly workspace?: string;
  readonly json?: boolean;
}

interface ExplainOptions extends CheckOptions {
  readonly policy: string;
  readonly subject: string;
  readonly also: readonly string[];
  readonly to?: string;
  readonly argv?: readonly string[];
  readonly argv0?: string;
  readonly interpreter?: string;
  readonly interpreterArgv: readonly string[];
  readonly state?: string;
  readonly trace?: string;
}

export function registerPolicy(program: Command): void {
  const policy = program.command('policy').description('check and explain policies');
  policy
    .command('check')
    .description('check a policy file, or a built-in policy by name')
    .argument('<policy>', 'file, or workspace, read-only, observe')
    .option('--workspace <DIR>', `what \${workspace} means (default: the current folder)`)
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExamples:\n  portcullis policy check my.yaml\n\nExit status: 0 good, 2 not.')
    .action(check);
  policy
    .command('explain')
    .description('what a policy says of one operation, and by which rule')
    .argument('<operation>', `one of ${OPERATIONS.join(', ')}`)
    .argument(
      '<object...>',
      'a path; ADDRESS:PORT or unix:/path; for exec a program and its arguments; for signal the executable of the process it goes to',
    )
    .requiredOption('--policy <FILE|NAME>', 'policy file, or built-in: workspace, read-only, observe')
    .option('--subject <EXE>', 'the program that attempts it', DEFAULT_SUBJECT)
    .option('--also <OPERATION>', 'what the same call does besides, such as read (repeatable)', collect, [])
    .option('--to <PATH>', 'the second name of a rename or link')
    .addOption(new Option('--argv <arguments...>', 'arguments of exec, the program name first'))
    .option('--argv0 <NAME>', 'exec: the name the program is started under (default: OBJECT as given)')
    .option('--interpreter <EXE>', 'exec of a script: the program that its #! line names, judged as well')
    .option('--interpreter-argv <ARGUMENT>', 'one argument of it, its name first (repeatable)', collect, [])
    .option('--workspace <DIR>', `what \${workspace} means (default: the current folder)`)
    .option('--state <DIR>', 'the state folder given to run: no policy lets the command change it')
    .option('--trace <FILE>', 'the trace given to run, likewise')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  portcullis policy explain --policy workspace write ~/.bashrc
  portcullis policy explain --policy my.yaml connect 127.0.0.1:8080 --subject /usr/bin/curl
  portcullis policy explain --policy workspace rename notes.txt --to ~/.profile
  portcullis policy explain --policy workspace exec -- sh -c 'curl http://example.org | sh'

Exit status: 0 whatever the verdict, 2 bad input.`,
    )
    .action(explainCommand);
}

/** Operations on what a link leads to; the others are on the name itself. */
const FOLLOWS: readonly Operation[] = ['read', 'write', 'truncate', 'chmod', 'chown'];

const load = (policy: string, { workspace, state, trace }: Omit<PolicyChoice, 'policy'>) =>
  loadPolicy(policy, bindingsOf({ policy, workspace: resolve(workspace ?? '.'), state, trace }));

function check(nameOrFile: string, { workspace, json }: CheckOptions): void {
  let compiled: CompiledPolicy;
  try {
    compiled = load(nameOrFile, { workspace });
  } catch (error) {
    if (!json || !(error instanceof PolicyError)) throw error;
    print(JSON.stringify({ ok: false, policy: nameOrFile, errors: error.complaints }));
    process.exitCode = 2;
    return;
  }
  const { policy, digest, table, walker } = compiled;
  const facts = {
    ok: true,
    policy: nameOrFile,
    rules: policy.rules.length,
    constitution: policy.constitution.length,
    default: policy.default,
    record: policy.record,
    durability: policy.durability,
    digest,
    states: walker.states,
    table_bytes: table.length,
  };
  if (json) print(JSON.stringify(facts));
  else
    print(
      `${safe(nameOrFile)}: good: ${counted(facts.rules, 'rule')}, default ${facts.default}; an automaton of ${counted(facts.states, 'state')}, ${Math.ceil(table.length / 1024)} KiB`,
    );
}

function explainCommand(operation: string, words: readonly string[], options: ExplainOptions): void {
  const object = exact(words);
  const event: Judged = {
    operation: operationOf(operation),
    also: options.also.map(operationOf),
    object: objectOf(operationOf(operation), object, options),
    subject: { exe: absolute(options.subject), pid: 1 },
  };
  const compiled = load(options.policy, options);
  const explanation = explain(compiled, event);
  if (options.json) print(JSON.stringify(rowOf(event, explanation)));
  else for (const line of linesOf(compiled, explanation)) print(line);
}

/** The words as the bytes that were given, where they end the command line, as they do in the commands that denials
 * print: node replaces what is not UTF-8. */
function exact(words: readonly string[]): readonly Text[] {
  const raw = lastArguments(words.length);
  return words.every((word, i) => Buffer.from(toBytes(raw[i] ?? '')).toString() === word) ? raw : words;
}

function operationOf(name: string): Operation {
  if (isOperation(name)) return name;
  throw new UsageError(`unknown operation '${name}'; known: ${OPERATIONS.join(', ')}`);
}

const collect = (value: string, before: readonly string[]): string[] => [...before, value];

/** Reads OBJECT for the operation. Throws UsageError. */
function objectOf(
  operation: Operation,
  [first, ...rest]: readonly string[],
  { to, argv, argv0, interpreter, interpreterArgv }: ExplainOptions,
): EventObject {
  const given = first!;
  if (operation === 'exec') {
    const object = {
      kind: 'program',
      path: program(given),
      argv: argv ?? [argv0 ?? given, ...rest],
    } as const;
    if (interpreter === undefined) return object;
    const called = interpreterArgv.length === 0 ? [interpreter, given, ...rest] : interpreterArgv;
    return { ...object, interpreter: { path: program(interpreter), argv: called } };
  }
  if (rest.length > 0) throw new UsageError(`${operation} takes one object; '${rest[0]}' is too much`);
  if (ON_ADDRESSES.includes(operation)) return socketOf(given);
  if (operation === 'signal' && /^-?\d+$/.test(given))
    throw new UsageError(
      `signal takes the executable of the process it goes to, for instance /usr/bin/sleep; '${given}' is a number`,
    );
  if (operation === 'signal') return { kind: 'process', pid: 0, path: absolute(given) };
  const takesTwo = operation === 'rename' || operation === 'link';
  if (to !== undefined && !takesTwo) throw new UsageError('--to goes with rename and link');
  if (operation === 'rename' && to === undefined) throw new UsageError('rename needs --to PATH');
  const path = FOLLOWS.includes(operation) ? absolute(given) : named(given);
  return { kind: 'path', path, ...(to === undefined ? {} : { to: named(to) }) };
}

function socketOf(text: string): EventObject {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    if (path === '') throw new UsageError(`'unix:' names no socket: write unix:/path or unix:@name`);
    return { kind: 'unix', path: path.startsWith('@') ? path : absolute(path) };
  }
  const netlink = /^netlink(?::(\d{1,5}))?$/.exec(text);
  if (netlink !== null)
    return { kind: 'address', protocol: 'netlink', address: '0'.repeat(32), port: Number(netlink[1] ?? 0) };
  const shape = /^(?:(tcp|udp|other):)?(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text);
  const address = shape === null ? null : digits(shape[2] ?? shape[3]!);
  if (shape === null || address === null || Number(shape[4]) > 65_535)
    throw new UsageError(
      `'${text}' is no address: write IP:port, [IPv6]:port, unix:/path, unix:@name or netlink (host names are not judged)`,
    );
  const protocol = (shape[1] ?? 'tcp') as 'tcp' | 'udp' | 'other';
  return { kind: 'address', protocol, address, port: Number(shape[4]) };
}

/** The 32 hex digits of an IP address, or null. */
function digits(address: string): string | null {
  const text = address.includes(':') ? address : `::ffff:${address}`;
  try {
    // The URL parser knows every spelling and gives the shortest one, all groups hexadecimal.
    const shortest = new URL(`http://[${text}]`).hostname.slice(1, -1);
    const [head, tail = ''] = shortest.split('::');
    const groups = (half: string) => half.split(':').filter((group) => group !== '');
    const missing = 8 - groups(head!).length - groups(tail).length;
    const all = [...groups(head!), ...Array<string>(missing).fill('0'), ...groups(tail)];
    return all.map((group) => group.padStart(4, '0')).join('');
  } catch {
    return null;
  }
}

/** A path as the hook would name it: absolute, links resolved, as far as it exists. */
function absolute(path: string): string {
  if (/^[a-z_]+:/.test(path)) return path;
  const full = resolve(path === '~' || path.startsWith('~/') ? homeFolder() + path.slice(1) : path);
  try {
    return realpathSync.native(full);
  } catch {
    return dirname(full) === full ? full : join(absolute(dirname(full)), basename(full));
  }
}

/** A name that the operation acts on by itself: its folder resolved, a link in last place kept. */
function named(path: string): string {
  const full = resolve(path === '~' || path.startsWith('~/') ? homeFolder() + path.slice(1) : path);
  return dirname(full) === full ? full : join(absolute(dirname(full)), basename(full));
}

/** A program by path, or by name as a shell would find it. */
function program(name: string): string {
  if (name.includes('/')) return absolute(name);
  for (const folder of (process.env.PATH ?? '/usr/bin:/bin').split(':')) {
    try {
      return realpathSync.native(join(folder, name));
    } catch {
      // Not in this folder.
    }
  }
  throw new UsageError(`'${name}' is no program on PATH; give its path`);
}

const placeOf = (rule: RuleInfo) => `${rule.file}:${rule.line}`;

function rowOf({ operation, object, subject }: Judged, { effect, rule, tier, words }: Explanation): object {
  const brief = (info: RuleInfo) => ({
    id: info.id,
    effect: info.effect,
    reason: info.reason,
    at: placeOf(info),
  });
  return {
    verdict: effect,
    rule: rule === null ? null : brief(rule),
    operation,
    object,
    subject: subject.exe,
    tier,
    words: words.map((word) => ({
      word: word.fields,
      verdict: word.effect,
      rule: word.rule === null ? null : brief(word.rule),
      also_matched: word.others.map(brief),
      constitution: word.breaches.map(brief),
    })),
  };
}

function linesOf({ policy }: CompiledPolicy, { effect, rule, tier, words }: Explanation): string[] {
  const described = (info: RuleInfo) =>
    `${info.id} (${info.effect}, ${safe(placeOf(info))})${info.reason === '' ? '' : `: ${safe(info.reason)}`}`;
  const why = rule === null ? `the policy's default; no rule speaks about it` : `rule ${described(rule)}`;
  return [
    `${effect}: ${why}`,
    ...(effect === 'review' ? [`a reviewer decides; without one it is denied (subject: ${tier})`] : []),
    ...words.flatMap((word) => [
      `  ${safe(word.fields.join(' '))}`,
      `    ${word.effect}: ${word.rule === null ? `default (${policy.default})` : described(word.rule)}`,
      ...word.others.map((other) => `    also matched: ${described(other)}`),
      ...word.breaches.map((breach) => `    no reviewer may allow it: ${described(breach)}`),
      ...warningOf(word),
    ]),
  ];
}

const warningOf = ({ confirmed }: ExplainedWord) =>
  confirmed ? [] : ['    the oracle disagrees with the table: please report this as a fault in Portcullis'];
