import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { probe } from '../src/probe';
import type { JobRecord } from '../src/protocol';
import type { Server } from '../src/server';
import type { JobModel } from '../src/traits';
import { DONE, record, TASK } from './records';

const HOUR = 3_600_000;

let living: AbortController;

beforeEach(() => {
  living = new AbortController();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});

afterEach(() => {
  living.abort();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** A bar of this snapshot, whose server gives these answers; how often it was asked. */
function asking(snapshot: JobRecord, status: number) {
  const traits: Record<string, unknown> = { task_id: TASK, snapshot };
  const request = vi.fn(async () => new Response('{}', { status }));
  const server = { base: 'http://localhost/', request } as unknown as Server;
  const model = { get: (name: string) => traits[name] } as unknown as JobModel;
  const missed = vi.fn();
  void probe(server, model, () => {}, missed, living.signal);
  return { traits, request, missed };
}

it('asks no more for what has ended and is forgotten', async () => {
  const { request, missed } = asking(DONE, 404);
  await vi.advanceTimersByTimeAsync(HOUR);
  expect(request).toHaveBeenCalledTimes(1);
  expect(missed).toHaveBeenCalledTimes(1);
});

it.each([
  ['the server is in trouble', DONE, 503],
  ['the job goes on', record(), 404],
])('goes on asking where %s', async (_, snapshot, status) => {
  const { request } = asking(snapshot, status);
  await vi.advanceTimersByTimeAsync(HOUR);
  expect(request.mock.calls.length).toBeGreaterThan(50);
});

it('stops when the kernel says that the job has ended', async () => {
  const { request, traits } = asking(record(), 404);
  await vi.advanceTimersByTimeAsync(3_000);
  traits.snapshot = DONE;
  await vi.advanceTimersByTimeAsync(HOUR);
  expect(request).toHaveBeenCalledTimes(3);
});

it('does not ask for a page that nobody sees, and asks again for one that is seen', async () => {
  const hidden = vi.spyOn(document, 'hidden', 'get').mockReturnValue(true);
  const { request } = asking(record(), 404);
  await vi.advanceTimersByTimeAsync(HOUR);
  expect(request).toHaveBeenCalledTimes(1);
  hidden.mockReturnValue(false);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(request.mock.calls.length).toBeGreaterThan(1);
});
