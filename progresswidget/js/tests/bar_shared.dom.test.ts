import { beforeEach, describe, expect, it } from 'vitest';
import { Announcer } from '../src/view/announcer';
import { button } from '../src/view/dom';
import { STATE_ICONS } from '../src/view/icons';
import { StateMark } from '../src/view/state_mark';
import { Track } from '../src/view/track';

describe('the groove of a bar', () => {
  let track: Track;
  const said = (name: string) => track.element.getAttribute(name);

  beforeEach(() => {
    track = new Track();
  });

  it('says how far it is, and never more than that', () => {
    track.update('Export of a', 'Writing, 42%', 42.29, true);
    expect(track.element.role).toBe('progressbar');
    expect([said('aria-valuemin'), said('aria-valuenow'), said('aria-valuemax')]).toEqual([
      '0',
      '42.2',
      '100',
    ]);
    expect([said('aria-label'), said('aria-valuetext')]).toEqual(['Export of a', 'Writing, 42%']);
    expect(said('data-indeterminate')).toBe('false');
  });

  it('has no value where nobody knows how much there is, and moves if something goes on', () => {
    track.update('a', 'b', 10);
    track.update('a', 'b', null, true);
    expect(said('aria-valuenow')).toBeNull();
    expect(said('data-indeterminate')).toBe('true');
    track.update('a', 'b', null);
    expect(said('data-indeterminate')).toBe('false');
  });
});

describe('the icon of a state', () => {
  it('is drawn anew only where the state is another one', () => {
    const mark = new StateMark();
    mark.show('running');
    const drawn = mark.element.firstElementChild;
    expect(drawn).not.toBeNull();
    mark.show('running');
    expect(mark.element.firstElementChild).toBe(drawn);
    mark.show('done');
    expect(mark.element.firstElementChild?.querySelector('path')?.getAttribute('d')).toBe(
      /d="([^"]*)"/.exec(STATE_ICONS.done)?.[1],
    );
    expect(mark.element.ariaHidden).toBe('true');
  });
});

describe('what a screen reader is told', () => {
  it('is what has changed, and neither what was there at first nor what is no news', () => {
    const announcer = new Announcer();
    const heard: string[] = [];
    for (const text of ['Running', 'Running', 'Paused', '', 'Done']) {
      announcer.say('');
      announcer.update('a.csv', text);
      heard.push(announcer.element.textContent ?? '');
    }
    expect(heard).toEqual(['', '', 'a.csv: Paused', '', 'a.csv: Done']);
    expect([announcer.element.role, announcer.element.ariaLive]).toEqual(['status', 'polite']);
  });
});

it('makes buttons that send no form', () => {
  const made = button('pw-button', '<b>x</b>');
  expect([made.type, made.className, made.innerHTML]).toEqual(['button', 'pw-button', '<b>x</b>']);
});
