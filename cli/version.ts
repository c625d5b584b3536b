/** The version in package.json, which lies one folder above cli/ in the sources and two above in dist/. */
import { readFileSync } from 'node:fs';

export function version(): string {
  for (const up of ['../package.json', '../../package.json'])
    try {
      return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version;
    } catch {
      // Not there: try the next.
    }
  return 'unknown';
}
