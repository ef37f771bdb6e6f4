import { describe, expect, test } from 'vitest';
import { drawOnDevice, largestDifference, MOST_DIFFERENCE } from './testing/device_drawing.ts';

/** Chromium with its own graphics processor in software, SwiftShader. */
const FLAGS = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

// Compiling a model's shaders in software takes about 25 seconds of a processor's time.
const create = drawOnDevice('webgpu', { flags: FLAGS, timeout: 280_000 });

/** Draws one image on the device; returns when it is there. */
async function draw(seed: number, steps: number, meanwhile = async () => {}): Promise<void> {
  await create.open({ images: 1, seed, steps, guidanceScale: 3 });
  await create.button('Draw').click();
  await meanwhile();
  await create.tile(String(seed)).waitFor();
}

async function expectServersImage(seed: number, steps: number): Promise<void> {
  const [byServer] = await create.drawnByServer({ seed, steps, guidanceScale: 3 });
  const here = await create.downloaded(String(seed));
  expect(await largestDifference(here, byServer!)).toBeLessThanOrEqual(MOST_DIFFERENCE);
}

/** What the page says of the device. */
const standing = () => create.page.getByRole('status').filter({ hasText: 'Ready on' }).textContent();

describe('on the graphics processor of a device', () => {
  test('drawings are those of the server, and what fails there is drawn in WebAssembly', {
    timeout: 300_000,
  }, async () => {
    await draw(41, 2);
    expect(await standing()).toBe('Ready on the graphics processor of this device (WebGPU).');
    await expectServersImage(41, 2);
    await draw(42, 60, async () => {
      await create.page.getByText(/^Step [1-9]\d* of 60$/).waitFor();
      const session = await create.page.context().browser()!.newBrowserCDPSession();
      await session.send('Browser.crashGpuProcess');
    });
    expect(await standing()).toMatch(
      /^Ready on the processor of this device \(WebAssembly, \d threads?\)\. Its graphics processor could not run the model and is tried again when the page is loaded anew: ./,
    );
    await expectServersImage(42, 60);
  });
});
