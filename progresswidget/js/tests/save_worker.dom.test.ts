import { describe, expect, it } from 'vitest';
import type { ToWorker } from '../src/save/worker';
import { runHere, startWorker } from '../src/save/worker?inline-worker';

const START: ToWorker = {
  start: { id: 'none', url: 'http://[', name: 'a.csv', paused: false } as never,
  headers: {},
};

describe('the code of the worker of saves', () => {
  it('runs in a worker, of its own text alone', async () => {
    const worker = startWorker();
    const told = await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = reject;
    });
    expect(told).toBe('ready');
    worker.terminate();
  });

  it('runs in a page that forbids workers, and ends there as well', async () => {
    const told: unknown[] = [];
    let tell = (_: unknown) => {};
    const failed = new Promise((resolve) => {
      tell = resolve;
    });
    const port = {
      onmessage: (_: { data: ToWorker }) => {},
      postMessage: (message: unknown) => {
        told.push(message);
        if (message !== 'ready') tell(message);
      },
    };
    runHere(port);
    expect(told).toEqual(['ready']);
    port.onmessage({ data: START });
    expect(await failed).toMatchObject({ offset: expect.any(Number) });
    expect(self.onmessage).toBeNull();
  });
});
