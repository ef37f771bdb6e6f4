/** Live bars of a measurement: one table an attribute, each class against its target. */

import type { Measured } from '../api/types.ts';
import { DistributionTable } from '../components/distribution.tsx';
import { count } from '../lib/format.ts';

const LABELS: Readonly<Record<string, string>> = {
  model: 'The model',
  original: 'The model as it is',
  'fine-tuned': 'With the adapter',
};

/** One measured model. */
export function MeasuredView({ measured }: { readonly measured: Measured }) {
  const { label, group, images, all, faces, level, attributes } = measured;
  const title = `${LABELS[label] ?? label}${group === null ? '' : `, ${group}`}`;
  return (
    <section className="card measured" aria-label={title}>
      <header className="row apart">
        <h3>{title}</h3>
        <p className="small muted">
          {images < all ? `${count(images)} of ${count(all)} images` : `${count(images)} images`},{' '}
          {count(faces)} faces
        </p>
      </header>
      <div className="measured-attributes">
        {attributes.map(({ attribute, classes, shares, intervals, target }) => (
          <DistributionTable
            key={attribute}
            caption={attribute}
            level={level}
            rows={classes.map((name, k) => ({
              label: name,
              share: faces === 0 ? null : shares[k]!,
              interval: faces === 0 ? null : intervals[k]!,
              target: target?.[k] ?? null,
            }))}
          />
        ))}
      </div>
    </section>
  );
}
