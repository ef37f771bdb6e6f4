/** One image large, with how it was made, and ways on from it. */

import { useEffect, useRef, useState } from 'react';
import { serverUrl } from '../api/client.ts';
import type { GeneratedImage } from '../api/types.ts';
import { DownloadIcon, LinkIcon } from '../components/icons.tsx';
import { routeTo } from '../lib/route.ts';
import type { CreateSettings } from './settings.ts';
import { settingsToLink } from './settings.ts';

/** An image that is looked at, with the settings that it was drawn with. */
export interface Looked {
  readonly image: GeneratedImage;
  readonly settings: CreateSettings;
  /** What tells it from its twin: `with ...`, `without adapter`; empty without one. */
  readonly variant: string;
}

/** Name of an image's file on the reader's disk. */
export function fileName({ image, variant }: Looked): string {
  const words = image.prompt
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 40);
  const which = variant === '' ? '' : `-${variant.replace(/[^A-Za-z0-9]+/g, '-')}`;
  return `${words || 'image'}-${image.seed}${which}.png`;
}

/** Copies the address of settings; says whether that worked. */
export function CopyLink({ settings }: { readonly settings: CreateSettings }) {
  const [told, setTold] = useState('');
  const address = serverUrl(routeTo('create', null, settingsToLink(settings)));
  return (
    <>
      <button
        type="button"
        onClick={async () => {
          try {
            await navigator.clipboard.writeText(address);
            setTold('Link copied.');
          } catch {
            // Without a secure connection there is no clipboard: the address bar then holds the link.
            history.replaceState(null, '', address);
            setTold('Copy the link from the address bar.');
          }
        }}
      >
        <LinkIcon />
        Copy link
      </button>
      <span role="status" className="small muted">
        {told}
      </span>
    </>
  );
}

/** The dialog. */
export function Lightbox({
  looked,
  onClose,
  onUse,
}: {
  readonly looked: Looked;
  readonly onClose: () => void;
  /** Puts the image's settings, with its own seed and a single image, into the form. */
  readonly onUse: (settings: CreateSettings) => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const { image, settings, variant } = looked;
  const alone: CreateSettings = { ...settings, seed: image.seed, images: 1, newSeed: false };
  return (
    <dialog ref={dialog} className="lightbox" aria-label="Image" onClose={onClose}>
      <div className="lightbox-body">
        <img src={serverUrl(image.url)} alt={`${image.prompt}, seed ${image.seed}`} />
        <div className="stack">
          <div className="row apart">
            <h2>Seed {image.seed}</h2>
            <button type="button" className="quiet" onClick={() => dialog.current?.close()}>
              Close
            </button>
          </div>
          <p>{image.prompt}</p>
          <dl className="facts small">
            <dt>Size</dt>
            <dd>
              {image.width} × {image.height} pixels
            </dd>
            <dt>Steps</dt>
            <dd>{settings.steps}</dd>
            {settings.guidanceScale !== null && (
              <>
                <dt>Guidance</dt>
                <dd>{settings.guidanceScale}</dd>
              </>
            )}
            {settings.negativePrompt !== '' && (
              <>
                <dt>Negative</dt>
                <dd>{settings.negativePrompt}</dd>
              </>
            )}
            {variant !== '' && (
              <>
                <dt>Adapter</dt>
                <dd>{variant}</dd>
              </>
            )}
          </dl>
          <div className="row">
            <a className="button" href={serverUrl(image.url)} download={fileName(looked)}>
              <DownloadIcon />
              Download PNG
            </a>
            <CopyLink settings={alone} />
          </div>
          <p className="small muted">The file carries all settings, in AUTOMATIC1111’s form and as JSON.</p>
          <button
            type="button"
            onClick={() => {
              onUse(alone);
              dialog.current?.close();
            }}
          >
            Use these settings
          </button>
        </div>
      </div>
    </dialog>
  );
}
