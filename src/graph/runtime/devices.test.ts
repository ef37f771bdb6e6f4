import { expect, test } from 'vitest';
import { DEVICES, selectDevice, tryDevice } from './devices.ts';
import { Runtime } from './runtime.ts';

test('the processor works and is timed', async () => {
  const report = await tryDevice('cpu');
  expect(report).toMatchObject({ device: 'cpu', available: true });
  expect(report.milliseconds).toBeGreaterThan(0);
});

test('auto selects a device that runs', async () => {
  const device = await selectDevice('auto');
  expect(DEVICES).toContain(device);
  await new Runtime({ device }).close();
});

const elsewhere = process.platform === 'win32' ? 'coreml' : 'dml';

test('a device that this system lacks is refused with what it needs', async () => {
  const needs = elsewhere === 'dml' ? /needs Windows/ : /needs macOS/;
  await expect(selectDevice(elsewhere)).rejects.toThrow(needs);
});

test('an unknown name is refused', async () => {
  await expect(selectDevice('gpu' as never)).rejects.toThrow(
    'device: expected auto, cuda, dml, coreml, webgpu, cpu, received gpu',
  );
});
