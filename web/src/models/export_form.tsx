/** The choice of a format for another program, and the download of an adapter in it. */

import { useEffect, useRef, useState } from 'react';
import type { ExportFormat } from '../../../src/evaluate/export/formats.ts';
import { EXPORT_FORMATS } from '../../../src/evaluate/export/formats.ts';
import { prepareExport, serverUrl } from '../api/client.ts';
import type { Adapter, AdapterExport } from '../api/types.ts';
import { SelectField, Switch, TextField } from '../components/controls.tsx';
import { DownloadIcon } from '../components/icons.tsx';
import { ErrorNotice } from '../components/notice.tsx';
import { bytes } from '../lib/format.ts';
import { useAction } from '../lib/use_action.ts';

/** What each format is, and which programs take it. */
const FORMATS: Readonly<Record<ExportFormat, { readonly label: string; readonly hint: string }>> = {
  kohya: {
    label: 'LoRA file, as kohya names it',
    hint: 'ComfyUI, AUTOMATIC1111, Forge, InvokeAI and diffusers load it.',
  },
  diffusers: { label: 'LoRA file of diffusers', hint: 'For load_lora_weights of diffusers 0.35 and later.' },
  peft: { label: 'Folder of PEFT', hint: 'For PeftModel.from_pretrained; comes as a tar archive.' },
  'textual-inversion': {
    label: 'Embedding (textual inversion)',
    hint: 'Of soft tokens, which have no other format; its name stands first in the prompt.',
  },
  merged: {
    label: 'Whole model with the adapter in it',
    hint: 'In diffusers’ layout, as a tar archive as large as the model: preparing it takes a while.',
  },
};

/** Format, element type and the button; the file comes once the server has it. */
export function ExportForm({ adapter: { id, name } }: { readonly adapter: Adapter }) {
  const [format, setFormat] = useState<ExportFormat>('kohya');
  const [isHalf, setHalf] = useState(false);
  const [token, setToken] = useState('');
  const [ready, setReady] = useState<AdapterExport | null>(null);
  const { isRunning, error, run } = useAction();
  const link = useRef<HTMLAnchorElement>(null);
  // The link stays for a second download; the first begins by itself.
  useEffect(() => {
    if (ready !== null) link.current?.click();
  }, [ready]);
  const change = (set: () => void) => {
    setReady(null);
    set();
  };

  const prepare = () =>
    run(async () => {
      setReady(null);
      const named = format === 'textual-inversion' && token !== '' ? { token } : {};
      setReady(await prepareExport(id, { format, ...(isHalf ? { dtype: 'float16' } : {}), ...named }));
    });

  return (
    <details className="inline-details export">
      <summary className="small">
        Export for another program<span className="visually-hidden">: {name}</span>
      </summary>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (!isRunning) void prepare();
        }}
      >
        <SelectField
          label="Format"
          value={format}
          options={EXPORT_FORMATS.map((value) => ({ value, label: FORMATS[value].label }))}
          hint={FORMATS[format].hint}
          onChange={(next) => change(() => setFormat(next))}
        />
        {format === 'textual-inversion' && (
          <TextField
            label="Name of the embedding"
            value={token}
            placeholder="emb_params"
            onChange={(next) => change(() => setToken(next.trim().slice(0, 100)))}
          />
        )}
        <Switch
          label="In half precision"
          hint="float16: half as large, and as exact as most programs compute."
          checked={isHalf}
          onChange={(next) => change(() => setHalf(next))}
        />
        <button type="submit" disabled={isRunning}>
          {isRunning ? 'Preparing…' : 'Export'}
        </button>
        <div role="status" className="stack">
          {ready !== null && (
            <p className="small">
              <a ref={link} className="button" href={serverUrl(ready.url)} download={ready.name}>
                <DownloadIcon />
                {ready.name}
              </a>{' '}
              {bytes(ready.bytes)}
              {ready.evaluation === null
                ? '; not audited yet, so its header has no measured bias.'
                : '; its header has the bias that the last audit measured.'}
            </p>
          )}
        </div>
        <ErrorNotice error={error} />
      </form>
    </details>
  );
}
