/** The commands of `evenhand`, in the order in which the help lists them. */

import type { CommandFactory } from '../program.ts';
import { doctorCommand } from './doctor.ts';
import { generateCommand } from './generate.ts';
import { modelsCommand } from './models.ts';
import { trainCommand } from './train.ts';

/** Every command. */
export const COMMANDS: readonly CommandFactory[] = Object.freeze([
  generateCommand,
  trainCommand,
  modelsCommand,
  doctorCommand,
]);
