/**
 * Shapes: what a JSON value must look like, checked in place without copying it. A check returns null, or the
 * first fault with the path to it. Unknown keys are faults: whoever added them meant something by them.
 */
export interface Fault {
  readonly path: (string | number)[];
  readonly what: string;
}

export type Check = (value: unknown) => Fault | null;

const fault = (what: string): Fault => ({ path: [], what });

/** A check by a predicate; `what` completes "expected …". */
function expecting(what: string, holds: (value: unknown) => boolean): Check {
  const wrong = `expected ${what}`;
  return (value) => (holds(value) ? null : fault(wrong));
}

export const text = expecting('text', (value) => typeof value === 'string');
export const flag = expecting('true or false', (value) => typeof value === 'boolean');
export const number = expecting('a number', Number.isFinite);
/** Not `count`: clock readings leave the exact integers after 104 days of uptime. */
export const time = expecting('a time of 0 or more', (value) => typeof value === 'number' && value >= 0);
export const count = expecting(
  'a whole number of 0 or more',
  (v) => Number.isSafeInteger(v) && (v as number) >= 0,
);
export const whole = expecting('a whole number', Number.isSafeInteger);
export const anything: Check = () => null;

export function matching(what: string, pattern: RegExp): Check {
  return expecting(what, (value) => typeof value === 'string' && pattern.test(value));
}

/** One of a few values. */
export function oneOf(...values: readonly (string | number)[]): Check {
  const known = new Set<unknown>(values);
  return expecting(values.map((value) => JSON.stringify(value)).join(' or '), (value) => known.has(value));
}

export function nullable(check: Check): Check {
  return (value) => (value === null ? null : check(value));
}

export function list(check: Check): Check {
  return (value) => {
    if (!Array.isArray(value)) return fault('expected a list');
    for (let i = 0; i < value.length; i += 1) {
      const found = check(value[i]);
      if (found !== null) return at(i, found);
    }
    return null;
  };
}

/** An object with keys of any name. */
export function dictionary(check: Check): Check {
  return (value) => {
    if (!isObject(value)) return fault('expected an object');
    for (const key of Object.keys(value)) {
      const found = check(value[key]);
      if (found !== null) return at(key, found);
    }
    return null;
  };
}

/** An object with exactly these keys; those of `optional` may be absent. */
export function object(required: Record<string, Check>, optional: Record<string, Check> = {}): Check {
  const checks = new Map(Object.entries({ ...required, ...optional }));
  const names = Object.keys(required);
  return (value) => {
    if (!isObject(value)) return fault('expected an object');
    let have = 0;
    for (const key of Object.keys(value)) {
      const check = checks.get(key);
      if (check === undefined) return at(key, fault('unknown key'));
      const found = check(value[key]);
      if (found !== null) return at(key, found);
      if (key in required) have += 1;
    }
    if (have === names.length) return null;
    return at(names.find((name) => !Object.hasOwn(value, name))!, fault('is missing'));
  };
}

/** An object whose key `tag` selects its shape; `shapes` checks the other keys. */
export function tagged(
  tag: string,
  shapes: Record<string, [Record<string, Check>, Record<string, Check>?]>,
): Check {
  const byTag = new Map(
    Object.entries(shapes).map(([name, [required, optional]]) => [
      name as unknown,
      object({ [tag]: anything, ...required }, optional),
    ]),
  );
  const known = oneOf(...Object.keys(shapes));
  return (value) => {
    if (!isObject(value)) return fault('expected an object');
    const check = byTag.get(value[tag]);
    return check === undefined ? at(tag, known(value[tag]) ?? fault('is missing')) : check(value);
  };
}

function at(step: string | number, found: Fault): Fault {
  found.path.unshift(step);
  return found;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
