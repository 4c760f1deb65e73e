import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import test from 'node:test';
import { isLoopbackAddress, isLoopbackHost } from '../../../src/model/loopback.ts';

test('loopback addresses are those of this machine, however an address family writes them', () => {
  for (const address of [
    '127.0.0.1',
    '127.255.255.254',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
  ]) {
    assert.equal(isLoopbackAddress(address), true, address);
    assert.equal(isLoopbackHost(address), true, address);
  }
  for (const address of [
    '',
    '10.0.0.1',
    '0.0.0.0',
    '::',
    '128.0.0.1',
    '::2',
    '::ffff:10.0.0.1',
    '127.0.0.1.evil.example',
    '127.1',
    '127.0.0.1 ',
    'localhost',
  ]) {
    assert.equal(isLoopbackAddress(address), false, address);
  }
});

test('of names only localhost is this machine', () => {
  for (const host of ['localhost', 'LOCALHOST', '[::1]']) assert.equal(isLoopbackHost(host), true, host);
  for (const host of ['evil.localhost', 'localhost.evil.example', 'localhost.', '[::2]', '[127.0.0.1', '']) {
    assert.equal(isLoopbackHost(host), false, host);
  }
});

test('no other file judges loopback by itself', () => {
  const src = resolve(import.meta.dirname, '../../../src');
  for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts') || entry.name === 'loopback.ts') continue;
    const text = readFileSync(join(entry.parentPath, entry.name), 'utf8');
    assert.doesNotMatch(text, /\^127|startsWith\('127|=== '::1'/, join(entry.parentPath, entry.name));
  }
});
