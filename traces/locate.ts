/** Where in a JSON text a value stands. For error messages only: valid JSON is assumed, speed is not. */

/** The column (from 1) of the value at `path` in `text`; of the nearest enclosing value that exists. */
export function columnOf(text: string, path: readonly PropertyKey[]): number {
  let at = space(text, 0);
  for (const step of path) {
    const next = text[at] === '{' ? member(text, at, String(step)) : element(text, at, Number(step));
    if (next === null) break;
    at = next;
  }
  return at + 1;
}

/** Where the value of `key` begins in the object at `at`; the last one where the key stands twice. */
function member(text: string, at: number, key: string): number | null {
  let found: number | null = null;
  let i = space(text, at + 1);
  while (i < text.length && text[i] !== '}') {
    const end = skip(text, i);
    const value = space(text, space(text, end) + 1);
    if (JSON.parse(text.slice(i, end)) === key) found = value;
    i = space(text, skip(text, value));
    if (text[i] === ',') i = space(text, i + 1);
  }
  return found;
}

function element(text: string, at: number, index: number): number | null {
  if (text[at] !== '[') return null;
  let i = space(text, at + 1);
  for (let k = 0; i < text.length && text[i] !== ']'; k += 1) {
    if (k === index) return i;
    i = space(text, skip(text, i));
    if (text[i] === ',') i = space(text, i + 1);
  }
  return null;
}

/** The position after the value at `at`. */
function skip(text: string, at: number): number {
  let depth = 0;
  for (let i = at; i < text.length; i += 1) {
    const char = text[i]!;
    if (char === '"') {
      i += 1;
      while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
    } else if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') depth -= 1;
    else if (/[^,:\s]/.test(char)) while (/[^,\]}\s]/.test(text[i + 1] ?? ',')) i += 1;
    if (depth === 0) return i + 1;
  }
  return text.length;
}

function space(text: string, at: number): number {
  let i = at;
  while (i < text.length && /\s/.test(text[i]!)) i += 1;
  return i;
}
