import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { packagePath } from './package.ts';
import { shippedRecipe, TRAININGS } from './trainings.ts';

const folder = path.dirname(shippedRecipe('vae'));

describe('shipped recipes', () => {
  it.each(readdirSync(folder))('%s is one of its training', (file) => {
    const recipe = parse(readFileSync(path.join(folder, file), 'utf8'));
    const training = TRAININGS.find(({ name }) => name === recipe.model);
    expect(training?.schema.parse(recipe)).toMatchObject({ model: recipe.model, steps: recipe.steps });
  });

  it('there is one for every training', () => {
    for (const { name } of TRAININGS)
      expect(parse(readFileSync(shippedRecipe(name), 'utf8'))).toMatchObject({ model: name });
    expect(folder).toBe(packagePath('models/portraits/recipes'));
  });
});
