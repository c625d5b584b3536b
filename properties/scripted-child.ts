/**
 * The other end of an exec reviewer's pipes: what a child might do about each review, right or wrong, line by
 * line. The protocol in between (monitor/reviewers/wire.ts) is the real one. Owner: the running scenario.
 */
import type { Wire } from '../monitor/reviewers/wire.ts';
import type { Behaviour } from './scenario.ts';

const answer = (id: string, verdict: string): string =>
  `${JSON.stringify({ id, verdict, reason: 'as scripted' })}\n`;

/** Does `behaviour` about the review `id` now. */
export function behave(wire: Wire, id: string, behaviour: Behaviour): void {
  const write = (text: string): void => wire.receive(Buffer.from(text));
  switch (behaviour) {
    case 'allow':
    case 'deny': {
      // Cut in two, as pipes do.
      const line = answer(id, behaviour);
      write(line.slice(0, 9));
      write(line.slice(9));
      break;
    }
    case 'malformed':
      write(answer(id, 'ALLOW'));
      break;
    case 'nothing':
      write('{}\n');
      break;
    case 'another-id':
      write(answer(`${id}0`, 'allow'));
      break;
    case 'twice':
      write(answer(id, 'allow') + answer(id, 'allow'));
      break;
    case 'floods':
      for (let i = 0; i < 5; i += 1) write('x'.repeat(16_000));
      break;
    case 'rejects':
    case 'throws':
    case 'dies':
      write(answer(id, 'allow').slice(0, -1));
      wire.close('the child ended');
      break;
    case 'never':
      break;
  }
}
