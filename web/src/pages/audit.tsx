/** Audit: who a model draws, measured against a target. */

import { useEffect } from 'react';
import { submitJob } from '../api/client.ts';
import { modelNamed, useServer } from '../api/server_context.tsx';
import type { Model } from '../api/types.ts';
import { AuditForm } from '../audit/form.tsx';
import { AuditRunView, describeAudit } from '../audit/run_view.tsx';
import type { AuditSettings } from '../audit/settings.ts';
import { evaluateRequest, readAuditSettings } from '../audit/settings.ts';
import { ModelAwaited } from '../components/choices.tsx';
import { JobList } from '../components/job_list.tsx';
import { Empty, ErrorNotice } from '../components/notice.tsx';
import { fitAim } from '../lib/aim.ts';
import { revealResults } from '../lib/reveal.ts';
import { go, routeTo } from '../lib/route.ts';
import { useStored } from '../lib/storage.ts';
import { useAction } from '../lib/use_action.ts';

/**
 * The page.
 * @param job the audit that is shown, or `null`
 * @param link settings that the address carries: `adapter`
 */
export function AuditPage({ job, link }: { readonly job: string | null; readonly link: URLSearchParams }) {
  const { models, adapters, promptSets } = useServer();
  const [stored, setSettings] = useStored('audit', readAuditSettings);
  const { isRunning: isSending, error, run } = useAction();
  const wanted = link.get('adapter');
  useEffect(() => {
    if (wanted === null) return;
    setSettings((now) => ({ ...now, adapter: wanted }));
    go(routeTo('audit'), true);
  }, [wanted, setSettings]);
  const model = modelNamed(models, stored.model);
  const settings: AuditSettings = model === null ? stored : fitAim(stored, model.attributes);

  const start = ({ attributes }: Model) =>
    run(async () => {
      const sent = await submitJob(evaluateRequest(settings, attributes));
      go(routeTo('audit', sent.id));
      revealResults();
    });

  return (
    <>
      <div className="page-heading">
        <h1 tabIndex={-1}>Audit</h1>
        <p>
          Who does the model draw when a prompt leaves it open? Count them, with intervals, against a target.
        </p>
      </div>
      <div className="bench">
        {model === null || promptSets === null ? (
          <ModelAwaited models={models} />
        ) : (
          <AuditForm
            settings={settings}
            change={(part) => setSettings((now) => ({ ...now, ...part }))}
            models={models ?? []}
            model={model}
            adapters={(adapters ?? []).filter((adapter) => adapter.model === model.name)}
            promptSets={promptSets}
            isSending={isSending}
            start={() => start(model)}
          />
        )}
        <section className="results" aria-label="Results">
          <ErrorNotice error={error} />
          {job === null ? (
            <Empty title="Nothing measured yet">
              Choose prompts and a target and start the audit. Bars fill here as images are drawn and judged.
            </Empty>
          ) : (
            <AuditRunView key={job} id={job} />
          )}
          <JobList title="Audits" kind="evaluate" page="audit" current={job} describe={describeAudit} />
        </section>
      </div>
    </>
  );
}
