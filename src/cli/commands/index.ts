/** The commands of `evenhand`, in the order in which the help lists them. */

import type { CommandFactory } from '../program.ts';
import { alignCommand } from './align.ts';
import { demoCommand } from './demo.ts';
import { doctorCommand } from './doctor.ts';
import { evaluateCommand } from './evaluate.ts';
import { exportCommand } from './export.ts';
import { facesCommand } from './faces.ts';
import { finetuneCommand } from './finetune.ts';
import { generateCommand } from './generate.ts';
import { modelsCommand } from './models.ts';
import { reproduceCommand } from './reproduce.ts';
import { serveCommand } from './serve.ts';
import { trainCommand } from './train.ts';
import { understandCommand } from './understand.ts';

/** Every command. */
export const COMMANDS: readonly CommandFactory[] = Object.freeze([
  demoCommand,
  generateCommand,
  finetuneCommand,
  evaluateCommand,
  exportCommand,
  alignCommand,
  reproduceCommand,
  trainCommand,
  facesCommand,
  modelsCommand,
  serveCommand,
  understandCommand,
  doctorCommand,
]);
