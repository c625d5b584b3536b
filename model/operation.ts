/**
 * The operations that Portcullis mediates. An operation's place in this list is its number in the journal
 * and in native code (hooks/seccomp/native/wire.h): append, never reorder.
 */
export const OPERATIONS = [
  'read',
  'write',
  'create',
  'delete',
  'rename',
  'link',
  'chmod',
  'chown',
  'truncate',
  'mkdir',
  'exec',
  'connect',
  'bind',
  'send',
  'signal',
] as const;

export type Operation = (typeof OPERATIONS)[number];

export function isOperation(name: string): name is Operation {
  return (OPERATIONS as readonly string[]).includes(name);
}
