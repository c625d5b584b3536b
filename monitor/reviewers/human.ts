/**
 * The human reviewer: reviews wait at a unix socket in the run's state folder until somebody answers them with
 * `portcullis approve`, or the deadline denies them. Any number of people may
 * look on; the first answer counts.
 *
 * Bounds: connections, the length of a request and what a client leaves unread are limited; whoever goes beyond
 * is disconnected, which harms nobody else.
 */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { MAX_REASON } from './answer.ts';
import { type ReviewAnswer, type Reviewer, ReviewerError, type ReviewRequest } from './contract.ts';
import {
  type ControlReply,
  MAX_LIST,
  MAX_REQUEST_LINE,
  MAX_SOCKET_PATH,
  parseRequest,
  type WaitingList,
  type WaitingReview,
} from './control.ts';
import { Lines } from './lines.ts';

const MAX_CONNECTIONS = 32;
/** Replies a client has not read, bytes. */
const MAX_UNREAD = 16 << 20;

export interface HumanOptions {
  /** Path of the socket; its folder must be the owner's alone. */
  readonly socket: string;
  readonly clock: Clock;
}

interface Waiting {
  readonly request: ReviewRequest;
  resolve(answer: ReviewAnswer): void;
  reject(error: ReviewerError): void;
}

export class HumanReviewer implements Reviewer {
  readonly name = 'human';
  readonly #options: HumanOptions;
  // Owner of all of the following: this object.
  #server: Server | null = null;
  readonly #connections = new Set<Socket>();
  readonly #waiting = new Map<number, Waiting>();

  constructor(options: HumanOptions) {
    this.#options = options;
  }

  /** Opens the socket. Rejects, saying why, where it cannot be opened. */
  async start(): Promise<void> {
    const { socket } = this.#options;
    const bytes = Buffer.byteLength(socket);
    if (bytes > MAX_SOCKET_PATH)
      throw new Error(
        `${socket} is too long for a socket (${bytes} bytes of at most ${MAX_SOCKET_PATH}); choose a shorter --state`,
      );
    removeStale(socket);
    const server = createServer((connection) => this.#serve(connection));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(socket, resolve);
    });
    server.on('error', () => {});
    chmodSync(socket, 0o600);
    this.#server = server;
  }

  review(request: ReviewRequest, signal: AbortSignal): Promise<ReviewAnswer> {
    const { n } = request.event;
    if (this.#server === null)
      return Promise.reject(new ReviewerError('ended', 'the control socket is closed'));
    if (signal.aborted) return Promise.reject(missing());
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#take(n)?.reject(missing());
      signal.addEventListener('abort', onAbort, { once: true });
      const free = (): void => signal.removeEventListener('abort', onAbort);
      this.#waiting.set(n, {
        request,
        resolve: (answer) => {
          free();
          resolve(answer);
        },
        reject: (error) => {
          free();
          reject(error);
        },
      });
    });
  }

  async stop(): Promise<void> {
    for (const n of [...this.#waiting.keys()])
      this.#take(n)?.reject(new ReviewerError('ended', 'the run ended before anybody answered'));
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of this.#connections) connection.destroy();
    await closed;
  }

  #serve(connection: Socket): void {
    if (this.#connections.size >= MAX_CONNECTIONS) {
      connection.destroy();
      return;
    }
    this.#connections.add(connection);
    const lines = new Lines(MAX_REQUEST_LINE);
    connection.on('error', () => connection.destroy());
    connection.on('close', () => this.#connections.delete(connection));
    connection.on('data', (piece: Buffer) => {
      try {
        for (const line of lines.take(piece)) this.#reply(connection, this.#handle(line));
      } catch (error) {
        this.#reply(connection, { error: (error as Error).message });
        connection.destroySoon();
      }
    });
  }

  #handle(line: string): ControlReply {
    try {
      const request = parseRequest(line);
      return request.op === 'answer' ? this.#answer(request) : this.#list();
    } catch (error) {
      return { error: `bad request: ${(error as Error).message}` };
    }
  }

  #answer({ id, verdict, reason }: { id: number; verdict: 'allow' | 'deny'; reason: string }): ControlReply {
    const waiting = this.#take(id);
    if (waiting === undefined)
      return { error: `review ${id} does not wait (answered, or its deadline passed)` };
    const given = reason.trim().slice(0, MAX_REASON);
    waiting.resolve({ verdict, reason: given === '' ? `a person said ${verdict}` : given });
    return { done: id };
  }

  #take(n: number): Waiting | undefined {
    const waiting = this.#waiting.get(n);
    this.#waiting.delete(n);
    return waiting;
  }

  #list(): WaitingList {
    const now = this.#options.clock.now();
    const waiting: WaitingReview[] = [];
    let room = MAX_LIST;
    for (const [id, { request }] of this.#waiting) {
      const { event, rule, reason } = request;
      const left_ms = Math.max(0, Math.floor((event.deadline - now) / 1e6));
      const review = { id, event, rule, reason, left_ms };
      room -= JSON.stringify(review).length;
      if (room < 0) break;
      waiting.push(review);
    }
    return { waiting, more: this.#waiting.size - waiting.length };
  }

  #reply(connection: Socket, reply: ControlReply): void {
    if (connection.writableLength > MAX_UNREAD) connection.destroy();
    else if (connection.writable) connection.write(`${JSON.stringify(reply)}\n`);
  }
}

/** A socket that a dead monitor left behind. Anything else at that path is left alone and stops the start. */
function removeStale(path: string): void {
  try {
    if (lstatSync(path).isSocket()) unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

const missing = (): ReviewerError => new ReviewerError('missing', 'nobody answered before the deadline');
