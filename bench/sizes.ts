/** How much each benchmark does: enough for figures worth reading, or just enough to see that it runs. */
export interface Sizes {
  /** Opens in a round of `gate`, and rounds. */
  readonly opens: number;
  readonly rounds: number;
  /** Seconds and stretches of the automaton's rate. */
  readonly stretchSeconds: number;
  readonly stretches: number;
  /** Events through the layers and the judgement, a third of them warm-up. */
  readonly judged: number;
  /** Rules of the compiled policy. */
  readonly rules: number;
  /** Events of the replayed traces, records of the trail, opens of the memory run. */
  readonly fast: number;
  readonly reviewed: number;
  readonly records: number;
  readonly many: number;
  /** C files of the build, and pairs of builds. */
  readonly files: number;
  readonly builds: number;
}

export const FULL: Sizes = {
  opens: 50_000,
  rounds: 5,
  stretchSeconds: 0.5,
  stretches: 6,
  judged: 60_000,
  rules: 500,
  fast: 200_000,
  reviewed: 10_000,
  records: 100_000,
  many: 1_000_000,
  files: 300,
  builds: 3,
};

/** For `--quick`: seconds in all, and figures that mean nothing. */
export const QUICK: Sizes = {
  opens: 500,
  rounds: 1,
  stretchSeconds: 0.02,
  stretches: 1,
  judged: 300,
  rules: 20,
  fast: 500,
  reviewed: 20,
  records: 500,
  many: 2_000,
  files: 3,
  builds: 1,
};
