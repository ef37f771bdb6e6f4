/** Target distributions under names: some that ship, and those that users save. */

import type { Kysely } from 'kysely';
import type { z } from 'zod';
import type { savedTargetSchema } from '../schemas/resources.ts';
import type { Database } from './schema.ts';

/** A target under a name. */
export type SavedTarget = z.infer<typeof savedTargetSchema>;

const builtIn = (name: string, description: string, target: SavedTarget['target']): SavedTarget =>
  Object.freeze({ name, description, target, builtIn: true });

/** Targets that ship; they are over the attributes of Portraits and of the published method. */
export const BUILT_IN_TARGETS: readonly SavedTarget[] = Object.freeze([
  builtIn('gender-uniform', 'As many women as men', { gender: 'uniform' }),
  builtIn('race-uniform', 'Every race equally often', { race: 'uniform' }),
  builtIn('gender-race-uniform', 'Every gender and race equally often, independently of each other', {
    gender: 'uniform',
    race: 'uniform',
  }),
  builtIn('age-75-young', 'Three of four people young', { age: '75/25' }),
  builtIn('gender-uniform-age-75-young', 'As many women as men, three of four of each young', {
    gender: 'uniform',
    age: '75/25',
  }),
]);

/** All targets: those that ship, then the saved ones by name. */
export async function listTargets(db: Kysely<Database>): Promise<SavedTarget[]> {
  const rows = await db.selectFrom('targets').selectAll().orderBy('name').execute();
  return [
    ...BUILT_IN_TARGETS,
    ...rows.map(({ name, description, target }) => ({
      name,
      description,
      target: target as SavedTarget['target'],
      builtIn: false,
    })),
  ];
}

/** Saves a target under a name, in the place of one that had it. */
export async function saveTarget(
  db: Kysely<Database>,
  { name, description, target }: Omit<SavedTarget, 'builtIn'>,
): Promise<void> {
  const values = { description, target: JSON.stringify(target) };
  await db
    .insertInto('targets')
    .values({ name, ...values })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
    .execute();
}

/** Removes a saved target; false without such a target. */
export async function deleteTarget(db: Kysely<Database>, name: string): Promise<boolean> {
  const { numDeletedRows } = await db.deleteFrom('targets').where('name', '=', name).executeTakeFirst();
  return numDeletedRows > 0n;
}
