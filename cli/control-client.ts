/** The client's side of the control sockets: which runs could be reached, and one exchange with such a run. */
import { lstatSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { basename } from 'node:path';
import {
  type ControlReply,
  type ControlRequest,
  MAX_LIST,
  type WaitingList,
} from '../monitor/reviewers/control.ts';
import { Lines } from '../monitor/reviewers/lines.ts';
import { statePaths } from '../monitor/state.ts';

/** How long a run may take to reply, ms. */
const PATIENCE = 2000;
/** A reply is bounded by the run in characters; no character has more than three bytes here. */
const MAX_REPLY = 3 * MAX_LIST + 4096;

/** A run with a control socket; it may be dead all the same. */
export interface ReachableRun {
  readonly run: string;
  readonly socket: string;
}

/** The runs whose state folders lie below `root` and have a control socket, oldest first. */
export function runsBelow(root: string): ReachableRun[] {
  let names: string[];
  try {
    names = readdirSync(root);
  } catch {
    return [];
  }
  return names.sort().flatMap((name) => runIn(`${root}/${name}`) ?? []);
}

/** The run whose state folder this is; null where it has no control socket. */
export function runIn(folder: string): ReachableRun | null {
  const { control } = statePaths(folder);
  if (lstatSync(control, { throwIfNoEntry: false })?.isSocket() !== true) return null;
  return { run: basename(folder), socket: control };
}

/** Sends one request and gives its reply; null where nobody listens, or replies in time. */
export function exchange(path: string, request: ControlRequest): Promise<ControlReply | null> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (reply: ControlReply | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reply);
    };
    const timer = setTimeout(() => end(null), PATIENCE);
    const lines = new Lines(MAX_REPLY);
    socket.on('error', () => end(null));
    socket.on('close', () => end(null));
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('data', (piece: Buffer) => {
      try {
        for (const line of lines.take(piece)) end(JSON.parse(line) as ControlReply);
      } catch {
        end(null);
      }
    });
  });
}

export function isList(reply: ControlReply | null): reply is WaitingList {
  return reply !== null && 'waiting' in reply;
}
