/**
 * The trail as rows for readers. A reviewed event is two records, `review` and `verdict`; it becomes one row,
 * standing where its verdict stands. Events still under review come last, without verdict. All other records
 * are rows of their own, told apart by `kind`.
 */
import type { Layer } from '../../model/verdict.ts';
import type { RecordedPayload, TrailRecord } from './record.ts';
import { type Found, type Scan, scanTrail } from './scan.ts';
import type { TrailStore } from './store.ts';

type RecordedEvent = Extract<RecordedPayload, { kind: 'review' }>['event'];
type Reviewer = Extract<RecordedPayload, { kind: 'verdict' }>['reviewer'];

/** One event and what became of it. */
export interface EventRow {
  readonly kind: 'decision' | 'verdict' | 'review';
  /** Of the record that holds the verdict (of the review while there is none); so are time, prev and hash. */
  readonly seq: number;
  readonly time: string;
  readonly n: number;
  readonly operation: RecordedEvent['operation'];
  readonly also: RecordedEvent['also'];
  readonly object: RecordedEvent['object'];
  readonly subject: RecordedEvent['subject'];
  /** Null while under review. */
  readonly verdict: 'allow' | 'deny' | null;
  readonly layer: Layer | null;
  readonly rule: string | null;
  readonly reason: string | null;
  /** µs between the event's arrival and its answer. */
  readonly latency_us: number | null;
  readonly enforced: boolean | null;
  /** Whether the fast path decided. */
  readonly fast: boolean;
  /** Seq of the review record, where there is one, and the rule that asked for the review. */
  readonly review_seq?: number;
  readonly review_rule?: string | null;
  readonly reviewer?: NonNullable<Reviewer>;
  readonly prev: string;
  readonly hash: string;
}

/** Any other record. */
export type OtherRow = Exclude<RecordedPayload, { kind: 'decision' | 'verdict' | 'review' }> & {
  readonly seq: number;
  readonly time: string;
  readonly prev: string;
  readonly hash: string;
};

export type Row = EventRow | OtherRow;

export function isEvent(row: Row): row is EventRow {
  return row.kind === 'decision' || row.kind === 'verdict' || row.kind === 'review';
}

/** The rows of a trail, in order; reading checks it all and leaves its findings in `scan`.
 * Memory: the reviews pending. */
export function* rowsOf(store: TrailStore, scan: Scan): Generator<Row> {
  const waiting = new Map<number, TrailRecord>();
  for (const { record } of scanTrail(store, scan) as Iterable<Found>) {
    const { payload, seq, time, prev, hash } = record;
    switch (payload.kind) {
      case 'decision':
        yield eventRow(record, payload.event, payload);
        break;
      case 'review':
        waiting.set(payload.event.n, record);
        break;
      case 'verdict': {
        const review = waiting.get(payload.n);
        waiting.delete(payload.n);
        if (review?.payload.kind === 'review') yield eventRow(record, review.payload.event, payload, review);
        break;
      }
      default:
        yield { seq, time, ...payload, prev, hash };
    }
  }
  for (const record of waiting.values())
    if (record.payload.kind === 'review') yield eventRow(record, record.payload.event, null, record);
}

type Judged = Extract<RecordedPayload, { kind: 'decision' | 'verdict' }>;

function eventRow(
  record: TrailRecord,
  event: RecordedEvent,
  judged: Judged | null,
  review?: TrailRecord,
): EventRow {
  const asked = review?.payload.kind === 'review' ? review.payload : null;
  const reviewer = judged?.kind === 'verdict' ? judged.reviewer : undefined;
  return {
    kind: judged?.kind ?? 'review',
    seq: record.seq,
    time: record.time,
    n: event.n,
    operation: event.operation,
    also: event.also,
    object: event.object,
    subject: event.subject,
    verdict: judged?.verdict ?? null,
    layer: judged?.layer ?? null,
    rule: judged === null ? (asked?.rule ?? null) : judged.rule,
    reason: judged?.reason ?? null,
    latency_us: judged === null ? null : (judged.answered - event.received) / 1000,
    enforced: judged?.enforced ?? null,
    fast: judged?.kind === 'decision',
    ...(review === undefined || asked === null ? {} : { review_seq: review.seq, review_rule: asked.rule }),
    ...(reviewer === undefined ? {} : { reviewer }),
    prev: record.prev,
    hash: record.hash,
  };
}
