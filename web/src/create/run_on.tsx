/** Where drawings are made: on the server or on this device, and how far this device is. */

import { Segmented } from '../components/controls.tsx';
import { Progress } from '../components/progress.tsx';
import type { DeviceStatus } from '../inference/device.ts';
import { useDeviceStatus } from '../inference/device.ts';
import { bytes, counted } from '../lib/format.ts';
import { oneOf } from '../lib/read.ts';

const PLACES = ['server', 'device'] as const;

/** Where to draw. */
export type Place = (typeof PLACES)[number];

/** The place from storage; the server at the first visit. */
export function readPlace(stored: unknown): Place {
  return oneOf(stored, PLACES, 'server');
}

function words(status: DeviceStatus): string {
  if (status.phase === 'idle') return 'The first drawing fetches the model; the browser keeps it.';
  if (status.phase === 'loading') return '';
  if (status.processor === 'webgpu') return 'Ready on the graphics processor of this device (WebGPU).';
  const ready = `Ready on the processor of this device (WebAssembly, ${counted(status.threads, 'thread')}).`;
  return status.instead === null
    ? ready
    : `${ready} Its graphics processor could not run the model and is tried again when the page is loaded anew: ${status.instead}`;
}

/** The choice, and the state of the device once it is chosen. */
export function RunOn({
  place,
  onChange,
}: {
  readonly place: Place;
  readonly onChange: (place: Place) => void;
}) {
  const status = useDeviceStatus();
  return (
    <div className="field">
      <Segmented
        legend="Run on"
        value={place}
        onChange={onChange}
        options={[
          { value: 'server', label: 'The server' },
          { value: 'device', label: 'This device' },
        ]}
      />
      {place === 'device' && status.phase === 'loading' && (
        <Progress
          label="Fetching the model"
          done={status.loaded}
          all={status.bytes}
          detail={bytes(status.bytes)}
        />
      )}
      <p className="hint" role="status">
        {place === 'device' ? words(status) : ''}
      </p>
    </div>
  );
}
