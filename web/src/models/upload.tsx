/** The form that sends an adapter of another program. */

import { useId, useState } from 'react';
import { uploadAdapter } from '../api/client.ts';
import type { Model } from '../api/types.ts';
import { ModelField } from '../components/choices.tsx';
import { TextField } from '../components/controls.tsx';
import { ErrorNotice, Notice } from '../components/notice.tsx';
import { ADAPTER_NAME, ADAPTER_NAME_FAULT } from '../lib/adapter_name.ts';
import { useAction } from '../lib/use_action.ts';

/** A name for an adapter from its file's: what the server takes of it. */
export function nameOfFile(file: string): string {
  return file
    .replace(/\.safetensors$/i, '')
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 100);
}

/** File, name, model and the button. */
export function UploadForm({
  models,
  onSent,
}: {
  readonly models: readonly Model[];
  readonly onSent: () => void;
}) {
  const id = useId();
  const [file, setFile] = useState<File | null>(null);
  const [name, setName] = useState('');
  const [chosen, setChosen] = useState<string | null>(null);
  const [sent, setSent] = useState<string | null>(null);
  const { isRunning, error, run } = useAction();
  const model = chosen ?? models.find(({ isDefault }) => isDefault)?.name ?? '';
  const isNamed = ADAPTER_NAME.test(name);

  const send = (content: File) =>
    run(async () => {
      setSent(null);
      const adapter = await uploadAdapter(content, name, model);
      setSent(adapter.name);
      onSent();
    });

  return (
    <details className="more">
      <summary>Send an adapter from elsewhere</summary>
      <form
        className="stack"
        aria-label="Adapter from elsewhere"
        onSubmit={(event) => {
          event.preventDefault();
          if (file !== null && isNamed) void send(file);
        }}
      >
        <div className="field">
          <label htmlFor={id}>File</label>
          <input
            id={id}
            type="file"
            accept=".safetensors"
            onChange={(event) => {
              const first = event.target.files?.[0] ?? null;
              setFile(first);
              if (first !== null) setName(nameOfFile(first.name));
            }}
          />
        </div>
        <TextField
          label="Name"
          value={name}
          fault={name !== '' && !isNamed ? ADAPTER_NAME_FAULT : null}
          onChange={(next) => setName(next.trim())}
        />
        <ModelField label="Model that it belongs to" value={model} models={models} onChange={setChosen} />
        <button type="submit" disabled={isRunning || file === null || !isNamed}>
          {isRunning ? 'Sending…' : 'Send'}
        </button>
        <ErrorNotice error={error} />
        {sent !== null && <Notice kind="good">{sent} is here; it stands first in the list.</Notice>}
      </form>
    </details>
  );
}
