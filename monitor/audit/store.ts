/**
 * Where a trail's segments live. `TrailStore` is the little that the trail, its recovery and its verifier need
 * of a file system, so that the properties can put a failing, full or slow one in its place; `FolderStore` is
 * the real one. A segment is named by its number: `000001.jsonl`, `000002.jsonl`, …
 *
 * Files are opened without following symbolic links, readable by their owner alone, and only ever appended to.
 */
import {
  close,
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** One open segment. Every method throws or rejects with the system's error. */
export interface TrailFile {
  /** Writes all of `bytes` at the end: when it returns they survive this process, not yet a power cut. */
  append(bytes: Uint8Array): void;
  /** Resolves when everything appended before the call is on stable storage. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface TrailStore {
  /** Numbers of the segments there are, ascending. */
  segments(): number[];
  /** What a person calls the segment. */
  name(segment: number): string;
  /** The segment's bytes, in pieces. */
  read(segment: number): Iterable<Uint8Array>;
  /** A new, empty segment; throws where it exists. When it returns, the segment before it is on stable storage
   * whole, so that a power cut never leaves a torn segment with another behind it. */
  create(segment: number): TrailFile;
  /** An existing segment cut to its first `bytes` bytes, for appending. */
  reopen(segment: number, bytes: number): TrailFile;
}

const PIECE = 1 << 20;
const NAME = /^(\d{6,})\.jsonl$/;

/** Segments as files of one folder. */
export class FolderStore implements TrailStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  segments(): number[] {
    return readdirSync(this.folder)
      .flatMap((name) => NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }

  name(segment: number): string {
    return join(this.folder, `${String(segment).padStart(6, '0')}.jsonl`);
  }

  *read(segment: number): Iterable<Uint8Array> {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const fd = openSync(this.name(segment), flags);
    try {
      if (!fstatSync(fd).isFile()) throw new Error(`${this.name(segment)} is not a regular file`);
      for (;;) {
        const piece = Buffer.allocUnsafe(PIECE);
        const length = readSync(fd, piece);
        if (length === 0) return;
        yield piece.subarray(0, length);
      }
    } finally {
      closeSync(fd);
    }
  }

  create(segment: number): TrailFile {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    if (segment > 1) syncFile(this.name(segment - 1));
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_APPEND;
    const file = new Segment(openSync(this.name(segment), flags | constants.O_NOFOLLOW, 0o600));
    syncFolder(this.folder);
    return file;
  }

  reopen(segment: number, bytes: number): TrailFile {
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW;
    const fd = openSync(this.name(segment), flags);
    ftruncateSync(fd, bytes);
    return new Segment(fd);
  }
}

/** Owner of one descriptor. */
class Segment implements TrailFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
  }

  sync(): Promise<void> {
    return fdatasyncing(this.#fd);
  }

  close(): Promise<void> {
    return closing(this.#fd);
  }
}

const fdatasyncing = promisify(fdatasync);
const closing = promisify(close);

/** Puts a whole file on stable storage, whoever wrote it. */
function syncFile(name: string): void {
  const fd = openSync(name, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Puts the folder's list of names on stable storage, and so the new segment's own. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
