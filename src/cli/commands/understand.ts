/** `evenhand understand`: what a prompt says, with the place and the rule of every finding. */

import { Command } from 'commander';
import type { Finding, PeopleCount, PersonGroup, Understanding } from '../../text/understanding/index.ts';
import { CommandSyntaxError, namesAttributes, understand } from '../../text/understanding/index.ts';
import { UsageError } from '../errors.ts';
import type { Io } from '../io.ts';
import { jsonOption } from '../options.ts';

const HELP = `
Reports and changes nothing: a prompt that names a gender, a race, an age or a number of people is drawn as it says.
Numbers in brackets are the characters of each finding in the prompt.

Examples:
  evenhand understand "two women and an old Indian man, oil painting"
  evenhand understand --json "a surgeon washing her hands"
  evenhand understand "/generate 4 doctor --seed 7"`;

/** Makes the command. */
export function understandCommand(io: Io): Command {
  return new Command('understand')
    .summary('show what a prompt says about people, style and intent')
    .description(
      'Finds the people of a prompt with their number, gender, race, age, occupation and activity, and its names, dates,\n' +
        'places, style and intent; sentences, lists of tags and structured commands.',
    )
    .argument('<prompt>', 'a prompt or a structured command, in quotes')
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((prompt: string, { json = false }: { json?: boolean }) => {
      const understood = understandInput(prompt);
      const named = namesAttributes(understood.prompt);
      io.stdout.write(json ? `${JSON.stringify({ ...understood, named })}\n` : describe(understood));
    });
}

function understandInput(prompt: string): Understanding {
  if (prompt.trim() === '') throw new UsageError('understand: expected a prompt, received none');
  try {
    return understand(prompt);
  } catch (error) {
    if (!(error instanceof CommandSyntaxError)) throw error;
    const pointer = `  ${prompt}\n  ${' '.repeat(error.start)}${'^'.repeat(Math.max(1, error.end - error.start))}`;
    throw new UsageError(`${error.message}\n${pointer}`, { cause: error });
  }
}

function describe({ people, entities, styles, intent, command }: Understanding): string {
  const images = intent.images === null ? '' : `, ${intent.images} images`;
  const lines = [
    ...(command === null ? [] : [`command   ${JSON.stringify(command)}`]),
    `intent    ${intent.kind}${images} (${intent.rule})`,
    `people    ${people.count === null ? 'not spoken of' : describeCount(people.count)}`,
    ...people.groups.flatMap(describeGroup),
    ...people.negated.map((found) => `  not     ${describeFinding(found)}`),
    ...entities.map((found) => `${found.kind.padEnd(9)} ${describeFinding(found)}`),
    ...styles.map((found) => `style     ${describeFinding(found)}`),
  ];
  return `${lines.join('\n')}\n`;
}

function describeCount({ least, most, explicit }: PeopleCount): string {
  return `${least}${most === null ? ' or more' : ''}${explicit ? ', said so' : ''}`;
}

function describeGroup({ text, count, attributes, occupation, activity }: PersonGroup): string[] {
  return [
    `  ${describeCount(count)}: ${text}`,
    ...attributes.map((found) => `    ${found.attribute.padEnd(10)} ${describeFinding(found)}`),
    ...(occupation === null ? [] : [`    occupation ${describeFinding(occupation)}`]),
    ...(activity === null ? [] : [`    activity   ${describeFinding(activity)}`]),
  ];
}

function describeFinding({ value, text, start, end, rule }: Finding): string {
  return `${value}: "${text}" [${start}, ${end}], ${rule}`;
}
