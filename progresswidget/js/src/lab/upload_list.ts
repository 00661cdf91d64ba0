/** The uploads as a compact list below the path of a file browser; without any it takes no room. */

import { Panel, Widget } from '@lumino/widgets';
import type { Messages } from '../i18n';
import { adoptStyle } from '../stylesheet';
import { TransferView } from '../transfer_view';
import type { Upload, Uploads } from '../upload/uploads';

export class UploadList extends Widget {
  readonly #messages: Messages;
  readonly #living = new AbortController();
  readonly #rows = new Map<Upload, { view: TransferView; end: AbortController }>();

  constructor(uploads: Uploads, messages: Messages) {
    super();
    this.#messages = messages;
    this.addClass('pw-transfers');
    this.node.role = 'region';
    this.node.ariaLabel = messages.upload.list;
    this.hide();
    uploads.follow(() => this.#show(uploads.all), this.#living.signal);
  }

  override dispose(): void {
    this.#living.abort();
    for (const row of this.#rows.values()) row.view.dispose();
    super.dispose();
  }

  protected override onAfterAttach(): void {
    adoptStyle(this.node);
  }

  #show(uploads: readonly Upload[]): void {
    for (const [upload, { view, end }] of this.#rows) {
      if (uploads.includes(upload)) continue;
      end.abort();
      view.dispose();
      this.#rows.delete(upload);
    }
    for (const upload of uploads) if (!this.#rows.has(upload)) this.#addRow(upload);
    this.setHidden(this.#rows.size === 0);
  }

  #addRow(upload: Upload): void {
    const end = new AbortController();
    const { pause, resume, cancel, dismiss, again } = upload;
    const view = new TransferView({
      name: upload.name,
      direction: 'upload',
      messages: this.#messages,
      handlers: {
        pause: () => void pause(),
        resume: () => void resume(),
        cancel: () => void cancel(),
        dismiss: () => void dismiss(),
        again: () => void again(),
      },
    });
    this.#rows.set(upload, { view, end });
    this.node.append(view.element);
    upload.follow(
      (state) => view.update(state),
      AbortSignal.any([end.signal, this.#living.signal]),
    );
  }
}

/** Put a list below the path of a file browser, wherever this version of JupyterLab has it. */
export function placeBelowPath(browser: Widget, list: Widget): boolean {
  for (const panel of descendants(browser)) {
    if (!(panel instanceof Panel)) continue;
    const crumbs = panel.widgets.findIndex((child) => child.hasClass('jp-FileBrowser-crumbs'));
    if (crumbs < 0) continue;
    panel.insertWidget(crumbs + 1, list);
    return true;
  }
  return false;
}

function* descendants(widget: Widget): Iterable<Widget> {
  yield widget;
  for (const child of widget.children()) yield* descendants(child);
}
