/** `evenhand doctor`: what this machine can do, what is missing, and what to do about it. */

import { Command } from 'commander';
import type { Diagnosis, Finding } from '../diagnosis.ts';
import { diagnose } from '../diagnosis.ts';
import { Failure } from '../errors.ts';
import type { Io } from '../io.ts';
import { jsonOption } from '../options.ts';

const MARKS: Readonly<Record<Finding['state'], string>> = Object.freeze({ good: '✓', note: '·', bad: '✗' });

/** Makes the command. */
export function doctorCommand(io: Io): Command {
  return new Command('doctor')
    .summary('check this machine and this installation')
    .description(
      'Looks at Node, memory, ONNX Runtime and the shipped model, and tries every device by computing on it.',
    )
    .addOption(jsonOption())
    .addHelpText('after', '\nExit status 1 when something keeps Evenhand from working.')
    .action(async ({ json = false }: { json?: boolean }) => {
      const diagnosis = await diagnose();
      io.stdout.write(json ? `${JSON.stringify(diagnosis)}\n` : describe(diagnosis));
      if (!diagnosis.works) throw new Failure('doctor: something above keeps Evenhand from working');
    });
}

function describe({ sections }: Diagnosis): string {
  return sections
    .map(({ title, findings }) => {
      const lines = findings.flatMap(({ state, text, advice }) => [
        `  ${MARKS[state]} ${text}`,
        ...(advice === undefined ? [] : [`      ${advice}`]),
      ]);
      return `${title}\n${lines.join('\n')}\n`;
    })
    .join('\n');
}
