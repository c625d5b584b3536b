/** What a monitor counts. Owner: the monitor; others read. */
import { LAYERS, type Layer } from '../model/verdict.ts';

export interface Counters {
  /** Events concluded: recorded fast-path decisions and answered reviews. */
  events: number;
  allowed: number;
  denied: number;
  deniedBy: Record<Layer, number>;
  /** Allowed reads that were counted and not recorded one by one. */
  counted: number;
  /** Reviews taken up. */
  reviewed: number;
  /** Reviews that met their deadline, recorded allows that could not be released among them. */
  late: number;
  anomalies: number;
  /** Records that could not be written: the trail had failed. */
  unrecorded: number;
}

export function newCounters(): Counters {
  const deniedBy = Object.fromEntries(LAYERS.map((layer) => [layer, 0])) as Record<Layer, number>;
  return {
    events: 0,
    allowed: 0,
    denied: 0,
    deniedBy,
    counted: 0,
    reviewed: 0,
    late: 0,
    anomalies: 0,
    unrecorded: 0,
  };
}
