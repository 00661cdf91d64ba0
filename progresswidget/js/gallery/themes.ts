/** What JupyterLab's themes say of the colours that the bar asks for (JupyterLab 4.6). */

export interface Theme {
  readonly name: string;
  readonly light: boolean;
  readonly variables: Readonly<Record<string, string>>;
}

export const THEMES: readonly Theme[] = [
  {
    name: 'JupyterLab Light',
    light: true,
    variables: {
      '--jp-ui-font-color1': 'rgba(0, 0, 0, 0.87)',
      '--jp-ui-font-color2': 'rgba(0, 0, 0, 0.54)',
      '--jp-layout-color1': 'white',
      '--jp-layout-color2': '#eee',
      '--jp-border-color2': '#e0e0e0',
      '--jp-brand-color1': '#1976d2',
      '--jp-success-color1': '#388e3c',
      '--jp-error-color1': '#d32f2f',
    },
  },
  {
    name: 'JupyterLab Dark',
    light: false,
    variables: {
      '--jp-ui-font-color1': 'rgba(255,255,255,.87)',
      '--jp-ui-font-color2': 'rgba(255,255,255,.54)',
      '--jp-layout-color1': '#212121',
      '--jp-layout-color2': '#424242',
      '--jp-border-color2': '#424242',
      '--jp-brand-color1': '#2196f3',
      '--jp-success-color1': '#4caf50',
      '--jp-error-color1': '#f44336',
    },
  },
  {
    name: 'JupyterLab Dark High Contrast',
    light: false,
    variables: {
      '--jp-ui-font-color1': '#fff',
      '--jp-ui-font-color2': '#fff',
      '--jp-layout-color1': '#111',
      '--jp-layout-color2': '#424242',
      '--jp-border-color2': 'var(--md-grey-300)',
      '--jp-brand-color1': '#319bf2',
      '--jp-success-color1': 'var(--md-green-500)',
      '--jp-error-color1': 'var(--md-red-500)',
    },
  },
];

/** Give a page a theme as JupyterLab does. */
export function wear({ light, variables }: Theme): void {
  document.body.dataset.jpThemeLight = String(light);
  for (const [name, value] of Object.entries(variables)) {
    document.documentElement.style.setProperty(name, value);
  }
}
