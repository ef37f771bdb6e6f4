/** Models: what the server can draw with, the adapters made from it, and their files. */

import { useState } from 'react';
import { deleteAdapter, serverUrl } from '../api/client.ts';
import { useServer } from '../api/server_context.tsx';
import type { Adapter, Model } from '../api/types.ts';
import { DownloadIcon } from '../components/icons.tsx';
import { Empty, ErrorNotice } from '../components/notice.tsx';
import { bytes, count, moment } from '../lib/format.ts';
import { routeTo } from '../lib/route.ts';
import { useAction } from '../lib/use_action.ts';
import { ExportForm } from '../models/export_form.tsx';
import { targetInWords } from '../models/target_words.ts';
import { UploadForm } from '../models/upload.tsx';

const ORIGINS: Readonly<Record<Adapter['origin'], string>> = {
  average: 'averaged weights at the end of the run',
  best: 'best validation of the run',
  upload: 'uploaded',
};

function LicenceWords({ licence: { name, source } }: { readonly licence: Model['licences'][number] }) {
  if (name === null) return 'unknown: no file of the model says; ask whoever made it';
  if (source === null || !/^https?:\/\//.test(source)) return source === null ? name : `${name} (${source})`;
  return (
    <a href={source} rel="noreferrer" target="_blank">
      {name}
    </a>
  );
}

function ModelCard({ model }: { readonly model: Model }) {
  const { name, isDefault, pipeline, side, guidanceScale, parameters, attributes } = model;
  const { canFinetune, canEvaluate, licences } = model;
  const can = ['draw', ...(canFinetune ? ['fine-tune'] : []), ...(canEvaluate ? ['audit'] : [])];
  return (
    <li className="card">
      <div className="row apart">
        <h3>{name}</h3>
        {isDefault && <span className="small muted">default</span>}
      </div>
      <dl className="facts small">
        <dt>Images</dt>
        <dd>
          {side} × {side} pixels
        </dd>
        <dt>Size</dt>
        <dd>{count(parameters)} numbers</dd>
        <dt>Guidance</dt>
        <dd>{guidanceScale}</dd>
        <dt>Pipeline</dt>
        <dd>{pipeline}</dd>
        <dt>Can</dt>
        <dd>{can.join(', ')}</dd>
        {licences.map((licence) => (
          <div key={licence.part} className="contents">
            <dt>{licence.part === null ? 'Licence' : `Licence of ${licence.part}`}</dt>
            <dd>
              <LicenceWords licence={licence} />
            </dd>
          </div>
        ))}
        {attributes.map((attribute) => (
          <div key={attribute.name} className="contents">
            <dt>{attribute.name}</dt>
            <dd>{attribute.classes.join(', ')}</dd>
          </div>
        ))}
      </dl>
    </li>
  );
}

function AdapterRow({ adapter, onDelete }: { readonly adapter: Adapter; readonly onDelete: () => void }) {
  const [isAsking, setAsking] = useState(false);
  const { id, name, model, origin, target, job, sha256, createdAt, url } = adapter;
  return (
    <li className="adapter">
      <div className="row apart">
        <h3>{name}</h3>
        <span className="small muted">{moment(createdAt)}</span>
      </div>
      <p className="small">
        {target === null ? 'No target known' : targetInWords(target)}{' '}
        <span className="muted">· {ORIGINS[origin]}</span>
      </p>
      <p className="small muted">
        for {model} · {bytes(adapter.bytes)} · SHA-256 <code title={sha256}>{sha256.slice(0, 12)}…</code>
      </p>
      <div className="row">
        <a className="button" href={serverUrl(url)} download={`${name}.safetensors`}>
          <DownloadIcon />
          Download
        </a>
        <a
          className="button"
          href={routeTo('create', null, new URLSearchParams({ adapter: id, compare: '1' }))}
        >
          Try
        </a>
        <a className="button" href={routeTo('audit', null, new URLSearchParams({ adapter: id }))}>
          Audit
        </a>
        {job !== null && (
          <a className="button quiet" href={routeTo('finetune', job)}>
            Its run
          </a>
        )}
        {isAsking ? (
          <>
            <button type="button" onClick={onDelete}>
              Delete {name} for good
            </button>
            <button type="button" className="quiet" onClick={() => setAsking(false)}>
              Keep it
            </button>
          </>
        ) : (
          <button type="button" className="quiet" onClick={() => setAsking(true)}>
            Delete…
          </button>
        )}
      </div>
      <ExportForm adapter={adapter} />
    </li>
  );
}

/** The page. */
export function ModelsPage() {
  const { models, adapters, reload } = useServer();
  const { error, run } = useAction();
  return (
    <>
      <div className="page-heading">
        <h1 tabIndex={-1}>Models</h1>
        <p>What this server draws with, and the adapters that were fine-tuned from it.</p>
      </div>
      <div className="stack models">
        <section className="stack" aria-label="Models">
          <h2>Models</h2>
          <ul className="model-cards">
            {models?.map((model) => (
              <ModelCard key={model.name} model={model} />
            ))}
          </ul>
        </section>
        <section className="stack" aria-label="Adapters">
          <h2>Adapters</h2>
          <p className="small muted">
            Download gives the file as it was trained or sent. Export writes it for another program, with the
            target, the model and what was measured in its header.
          </p>
          <UploadForm models={models ?? []} onSent={reload} />
          <ErrorNotice error={error} />
          {adapters?.length === 0 && (
            <Empty title="No adapters yet">
              <a href={routeTo('finetune')}>Fine-tune</a> makes them.
            </Empty>
          )}
          <ul className="list">
            {adapters?.map((adapter) => (
              <AdapterRow
                key={adapter.id}
                adapter={adapter}
                onDelete={() =>
                  run(async () => {
                    await deleteAdapter(adapter.id);
                    reload();
                  })
                }
              />
            ))}
          </ul>
        </section>
      </div>
    </>
  );
}
