/** Fine-tune: changes a model until the people it draws follow a target. */

import { useState } from 'react';
import { estimateFinetuning, submitJob } from '../api/client.ts';
import { modelNamed, useServer } from '../api/server_context.tsx';
import type { Model } from '../api/types.ts';
import { ModelAwaited } from '../components/choices.tsx';
import { JobList } from '../components/job_list.tsx';
import { Empty, ErrorNotice } from '../components/notice.tsx';
import type { EstimateState } from '../finetune/form.tsx';
import { FinetuneForm } from '../finetune/form.tsx';
import { describeFinetuning, FinetuneRunView } from '../finetune/run_view.tsx';
import type { FinetuneSettings } from '../finetune/settings.ts';
import { finetuneRequest, readFinetuneSettings } from '../finetune/settings.ts';
import { fitAim } from '../lib/aim.ts';
import { revealResults } from '../lib/reveal.ts';
import { go, routeTo } from '../lib/route.ts';
import { useStored } from '../lib/storage.ts';
import { useAction } from '../lib/use_action.ts';

const NO_ESTIMATE = Object.freeze({ estimate: null, isOutdated: false });

/**
 * The page.
 * @param job the run that is shown, or `null`
 */
export function FinetunePage({ job, theme }: { readonly job: string | null; readonly theme: string }) {
  const { models, promptSets } = useServer();
  const [stored, setSettings] = useStored('finetune', readFinetuneSettings);
  const [found, setFound] = useState<Pick<EstimateState, 'estimate' | 'isOutdated'>>(NO_ESTIMATE);
  const estimation = useAction();
  const { isRunning: isSending, error, run } = useAction();
  const model = modelNamed(models, stored.model);
  const settings: FinetuneSettings = model === null ? stored : fitAim(stored, model.attributes);

  function change(part: Partial<FinetuneSettings>) {
    setSettings((now) => ({ ...now, ...part }));
    setFound((now) => ({ ...now, isOutdated: true }));
  }

  const estimate = ({ attributes }: Model) =>
    estimation.run(async () => {
      const request = finetuneRequest(settings, attributes);
      setFound({ estimate: await estimateFinetuning(request), isOutdated: false });
    });

  const start = ({ attributes }: Model) =>
    run(async () => {
      const sent = await submitJob(finetuneRequest(settings, attributes));
      go(routeTo('finetune', sent.id));
      revealResults();
    });

  return (
    <>
      <div className="page-heading">
        <h1 tabIndex={-1}>Fine-tune</h1>
        <p>Choose who should be drawn how often; the model is trained until its images follow.</p>
      </div>
      <div className="bench">
        {model === null || promptSets === null ? (
          <ModelAwaited models={models} />
        ) : (
          <FinetuneForm
            settings={settings}
            change={change}
            models={models ?? []}
            model={model}
            promptSets={promptSets}
            estimating={{ ...found, isRunning: estimation.isRunning, error: estimation.error }}
            estimate={() => estimate(model)}
            isSending={isSending}
            start={() => start(model)}
          />
        )}
        <section className="results" aria-label="Run">
          <ErrorNotice error={error} />
          {job === null ? (
            <Empty title="No run chosen">
              Set the target, see what it will cost, and start. Curves and samples appear here; a run can be
              stopped and goes on where it stood.
            </Empty>
          ) : (
            <FinetuneRunView key={job} id={job} theme={theme} />
          )}
          <JobList title="Runs" kind="finetune" page="finetune" current={job} describe={describeFinetuning} />
        </section>
      </div>
    </>
  );
}
