/**
 * What a benchmark reports: figures with a unit, the aim they are held against, and how they were obtained.
 * Absolute times on shared machines drift; wherever something is compared, both sides were measured in turn in
 * this very run and the ratio is the figure.
 */
export interface Figure {
  readonly group: string;
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The aim, as a bound on `value`. */
  readonly aim?: { readonly atMost?: number; readonly atLeast?: number };
  readonly how?: string;
}

export function met(figure: Figure): boolean | undefined {
  if (figure.aim === undefined) return undefined;
  const { atMost, atLeast } = figure.aim;
  return (
    (atMost === undefined || figure.value <= atMost) && (atLeast === undefined || figure.value >= atLeast)
  );
}

/** The value below which `share` (0…1) of the sorted samples lie. */
export function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new RangeError('quantile of no samples');
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5);

export function table(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.group,
    figure.name,
    number(figure.value),
    figure.unit,
    aimText(figure),
    { true: 'met', false: 'NOT MET', undefined: '' }[String(met(figure)) as 'true' | 'false' | 'undefined'],
  ]);
  const head = ['what', 'figure', 'value', 'unit', 'aim', ''];
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => (row[column] as string).length)),
  );
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => (cell as string).padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function number(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

function aimText({ aim }: Figure): string {
  if (aim?.atMost !== undefined) return `≤ ${number(aim.atMost)}`;
  if (aim?.atLeast !== undefined) return `≥ ${number(aim.atLeast)}`;
  return '';
}
