/** Colours for the demonstration's own output: only on a terminal, never with NO_COLOR. */
import { styleText } from 'node:util';

const coloured = process.stdout.isTTY === true && !process.env.NO_COLOR;

export function paint(style: 'red' | 'green' | 'yellow' | 'cyan' | 'dim' | 'bold', text: string): string {
  return coloured ? styleText(style, text) : text;
}
