/** The environment that the policy tests share, and short ways to compile, judge and write events. */
import type { Event, EventObject } from '../../model/event.ts';
import type { Operation } from '../../model/operation.ts';
import { type CompiledPolicy, compile, ruleOf } from '../../model/policy/compile.ts';
import { decide } from '../../model/policy/decide.ts';
import type { Environment } from '../../model/policy/environment.ts';
import { parsePolicy } from '../../model/policy/schema.ts';

export const ENVIRONMENT: Environment = {
  home: '/home/u',
  workspace: '/home/u/w',
  temporary: ['/tmp', '/var/tmp'],
  state: '/home/u/.local/state/portcullis',
  protect: ['/opt/portcullis'],
  aliases: { '/bin': '/usr/bin', '/var/run': '/run' },
};

/** A policy of these rules as YAML text (JSON is YAML). */
export const textOf = (rules: readonly object[], more: object = {}) =>
  JSON.stringify({
    version: 1,
    ...more,
    rules: [...rules, { id: 'last', effect: 'review', operations: ['signal'] }],
  });

export const compiled = (
  rules: readonly object[],
  more: object = {},
  environment = ENVIRONMENT,
): CompiledPolicy => compile(parsePolicy(textOf(rules, more), 'test.yaml'), environment);

export type Attempt = Pick<Event, 'operation' | 'also' | 'object' | 'subject'>;

export const attempt = (operation: Operation, object: EventObject, exe = '/usr/bin/cat'): Attempt => ({
  operation,
  also: [],
  object,
  subject: { exe, pid: 1 },
});

export const onPath = (operation: Operation, path: string, to?: string): Attempt =>
  attempt(operation, { kind: 'path', path, ...(to === undefined ? {} : { to }) });

export const program = (path: string, ...argv: string[]): Attempt =>
  attempt('exec', { kind: 'program', path, argv: [path, ...argv] });

/** `effect by rule`. */
export function verdict(policy: CompiledPolicy, event: Attempt): string {
  const { effect, rule } = decide(policy, event);
  return `${effect} by ${ruleOf(policy, rule)?.id ?? 'default'}`;
}
