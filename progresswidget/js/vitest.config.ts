import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { viteInlineWorker } from './scripts/inline-worker.mjs';

// The logic runs in Node; what touches the DOM runs in a real Chromium, and in nothing less.
// An own one first, then the usual names; with neither, Playwright looks for the one it installed.
const chromium =
  process.env.PROGRESSWIDGET_CHROMIUM ??
  ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome']
    .flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, name)))
    .find((path) => existsSync(path));

/** Milliseconds: everything else may be tested on the same two cores. */
const TIMEOUT = 30_000;

export default defineConfig({
  test: {
    projects: [
      {
        plugins: [viteInlineWorker],
        test: {
          name: 'logic',
          testTimeout: TIMEOUT,
          environment: 'node',
          include: ['tests/*.test.ts'],
          exclude: ['tests/*.dom.test.ts'],
        },
      },
      {
        plugins: [viteInlineWorker],
        // Known beforehand, or Vite finds them in the middle of a test and reloads the page.
        optimizeDeps: {
          include: [
            '@jupyterlab/application',
            '@jupyterlab/apputils',
            '@jupyterlab/coreutils',
            '@jupyterlab/filebrowser',
            '@jupyterlab/notebook',
            '@jupyterlab/outputarea',
            '@jupyterlab/rendermime',
            '@jupyterlab/running',
            '@jupyterlab/services',
            '@jupyterlab/settingregistry',
            '@jupyterlab/statusbar',
            '@jupyterlab/translation',
            '@jupyterlab/ui-components',
            '@lumino/commands',
            '@lumino/coreutils',
            '@lumino/signaling',
            '@lumino/widgets',
            'axe-core',
          ],
        },
        test: {
          name: 'dom',
          testTimeout: TIMEOUT,
          globalSetup: 'tests/http_server.ts',
          include: ['tests/*.dom.test.ts'],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            instances: [{ browser: 'chromium' }],
            provider: playwright({
              launchOptions: {
                ...(chromium ? { executablePath: chromium } : {}),
                // --no-sandbox: containers run tests as root.
                args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
              },
            }),
          },
        },
      },
    ],
  },
});
