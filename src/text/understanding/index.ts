/** Prompt understanding: tokens, entities, described people, style and intent of sentences and structured commands. */

export { CommandSyntaxError } from './command.ts';
export type { NamedAttributes } from './names_attributes.ts';
export { namesAttributes } from './names_attributes.ts';
export type * from './types.ts';
export { peopleOf, understand } from './understand.ts';
