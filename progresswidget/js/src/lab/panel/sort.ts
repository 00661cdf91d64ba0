/** The button of the panel that sorts it, with a menu of its orders. */

import { MenuSvg, ToolbarButton } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import type { LabWords } from '../../i18n/lab';
import type { Order } from '../../jobs/query';
import { sortIcon } from '../icon';

const ORDERS: readonly Order[] = ['newest', 'name', 'size', 'state'];

/** What has an order, and takes another from a person. */
export interface Sorted {
  readonly order: Order;
  sortBy(order: Order): void;
}

export class SortButton extends ToolbarButton {
  constructor(sorted: Sorted, words: LabWords) {
    const commands = new CommandRegistry();
    const menu = new MenuSvg({ commands });
    super({
      icon: sortIcon,
      tooltip: words.sort,
      onClick: () => {
        const { left, bottom } = this.node.getBoundingClientRect();
        menu.open(left, bottom);
      },
    });
    for (const order of ORDERS) {
      commands.addCommand(order, {
        label: words.order[order],
        isToggleable: true,
        isToggled: () => sorted.order === order,
        execute: () => sorted.sortBy(order),
      });
      menu.addItem({ command: order });
    }
    this.disposed.connect(() => menu.dispose());
  }
}
