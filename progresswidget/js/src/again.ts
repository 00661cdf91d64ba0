/**
 * The anywidget of every job but the first one of a kernel: the code is that of the first, which a
 * page has already. Sent with each of them it would be more than most exports. A page that does not
 * know the models of other cells asks the kernel.
 */

import type { AnyModel } from '@anywidget/types';
import type widget from './widget';

interface Context {
  model: AnyModel;
  signal?: AbortSignal;
}

type Code = Promise<typeof widget>;

/** Milliseconds between two looks for a model, and how many there are. */
const PAUSE = 100;
const LOOKS = 50;

/** Milliseconds after which a kernel that was asked will not answer any more. */
const PATIENCE = 30_000;

/** By the model that they came with; each widget is a module of its own, and the page is shared. */
const KEY = Symbol.for('progresswidget.code');

function codeOf(model: AnyModel): Code {
  const page = globalThis as { [KEY]?: Map<string, Code> };
  page[KEY] ??= new Map();
  const codes = page[KEY];
  const id: string = model.get('code_of');
  let code = codes.get(id);
  if (!code) {
    code = load(model, id);
    codes.set(id, code);
    code.catch(() => codes.delete(id));
  }
  return code;
}

/** After a reload a page makes its models in any order. */
async function find(model: AnyModel, id: string, looks = LOOKS): Promise<AnyModel> {
  try {
    return (await model.widget_manager.get_model(id)) as AnyModel;
  } catch (error) {
    if (looks <= 1) throw error;
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    return await find(model, id, looks - 1);
  }
}

/** What the kernel answers; nobody is there to do so in a notebook that was only opened. */
function ask(model: AnyModel): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => settle(new Error('The kernel has not sent the code.')), PATIENCE);
    const told = (content: { code?: string }): void => {
      if (content.code !== undefined) settle(content.code);
    };
    function settle(answer: string | Error): void {
      clearTimeout(late);
      model.off('msg:custom', told);
      if (answer instanceof Error) reject(answer);
      else resolve(answer);
    }
    model.on('msg:custom', told);
    model.send({ ask: 'code' });
  });
}

async function load(model: AnyModel, id: string): Code {
  const source: string = await find(model, id).then(
    (first) => first.get('_esm'),
    () => ask(model),
  );
  // As anywidget itself does with the code of a widget.
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  try {
    const { default: code } = await import(/* @vite-ignore */ url);
    return code;
  } finally {
    URL.revokeObjectURL(url);
  }
}

type Done = Promise<(() => void) | undefined>;

async function initialize(context: Context): Done {
  const code = await codeOf(context.model);
  return context.signal?.aborted ? undefined : code.initialize(context);
}

async function render(context: Context & { el: HTMLElement }): Done {
  const code = await codeOf(context.model);
  return context.signal?.aborted ? undefined : code.render(context);
}

export default { initialize, render };
