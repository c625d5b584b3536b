/**
 * The control socket's protocol, shared by the human reviewer (server) and `approve` (client): one JSON value a
 * line, one reply for each request, in order.
 *
 *   → {"op":"list"}                                        ← {"waiting":[…],"more":0}
 *   → {"op":"answer","id":7,"verdict":"allow","reason":""} ← {"done":7}
 *   anything else                                          ← {"error":"…"}
 *
 * Who may connect is decided by the file system: the socket and its folder are the owner's alone.
 */
import type { Event } from '../../model/event.ts';

/** The longest path the kernel takes for a socket, bytes. */
export const MAX_SOCKET_PATH = 107;
/** The longest request, bytes; and the longest list, UTF-16 units. */
export const MAX_REQUEST_LINE = 16 * 1024;
export const MAX_LIST = 4 << 20;

export interface WaitingReview {
  readonly id: number;
  readonly event: Event;
  /** The rule that asks for the review; null for the policy's default. */
  readonly rule: string | null;
  readonly reason: string;
  /** Time left for an answer, ms. */
  readonly left_ms: number;
}

export interface WaitingList {
  readonly waiting: readonly WaitingReview[];
  /** Reviews that wait as well and did not fit. */
  readonly more: number;
}

export type ControlRequest =
  | { readonly op: 'list' }
  | {
      readonly op: 'answer';
      readonly id: number;
      readonly verdict: 'allow' | 'deny';
      readonly reason: string;
    };

export type ControlReply = WaitingList | { readonly done: number } | { readonly error: string };

/** The request a line holds; throws an Error that says what is wrong. */
export function parseRequest(line: string): ControlRequest {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Error('not JSON');
  }
  if (typeof value !== 'object' || value === null) throw new Error('not an object');
  const { op, id, verdict, reason = '' } = value as Record<string, unknown>;
  if (op === 'list') return { op };
  if (op !== 'answer') throw new Error('op is neither list nor answer');
  if (typeof id !== 'number' || !Number.isSafeInteger(id)) throw new Error('id is not an integer');
  if (verdict !== 'allow' && verdict !== 'deny') throw new Error('verdict is neither allow nor deny');
  if (typeof reason !== 'string') throw new Error('reason is not a string');
  return { op, id, verdict, reason };
}
