/** `evenhand doctor`: what this machine can do, what is missing, and what to do about it. */

import { Command } from 'commander';
import type { DeviceName } from '../../graph/index.ts';
import type { Diagnosis, Finding } from '../diagnosis.ts';
import { diagnose } from '../diagnosis.ts';
import { Failure } from '../errors.ts';
import { forecastFindings, forecastRun } from '../forecast.ts';
import type { Io } from '../io.ts';
import { deviceOption, jsonOption, memoryOption, setOption, threadsOption } from '../options.ts';

const MARKS: Readonly<Record<Finding['state'], string>> = Object.freeze({ good: '✓', note: '·', bad: '✗' });

interface DoctorOptions {
  readonly json?: boolean;
  readonly model?: string;
  readonly config?: string;
  readonly set?: readonly string[];
  readonly device: DeviceName;
  readonly threads?: number;
  readonly memory?: number;
}

const HELP = `
With --config (or --model or --set, which take the preset gender then) it also foretells what fine-tuning will take: the pace of
the device is measured for a second or two, and the real code runs two iterations on a runtime that counts what every
graph would do and computes nothing. Seconds of an iteration and of the run, where they go, and peak memory.

Examples:
  evenhand doctor
  evenhand doctor --config gender
  evenhand doctor --model models/stable-diffusion-v1-5 --config configs/sd15/gender.yaml --set microBatch=2

Exit status 1 when something keeps Evenhand from working.`;

/** Makes the command. */
export function doctorCommand(io: Io): Command {
  return new Command('doctor')
    .summary('check this machine and this installation')
    .description(
      'Looks at Node, memory, ONNX Runtime and the shipped model, and tries every device by computing on it.',
    )
    .option(
      '-m, --model <model>',
      'model to foretell fine-tuning for, in place of the one in the configuration',
    )
    .option('-c, --config <config>', 'fine-tuning configuration or preset to foretell')
    .addOption(setOption())
    .addOption(deviceOption().default('cpu'))
    .addOption(threadsOption())
    .addOption(memoryOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action(async ({ json = false, ...options }: DoctorOptions) => {
      const diagnosis = await withForecast(await diagnose(), options);
      io.stdout.write(json ? `${JSON.stringify(diagnosis)}\n` : describe(diagnosis));
      if (!diagnosis.works) throw new Failure('doctor: something above keeps Evenhand from working');
    });
}

/** The diagnosis with a section on the configuration that was named, if one was. */
async function withForecast(
  diagnosis: Diagnosis,
  { config, model, set = [], ...options }: Omit<DoctorOptions, 'json'>,
): Promise<Diagnosis> {
  if (config === undefined && model === undefined && set.length === 0) return diagnosis;
  const forecast = await forecastRun({
    config: config ?? 'gender',
    set,
    ...(model === undefined ? {} : { model }),
    ...options,
  });
  const section = { title: 'Fine-tuning as configured', findings: forecastFindings(forecast) };
  return { ...diagnosis, sections: [...diagnosis.sections, section] };
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
