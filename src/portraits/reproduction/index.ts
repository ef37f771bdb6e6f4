/** The reproduction of the method's tables and figures on Portraits. */

export type { Part } from './parts.ts';
export { commonSettings, PARTS, unitsOf } from './parts.ts';
export type { RecordedPart, Results } from './results.ts';
export { readParts, writePart, writeResults } from './results.ts';
export type { Budget, Scale } from './settings.ts';
export { BUDGETS } from './settings.ts';
export type { FinishedRun, Laboratory, LogLine, Measurement, OwnRun } from './types.ts';
