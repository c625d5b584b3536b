/** Laws of canonical JSON. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonical } from '../../monitor/audit/canonical.ts';

describe('canonical JSON', () => {
  const value = fc.jsonValue({ stringUnit: 'binary' });

  it('reads back as the value it was written from', () => {
    fc.assert(
      fc.property(value, (v) => {
        const plain = JSON.parse(JSON.stringify(v)); // -0 becomes 0
        expect(JSON.parse(canonical(v))).toEqual(plain);
      }),
    );
  });

  it('is the same text after reading and writing again', () => {
    fc.assert(fc.property(value, (v) => canonical(JSON.parse(canonical(v))) === canonical(v)));
  });

  it('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), value), (object) => {
        const turned = Object.fromEntries(Object.entries(object).reverse());
        expect(canonical(turned)).toBe(canonical(object));
      }),
    );
  });

  it('keeps lone surrogates as escapes, so that bytes that are not UTF-8 survive', () => {
    expect(canonical('a\udcffb')).toBe('"a\\udcffb"');
    expect(canonical('😀')).toBe('"😀"');
  });

  it('writes numbers as ECMAScript does and leaves undefined out', () => {
    expect(canonical({ b: 1e21, a: -0, c: 0.1, d: undefined })).toBe('{"a":0,"b":1e+21,"c":0.1}');
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1n, () => 0, [undefined], Symbol('x')])(
    'refuses %s, which JSON cannot express',
    (bad) => {
      expect(() => canonical({ bad })).toThrow(TypeError);
    },
  );

  it('refuses nesting without end', () => {
    const loop: unknown[] = [];
    loop.push(loop);
    expect(() => canonical(loop)).toThrow(/nested/);
  });
});
