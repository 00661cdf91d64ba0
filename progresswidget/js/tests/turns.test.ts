import { describe, expect, it } from 'vitest';
import { type Awareness, isMyTurn, isShared, takePart, turnOf } from '../src/lab/turns';

/** The pages of one document, each with its own reckoning of the same states. */
function pages(...ids: number[]) {
  const states = new Map<number, Record<string, unknown>>(ids.map((id) => [id, {}]));
  return ids.map((clientID) => {
    const awareness: Awareness = {
      clientID,
      getStates: () => states,
      setLocalStateField: (field, value) => {
        states.set(clientID, { ...states.get(clientID), [field]: value });
      },
    };
    const leave = () => states.delete(clientID);
    return { collaborative: true, sharedModel: { awareness }, leave };
  });
}

describe('a document of several pages', () => {
  it('has one that writes, by the reckoning of each', () => {
    const all = pages(30, 10, 20);
    for (const page of all) takePart(page);
    expect(all.map(isMyTurn)).toEqual([false, true, false]);
    expect(all.map(turnOf)).toEqual([2, 0, 1]);
    all[1]?.leave();
    expect([all[0], all[2]].map(isMyTurn)).toEqual([false, true]);
  });

  it('waits for no page that does not write at all', () => {
    const [without, own] = pages(1, 2);
    takePart(own);
    expect(isMyTurn(own)).toBe(true);
    expect(isMyTurn(without)).toBe(false);
  });

  it('has nobody who writes before anybody takes part', () => {
    expect(pages(1, 2).map(isMyTurn)).toEqual([false, false]);
  });
});

const alone = pages(1).map(({ sharedModel }) => ({ collaborative: false, sharedModel }));

it.each([null, undefined, {}, ...alone, { collaborative: true, sharedModel: {} }])(
  'a page that shares with nobody writes: %j',
  (model) => {
    expect(isShared(model)).toBe(false);
    expect(isMyTurn(model)).toBe(true);
  },
);
