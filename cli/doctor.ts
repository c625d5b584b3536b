/**
 * `portcullis doctor`: what this host offers each hook, line by line, and which one `--hook auto` takes and why.
 * Asks the kernel by trying; changes nothing.
 */
import type { Command } from 'commander';
import { type Fact, probeSeccomp } from '../hooks/seccomp/probe.ts';
import { columns, painter, print } from './output.ts';
import { version } from './version.ts';

export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('what this host offers, and which hook is taken')
    .option('--json', 'print the findings as one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  portcullis doctor
  portcullis doctor --json

Exit status: 0 a hook works here, 1 none does, 2 bad usage.`,
    )
    .action(doctor);
}

function doctor({ json }: { json?: boolean }): void {
  const { works, facts } = probeSeccomp();
  const hook = works ? 'seccomp' : null;
  const why = works
    ? 'everything it needs is here; it is the only hook of this version'
    : `missing: ${facts
        .filter((fact) => fact.needed && !fact.ok)
        .map((fact) => fact.name)
        .join(', ')}`;
  process.exitCode = works ? 0 : 1;
  if (json) {
    print(JSON.stringify({ version: version(), node: process.versions.node, hook, why, facts }));
    return;
  }
  const paint = painter(1);
  print(`Portcullis ${version()}, node ${process.versions.node}`);
  print(`${paint('bold', 'seccomp hook')}`);
  for (const line of columns(facts.map(row))) print(`  ${line}`);
  print(`--hook auto: ${works ? paint('green', 'seccomp') : paint('red', 'none')} (${why})`);

  function row({ name, ok, needed, detail }: Fact): string[] {
    const mark = ok ? paint('green', 'ok') : needed ? paint('red', 'missing') : paint('yellow', 'absent');
    return [mark, name, detail];
  }
}
