/**
 * Abridging: an argument list may be 4 MiB, a record should not. In the trail a list of more than 4 KiB is
 * replaced by its beginning, its size and its digest; the trace keeps it whole, and replay abridges again to
 * the same bytes. A pure function of the payload.
 */
import { type Text, toBytes } from '../../model/bytes.ts';
import type { EventObject, Subject } from '../../model/event.ts';
import { argumentDigest } from './hash.ts';
import type { Abridgeable, AbridgedArguments, Payload, RecordedPayload } from './record.ts';

/** The most bytes of an argument list, each argument counted with its NUL, that stand whole in a record. */
export const WHOLE_BYTES = 4096;
const HEAD_BYTES = 1024;

/** The payload as the trail holds it; the very same object where nothing is too large. */
export function abridge(payload: Payload): RecordedPayload {
  switch (payload.kind) {
    case 'start': {
      const command = shorten(payload.command);
      return command === payload.command ? payload : { ...payload, command };
    }
    case 'decision':
    case 'review': {
      const object = shortenObject(payload.event.object);
      const subject = shortenSubject(payload.event.subject);
      if (object === payload.event.object && subject === payload.event.subject) return payload;
      return { ...payload, event: { ...payload.event, object, subject } };
    }
    default:
      return payload;
  }
}

function shortenObject(object: EventObject): Abridgeable<EventObject> {
  if (object.kind !== 'program') return object;
  const argv = shorten(object.argv);
  const { interpreter } = object;
  if (interpreter === undefined) return argv === object.argv ? object : { ...object, argv };
  return { ...object, argv, interpreter: { ...interpreter, argv: shorten(interpreter.argv) } };
}

function shortenSubject(subject: Subject): Abridgeable<Subject> {
  if (subject.argv === undefined) return subject;
  const argv = shorten(subject.argv);
  return argv === subject.argv ? subject : { ...subject, argv };
}

function shorten<A extends readonly Text[]>(argv: A): A | AbridgedArguments {
  let units = argv.length;
  for (const argument of argv) units += argument.length;
  if (units * 3 <= WHOLE_BYTES) return argv; // no text has more than 3 bytes a code unit
  const parts = argv.map((argument) => toBytes(`${argument}\0`));
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  if (bytes <= WHOLE_BYTES) return argv;
  const head: Text[] = [];
  let room = HEAD_BYTES;
  for (const [i, part] of parts.entries()) {
    room -= part.length;
    if (room < 0) break;
    head.push(argv[i]!);
  }
  return { head, count: argv.length, bytes, digest: argumentDigest(Buffer.concat(parts)) };
}
