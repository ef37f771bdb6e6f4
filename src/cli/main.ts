#!/usr/bin/env node
/** Entry of the command `evenhand`. */

import { COMMANDS } from './commands/index.ts';
import { runProgram } from './program.ts';

process.exitCode = await runProgram(process.argv.slice(2), COMMANDS);
