/** Who is in images that this device drew, as the server's judges see them. */

import { useState } from 'react';
import { judgeImages } from '../api/client.ts';
import type { GeneratedImage, Measured } from '../api/types.ts';
import { MeasuredView } from '../audit/measured_view.tsx';
import { ErrorNotice } from '../components/notice.tsx';

/** Most images that the server judges at once. */
const MOST = 64;

async function base64Of({ url }: GeneratedImage): Promise<string> {
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

/** A button that sends images to be judged, and what comes back. */
export function Judge({
  model,
  images,
  label,
}: {
  /** Name of the model whose judges look; empty for the server's default. */
  readonly model: string;
  readonly images: readonly GeneratedImage[];
  /** Which images these are, where there are others beside them; else empty. */
  readonly label: string;
}) {
  const [measured, setMeasured] = useState<Measured | null>(null);
  const [isAsking, setAsking] = useState(false);
  const [error, setError] = useState<unknown>(null);
  async function judge() {
    setAsking(true);
    setError(null);
    try {
      const files = await Promise.all(images.slice(0, MOST).map(base64Of));
      setMeasured(await judgeImages(files, model));
    } catch (caught) {
      setError(caught);
    } finally {
      setAsking(false);
    }
  }
  return (
    <div className="stack">
      <ErrorNotice error={error} />
      <div role="status">
        {measured !== null && <MeasuredView measured={{ ...measured, label: label || 'these images' }} />}
      </div>
      {measured === null && (
        <div className="row">
          <button type="button" disabled={isAsking || images.length === 0} onClick={judge}>
            {isAsking ? 'Measuring…' : `Measure on the server${label === '' ? '' : `: ${label}`}`}
          </button>
        </div>
      )}
    </div>
  );
}
