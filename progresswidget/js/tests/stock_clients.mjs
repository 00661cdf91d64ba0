// Uploads a file with a stock client, unchanged, and prints what became of it. Run by pytest:
//   node stock_clients.mjs tus-js-client|uppy '{"endpoint", "token", "path", …}'

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { argv, stdout } from 'node:process';

import Uppy from '@uppy/core';
import UppyTus from '@uppy/tus';
import * as tus from 'tus-js-client';

const [client, settings] = [argv[2], JSON.parse(argv[3])];
const content = readFileSync(settings.path);
const name = basename(settings.path);
const shared = {
  endpoint: settings.endpoint,
  headers: { Authorization: `token ${settings.token}` },
  retryDelays: Array(50).fill(20),
  chunkSize: settings.chunkSize ?? Number.POSITIVE_INFINITY,
  ...settings.options,
};

function withTus() {
  return new Promise((resolve, reject) => {
    const upload = new tus.Upload(content, {
      ...shared,
      metadata: { filename: name, filetype: 'application/octet-stream' },
      urlStorage: new tus.FileUrlStorage(settings.storage),
      fingerprint: async () => name,
      onError: reject,
      onSuccess: () => resolve(upload.url),
      onProgress: () => stdout.write('.'),
    });
    upload.findPreviousUploads().then((previous) => {
      if (previous.length > 0) {
        upload.resumeFromPreviousUpload(previous[0]);
      }
      upload.start();
    });
  });
}

async function withUppy() {
  const uppy = new Uppy({ autoProceed: false });
  uppy.use(UppyTus, { ...shared, allowedMetaFields: true, limit: 2 });
  // The Node build of tus-js-client takes buffers, and Uppy asks its data for a size.
  uppy.addFile({ name, data: Object.assign(content, { size: content.length }), source: 'test' });
  const { failed, successful } = await uppy.upload();
  if (failed.length > 0) {
    throw failed[0].error;
  }
  return successful[0].uploadURL;
}

const url = await (client === 'uppy' ? withUppy() : withTus());
stdout.write(`\n${JSON.stringify({ url })}\n`);
