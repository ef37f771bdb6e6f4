/** Create: images from a prompt, with and without an adapter. */

import { useEffect, useState } from 'react';
import { cancelJob, listAdapters, listModels, submitJob } from '../api/client.ts';
import { modelNamed, useServer } from '../api/server_context.tsx';
import { Empty, ErrorNotice } from '../components/notice.tsx';
import { DrawingView } from '../create/drawing_view.tsx';
import type { Drawing } from '../create/drawings.ts';
import { MOST_DRAWINGS, readDrawings } from '../create/drawings.ts';
import { CreateForm } from '../create/form.tsx';
import type { Looked } from '../create/lightbox.tsx';
import { Lightbox } from '../create/lightbox.tsx';
import { NewerAdapter } from '../create/newer_adapter.tsx';
import { RunOn, readPlace } from '../create/run_on.tsx';
import type { CreateSettings } from '../create/settings.ts';
import { generateRequest, randomSeed, readSettings, settingsFromLink } from '../create/settings.ts';
import { device } from '../inference/device.ts';
import { isDeviceJob } from '../inference/device_job.ts';
import { revealResults } from '../lib/reveal.ts';
import { go, routeTo } from '../lib/route.ts';
import { useStored } from '../lib/storage.ts';
import { useAction } from '../lib/use_action.ts';

/**
 * The page.
 * @param link settings that the address carries; they take the draft's place
 */
export function CreatePage({ link }: { readonly link: URLSearchParams }) {
  const { models, adapters } = useServer();
  const [settings, setSettings] = useStored('create', readSettings);
  const [drawings, setDrawings] = useStored('drawings', readDrawings);
  const [place, setPlace] = useStored('run-on', readPlace);
  const [looked, setLooked] = useState<Looked | null>(null);
  const { isRunning: isSending, error, run } = useAction();
  const cancelling = useAction();
  const linked = link.toString();
  useEffect(() => {
    if (linked === '') return;
    setSettings((now) => settingsFromLink(new URLSearchParams(linked), now));
    // The draft holds them from here on: a reload must not undo what is changed next.
    go(routeTo('create'), true);
  }, [linked, setSettings]);
  const model = modelNamed(models, settings.model);
  const fitting = (adapters ?? []).filter((adapter) => adapter.model === model?.name);
  const change = (part: Partial<CreateSettings>) => setSettings((now) => ({ ...now, ...part }));
  const nameOf = (id: string) => (adapters ?? []).find((adapter) => adapter.id === id)?.name ?? id;

  /** Starts one job where drawings are made; returns its id. What the page does not know yet, it asks for first. */
  async function start(drawn: CreateSettings, withAdapter: boolean): Promise<string> {
    const request = generateRequest(drawn, withAdapter);
    if (place === 'server') return (await submitJob(request)).id;
    const [known, listed] = await Promise.all([models ?? listModels(), adapters ?? listAdapters()]);
    const named = modelNamed(known, drawn.model);
    if (named === null) throw new Error('The server has no model to draw with.');
    const adapter =
      request.adapter == null
        ? null
        : listed.find(({ id, model: its }) => id === request.adapter && its === named.name);
    if (adapter === undefined) throw new Error('The server has no such adapter of this model.');
    return device.draw(named.name, adapter, request);
  }

  function draw() {
    if (isSending || settings.prompt.trim() === '') return;
    const drawn = settings.newSeed ? { ...settings, seed: randomSeed() } : settings;
    setSettings(drawn);
    void run(async () => {
      const both = drawn.compare && drawn.adapter !== '';
      const plainJob = both ? await start(drawn, false) : null;
      const job = await start(drawn, true);
      const drawing: Drawing = { job, plainJob, settings: drawn, at: Date.now() };
      setDrawings((now) => [drawing, ...now].slice(0, MOST_DRAWINGS));
      drawings.slice(MOST_DRAWINGS - 1).forEach(letGo);
      revealResults();
    });
  }

  const cancel = ({ job, plainJob }: Drawing) =>
    cancelling.run(async () => {
      const ids = plainJob === null ? [job] : [job, plainJob];
      await Promise.all(ids.map((id) => (isDeviceJob(id) ? device.cancel(id) : cancelJob(id))));
    });

  function forget(drawing: Drawing) {
    setDrawings((now) => now.filter(({ job }) => job !== drawing.job));
    letGo(drawing);
  }

  function use(used: CreateSettings) {
    setSettings({ ...used, newSeed: false });
    window.scrollTo({ top: 0 });
  }

  return (
    <>
      <div className="page-heading">
        <h1 tabIndex={-1}>Create</h1>
        <p>Draw images from a prompt, and see what an adapter changes, from the same noise.</p>
      </div>
      <div className="bench">
        <CreateForm
          settings={settings}
          change={change}
          models={models ?? []}
          model={model}
          adapters={fitting}
          isSending={isSending}
          draw={draw}
          runOn={<RunOn place={place} onChange={setPlace} />}
        />
        <section className="results" aria-label="Drawings">
          <NewerAdapter
            fitting={fitting}
            chosen={settings.adapter}
            place={place}
            onUse={(adapter) => change({ adapter })}
          />
          <ErrorNotice error={error} />
          <ErrorNotice error={cancelling.error} />
          {drawings.length === 0 && (
            <Empty title="No images yet">
              Write what you want to see and press Draw. Images appear here while they are drawn and stay here
              when you come back.
            </Empty>
          )}
          {drawings.map((drawing) => (
            <DrawingView
              key={drawing.job}
              drawing={drawing}
              adapterName={drawing.settings.adapter === '' ? '' : nameOf(drawing.settings.adapter)}
              canJudge={modelNamed(models, drawing.settings.model)?.canEvaluate ?? false}
              onLook={setLooked}
              onUse={use}
              onCancel={() => cancel(drawing)}
              onForget={() => forget(drawing)}
            />
          ))}
        </section>
      </div>
      {looked !== null && <Lightbox looked={looked} onClose={() => setLooked(null)} onUse={use} />}
    </>
  );
}

/** Lets go of images that this device drew; those of the server stay there. */
function letGo({ job, plainJob }: Drawing): void {
  for (const id of [job, plainJob]) if (id !== null && isDeviceJob(id)) device.forget(id);
}
