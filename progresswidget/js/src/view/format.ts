/** Numbers for people: the locale decides the digits, the caller's table the words. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** 336776 as `336,776`. */
export function formatCount(value: number, locale: string): string {
  return integer(locale).format(Math.round(value));
}

/** A count or a measure: whole from a hundred on, three digits below it. */
export function formatAmount(value: number, locale: string): string {
  return Math.abs(value) >= 100 ? formatCount(value, locale) : threeDigits(locale).format(value);
}

/** Percent, cut and never rounded up: 100 % is said when it is true. */
export function formatPercent(value: number, locale: string): string {
  return percent(locale).format(Math.floor(value) / 100);
}

/** Between two facts: a line may break before it and not behind it. */
export const BETWEEN = ' ·\u00a0';

const WITHIN_FIRST = /(?<!^\d[^ ]*(?= [^ ]+ [^ ]+$)) /g;
const WITHIN = /(?<!^\d[^ ]*\u00a0[^ ]*(?= [^ ]+ [^ ]+$)) /g;

/**
 * Facts for one line: where it has no room for one that goes as a whole, and of "3 MB of 5 MB" the
 * rest; but not of "3 of 5 rows", whose first number alone says nothing, and neither that of "3 of 5"
 * behind other facts.
 */
export function inOneLine(facts: readonly string[]): string {
  return facts
    .map((fact, index) => fact.replace(index === 0 ? WITHIN_FIRST : WITHIN, '\u00a0'))
    .join(BETWEEN);
}

/** Bytes in decimal units (IEC 80000-13), as file managers show them: 33.1 MB. */
export function formatBytes(value: number, locale: string): string {
  let scaled = value;
  let unit = 0;
  // 999,950 bytes would be rounded to "1,000.0 kB".
  while (unit < UNITS.length - 1 && (unit === 0 ? scaled >= 1000 : scaled >= 999.95)) {
    scaled /= 1000;
    unit += 1;
  }
  const digits = unit === 0 ? integer(locale) : tenths(locale);
  return `${digits.format(scaled)}\u00a0${UNITS[unit]}`;
}

/** Seconds as a clock shows them: 0.4 s, 12 s, 3:05, 1:02:45; in Chinese 12秒. */
export function formatDuration(seconds: number, locale: string): string {
  // Some time has passed: nothing takes none.
  if (seconds > 0 && seconds < 0.05) return `<\u00a0${inSeconds(0.1, locale, 1)}`;
  if (seconds < 9.95) return inSeconds(seconds, locale, 1);
  const whole = Math.round(seconds);
  if (whole < 60) return inSeconds(whole, locale, 0);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const clock = clockOf(locale, hours > 0);
  if (clock) return clock.format({ hours, minutes, seconds: whole % 60 });
  const two = (value: number) => String(value).padStart(2, '0');
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(whole % 60)}`
    : `${minutes}:${two(whole % 60)}`;
}

/** What is left, in steps that a person can believe: whole seconds, then fives. */
export function formatEta(seconds: number, locale: string): string {
  const step = seconds < 20 ? 1 : 5;
  const left = Math.max(1, Math.ceil(seconds / step) * step);
  return left < 10 ? inSeconds(left, locale, 0) : formatDuration(left, locale);
}

/** English has the sign of the unit (SI brochure, 9), other languages their own word. */
function inSeconds(seconds: number, locale: string, digits: 0 | 1): string {
  if (/^en\b/.test(locale)) {
    const number = digits === 1 ? tenths(locale) : integer(locale);
    return `${number.format(seconds)}\u00a0s`;
  }
  return cached(`seconds ${digits}`, locale, {
    style: 'unit',
    unit: 'second',
    unitDisplay: 'short',
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(seconds);
}

interface Clock {
  format(duration: { hours: number; minutes: number; seconds: number }): string;
}
type ClockMaker = new (locale: string, options: Readonly<Record<string, string>>) => Clock;

const clocks = new Map<string, Clock | null>();

/** The browser's own clock of durations (ECMA-402, since 2025); null in older ones. */
function clockOf(locale: string, withHours: boolean): Clock | null {
  const key = `${withHours} ${locale}`;
  let clock = clocks.get(key);
  if (clock === undefined) {
    const { DurationFormat } = Intl as { DurationFormat?: ClockMaker };
    const hours = withHours ? { hours: 'numeric', minutes: '2-digit' } : { minutes: 'numeric' };
    clock = DurationFormat ? new DurationFormat(locale, { ...hours, seconds: '2-digit' }) : null;
    clocks.set(key, clock);
  }
  return clock;
}

/** The first digits of a digest: enough to compare by eye. */
export function shortDigest(sha256: string): string {
  return sha256.slice(0, 12);
}

const formats = new Map<string, Intl.NumberFormat>();

// A formatter costs about 50 µs to build, and twenty updates a second ask for it.
function cached(key: string, locale: string, options: Intl.NumberFormatOptions) {
  const name = `${key} ${locale}`;
  let format = formats.get(name);
  if (!format) {
    format = new Intl.NumberFormat(locale, options);
    formats.set(name, format);
  }
  return format;
}

function integer(locale: string): Intl.NumberFormat {
  return cached('integer', locale, { maximumFractionDigits: 0 });
}

function threeDigits(locale: string): Intl.NumberFormat {
  return cached('three digits', locale, { maximumSignificantDigits: 3 });
}

function tenths(locale: string): Intl.NumberFormat {
  return cached('tenths', locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

function percent(locale: string): Intl.NumberFormat {
  return cached('percent', locale, { style: 'percent', maximumFractionDigits: 0 });
}

const SPANS = [
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const;

/** "1 hour", in the language of the page. */
export function formatSpan(seconds: number, locale: string): string {
  const [unit, size] = SPANS.find(([, length]) => seconds >= length) ?? ['second', 1];
  const format = { style: 'unit', unit, unitDisplay: 'long', maximumFractionDigits: 1 } as const;
  return new Intl.NumberFormat(locale, format).format(seconds / size);
}

const moments = new Map<string, Intl.DateTimeFormat>();

/** A moment as the person's own clock has it; by default day and minute. */
export function formatMoment(
  milliseconds: number,
  locale: string,
  format: Intl.DateTimeFormatOptions = { dateStyle: 'medium', timeStyle: 'short' },
): string {
  const name = `${format.dateStyle} ${format.timeStyle} ${locale}`;
  // As of numbers, and dearer still: a list of many has one in each row.
  let known = moments.get(name);
  if (!known) {
    known = new Intl.DateTimeFormat(locale, format);
    moments.set(name, known);
  }
  return known.format(milliseconds);
}

/**
 * Day, second and zone, as the person's own clock has them: what happened can be found in a log.
 *
 * @param timeZone An IANA name; by default the person's own.
 */
export function formatExactly(milliseconds: number, locale: string, timeZone?: string): string {
  const format = {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
    ...(timeZone === undefined ? {} : { timeZone }),
  } as const;
  return new Intl.DateTimeFormat(locale, format).format(milliseconds);
}
